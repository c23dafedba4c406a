import { describe, expect, test } from "vitest"
import { NodeError } from "../../../node/errors.ts"
import { parseDraft } from "../../../node/order/draft.ts"
import { draftsOfList } from "../../../node/order/list-file.ts"

const drafts = (text: string) =>
  draftsOfList(text).map(({ name, source }) => ({ name, ...parseDraft(source) }))

function lineOfFault(text: string): string {
  try {
    draftsOfList(text)
  } catch (cause) {
    if (cause instanceof NodeError && cause.code === "list.malformed") return cause.message
    throw cause
  }
  return "none"
}

describe("a list of practices", () => {
  test("has a draft in each line, quoted cells with commas, quotation marks and line feeds", () => {
    const text = `\ufeffTitle,kind,areas,language,body\r
"Two persons, always",good-practice,M2;M3,en,"First line.\r
Second ""line""."\r
\r
Правило: двух лиц,,,ru,# не заголовок\r
`
    expect(drafts(text)).toMatchObject([
      {
        name: "line 2",
        fields: {
          title: "Two persons, always",
          kind: "good-practice",
          areas: ["M2", "M3"],
          body: 'First line.\nSecond "line".',
        },
        findings: [],
      },
      {
        name: "line 5",
        fields: { title: "Правило: двух лиц", language: "ru", body: "# не заголовок" },
      },
    ])
  })

  test.each([";", "\t", ","])("may part its cells by %j", (separator) => {
    const row = (...cells: string[]) => cells.join(separator)
    const text = [row("title", "body", "language"), row("Gardes", "À deux.", "fr")].join("\n")
    expect(drafts(text)).toMatchObject([{ fields: { title: "Gardes", language: "fr" } }])
  })

  test("puts no cell in another's place: what looks like YAML or front matter is text", () => {
    const cells = ["--- marking: TLP:CLEAR", "yes", "3.10", "[a]", "*x", '"": {', "| a", "# b"]
    const text = `title,body\n${cells.map((cell) => `"${cell.replaceAll('"', '""')}","x\n---\ny"`).join("\n")}\n`
    const found = drafts(text)
    expect(found.map(({ fields }) => fields.title)).toEqual(cells)
    for (const { fields } of found) {
      expect(fields.marking).toBe("TLP:AMBER")
      expect(fields.body).toBe("x\n---\ny")
    }
  })

  test("says of an unknown column that it is one, in the draft", () => {
    const [one] = drafts("title,body,owner\nA,B,C\n")
    expect(one?.findings).toMatchObject([{ rule: "key", severity: "error" }])
  })

  test.each([
    ["", "Line 1 "],
    ["name,text\nA,B\n", "Line 1 "],
    ["title,title,body\nA,B,C\n", "Line 1 "],
    ['title,body\nA,"B\n', "Line 2 "],
    ['title,body\nA,"B\n"\nC,"D" E\n', "Line 4 "],
    ["title,body\nA,B\nC,D,E\n", "Line 3 "],
  ])("%j is none, and the line is named", (text, line) => {
    expect(lineOfFault(text)).toContain(line)
  })
})
