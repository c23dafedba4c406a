import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { usageErrorCodes } from "../../cli/usage-error.ts"
import { nodeErrorCodes } from "../../node/errors.ts"
import { decodeBase64url, decodeUtf8 } from "../../protocol/encoding.ts"
import { protocolErrorCodes } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { type Input, resolve, type VectorFile } from "../vectors/format.ts"

const root = join(import.meta.dirname, "..", "..")
const specDirectory = join(root, "docs", "spec")
const pages = readdirSync(specDirectory).filter((name) => name.endsWith(".md"))
const pageOf = (name: string) => readFileSync(join(specDirectory, name), "utf8")
const vectorDirectory = join(root, "test", "vectors")
const vectorNames = readdirSync(vectorDirectory).filter((name) => name.endsWith(".json"))
const vectorsOf = (name: string) =>
  JSON.parse(readFileSync(join(vectorDirectory, name), "utf8")) as VectorFile
const known = new Set<string>([...protocolErrorCodes, ...nodeErrorCodes, ...usageErrorCodes])

/** Paths in the text between backticks that begin with one of our directories. */
const pathsIn = (text: string) =>
  [...text.matchAll(/`((?:test|protocol|node|cli|docs)\/[\w./-]+)`/g)].map(([, path]) => path!)

/** A section from its heading to the next of the same rank. */
function section(page: string, heading: string): string {
  const [, after = ""] = page.split(`\n## ${heading}\n`)
  return after.split("\n## ")[0]!
}

describe.each(pages)("%s", (name) => {
  const page = pageOf(name)

  test("ends by saying where its vectors are, and they are there", () => {
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)
    expect(headings.at(-1)).toBe("Vectors")
    expect(pathsIn(section(page, "Vectors"))).not.toEqual([])
    for (const path of pathsIn(page)) expect(existsSync(join(root, path)), path).toBe(true)
  })

  test("links to pages that exist, and names no code that does not", () => {
    for (const [, target] of page.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g))
      expect(existsSync(join(specDirectory, target!)), target).toBe(true)
    for (const code of codesIn(section(page, "Who refuses what"))) expect(known).toContain(code)
  })
})

/** The codes in the first column of tables. */
function codesIn(text: string): readonly string[] {
  const cells = [...text.matchAll(/^\| ([^|]*) \|/gm)].map(([, cell]) => cell!)
  return cells.flatMap((cell) =>
    [...cell.matchAll(/`([a-z-]+\.[a-z-]+)`/g)].map(([, code]) => code!),
  )
}

test.each(vectorNames)(
  "%s is named by a page, whose codes are those of its hostile vectors",
  (name) => {
    const naming = pages.filter((page) => pageOf(page).includes(`test/vectors/${name}`))
    expect(naming).not.toEqual([])
    const listed = new Set(naming.flatMap((page) => [...codesFor(page)]))
    const codes = new Set(vectorsOf(name).hostile.map(({ code }) => code!))
    expect([...codes].filter((code) => !listed.has(code))).toEqual([])
  },
)

/** A page's codes, those of the pages that its tables refer to, and those of every JSON format. */
function codesFor(name: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(name)) return new Set()
  seen.add(name)
  const refusals = section(pageOf(name), "Who refuses what")
  const found = new Set(codesIn(refusals))
  const rows = refusals.split("\n").filter((line) => line.startsWith("| those of"))
  const referred = rows.flatMap((row) =>
    [...row.matchAll(/\]\(([a-z]+\.md)/g)].map(([, to]) => to!),
  )
  for (const other of [...referred, "signed.md", "canonical.md"])
    for (const code of codesFor(other, seen)) found.add(code)
  for (const [, subject] of refusals.matchAll(/`([a-z]+)\.\*`/g))
    for (const code of known) if (code.startsWith(`${subject}.`)) found.add(code)
  return found
}

test("errors.md has every code, and no other", () => {
  expect(codesIn(pageOf("errors.md")).toSorted()).toEqual([...known].toSorted())
})

test("limits.md has every limit, with its value", () => {
  const rows = [...pageOf("limits.md").matchAll(/^\| `(\w+)` \| ([\d,]+)/gm)]
  const found = Object.fromEntries(
    rows.map(([, name, value]) => [name, Number(value!.replaceAll(",", ""))]),
  )
  expect(found).toEqual(limits)
})

describe("the fields that a page lists are those that a reader knows", () => {
  const json = (text: string) => JSON.parse(text) as Record<string, never>
  const inside = (encoded: string) => json(decodeUtf8(decodeBase64url(encoded)))
  const bytes = (input: Input) => json(input.bytes as string)
  const payload = (input: Input) => inside(bytes(input).payload!)
  const header = (input: Input) =>
    inside((bytes(input).signatures as { protected: string }[] | undefined)![0]!.protected)
  const rootPayload = (input: Input) =>
    (input.documents as string[]).map((document) => inside(json(document).payload!))

  /** First column of the n-th table of a section; `a`, `b` in one row are two fields. */
  function fieldsOf(page: string, heading: string, number: number): readonly string[] {
    const tables = section(pageOf(page), heading).trim().split(/\n\n+/)
    const lines = tables
      .filter((block) => /^\|[^\n]*field/.test(block))
      [number]!.split("\n")
      .slice(2)
    // What is reserved stands on the page and in no vector yet.
    const inUse = lines.filter((line) => !/; refused so far \|$/.test(line))
    const names = inUse.flatMap((line) =>
      [...line.split("|")[1]!.matchAll(/`(\w+)\??`/g)].map(([, name]) => name!),
    )
    return names.toSorted()
  }

  const common = ["alg", "kid", "network", "typ"]
  test.each<[string, string, number, string, (input: Input) => object | object[]]>([
    ["record.md", "Bytes", 0, "record", bytes],
    ["grant.md", "Bytes", 0, "grant", bytes],
    ["grant.md", "Bytes", 1, "grant", (input) => bytes(input).terms ?? []],
    ["order.md", "Bytes", 0, "order", payload],
    ["order.md", "Bytes", 1, "order", (input) => without(header(input), common)],
    ["signed.md", "Bytes", 1, "receipts", header],
    ["keys.md", "Bytes", 0, "keys", payload],
    ["keys.md", "Card", 0, "card", bytes],
    ["delivery.md", "Bytes", 0, "delivery", (input) => bytes(input).delivery!],
    ["parcel.md", "Bytes", 0, "delivery", bytes],
    ["receipt.md", "Bytes", 0, "receipts", payload],
    ["receipt.md", "Bytes", 1, "receipts", (input) => payload(input).items!],
    ["root.md", "Bytes", 0, "member", rootPayload],
    ["root.md", "Bytes", 1, "policy", (input) => input.policy as object[]],
    ["evidence.md", "Bytes", 0, "evidence", bytes],
  ])("%s, %s, table %i", (page, heading, number, format, objectsOf) => {
    const { valid } = vectorsOf(`${format}.json`)
    const found = valid.flatMap(({ input }) => objectsOf(resolve(input, valid)))
    const names = new Set(found.flatMap((one) => Object.keys(one)))
    expect(fieldsOf(page, heading, number)).toEqual([...names].toSorted())
  })

  function without(fields: object, names: readonly string[]): object {
    return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
  }
})
