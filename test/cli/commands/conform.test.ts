import { Readable } from "node:stream"
import { describe, expect, test } from "vitest"
import { splitLines } from "../../../cli/conform/lines.ts"
import { ops } from "../../../cli/conform/ops.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import { comity } from "../../support/command-line.ts"

async function conform(stdin: string | Uint8Array | Readable) {
  const { exit, stdout, stderr } = await comity(["conform"], { stdin })
  expect([exit, stderr]).toEqual([0, ""])
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

const jcs = { op: "jcs", json: '{"b":1,"a":2}' }
const malformed = { id: null, ok: false, code: "op.malformed" }

describe("comity conform", () => {
  test("every line has its answer, in order, whatever is in it", async () => {
    const lines = [
      JSON.stringify({ id: 1, ...jcs }),
      "garbage",
      "",
      "null",
      "[]",
      "{",
      "\0\x1b[2J",
      `{"id":"\u2028","op":"jcs","json":"1"}`,
      `{"id":2,"op":"nope"}`,
      `{"id":3}`,
      `{"id":4,"op":["jcs"]}`,
      `{"id":5,"op":"jcs"}`,
      `{"op":"jcs","json":"1"}\r`,
      "[".repeat(100_000),
      JSON.stringify({ id: "last", ...jcs }),
    ]
    const result = '{"a":2,"b":1}'
    expect(await conform(`${lines.join("\n")}\n`)).toEqual([
      { id: 1, ok: true, result },
      ...Array.from({ length: 6 }, () => malformed),
      { id: "\u2028", ok: true, result: "1" },
      { id: 2, ok: false, code: "op.unknown" },
      { id: 3, ok: false, code: "op.malformed" },
      { id: 4, ok: false, code: "op.malformed" },
      { id: 5, ok: false, code: "op.malformed" },
      { id: null, ok: true, result: "1" },
      malformed,
      { id: "last", ok: true, result },
    ])
  })

  test("an id of any kind comes back as it was", async () => {
    const ids = [0, -1.5, "x", "", true, false, null, [1, [2]], { a: { b: "c" } }]
    const lines = ids.map((id) => JSON.stringify({ id, ...jcs }))
    expect((await conform(lines.join("\n"))).map(({ id }) => id)).toEqual(ids)
  })

  test("no name from a prototype is an operation", async () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty"]
    const answers = await conform(names.map((op) => JSON.stringify({ id: op, op })).join("\n"))
    expect(answers).toEqual(names.map((id) => ({ id, ok: false, code: "op.unknown" })))
  })

  test("bytes that are no UTF-8 are answered too", async () => {
    const line = utf8(`{"id":1,"op":"jcs","json":"x"}\n`)
    line[25] = 0xff
    expect(await conform(line)).toEqual([malformed])
  })

  test("each operation refuses a line without its fields by a code, and throws nothing out", async () => {
    const lines = [...ops.keys()].map((op) => JSON.stringify({ id: op, op }))
    const answers = await conform(lines.join("\n"))
    expect(answers.map(({ id, ok, code }) => [id, ok, code])).toEqual(
      [...ops.keys()].map((op) => [op, false, "op.malformed"]),
    )
  })

  test("an answer does not wait for the end of the input", async () => {
    let answered = 0
    const asking = async function* () {
      yield utf8(
        `${JSON.stringify({ id: 1, ...jcs })}\n${JSON.stringify({ id: 2, ...jcs })}\n{"id"`,
      )
      answered = 2
      yield utf8(`:3,"op":"nope"}`)
    }
    const answers = await conform(Readable.from(asking()))
    expect(answered).toBe(2)
    expect(answers.map(({ id }) => id)).toEqual([1, 2, 3])
  })
})

describe("lines", () => {
  async function split(chunks: readonly string[], maxBytes = 1000) {
    const lines: (string | null)[] = []
    for await (const line of splitLines(Readable.from(chunks.map(utf8)), maxBytes))
      lines.push(line === null ? null : Buffer.from(line).toString())
    return lines
  }

  test("end at line feeds only, wherever the chunks end", async () => {
    const text = "one\n\ntwo\u2028still two\rtwo\nlast"
    const lines = ["one", "", "two\u2028still two\rtwo", "last"]
    expect(await split([text])).toEqual(lines)
    expect(await split([...text])).toEqual(lines)
    expect(await split([`${text}\n`])).toEqual(lines)
    expect(await split([])).toEqual([])
  })

  test("a line without end does not fill the memory, and the next one is read", async () => {
    expect(await split(["x".repeat(8), "x".repeat(8), "x\n", "next"], 10)).toEqual([null, "next"])
    expect(await split(["x".repeat(10), "\n"], 10)).toEqual(["x".repeat(10)])
  })
})
