import { describe, expect, test } from "vitest"
import { utf8 } from "../../../protocol/encoding.ts"
import { ippas } from "../../../protocol/profiles/ippas.ts"
import { type Profile, profileDigest } from "../../../protocol/profiles/profile.ts"
import { builtInProfiles, findProfileById } from "../../../protocol/profiles/registry.ts"
import { comity } from "../../support/command-line.ts"

test("the list needs no home, and gives each profile's digest", async () => {
  const { exit, stdout } = await comity(["profile", "list", "--json"])
  expect(exit).toBe(0)
  const { profiles } = JSON.parse(stdout)
  expect(profiles.map(({ id, digest }: Record<string, string>) => [id, digest])).toEqual(
    builtInProfiles.map(({ profile, digest }) => [profile.id, digest]),
  )
  for (const profile of profiles)
    expect(profile).toMatchObject({ title: expect.any(String), kinds: expect.any(Array) })
})

test("in words it is a table", async () => {
  const { stdout } = await comity(["profile", "list"])
  expect(stdout.split("\n")[0]).toMatch(/^PROFILE +TITLE/)
  expect(stdout).toContain("ippas")
})

describe("a profile in a file", () => {
  const ours = (change: Partial<Profile>) => JSON.stringify({ ...ippas, ...change }, null, 2)

  test("show writes its exact bytes, and check gives them the same digest however they are written", async () => {
    const { stdout } = await comity(["profile", "show", "ippas", "-o", "-"])
    expect(profileDigest(utf8(stdout))).toBe(findProfileById("ippas")!.digest)
    const checked = await comity(["profile", "check", "-", "--json"], { stdin: ours({}) })
    expect(JSON.parse(checked.stdout)).toMatchObject({
      id: "ippas",
      digest: findProfileById("ippas")!.digest,
      findings: [],
    })
  })

  test("check names what this version could not enforce", async () => {
    const stdin = ours({ lint: ["mind-reading"] })
    const { exit, stdout } = await comity(["profile", "check", "-", "--json"], { stdin })
    expect(exit).toBe(0)
    expect(JSON.parse(stdout).findings).toEqual(["lint: this version has no rule mind-reading"])
  })

  test("a word outside the vocabulary makes it no profile", async () => {
    const stdin = JSON.stringify({ ...ippas, check: "return true" })
    const { exit, stderr } = await comity(["profile", "check", "-", "--json"], { stdin })
    expect(exit).not.toBe(0)
    expect(JSON.parse(stderr).error.code).toBe("profile.malformed")
  })

  test("diff says what is looser", async () => {
    const stdin = ours({ signoff: ippas.signoff.slice(1), version: 2 })
    const { stdout } = await comity(["profile", "diff", "ippas", "-", "--json"], { stdin })
    expect(JSON.parse(stdout)).toMatchObject({ looser: true })
    const { stdout: words } = await comity(["profile", "diff", "ippas", "-"], { stdin })
    expect(words).toMatch(/^looser +sign-off: drops /m)
  })

  test("show says in words what is asked and allowed", async () => {
    const { stdout } = await comity(["profile", "show", "cns"])
    expect(stdout).toContain("consensus of group")
    expect(stdout).toMatch(/deadline +National report: -P8M of review-meeting; if missed: list/)
  })
})
