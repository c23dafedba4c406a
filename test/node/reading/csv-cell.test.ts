import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { csvCell } from "../../../node/reading/csv-cell.ts"
import { describeVectors, vectorPath } from "../../support/vectors.ts"

/** What a reader of RFC 4180 gets from the cell. */
function read(cell: string): string {
  expect(cell).toMatch(/^"(?:[^"]|"")*"$/)
  return cell.slice(1, -1).replaceAll('""', '"')
}

test.each([
  "=1+1",
  "+1",
  "-1",
  "@SUM(A1)",
  "\t=1",
  "\r=1",
  "\n=1",
  " =1",
  "＝1+1",
  "＋1",
  "－1",
  "＠x",
  "\0=1",
  "\u200b=1",
  "\ufeff=1",
  "\u00a0=1",
  "−1",
  '=HYPERLINK("https://a.example")',
  "|cmd",
])("%j never reaches a spreadsheet as a formula", (value) => {
  expect(read(csvCell(value))).toMatch(/^'/)
})

test.each(["", "plain", 'a "quoted" word', "a,b;c", "two\nlines", "a=b", "2026-11-24", "评审"])(
  "%j is read back as it was",
  (value) => expect(read(csvCell(value))).toBe(value),
)

describeVectors("naughty strings as cells", () => {
  test("none leaves its cell, none begins a formula", () => {
    const strings = JSON.parse(readFileSync(vectorPath("text/blns.json"), "utf8")) as string[]
    for (const value of strings) expect(read(csvCell(value))).not.toMatch(/^[=+\-@\t\r\n]/)
  })
})
