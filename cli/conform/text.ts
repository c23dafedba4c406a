import { renderMarkdown } from "../../node/console/markdown.ts"
import { safeAttachmentName } from "../../node/order/attachment-name.ts"
import { csvCell } from "../../node/reading/csv-cell.ts"
import { searchQuery } from "../../node/reading/search-text.ts"
import { parseLanguage, parseTime } from "../../protocol/time.ts"
import { type Op, textField } from "./fields.ts"

export const textOps = {
  "name.attachment": (input) => safeAttachmentName(textField(input, "name")),

  "csv.cell": (input) => csvCell(textField(input, "value")),

  "html.render": (input) => renderMarkdown(textField(input, "markdown")),

  "search.query": (input) => searchQuery(textField(input, "query")) !== "",

  "time.parse": (input) => parseTime(textField(input, "value")),

  "lang.parse": (input) => parseLanguage(textField(input, "value")),
} satisfies Record<string, Op>
