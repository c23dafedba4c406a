import { execFile } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** A process of its own: a simulation closes the clock and the network of the one it runs in. */
function node(
  args: readonly string[],
): Promise<{ readonly exit: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ exit: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

const simulate = (...args: readonly string[]) => node([here("run.ts"), ...args])

test("a seed has one trace, and nothing breaks in it", async () => {
  const { exit, stdout } = await simulate("--seeds", "3", "--members", "3", "--twice", "--json")
  expect(JSON.parse(stdout)).toEqual({
    seeds: 3,
    events: expect.any(Number),
    nodeDays: expect.any(Number),
    cpuSeconds: expect.any(Number),
    traceHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(exit).toBe(0)
})

test("a planted bug is found, and its story is short", { timeout: 240_000 }, async () => {
  const small = ["--members", "3", "--days", "4", "--attempts", "20"]
  const args = ["--plant", "no-rollback-check", "--from", "30", "--seeds", "70", ...small, "--json"]
  const { exit, stdout } = await simulate(...args)
  expect(exit).toBe(1)
  const { violation } = JSON.parse(stdout)
  expect(violation.invariant).toMatch(/^S1 /)
  expect(violation.story.length).toBeLessThan(40)
})

test("planted bugs are listed, one name a line", async () => {
  const { exit, stdout } = await simulate("--plants")
  expect(exit).toBe(0)
  expect(stdout).toMatch(/^([a-z-]+\n){12,}$/)
})

test("a name that is no bug's is refused", async () => {
  const { exit, stderr } = await simulate("--plant", "none")
  expect(exit).not.toBe(0)
  expect(stderr).toContain("no planted bug")
})

test("the clock, chance, timers and the network of the machine are out of reach", async () => {
  const script = `
    const { setTraps } = await import(${JSON.stringify(here("traps.ts"))})
    const nodeCrypto = await import("node:crypto")
    setTraps()
    const reach = {
      "Date.now": () => Date.now(),
      "new Date": () => new Date(),
      "Math.random": () => Math.random(),
      "setTimeout": () => setTimeout(() => {}, 1),
      "fetch": () => fetch("https://xa.example"),
      "randomFillSync": () => nodeCrypto.randomFillSync(new Uint8Array(1)),
      "getRandomValues": () => crypto.getRandomValues(new Uint8Array(1)),
      "subtle": () => crypto.subtle.digest("SHA-256", new Uint8Array(1)),
      "performance.now": () => performance.now(),
    }
    for (const [name, touch] of Object.entries(reach))
      try {
        touch()
        console.log(name)
      } catch (error) {
        if (error.name !== "WorldTouched") console.log(name, error.name)
      }
    new Date(0)
  `
  const { stdout } = await node(["--input-type=module", "-e", script])
  expect(stdout).toBe("")
})

const kept = here("regressions/")
const regressions = existsSync(kept)
  ? readdirSync(kept).filter((name) => name.endsWith(".json"))
  : []

describe.skipIf(regressions.length === 0)("what once broke holds", () => {
  test.each(regressions)("%s", async (name) => {
    const { exit, stdout } = await simulate("--replay", here(`regressions/${name}`), "--json")
    expect(JSON.parse(stdout)).not.toHaveProperty("violation")
    expect(exit).toBe(0)
  })
})
