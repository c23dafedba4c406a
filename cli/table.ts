import { safeLine } from "./safe-text.ts"

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })
const plainAscii = /^[\x20-\x7e]*$/
// Roughly the East Asian wide and full-width ranges of UAX #11, and emoji.
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/

/** Columns of a terminal that a text takes, roughly: no two terminals agree on all of Unicode. */
export function displayWidth(text: string): number {
  if (plainAscii.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}

/**
 * Aligned lines, made safe for a terminal. A cell in a right-to-left script is isolated (UAX #9), or it
 * would draw its neighbours into its own order.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const lines = [header, ...rows].map((row) => row.map(safeLine))
  const widths = header.map((_, column) =>
    Math.max(...lines.map((line) => displayWidth(line[column] ?? ""))),
  )
  return lines.map((line) =>
    line
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  )
}

function pad(cell: string, width: number): string {
  const shown = rightToLeft.test(cell) ? `\u2068${cell}\u2069` : cell
  return shown + " ".repeat(Math.max(0, width - displayWidth(cell)))
}
