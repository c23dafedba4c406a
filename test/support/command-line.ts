import { Readable, Writable } from "node:stream"
import type { World } from "../../cli/context.ts"
import { run } from "../../cli/program.ts"

export type Ran = { readonly exit: number; readonly stdout: string; readonly stderr: string }

/** One run of the command line in this process, on streams and an environment of its own. */
export async function comity(
  args: readonly string[],
  options: {
    stdin?: string | Uint8Array | Readable
    environment?: World["environment"]
    /** what an interrupt would abort */
    interrupt?: AbortSignal
    /** sees what is said as it is said */
    onStdout?: (text: string) => void
    /** where somebody is asked */
    terminal?: World["terminal"]
  } = {},
): Promise<Ran> {
  const { stdin = "", environment = {}, interrupt = new AbortController().signal } = options
  const { terminal = null } = options
  const stdout = new Kept(options.onStdout)
  const stderr = new Kept()
  const world: World = {
    environment,
    stdin: stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
    terminal,
    interrupted: () => interrupt,
  }
  const exit = await run(args, world, "1.2.3")
  return { exit, stdout: stdout.text, stderr: stderr.text }
}

/** Whether these words, `["order", "sign"]`, are a whole command that there is, and that is built. */
export async function isCommand(words: readonly string[]): Promise<boolean> {
  const { exit, stdout } = await comity(["help", ...words])
  const [name = "", second = ""] = words
  const isLater = stdout.includes("not built yet")
  const hasSub = /^Usage: comity \S+ \[options\] \[command\]/.test(stdout)
  return exit === 0 && stdout.includes(`comity ${name}`) && !isLater && (!hasSub || second === "")
}

class Kept extends Writable {
  text = ""
  readonly #onText: (text: string) => void

  constructor(onText: (text: string) => void = () => {}) {
    super()
    this.#onText = onText
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const text = chunk.toString()
    this.text += text
    this.#onText(text)
    done()
  }
}
