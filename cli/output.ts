import { styleText } from "node:util"
import { safeBlock, safeJson, safeLine } from "./safe-text.ts"
import { formatTable } from "./table.ts"

export type Style = "bold" | "dim" | "red" | "green" | "yellow"

/** A part of a line in a style of ours: a peer's text can't bring its own. */
export type Styled = { readonly style: Style; readonly text: string }
export type Part = string | Styled

export function styled(style: Style, text: string): Styled {
  return { style, text }
}

/**
 * What a command says. It always says both: `document` is printed with --json only, `line`, `block` and
 * `table` without it only. Both are data and go to stdout; `note` is for people, on stderr. A script reads
 * stderr too: with --json the error document stands there alone, and notes are for a terminal only. Every
 * text is made safe for a terminal here, so that no command has to think of it.
 */
export interface Output {
  readonly isJson: boolean
  /** One JSON document in one line; a stream calls it once for each. */
  document(value: unknown): void
  /** One line, whatever line breaks are in its parts. */
  line(...parts: readonly Part[]): void
  /** Text of several lines. */
  block(text: string): void
  table(header: readonly string[], rows: readonly (readonly string[])[]): void
  note(...parts: readonly Part[]): void
  /** The one error document of a command, on stderr. */
  failure(code: string, message: string, hint: string | undefined): void
  /** Where an error came from, on stderr, when asked for. */
  trace(stack: string): void
}

export type Sink = { write(text: string): unknown; readonly isTTY?: boolean }

export type OutputOptions = {
  readonly isJson: boolean
  readonly stdout: Sink
  readonly stderr: Sink
  readonly environment: { readonly [name: string]: string | undefined }
}

export function createOutput({ isJson, stdout, stderr, environment }: OutputOptions): Output {
  const isPlain = Boolean(environment.NO_COLOR) || environment.TERM === "dumb"
  const say = (sink: Sink, parts: readonly Part[]) =>
    sink.write(`${formatLine(parts, sink.isTTY === true && !isPlain)}\n`)
  return {
    isJson,
    document: (value) => {
      if (isJson) stdout.write(`${safeJson(value)}\n`)
    },
    line: (...parts) => {
      if (!isJson) say(stdout, parts)
    },
    block: (text) => {
      if (!isJson) stdout.write(`${safeBlock(text).replace(/\n$/, "")}\n`)
    },
    table: (header, rows) => {
      if (!isJson) stdout.write(`${formatTable(header, rows).join("\n")}\n`)
    },
    note: (...parts) => {
      if (!isJson || stderr.isTTY === true) say(stderr, parts)
    },
    failure: (code, message, hint) => {
      if (isJson) {
        stderr.write(`${safeJson({ error: { code, message, hint } })}\n`)
        return
      }
      say(stderr, ["comity: ", message, styled("dim", ` (${code})`)])
      if (hint !== undefined) say(stderr, [hint])
    },
    trace: (stack) => {
      stderr.write(`${safeBlock(stack)}\n`)
    },
  }
}

function formatLine(parts: readonly Part[], hasColour: boolean): string {
  return parts
    .map((part) => {
      if (typeof part === "string") return safeLine(part)
      const text = safeLine(part.text)
      return hasColour ? styleText(part.style, text, { validateStream: false }) : text
    })
    .join("")
}
