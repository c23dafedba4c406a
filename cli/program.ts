import { Command, CommanderError, Option } from "commander"
import { commandTable } from "./command-table.ts"
import { type CliContext, createContext, type World } from "./context.ts"
import { type ExitCode, exitCodes, printError } from "./errors.ts"
import { createOutput } from "./output.ts"
import { UsageError } from "./usage-error.ts"

const helpExamples = `
Examples:
  $ comity init --state XA --name "Authority XA"
  $ comity peer add https://comity.xb.example
  $ comity profile list --json
`

/** One run, from its arguments to its exit code; every error ends here in words. */
export async function run(
  args: readonly string[],
  world: World,
  version: string,
): Promise<ExitCode> {
  let exit: ExitCode = exitCodes.ok
  const context = createContext(world, (code) => {
    exit = code
  })
  let complaint = ""
  const program = createProgram(world, version, (text) => {
    complaint += text
  })
  try {
    await register(program, context, args)
    await program.parseAsync(args, { from: "user" })
    return exit
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok
    // Nothing has been parsed that could be asked whether --json was given.
    const isJson = args.includes("--json")
    const output = createOutput({ ...world, isJson })
    const isHelp = error instanceof CommanderError && error.code === "commander.help"
    if (isHelp && !isJson) {
      world.stderr.write(complaint)
      return exitCodes.usage
    }
    const isDebugging = Boolean(world.environment.COMITY_DEBUG)
    return printError(usageErrorOf(error), output, isDebugging)
  }
}

function createProgram(world: World, version: string, complain: (text: string) => void): Command {
  return new Command("comity")
    .description("Share authorised good practices with exactly the members you choose.")
    .version(version, "--version", "print the version")
    .option("--home <dir>", "directory of the node (default: COMITY_HOME)")
    .option("--json", "print JSON")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: complain,
      outputError: () => {},
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", helpExamples)
}

async function register(
  program: Command,
  context: CliContext,
  args: readonly string[],
): Promise<void> {
  const name = commandName(args)
  const asked = commandTable.filter(({ names }) => name !== null && names.includes(name))
  // Help and the suggestion for a mistyped name need them all.
  const loaded = await Promise.all(
    (asked.length > 0 ? asked : commandTable).map((entry) => entry.load()),
  )
  for (const registerCommands of loaded) registerCommands(program, context)
  for (const command of program.commands) acceptGlobalOptions(command)
}

function commandName(args: readonly string[]): string | null {
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--home") i++
    else if (!args[i]!.startsWith("-")) return args[i]!
  }
  return null
}

/** Also behind the subcommand, where people write them. Help shows them once, as global options. */
function acceptGlobalOptions(command: Command): void {
  command.addOption(new Option("--home <dir>").hideHelp())
  command.addOption(new Option("--json").hideHelp())
  for (const subcommand of command.commands) acceptGlobalOptions(subcommand)
}

function usageErrorOf(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error
  if (error.code === "commander.help")
    return new UsageError("usage.invalid", "No command was given.", { cause: error })
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n")
  const hint = more.join(" ").replace(/^\((.*)\)$/, "$1")
  const message = `${first.charAt(0).toUpperCase()}${first.slice(1).replace(/\.$/, "")}.`
  return new UsageError("usage.invalid", message, {
    hint: hint === "" ? "comity help lists the commands; --help shows those of one." : hint,
    cause: error,
  })
}
