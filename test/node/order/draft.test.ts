import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { buildRecord, type Draft, hasErrors, parseDraft } from "../../../node/order/draft.ts"
import { encodeRecord } from "../../../protocol/record/record.ts"

const identity = {
  id: "0a".repeat(16),
  network: "training",
  origin: "0b".repeat(32),
  version: 1,
}

const example = `---
title: Independent follow-up of scheduling findings
profile: ippas
kind: good-practice
areas: [M2]
language: en
basis: NSS 13, para 3.26
whyBetter: Nobody signs off their own finding.
---
## What is done
An office outside the line follows each finding.
`

function errors({ findings }: Draft): readonly string[] {
  return findings.filter((f) => f.severity === "error").map((f) => `${f.rule}:${f.line}`)
}

describe("a draft file", () => {
  test("the example of the documentation becomes a record", () => {
    const draft = parseDraft(example)
    expect(draft.findings).toEqual([])
    expect(draft.fields).toMatchObject({
      areas: ["M2"],
      fields: { basis: "NSS 13, para 3.26" },
      kind: "good-practice",
      marking: "TLP:AMBER+STRICT",
    })
    const record = buildRecord(draft, identity)
    expect(record.title).toBe("Independent follow-up of scheduling findings")
    expect(encodeRecord(record).length).toBeGreaterThan(0)
  })

  test("plain Markdown is a general practice in English, titled by its heading", () => {
    const { fields, findings } = parseDraft("\n# Two keys #\r\n\r\nTwo people hold them.\n")
    expect(findings).toEqual([])
    expect(fields).toMatchObject({
      body: "Two people hold them.",
      kind: "good-practice",
      language: "en",
      marking: "TLP:AMBER",
      title: "Two keys",
    })
    expect(fields.profile.id).toBe("general")
  })

  test("a heading below other text gives the title and stays in the text", () => {
    const { fields } = parseDraft("First.\n\n# Second\n\nThird.")
    expect(fields).toMatchObject({ body: "First.\n\n# Second\n\nThird.", title: "Second" })
  })

  test("the profile asked for wins, and says so", () => {
    const draft = parseDraft(example, { profileId: "general" })
    expect(draft.fields.profile.id).toBe("general")
    expect(draft.findings.filter((f) => f.rule === "profile")).toMatchObject([
      { line: 3, severity: "warning" },
    ])
  })

  test("a misspelt key is an error at its line, with the one that was meant", () => {
    const draft = parseDraft(example.replace("whyBetter", "whyBeter"))
    expect(errors(draft)).toEqual(["profile.violated:1", "key:8"])
    expect(draft.findings.find((f) => f.rule === "key")?.text).toContain("whyBetter")
  })

  test.each<[string, string, string]>([
    ["an unknown profile", "profile: ipas", "profile:2"],
    ["an unknown kind", "profile: ippas\nkind: good-practise", "profile.violated:3"],
    ["a kind that is no name", "kind: Good practice", "kind:2"],
    ["an unknown area", "profile: ippas\nareas: M9\nbasis: b\nwhyBetter: w", "profile.violated:3"],
    ["an area that hides its direction", 'areas: ["a\\u202eb"]', "areas:2"],
    ["a marking of another scheme", "marking: TLP:WHITE", "marking:2"],
    ["a language that is none", "language: English please", "language:2"],
    ["a title over two directions", 'title: "a\\u202eb"', "title:2"],
    ["a list in place of a title", "title: [a, b]", "value:2"],
    ["a map in place of a text", "source: { a: b }", "front-matter:2"],
    ["the same key twice", "source: a\nsource: b", "front-matter:3"],
    ["an alias", "title: &a text\nsource: *a", "front-matter:2"],
    ["a tag", "title: !!binary aGVsbG8=", "front-matter:2"],
    ["a custom tag", "title: !js/function x", "front-matter:2"],
    ["a merge key", "<<: { title: x }", "front-matter:2"],
    ["a key of every object's prototype", "__proto__: x", "key:2"],
    ["a list in place of a map", "- title", "front-matter:2"],
    ["deep nesting", `title: ${"[".repeat(5000)}`, "front-matter:1"],
    ["deep nesting in one line", `${"- ".repeat(5000)}x`, "front-matter:1"],
  ])("%s is an error that names its line", (_name, matter, expected) => {
    const text = `---\n${matter}\n---\n# Heading\n\nText.\n`
    expect(errors(parseDraft(text))).toContain(expected)
  })

  test.each<[string, string, string]>([
    ["front matter that is never closed", "---\ntitle: x\n\nText.", "front-matter:1"],
    ["no title", "Text without heading.", "title:1"],
    ["no text", "# Heading\n", "profile.violated:1"],
    ["a control character", "# Heading\n\nText.\n\u001b[2J", "body:4"],
  ])("%s is an error that names its line", (_name, text, expected) => {
    expect(errors(parseDraft(text))).toContain(expected)
  })

  test("numbers are kept as they were written", () => {
    const { fields } = parseDraft("---\ntitle: 3.10\nsource: 0x10\n---\nText.")
    expect(fields.title).toBe("3.10")
    expect(fields.fields.source).toBe("0x10")
  })

  test("several sources are a list, a marking needs no prefix, areas need no order", () => {
    const draft = parseDraft(
      "---\ntitle: T\nsource:\n  - https://a.example\n  - https://b.example\nmarking: amber+strict\nareas: [b, a, b]\n---\nText.",
    )
    expect(draft.findings).toEqual([])
    expect(draft.fields).toMatchObject({
      areas: ["a", "b"],
      fields: { source: "https://a.example\nhttps://b.example" },
      marking: "TLP:AMBER+STRICT",
    })
  })

  test("decomposed letters are composed: one text has one signature", () => {
    const record = buildRecord(parseDraft("# E\u0301te\u0301\n\nTexte."), identity)
    expect(record.title).toBe("\u00c9t\u00e9")
  })

  test("a file beyond the limit is refused before it is parsed", () => {
    expect(() => parseDraft("x".repeat(513 * 1024))).toThrow(
      expect.objectContaining({ code: "draft.malformed" }),
    )
  })

  test("a draft with errors never becomes a record that its profile refuses", () => {
    const draft = parseDraft(example.replace("areas: [M2]", "areas: [M9]"))
    expect(hasErrors(draft.findings)).toBe(true)
    expect(() => buildRecord(draft, identity)).toThrow(
      expect.objectContaining({ code: "profile.violated" }),
    )
  })

  test("whatever an author saves, it is parsed; without errors it is a record", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ..."---\n|title: |areas: [|# |&a |*a |profile: ippas\n|\n|: |- |\u202e|M1".split("|"),
      ),
      fc.string({ unit: "grapheme", maxLength: 12 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        const draft = parseDraft(pieces.join(""))
        if (!hasErrors(draft.findings)) buildRecord(draft, identity)
      }),
      { numRuns: 50 },
    )
  })
})
