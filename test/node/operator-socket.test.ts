import { chmodSync, mkdirSync, statSync, symlinkSync } from "node:fs"
import { userInfo } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { operatorSocket } from "../../node/serve.ts"
import { failure, scratch } from "../support/scratch.ts"

const long = `/homes/${"of-a-long-name/".repeat(10)}`

/** A temporary directory in which anyone may make what we would. */
function temporary() {
  const path = scratch()
  vi.stubEnv("TMPDIR", path)
  vi.stubEnv("XDG_RUNTIME_DIR", undefined)
  onTestFinished(() => void vi.unstubAllEnvs())
  return { path, ours: join(path, `comity-${userInfo().uid}`) }
}

describe.skipIf(process.platform === "win32")("the operator socket", () => {
  test("lies in the home, or under a short name that only its owner can reach", () => {
    const { ours } = temporary()
    expect(operatorSocket("/home/x")).toBe("/home/x/operator.sock")
    const path = operatorSocket(long)
    expect(dirname(path)).toBe(ours)
    expect(path.length).toBeLessThanOrEqual(107)
    expect(statSync(ours).mode & 0o777).toBe(0o700)
    expect(operatorSocket(long)).toBe(path)
    expect(operatorSocket(`${long}x`)).not.toBe(path)
  })

  test("is not put where others can put theirs in its place", () => {
    const { ours } = temporary()
    mkdirSync(ours)
    chmodSync(ours, 0o777)
    expect(() => operatorSocket(long)).toThrow(failure("socket.failed"))
  })

  test("is not put where a link leads", () => {
    const { path, ours } = temporary()
    mkdirSync(join(path, "theirs"), { mode: 0o700 })
    symlinkSync(join(path, "theirs"), ours)
    expect(() => operatorSocket(long)).toThrow(failure("socket.failed"))
  })
})
