import { readFileSync } from "node:fs"
import Database from "better-sqlite3"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { searchQuery, searchTerms } from "../../../node/reading/search-text.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import { describeVectors, vectorPath } from "../../support/vectors.ts"

const database = new Database(":memory:")
database.exec("CREATE VIRTUAL TABLE record USING fts5(text, tokenize = 'unicode61')")

const texts = [
  "Regulatory body and follow-up of findings; Café, naïve",
  "国际评审组认为这一方法独具特色，悬浮固体分析",
  "منحت الهيئةُ الرقابيّة إذنًا في القانون النووي عام ٢٠١١",
  "การทบทวนความมั่นคงปลอดภัย",
  "핵안보 검토",
  "Ядерная безопасность, учёт и контроль",
]
for (const text of texts)
  database.prepare("INSERT INTO record (text) VALUES (?)").run(searchTerms(text))

function find(query: string): number[] {
  const rows = database
    .prepare("SELECT rowid FROM record WHERE record MATCH ? ORDER BY rowid")
    .all(searchQuery(query)) as { rowid: number }[]
  return rows.map(({ rowid }) => rowid)
}

describe("search in every language", () => {
  test.each<[string, number]>([
    ["REGULATORY", 1],
    ["cafe", 1],
    ["CAFÉ naive", 1],
    ["follow-up", 1],
    ["ｒｅｇｕｌａｔｏｒｙ", 1],
    ['"regulatory body"', 1],
    ["评审", 2],
    ["悬浮固体", 2],
    ["国际评审组", 2],
    ["الهيئه الرقابية", 3],
    ["اذنا", 3],
    ["القانون النووى", 3],
    ["2011", 3],
    ["ทบทวน", 4],
    ["검토", 5],
    ["безопасность учет", 6],
  ])("%s", (query, row) => {
    expect(find(query)).toEqual([row])
  })

  test("words between quotes must stand in that order", () => {
    expect(find('"body regulatory"')).toEqual([])
  })

  test("every word must occur", () => {
    expect(find("regulatory 评审")).toEqual([])
  })
})

describe("no query fails", () => {
  test.each([
    "AND",
    "NOT",
    "NEAR(a b)",
    "text:x",
    '"',
    '""',
    "a*",
    "^a",
    "a OR",
    "-",
    "(",
    "'; --",
    "\0",
    "!!!",
  ])("%j", (query) => expect(find(query).length).toBeLessThanOrEqual(texts.length))

  test("operators of FTS5 are words like any other", () => {
    expect(find("regulatory AND body")).toEqual([1])
    expect(find("regulatory NOT body")).toEqual([])
  })

  test.each(["", "  \n", "x".repeat(513)])("empty or too long is refused by code", (query) => {
    expect(() => searchQuery(query)).toThrow(expect.objectContaining({ code: "query.malformed" }))
  })

  test("any text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 80 }), accept), {
      numRuns: 50,
    })
  })
})

describeVectors("naughty strings as queries", () => {
  test("each is searched for or refused by code", () => {
    const strings = JSON.parse(readFileSync(vectorPath("text/blns.json"), "utf8")) as string[]
    strings.forEach(accept)
  })
})

function accept(query: string): void {
  try {
    find(query)
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError)
    expect(query.trim() === "" || query.length > 512).toBe(true)
  }
}
