import MarkdownIt, { type Token } from "markdown-it"

const markdown = new MarkdownIt("default", { html: false, linkify: false, typographer: false })

// Only where a browser has to go; relative links would lead into the console itself.
markdown.validateLink = (url) => /^https?:\/\/[^\s/]/i.test(url) && URL.canParse(url)

markdown.renderer.rules.link_open = (tokens, i, options, _env, renderer) => {
  tokens[i]?.attrSet("rel", "noopener noreferrer nofollow")
  return renderer.renderToken(tokens, i, options)
}

/** An image from elsewhere would tell its server who reads this: only its description is shown. */
markdown.renderer.rules.image = (tokens, i) =>
  `<em>[${markdown.utils.escapeHtml(tokens[i]?.content ?? "")}]</em>`

const blocks = /^(?:paragraph|heading|blockquote|list_item|th|td)_open$/

markdown.core.ruler.push("blocks", ({ tokens }) => {
  for (const token of tokens) {
    if (blocks.test(token.type)) token.attrSet("dir", "auto")
    // Aligned columns come as inline styles, which the console's policy forbids.
    token.attrs = token.attrs?.filter(([name]) => name !== "style") ?? null
    // The word after the fence would become a class of its author's choice.
    token.info = ""
    unlinkEmpty(token.children ?? [])
  }
})

/** A link without destination, or with one that was refused, would lead into the console. */
function unlinkEmpty(tokens: readonly Token[]): void {
  let isEmpty = false
  for (const token of tokens) {
    if (token.type === "link_open") isEmpty = token.attrGet("href") === ""
    if (token.type === "link_open" || token.type === "link_close") token.hidden = isEmpty
  }
}

/**
 * A record's body as the console shows it: no raw HTML, no scripts, styles or images, links to http
 * and https only, each block in the direction of its own script.
 */
export function renderMarkdown(text: string): string {
  return markdown.render(text)
}
