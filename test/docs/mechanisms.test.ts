import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { builtInProfiles } from "../../protocol/profiles/registry.ts"

const root = join(import.meta.dirname, "..", "..")
const page = readFileSync(join(root, "docs", "mechanisms.md"), "utf8")
const mechanisms = builtInProfiles
  .map(({ profile }) => profile)
  .filter(({ category }) => category !== undefined)

/** What the page says of one mechanism. */
const sectionOf = (id: string) => page.split(`\n### \`${id}\`: `)[1]?.split("\n### ")[0] ?? ""

describe.each(mechanisms.map((profile) => [profile.id, profile] as const))("%s", (id, profile) => {
  test("has its section: commands, what is enforced, what is not, sources, and a test that exists", () => {
    const section = sectionOf(id)
    expect(section).toContain(`--profile ${id}`)
    for (const part of ["*Enforced*: ", "*Not enforced*: ", "*Sources*: "])
      expect(section).toContain(part)
    const path = `test/scenarios/mechanisms/${id}.test.ts`
    expect(section).toContain(`\`${path}\``)
    expect(existsSync(join(root, path))).toBe(true)
  })

  test("the values that are recalled are listed as such, and are values of the profile", () => {
    const [, listed = ""] = /\*Recalled\*: (.*)\.\n/.exec(sectionOf(id)) ?? []
    expect(listed.split(", ")).toEqual(profile.recalled)
    for (const name of profile.recalled!) {
      const [member = ""] = name.split(".")
      expect(profile, name).toHaveProperty([member])
    }
  })
})

test("the page has every member of a profile, and no other mechanism", () => {
  const [, after = ""] = page.split("\n## Members\n")
  const rows = after.split("\n## ")[0]!
  const members = new Set(mechanisms.flatMap((profile) => Object.keys(profile)))
  for (const member of members)
    if (member !== "type") expect(rows, member).toMatch(new RegExp(`\`${member}\``))
  const sections = [...page.matchAll(/^### `([a-z0-9-]+)`: /gm)].map(([, id]) => id)
  expect(sections.toSorted()).toEqual(mechanisms.map(({ id }) => id).toSorted())
})
