import type { Command } from "commander"
import type { Requested } from "../../node/order/release.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { namesIn, printRequested } from "./release.ts"

export function registerWithdraw(program: Command, context: CliContext): void {
  program
    .command("withdraw <record>")
    .description("make the order that takes a record back; officers sign it, then it is published")
    .requiredOption("--reason <text>", "why; kept here")
    .option("--from <peers>", "only from these members, separated by commas; public for everybody")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity withdraw 4f1c --reason "superseded by a new version"\n',
    )
    .action(
      async (record: string, options: { reason: string; from?: string }, command: Command) => {
        await using node = await connect(context, command)
        const requested = await node.call<Requested>("withdraw", {
          record,
          reason: options.reason,
          ...(options.from === undefined ? {} : { from: namesIn(options.from) }),
        })
        printRequested(context.output(command), requested, false)
      },
    )
}
