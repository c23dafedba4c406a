// What a spreadsheet passes over before it looks for a formula.
const ignored = /^[\s\p{Cc}\p{Cf}\p{Zs}]+/u
const formula = /^[=+\-@|\u2212\u2795\u2796]/u

/**
 * One cell of RFC 4180, always quoted. Text that a spreadsheet would take for a formula gets a
 * leading apostrophe: also behind blanks and invisible characters, and in full-width form.
 */
export function csvCell(value: string): string {
  const text = value.toWellFormed().replace(/[\0\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, "")
  const isFormula =
    /^[\t\r\n]/.test(text) || formula.test(text.replace(ignored, "").normalize("NFKC"))
  return `"${isFormula ? "'" : ""}${text.replaceAll('"', '""')}"`
}
