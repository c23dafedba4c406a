import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { Writable } from "node:stream"
import { describe, expect, test } from "vitest"
import { databaseName } from "../../node/files.ts"
import { pinoLog } from "../../node/pino-log.ts"
import { realClock, realEnv, realRandom } from "../../node/real-env.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { scratch } from "../support/scratch.ts"

describe("randomness", () => {
  test("no two draws share bytes, within a batch, across batches and beyond one", () => {
    const drawn = new Set<string>()
    for (let i = 0; i < 1000; i++) drawn.add(encodeHex(realRandom(32)))
    for (let i = 0; i < 4; i++) drawn.add(encodeHex(realRandom(5000)))
    expect(drawn.size).toBe(1004)
  })

  test("no long run of zeros: a draw never meets the part of the batch that was wiped", () => {
    for (let i = 0; i < 2000; i++) {
      const bytes = realRandom(1 + ((i * 37) % 4096))
      expect(encodeHex(bytes)).not.toMatch(/^(?:00){16}|(?:00){16}$/)
    }
  })

  test("a draw is the caller's own to wipe", () => {
    const first = realRandom(16)
    const second = realRandom(16)
    expect(first.buffer).not.toBe(second.buffer)
    expect(realRandom(0)).toHaveLength(0)
  })
})

describe("sleep", () => {
  test("an abort ends it at once, also one that came before", async () => {
    const controller = new AbortController()
    const slept = realClock.sleep(2 ** 40, controller.signal)
    controller.abort()
    await slept
    await realClock.sleep(2 ** 40, controller.signal)
  })

  test("it lasts as long as it was asked for", async () => {
    const start = realClock.monotonic()
    await realClock.sleep(20)
    expect(realClock.monotonic() - start).toBeGreaterThanOrEqual(20)
  })

  test("of no time at all it lets what has been written go out, and what has come be read", async () => {
    const happened: string[] = []
    const { port1, port2 } = new MessageChannel()
    port2.onmessage = () => happened.push("read")
    port1.postMessage(null)
    process.nextTick(() => happened.push("written"))
    for (let i = 0; i < 10; i++) await realClock.sleep(0)
    port2.close()
    expect(happened).toEqual(["written", "read"])
  })

  test("longer than a timer of Node can wait does not mean at once", async () => {
    const controller = new AbortController()
    const long = realClock.sleep(2 ** 32, controller.signal).then(() => "long")
    expect(await Promise.race([long, realClock.sleep(20).then(() => "short")])).toBe("short")
    controller.abort()
    await long
  })
})

test("the database lies in the home, for its owner only, and closes with the environment", () => {
  const home = join(scratch(), "state", "comity")
  const env = realEnv({ home })
  const database = env.openDatabase(new Uint8Array(32).fill(7))
  database.exec("CREATE TABLE t (a)")
  expect(statSync(home).mode & 0o777).toBe(0o700)
  for (const suffix of ["", "-wal"])
    expect(statSync(join(home, databaseName + suffix)).mode & 0o777).toBe(0o600)
  env.close()
  expect(database.open).toBe(false)
  // The last connection checkpoints: what is left is one file.
  expect(existsSync(join(home, `${databaseName}-wal`))).toBe(false)
})

test("the journal has a time and a level, and no field can pass for them", () => {
  const lines: string[] = []
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    },
  })
  pinoLog(stream).warn("delivery.refused", { level: "info", event: "forged", size: 3 })
  const line = JSON.parse(lines.join(""))
  expect(line).toMatchObject({
    level: "warn",
    event: "delivery.refused",
    fields: { level: "info", event: "forged", size: 3 },
  })
  expect(Object.keys(line).sort()).toEqual(["event", "fields", "level", "time"])
})
