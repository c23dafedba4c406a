import { PassThrough } from "node:stream"
import { expect, test } from "vitest"
import { confirm, promptNewSecret, promptSecret, type Terminal } from "../../cli/prompt.ts"
import { failure } from "../support/scratch.ts"

class Keyboard extends PassThrough {
  isRaw = false
  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw
    return this
  }
}

function terminal() {
  const input = new Keyboard()
  const output = new PassThrough()
  let shown = ""
  output.on("data", (chunk) => {
    shown += chunk
  })
  return { terminal: { input, output } satisfies Terminal, shown: () => shown }
}

test("a passphrase is read without echo, and the terminal is left as it was", async () => {
  const { terminal: at, shown } = terminal()
  const typed = promptSecret("Passphrase: ", at)
  expect(at.input.isRaw).toBe(true)
  at.input.write("correct horse\r")
  expect(await typed).toBe("correct horse")
  expect(at.input.isRaw).toBe(false)
  expect(shown()).toBe("Passphrase: \n")
})

test("keys that correct it work on whole characters", async () => {
  for (const [keys, passphrase] of [
    ["cafés\x7f\r", "café"],
    ["👍👍\x7f\r", "👍"],
    ["wrong\x15right\n", "right"],
    ["\x7f\x7fx\r", "x"],
    ["ended\x04", "ended"],
  ] as const) {
    const { terminal: at } = terminal()
    const typed = promptSecret("", at)
    for (const byte of Buffer.from(keys)) at.input.write(Buffer.from([byte]))
    expect(await typed, keys).toBe(passphrase)
  }
})

test("an interrupt ends it", async () => {
  const { terminal: at } = terminal()
  const typed = promptSecret("", at)
  at.input.write("half\x03")
  await expect(typed).rejects.toThrow(failure("usage.interrupted"))
  expect(at.input.isRaw).toBe(false)
})

test("a chosen passphrase is asked twice, and a slip is noticed", async () => {
  const same = terminal().terminal
  const chosen = promptNewSecret("", same)
  same.input.write("one\rone\r")
  expect(await chosen).toBe("one")
  const other = terminal().terminal
  const slipped = promptNewSecret("", other)
  other.input.write("one\rtwo\r")
  await expect(slipped).rejects.toThrow(failure("usage.invalid"))
})

test("only a yes is a yes, and a closed terminal is none", async () => {
  for (const [answer, expected] of [
    ["y\n", true],
    ["YES\n", true],
    ["\n", false],
    ["n\n", false],
    ["yesterday\n", false],
  ] as const) {
    const { terminal: at } = terminal()
    const confirmed = confirm("Sign?", at)
    at.input.write(answer)
    expect(await confirmed, answer).toBe(expected)
  }
  const { terminal: at } = terminal()
  const confirmed = confirm("Sign?", at)
  at.input.end()
  expect(await confirmed).toBe(false)
})
