import { createInterface } from "node:readline/promises"
import type { Readable, Writable } from "node:stream"
import { UsageError } from "./usage-error.ts"

/** Both ends of a terminal: questions go to stderr, so that stdout stays data. */
export type Terminal = {
  readonly input: Readable & { setRawMode(isRaw: boolean): unknown }
  readonly output: Writable
}

const enter = new Set(["\r", "\n", "\x04"])
const backspace = new Set(["\x7f", "\b"])
const interrupt = "\x03"
const eraseLine = "\x15"

/** A line without echo. What was typed beyond it stays in the stream. @throws `usage.interrupted` */
export function promptSecret(question: string, { input, output }: Terminal): Promise<string> {
  output.write(question)
  return new Promise((resolve, reject) => {
    // By code point: a backspace takes a whole character, and a chunk may end inside one.
    let typed: string[] = []
    const decoder = new TextDecoder()
    const settle = (end: () => void) => {
      input.off("data", onData)
      input.pause()
      input.setRawMode(false)
      output.write("\n")
      end()
    }
    const onData = (chunk: Uint8Array) => {
      const characters = [...decoder.decode(chunk, { stream: true })]
      for (const [i, character] of characters.entries()) {
        if (character === interrupt)
          return settle(() => reject(new UsageError("usage.interrupted", "Interrupted.")))
        if (enter.has(character)) {
          const rest = characters.slice(i + 1).join("")
          return settle(() => {
            if (rest !== "") input.unshift(Buffer.from(rest))
            resolve(typed.join(""))
          })
        }
        if (backspace.has(character)) typed.pop()
        else if (character === eraseLine) typed = []
        else typed.push(character)
      }
    }
    input.setRawMode(true)
    input.on("data", onData)
    input.resume()
  })
}

/** Asked twice, for a passphrase that is being chosen. @throws `usage.invalid` when they differ */
export async function promptNewSecret(question: string, terminal: Terminal): Promise<string> {
  const first = await promptSecret(question, terminal)
  const second = await promptSecret("The same once more: ", terminal)
  if (first === second) return first
  throw new UsageError("usage.invalid", "The two passphrases differ.")
}

/** True for y or yes only. */
export async function confirm(question: string, terminal: Terminal): Promise<boolean> {
  return /^y(?:es)?$/i.test(await promptLine(`${question} [y/N] `, terminal))
}

/** A line as typed, without the space around it; empty when the input ends. */
export async function promptLine(question: string, { input, output }: Terminal): Promise<string> {
  const lines = createInterface({ input, output, terminal: true })
  try {
    const ended = new Promise<string>((resolve) => lines.once("close", () => resolve("")))
    return (await Promise.race([lines.question(question), ended])).trim()
  } finally {
    lines.close()
  }
}
