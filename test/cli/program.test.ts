import { describe, expect, test } from "vitest"
import { comity } from "../support/command-line.ts"

describe("global options", () => {
  test("--json is understood before, inside and behind the subcommand", async () => {
    for (const args of [
      ["--json", "profile", "list"],
      ["profile", "--json", "list"],
      ["profile", "list", "--json"],
      ["--home", "/nowhere", "profile", "list", "--json"],
      ["profile", "list", "--home=/nowhere", "--json"],
    ]) {
      const { exit, stdout } = await comity(args)
      expect(exit, args.join(" ")).toBe(0)
      expect(JSON.parse(stdout).profiles.length).toBeGreaterThan(0)
    }
  })

  test("--version and help are answers, not errors", async () => {
    expect(await comity(["--version"])).toEqual({ exit: 0, stdout: "1.2.3\n", stderr: "" })
    for (const args of [["--help"], ["help"], ["profile", "--help"], ["help", "conform"]]) {
      const { exit, stdout, stderr } = await comity(args)
      expect([exit, stderr], args.join(" ")).toEqual([0, ""])
      expect(stdout).toContain("comity")
    }
  })
})

describe("a command that was given wrongly", () => {
  test.each([
    [["nope"]],
    [["profile", "nope"]],
    [["profile", "list", "--nope"]],
    [["profile", "list", "extra"]],
    [["--home"]],
    [["profile"]],
    [[]],
  ])("%j is a usage error in words", async (args) => {
    const { exit, stdout, stderr } = await comity(args)
    expect([exit, stdout]).toEqual([2, ""])
    expect(stderr).not.toBe("")
    expect(stderr).not.toContain("    at ")
  })

  test.each([
    [["nope", "--json"]],
    [["--json"]],
    [["profile", "--json"]],
    [["--json", "profile", "list", "--nope"]],
  ])("%j is one JSON document on stderr", async (args) => {
    const { exit, stdout, stderr } = await comity(args)
    expect([exit, stdout]).toEqual([2, ""])
    expect(JSON.parse(stderr).error.code).toBe("usage.invalid")
  })

  test("a name mistyped is answered with the one that was meant", async () => {
    expect((await comity(["profil", "list"])).stderr).toContain("profile")
  })
})
