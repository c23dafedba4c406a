import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { findProfileById } from "../../protocol/profiles/registry.ts"
import { comity, isCommand } from "../support/command-line.ts"

const docs = join(import.meta.dirname, "..", "..", "docs")
const page = readFileSync(join(docs, "seed-coverage.md"), "utf8")

/** Statements that the paper makes, by its sections. */
const statements = {
  "I. Peer reviews and international assurances": 12,
  "II. Comparison of peer review": 41,
  "III. Four broad themes": 17,
  "IV. Conclusion, and the annex": 16,
}

type Row = { statement: string; commands: string; tests: string; missing: string }

/** The rows of each section; a line of a table that is not of four cells is one too many. */
const rowsOf = (section: string): readonly Row[] => {
  const [, after = ""] = page.split(`\n## ${section}\n`)
  const lines = after.split("\n## ")[0]!.split("\n")
  return lines
    .filter((line) => line.startsWith("|"))
    .slice(2)
    .map((line) => {
      const [start, statement, commands, tests, missing, end, ...more] = line
        .split("|")
        .map((cell) => cell.trim())
      expect([start, end, ...more], line).toEqual(["", ""])
      return { statement: statement!, commands: commands!, tests: tests!, missing: missing! }
    })
}
const sections = Object.keys(statements)
const rows = sections.flatMap(rowsOf)
const namedRows = rows.map((row) => [row.statement, row] as const)

test("every statement of the paper has its row, section by section, and is made once", () => {
  const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  expect(headings).toEqual(sections)
  for (const [section, count] of Object.entries(statements))
    expect(rowsOf(section).length, section).toBeGreaterThanOrEqual(count)
  expect(new Set(rows.map(({ statement }) => statement)).size).toBe(rows.length)
})

test("what is said of all of them is what the rows say", () => {
  const shown = rows.filter(({ tests }) => tests !== "")
  const whole = shown.filter(({ missing }) => missing === "")
  expect(page.replaceAll(/\s+/g, " ")).toContain(
    `Of ${rows.length} statements tests show ${whole.length} as they stand and ` +
      `${shown.length - whole.length} in part; ${rows.length - shown.length} are not shown.`,
  )
})

describe.each(namedRows)("%s", (_statement, { commands, tests, missing }) => {
  test("is shown by tests that there are, by their names, or says why not", () => {
    if (tests === "" || missing !== "")
      expect(missing).toMatch(/^\*\*(?:Not built|Outside)\*\*: \S/)
    if (tests === "") return
    for (const one of tests.split("; [").map((text, i) => (i === 0 ? text : `[${text}`))) {
      const [whole, path = "", names = ""] = /^\[[^\]]+\]\(([^)]+\.test\.ts)\)(.*)$/.exec(one) ?? []
      expect(whole, one).toBe(one)
      const source = readFileSync(join(docs, path), "utf8")
      const quoted = [...names.matchAll(/“([^”]+)”/g)].map(([, name]) => name!)
      expect(names.replaceAll(/“[^”]+”/g, "").trim(), one).toBe("")
      expect(quoted, one).not.toEqual([])
      for (const name of quoted) expect(source).toContain(`"${name}"`)
    }
  })

  test("names commands that there are, with options that they have", async () => {
    const named = [...commands.matchAll(/`comity ([^`]+)`/g)].map(([, text]) => text!.split(" "))
    expect(commands.replaceAll(/`comity [^`]+`/g, "").replaceAll(", ", "")).toBe("")
    if (tests !== "") expect(named).not.toEqual([])
    for (const words of named) {
      const options = words.filter((word) => word.startsWith("--"))
      const plain = words.filter((word) => !word.startsWith("--"))
      const isProfile = plain[0] === "profile" && plain[1] === "show"
      const command = isProfile ? plain.slice(0, 2) : plain
      expect(await isCommand(command), words.join(" ")).toBe(true)
      for (const id of plain.slice(command.length)) expect(findProfileById(id), id).not.toBeNull()
      const { stdout } = await comity(["help", ...command])
      for (const option of options) expect(stdout).toContain(`${option} `)
    }
  })
})
