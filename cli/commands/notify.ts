import type { Command } from "commander"
import type { Hooks } from "../../node/exchange/notify.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import type { Output } from "../output.ts"

type Options = {
  readonly webhook?: string
  readonly digest?: string
  readonly off?: boolean
}

export function registerNotify(program: Command, context: CliContext): void {
  program
    .command("notify [command...]")
    .description(
      "run a program, or tell one on this machine, when records came: ids and counts only",
    )
    .option("--webhook <url>", "POST to http://127.0.0.1:PORT/…")
    .option("--digest <directory>", "leave an e-mail message there for a mailer to take")
    .option("--off", "tell nobody")
    .addHelpText(
      "after",
      `
Examples:
  $ comity notify
  $ comity notify -- /usr/local/bin/on-news --quiet
  $ comity notify --webhook http://127.0.0.1:9000/comity --digest /var/spool/comity
`,
    )
    .action(async (argv: readonly string[], options: Options, command: Command) => {
      const { webhook, digest, off } = options
      const hooks: Hooks = {
        ...(argv.length === 0 ? {} : { command: argv }),
        ...(webhook === undefined ? {} : { webhook }),
        ...(digest === undefined ? {} : { digest }),
      }
      const isSet = off === true || Object.keys(hooks).length > 0
      const output = context.output(command)
      await using node = await connect(context, command)
      const now = isSet
        ? await node.call<Hooks>("notify.set", off === true ? {} : hooks)
        : await node.call<Hooks>("notify.show", {})
      printHooks(output, now)
    })
}

function printHooks(output: Output, hooks: Hooks): void {
  output.document(hooks)
  if (hooks.command !== undefined) output.line(`command  ${JSON.stringify(hooks.command)}`)
  if (hooks.webhook !== undefined) output.line(`webhook  ${hooks.webhook}`)
  if (hooks.digest !== undefined) output.line(`digest   ${hooks.digest}`)
  if (Object.keys(hooks).length === 0) output.note("Nobody is told when records come.")
}
