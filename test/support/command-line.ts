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
    /** where somebody is asked, and what they were asked comes back as stderr */
    terminal?: World["terminal"]
  } = {},
): Promise<Ran> {
  const { stdin = "", environment = {}, terminal = null } = options
  const stdout = new Kept()
  const stderr = new Kept()
  const world: World = {
    environment,
    stdin: stdin instanceof Readable ? stdin : Readable.from([Buffer.from(stdin)]),
    stdout,
    stderr,
    terminal,
    interrupted: () => new AbortController().signal,
  }
  const exit = await run(args, world, "1.2.3")
  return { exit, stdout: stdout.text, stderr: stderr.text }
}

class Kept extends Writable {
  text = ""
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
