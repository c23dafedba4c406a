import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { createOutput, styled } from "../../cli/output.ts"
import { safeBlock, safeJson, safeLine } from "../../cli/safe-text.ts"

function outputOn(
  options: { isJson?: boolean; isTTY?: boolean; environment?: Record<string, string> } = {},
) {
  const { isJson = false, isTTY = false, environment = {} } = options
  const written = { stdout: "", stderr: "" }
  const sink = (name: "stdout" | "stderr") => ({
    isTTY,
    write: (text: string) => {
      written[name] += text
    },
  })
  const streams = { stdout: sink("stdout"), stderr: sink("stderr") }
  return { output: createOutput({ isJson, environment, ...streams }), written }
}

describe("data and words", () => {
  test("without --json, words are on stdout and the document is not", () => {
    const { output, written } = outputOn()
    output.document({ a: 1 })
    output.line("one ", "line")
    output.block("two\nlines\n")
    output.table(["A"], [["1"]])
    output.note("aside")
    expect(written).toEqual({ stdout: "one line\ntwo\nlines\nA\n1\n", stderr: "aside\n" })
  })

  test("with --json, stdout is the document and nothing else", () => {
    const { output, written } = outputOn({ isJson: true })
    output.line("one line")
    output.block("two\nlines")
    output.table(["A"], [["1"]])
    output.document({ a: 1 })
    output.note("aside")
    expect(written).toEqual({ stdout: '{"a":1}\n', stderr: "" })
  })

  test("with --json, what is said to people is said where people look", () => {
    const { output, written } = outputOn({ isJson: true, isTTY: true })
    output.document({ a: 1 })
    output.note("aside")
    expect(written).toEqual({ stdout: '{"a":1}\n', stderr: "aside\n" })
  })

  test("a failure with --json is one document on stderr", () => {
    const { output, written } = outputOn({ isJson: true })
    output.failure("peer.unknown", "No such peer.", "comity peer list")
    expect(JSON.parse(written.stderr)).toEqual({
      error: { code: "peer.unknown", message: "No such peer.", hint: "comity peer list" },
    })
    expect(written.stdout).toBe("")
  })

  test("colour is for terminals, and can be refused", () => {
    const say = (options: Parameters<typeof outputOn>[0]) => {
      const { output, written } = outputOn(options)
      output.line(styled("red", "stop"))
      return written.stdout
    }
    expect(say({ isTTY: true })).toBe("\x1b[31mstop\x1b[39m\n")
    expect(say({ isTTY: false })).toBe("stop\n")
    expect(say({ isTTY: true, environment: { NO_COLOR: "1" } })).toBe("stop\n")
    expect(say({ isTTY: true, environment: { TERM: "dumb" } })).toBe("stop\n")
  })
})

describe("text of a peer on a terminal", () => {
  const hostile = [
    "\x1b[2J\x1b[1;1Hforged",
    "\x9b31mred",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example\x1b\\link",
    "abc\u202edcba",
    "\u2066isolated",
    "back\b\b\bspace",
    "\x7f",
    "\0",
    "\u061cx\u200ex\u200f",
  ]
  // Written out: the test must not share the rule that it tests.
  const acts = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

  test.each(hostile)("%j acts on nothing", (text) => {
    expect(safeLine(text)).not.toMatch(acts)
    expect(safeBlock(text).replaceAll(/[\n\t]/g, "")).not.toMatch(acts)
    const { output, written } = outputOn({ isTTY: true })
    output.line(text)
    output.block(text)
    output.note(text)
    output.table([text], [[text]])
    output.failure("x", text, text)
    output.trace(text)
    const all = written.stdout + written.stderr
    // The one style of ours, around the code.
    expect(all.replace(/\x1b\[2m \(x\)\x1b\[22m/g, "").replaceAll("\n", "")).not.toMatch(acts)
  })

  test("it is shown that something was there", () => {
    expect(safeLine("abc\u202edcba")).toBe("abc<U+202E>dcba")
    expect(safeLine("\x1b[2J")).toBe("<U+001B>[2J")
  })

  test("a line break does not begin a line that we seem to have written", () => {
    const { output, written } = outputOn()
    for (const lineBreak of ["\n", "\r\n", "\r", "\u2028", "\u2029"])
      output.line(`title${lineBreak}VERIFIED`)
    expect(written.stdout).toBe("title VERIFIED\n".repeat(5))
  })

  test("a lone carriage return in a block does not overwrite its line", () => {
    expect(safeBlock("bad\rgood")).not.toContain("\r")
    expect(safeBlock("one\r\ntwo")).toBe("one\ntwo")
  })

  test("text in all scripts is left as it is", () => {
    for (const text of ["Réseau", "تقييم الأقران", "同行评审", "संरक्षा", "👩🏽‍🔬", "नमस्ते"])
      expect(safeLine(text)).toBe(text)
  })

  test("JSON stays the same value", () => {
    for (const text of hostile) {
      const json = safeJson({ text, [text]: [text] })
      expect(JSON.parse(json)).toEqual({ text, [text]: [text] })
      expect(json).not.toMatch(acts)
    }
    const anything = fc.jsonValue()
    fc.assert(
      fc.property(anything, (value) => {
        expect(JSON.parse(safeJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { numRuns: 50 },
    )
  })

  test("whatever it is, a line is one line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(safeLine(text)).not.toMatch(acts)
        expect(safeLine(text).isWellFormed()).toBe(true)
      }),
      { numRuns: 50 },
    )
  })
})
