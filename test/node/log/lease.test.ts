import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"
import { acquireLease } from "../../../node/log/lease.ts"
import { failure, scratch } from "../../support/scratch.ts"

const leaseModule = fileURLToPath(new URL("../../../node/log/lease.ts", import.meta.url))

/** Another process, which says `held` and then waits for its end. */
async function holdElsewhere(home: string) {
  const script = `
    const { acquireLease } = await import(${JSON.stringify(leaseModule)})
    globalThis.lease = acquireLease(${JSON.stringify(home)})
    process.stdout.write("held")
    setInterval(() => {}, 1000)
  `
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  await once(child.stdout, "data")
  return child
}

test("a second holder in this process is refused, until the first lets go", () => {
  const home = scratch()
  const lease = acquireLease(home)
  expect(() => acquireLease(home)).toThrow(failure("home.in-use"))
  lease.release()
  acquireLease(home).release()
})

test("a lease ends with its block", () => {
  const home = scratch()
  {
    using _lease = acquireLease(home)
    expect(() => acquireLease(home)).toThrow(failure("home.in-use"))
  }
  acquireLease(home).release()
})

test("homes do not hinder one another", () => {
  using _one = acquireLease(scratch())
  using _two = acquireLease(scratch())
})

test("another process keeps the home to itself, is named, and frees it by dying at once", async () => {
  const home = scratch()
  const child = await holdElsewhere(home)
  expect(() => acquireLease(home)).toThrow(
    expect.objectContaining({
      code: "home.in-use",
      message: expect.stringContaining(String(child.pid)),
    }),
  )
  child.kill("SIGKILL")
  await once(child, "exit")
  acquireLease(home).release()
})

test("a refused attempt does not end the holder's lock", async () => {
  const home = scratch()
  const lease = acquireLease(home)
  expect(() => acquireLease(home)).toThrow(failure("home.in-use"))
  const script = `
    const { acquireLease } = await import(${JSON.stringify(leaseModule)})
    try { acquireLease(${JSON.stringify(home)}) } catch (error) { process.stdout.write(error.code) }
  `
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  const [code] = await once(child.stdout, "data")
  expect(String(code)).toBe("home.in-use")
  lease.release()
})
