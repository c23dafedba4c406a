import { stringify } from "yaml"
import { NodeError } from "../errors.ts"

/**
 * A list of practices as a spreadsheet saves it: RFC 4180, with commas, semicolons or tabs between cells,
 * whichever the first line has. That line names `title`, `body` and what else front matter may hold; a
 * draft comes of every further line.
 *
 * @throws `list.malformed`
 */
export function draftsOfList(
  text: string,
): readonly { readonly name: string; readonly source: string }[] {
  const [head, ...rows] = parseCsv(text.replace(/^\ufeff/, ""))
  const columns = (head?.cells ?? []).map((name) => name.trim().toLowerCase())
  if (!columns.includes("title") || !columns.includes("body"))
    throw malformed("the first line names the columns, title and body among them", 1)
  if (new Set(columns).size !== columns.length || columns.includes(""))
    throw malformed("every column has a name of its own", 1)
  return rows
    .filter(({ cells }) => cells.some((cell) => cell.trim() !== ""))
    .map(({ line, cells }) => {
      if (cells.length > columns.length) throw malformed("more cells than columns", line)
      const filled = columns.flatMap((name, i) => {
        const cell = cells[i]?.trim() ?? ""
        return cell === "" ? [] : [[name, cell] as const]
      })
      const { body = "", areas, ...matter } = Object.fromEntries(filled)
      const listed = areas === undefined ? {} : { areas: areas.split(/[\s,;]+/).filter(Boolean) }
      const front = stringify({ ...matter, ...listed })
      return { name: `line ${line}`, source: `---\n${front}---\n${body}\n` }
    })
}

type Row = { readonly line: number; readonly cells: readonly string[] }

function parseCsv(text: string): readonly Row[] {
  const separator = separatorOf(text)
  const rows: Row[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const cells: string[] = []
    const begin = line
    for (let isInRow = true; isInRow; ) {
      let cell = ""
      if (text[at] === '"') {
        for (at++; ; ) {
          const quote = text.indexOf('"', at)
          if (quote < 0) throw malformed("a quotation mark is not closed", begin)
          cell += text.slice(at, quote)
          at = quote + 1
          if (text[at] !== '"') break
          cell += '"'
          at++
        }
        line += cell.split("\n").length - 1
        if (at < text.length && text[at] !== separator && !/[\r\n]/.test(text[at]!))
          throw malformed("text behind a closing quotation mark", line)
      } else {
        const start = at
        while (at < text.length && text[at] !== separator && !/[\r\n]/.test(text[at]!)) at++
        cell = text.slice(start, at)
      }
      cells.push(cell)
      isInRow = text[at] === separator
      if (isInRow) at++
    }
    if (text[at] === "\r") at++
    if (text[at] === "\n") at++
    line++
    rows.push({ line: begin, cells })
  }
  return rows
}

function separatorOf(text: string): string {
  const [first = ""] = text.split(/[\r\n]/, 1)
  const ranked = [",", ";", "\t"].map((one) => ({ one, times: first.split(one).length }))
  return ranked.reduce((best, next) => (next.times > best.times ? next : best)).one
}

function malformed(what: string, line: number): NodeError {
  return new NodeError("list.malformed", `Line ${line} of the list: ${what}.`, {
    hint: "Save it as CSV in UTF-8, with a first line such as: title,kind,language,areas,body",
  })
}
