import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { buildRecord, parseDraft } from "../../node/order/draft.ts"

const folder = join(import.meta.dirname, "..", "..", "demo", "practices")
const practices = readdirSync(folder).map((file) => ({
  file,
  draft: parseDraft(readFileSync(join(folder, file), "utf8")),
}))

describe("the practices of the demonstration", () => {
  test.each(practices.map((practice) => [practice.file, practice.draft] as const))(
    "%s is a record without a finding, and names its public source",
    (_file, draft) => {
      expect(draft.findings).toEqual([])
      const record = buildRecord(draft, {
        id: "0a".repeat(16),
        network: "exercise:demo",
        origin: "0b".repeat(32),
        version: 1,
      })
      expect(record.fields.source).toBeDefined()
      expect(record.fields.facility).toBeUndefined()
    },
  )

  test("three authorities, four languages and two profiles take part", () => {
    const distinct = (of: (practice: (typeof practices)[number]) => string): number =>
      new Set(practices.map(of)).size
    expect(distinct(({ file }) => file.slice(0, 3))).toBe(3)
    expect(distinct(({ draft }) => draft.fields.language)).toBe(4)
    expect(distinct(({ draft }) => draft.fields.profile.id)).toBe(2)
  })
})
