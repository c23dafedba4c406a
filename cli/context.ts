import { homedir } from "node:os"
import { join, resolve } from "node:path"
import type { Readable, Writable } from "node:stream"
import type { Command } from "commander"
import type { ExitCode } from "./errors.ts"
import { createOutput, type Output } from "./output.ts"
import type { Terminal } from "./prompt.ts"

/** The world of one run of the command line: a test gives its own. */
export type World = {
  readonly environment: { readonly [name: string]: string | undefined }
  readonly stdin: Readable
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** Null where nobody can be asked. */
  readonly terminal: Terminal | null
  /** Aborts at the first interrupt from now on; without a call, an interrupt ends the process at once. */
  interrupted(): AbortSignal
}

/** What a command gets when it is registered; `command` is the one that its action was called with. */
export type CliContext = World & {
  output(command: Command): Output
  home(command: Command): string
  /** A word to whoever runs the command, where there is no command to ask for its output. */
  warn(text: string): void
  /** What the run ends with when no error is thrown: partly done, a failed verdict. */
  exit(code: ExitCode): void
}

export type Register = (program: Command, context: CliContext) => void

type GlobalOptions = { readonly home?: string; readonly json?: boolean }

export function createContext(
  world: World,
  isJson: boolean,
  exit: (code: ExitCode) => void,
): CliContext {
  const { environment } = world
  const warnings = createOutput({ ...world, isJson })
  return {
    ...world,
    warn: (text) => warnings.note(text),
    output: (command) =>
      createOutput({ ...world, isJson: command.optsWithGlobals<GlobalOptions>().json === true }),
    home: (command) => {
      const named = command.optsWithGlobals<GlobalOptions>().home ?? environment.COMITY_HOME
      return named ? resolve(named) : defaultHome(environment)
    },
    exit,
  }
}

/** XDG Base Directory Specification: state that is neither configuration nor to be carried about. */
function defaultHome(environment: World["environment"]): string {
  const base = environment.XDG_STATE_HOME || join(environment.HOME || homedir(), ".local", "state")
  return join(base, "comity")
}
