import { readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { renderMarkdown } from "../../../node/console/markdown.ts"
import { describeVectors, vectorPath } from "../../support/vectors.ts"

const tags =
  /<\/?(?:p|h[1-6]|ul|ol|li|em|strong|s|blockquote|pre|code|hr|br|table|thead|tbody|tr|th|td|a)(?: (?:dir="auto"|start="\d+"|href="https?:\/\/[^"<>]*"|title="[^"<>]*"|rel="noopener noreferrer nofollow"))*>/g

/** Once the tags we write are gone, no other may be left. */
function expectInert(markdown: string): void {
  expect(renderMarkdown(markdown).replace(tags, "")).not.toMatch(/[<>]/)
}

describe("a record's text can do nothing in the console", () => {
  test.each([
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&colon;alert(1))",
    "[x](data:text/html,<script>)",
    "[x](vbscript:x)",
    "[x]()",
    "[x](<>)",
    "[x]( 'title')",
    "[x](//other.example)",
    "[x](/console/release)",
    "[x](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '<img src=x onerror="alert(1)">',
    "<iframe srcdoc=x>",
  ])("%s leads nowhere", (markdown) => {
    expect(renderMarkdown(markdown)).not.toContain("<a ")
    expectInert(markdown)
  })

  test("an image is not fetched: nobody learns that it was read", () => {
    const html = renderMarkdown("![plan <b>](https://tracker.example/a.png)")
    expect(html).not.toContain("tracker.example")
    expect(html).toContain("[plan &lt;b&gt;]")
  })

  test("a link tells the other side nothing about the console", () => {
    expect(renderMarkdown('[a](https://a.example/?q="x" "t\\"><script>")')).toContain(
      'rel="noopener noreferrer nofollow"',
    )
    expectInert('[a](https://a.example "t\\"><script>")')
  })

  test("aligned columns bring no inline style, a fence no class", () => {
    const html = renderMarkdown("| a |\n|--:|\n| 1 |\n\n```evil onload=x\ncode\n```\n")
    expect(html).toContain("<td")
    expect(html).not.toMatch(/style|class|onload/)
  })

  test("each block runs in the direction of its own script", () => {
    expect(renderMarkdown("## ممارسة\n\nText.")).toBe(
      '<h2 dir="auto">ممارسة</h2>\n<p dir="auto">Text.</p>\n',
    )
  })

  test("deep nesting ends", () => {
    expectInert("> ".repeat(20_000))
    expectInert("[".repeat(20_000))
  })
})

describeVectors("payloads from outside", () => {
  test("cross-site scripts are shown as text", () => {
    const { cases } = JSON.parse(
      readFileSync(vectorPath("xss/dompurify-payloads.json"), "utf8"),
    ) as { cases: { payload: string }[] }
    expect(cases.length).toBeGreaterThan(50)
    for (const { payload } of cases) {
      expectInert(payload)
      expectInert(`- [x](${payload})\n\n![${payload}](${payload})`)
    }
  })

  test("naughty strings are shown as text", () => {
    const strings = JSON.parse(readFileSync(vectorPath("text/blns.json"), "utf8")) as string[]
    strings.forEach(expectInert)
  })
})
