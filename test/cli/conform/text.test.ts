import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { textOps } from "../../../cli/conform/text.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import { describeVectors, vectorPath } from "../../support/vectors.ts"

describe("text operations", () => {
  test.each<[keyof typeof textOps, Record<string, string>, unknown]>([
    ["name.attachment", { name: "../a.pdf" }, "a.pdf"],
    ["csv.cell", { value: "=1" }, `"'=1"`],
    ["html.render", { markdown: "*a*" }, '<p dir="auto"><em>a</em></p>\n'],
    ["search.query", { query: "a" }, true],
    ["time.parse", { value: "1985-04-12T23:20:50.120+01:00" }, "1985-04-12T22:20:50.120Z"],
    ["lang.parse", { value: "ZH-hans" }, "zh-Hans"],
  ])("%s", (op, input, result) => {
    expect(textOps[op](input)).toBe(result)
  })

  test.each(Object.entries(textOps))("%s without its field is op.malformed", (_name, op) => {
    expect(() => op({})).toThrow(expect.objectContaining({ code: "op.malformed" }))
  })
})

describeVectors("times and languages from outside", () => {
  const lines = (file: string): string[] =>
    readFileSync(vectorPath(`datetime-language/${file}`), "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))

  test.each(lines("datetime_syntax_valid.txt"))("time %s has one form", (value) => {
    const time = textOps["time.parse"]({ value })
    expect(textOps["time.parse"]({ value: time })).toBe(time)
    expect(Date.parse(time)).toBe(Date.parse(value.replace(/(\.\d{3})\d+/, "$1")))
  })

  test.each([...lines("datetime_syntax_invalid.txt"), ...lines("datetime_parse_invalid.txt")])(
    "time %j is refused",
    (value) => {
      expect(() => textOps["time.parse"]({ value })).toThrow(
        expect.objectContaining({ code: "time.malformed" }),
      )
    },
  )

  test.each(lines("language_syntax_valid.txt"))(
    "language %s: canonical, or refused by code",
    (value) => {
      try {
        const tag = textOps["lang.parse"]({ value })
        expect(Intl.getCanonicalLocales(tag)).toEqual([tag])
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
      }
    },
  )

  test.each(lines("language_syntax_invalid.txt"))("language %j is refused", (value) => {
    expect(() => textOps["lang.parse"]({ value })).toThrow(
      expect.objectContaining({ code: "lang.malformed" }),
    )
  })
})
