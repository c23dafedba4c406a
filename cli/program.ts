import { Command, CommanderError, Option } from "commander"
import { commandGroups } from "./command-table.ts"
import { type CliContext, createContext, type World } from "./context.ts"
import { type ExitCode, exitCodes, printError } from "./errors.ts"
import { createOutput } from "./output.ts"
import { UsageError } from "./usage-error.ts"

const helpEnd = `
Examples:
  $ comity demo
  $ comity init --state XA --name "Authority XA"
  $ comity help draft add

A member, record or order is named by what its id begins with; a member also by its name or state.

Environment:
  COMITY_HOME                directory of the node (default: ~/.local/state/comity)
  COMITY_PASSPHRASE_FILE     file with the passphrase, instead of the prompt
  COMITY_PASSPHRASE_COMMAND  command that prints it
  COMITY_KEY_FILE            file with a raw key, for a service
  COMITY_ALLOW_PEERS         hosts inside your network that the node may connect to, with commas

Exit codes:
  0 done, 1 failed, 2 wrong usage, 3 partly done, 4 verification failed, 5 not found,
  6 approval missing, 7 peer unreachable, 9 conflict, 10 no member here, 11 key unavailable,
  12 fork or rollback detected, 13 peer not verified
`

/** One run, from its arguments to its exit code; every error ends here in words. */
export async function run(
  args: readonly string[],
  world: World,
  version: string,
): Promise<ExitCode> {
  let exit: ExitCode = exitCodes.ok
  // Before anything is parsed: what is wrong with the arguments is said in the same form.
  const isJson = args.includes("--json")
  const context = createContext(world, isJson, (code) => {
    exit = code
  })
  let complaint = ""
  const program = createProgram(world, version, (text) => {
    complaint += text
  })
  try {
    await register(program, context, args)
    await program.parseAsync(helpLast(program, args), { from: "user" })
    return exit
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok
    const output = createOutput({ ...world, isJson })
    const isHelp = error instanceof CommanderError && error.code === "commander.help"
    if (isHelp && !isJson) {
      world.stderr.write(complaint)
      return exitCodes.usage
    }
    const isDebugging = Boolean(world.environment.COMITY_DEBUG)
    return printError(usageErrorOf(error, commandPath(program, args)), output, isDebugging)
  }
}

function createProgram(world: World, version: string, complain: (text: string) => void): Command {
  return new Command("comity")
    .description("Share authorised good practices with exactly the members you choose.")
    .version(version, "--version", "print the version")
    .option("--home <dir>", "directory of the node")
    .option("--json", "print JSON")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: complain,
      outputError: () => {},
    })
    .configureHelp({ showGlobalOptions: true, subcommandTerm: termOf })
    .addHelpText("after", helpEnd)
}

/** Every command has options: to say so at each would say nothing. */
function termOf(command: Command): string {
  const words = command.registeredArguments.map((argument) => {
    const name = argument.variadic ? `${argument.name()}...` : argument.name()
    return argument.required ? `<${name}>` : `[${name}]`
  })
  return [command.name(), ...words].join(" ")
}

async function register(
  program: Command,
  context: CliContext,
  args: readonly string[],
): Promise<void> {
  const [name] = commandWords(args)
  const all = commandGroups.flatMap(({ heading, entries }) =>
    entries.map((entry) => ({ heading, ...entry })),
  )
  const asked = all.filter(({ names }) => name !== undefined && names.includes(name))
  // Help and the suggestion for a mistyped name need them all.
  const loaded = await Promise.all(
    (asked.length > 0 ? asked : all).map(async ({ heading, load }) => ({
      heading,
      registerCommands: await load(),
    })),
  )
  for (const { heading, registerCommands } of loaded) {
    const known = program.commands.length
    registerCommands(program, context)
    for (const command of program.commands.slice(known)) command.helpGroup(heading)
  }
  for (const command of program.commands) acceptGlobalOptions(command)
}

/** What is neither an option nor the value of --home: the command, its subcommand, their arguments. */
function commandWords(args: readonly string[]): readonly string[] {
  return args.filter((arg, i) => !arg.startsWith("-") && args[i - 1] !== "--home")
}

/** `help peer add` asks what `peer add --help` asks; an unknown command stays one. */
function helpLast(program: Command, args: readonly string[]): readonly string[] {
  const [first, ...topic] = commandWords(args)
  if (first !== "help") return args
  const [name] = topic
  const isKnown = program.commands.some((command) => command.name() === name)
  return name === undefined || isKnown ? [...topic, "--help"] : topic
}

/** The command that was meant, as far as its words are known ones. */
function commandPath(program: Command, args: readonly string[]): string {
  const path = ["comity"]
  let at = program
  for (const word of commandWords(args)) {
    const next = at.commands.find((command) => command.name() === word)
    if (next === undefined) break
    path.push(word)
    at = next
  }
  return path.join(" ")
}

/** Also behind the subcommand, where people write them. Help shows them once, as global options. */
function acceptGlobalOptions(command: Command): void {
  command.addOption(new Option("--home <dir>").hideHelp())
  command.addOption(new Option("--json").hideHelp())
  for (const subcommand of command.commands) acceptGlobalOptions(subcommand)
}

function usageErrorOf(error: unknown, path: string): unknown {
  if (!(error instanceof CommanderError)) return error
  if (error.code === "commander.help")
    return new UsageError("usage.invalid", "No command was given.", {
      hint: `${path} --help lists them.`,
      cause: error,
    })
  const [first = "", ...more] = error.message.replace(/^error: /, "").split("\n")
  const suggestion = more.join(" ").replace(/^\((.*)\)$/, "$1")
  // What stands behind an option may be a secret.
  const safe = first.replace(/'(--?[^=']+)=[^']*'/, "'$1'")
  const message = `${safe.charAt(0).toUpperCase()}${safe.slice(1).replace(/\.$/, "")}.`
  return new UsageError("usage.invalid", message, {
    hint: hintFor(error, suggestion, path),
    cause: error,
  })
}

function hintFor({ code, message }: CommanderError, suggestion: string, path: string): string {
  if (code === "commander.unknownOption" && /--(?:pass|secret|key|pin)/i.test(message))
    return "A secret is never an argument, where others can read it: use the prompt or COMITY_PASSPHRASE_FILE."
  if (suggestion !== "") return suggestion
  return code === "commander.unknownCommand"
    ? `${path} --help lists the commands.`
    : `${path} --help shows how it is used.`
}
