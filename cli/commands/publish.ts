import type { Command } from "commander"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"

type Published = {
  readonly order: string
  readonly index: number
  readonly size: number
  readonly delivered: readonly string[]
  readonly queued: readonly string[]
}

export function registerPublish(program: Command, context: CliContext): void {
  program
    .command("publish <order>")
    .description("log a signed order and queue it for its recipients")
    .addHelpText("after", "\nExample:\n  $ comity publish 7c2e\n")
    .action(async (order: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const published = await node.call<Published>("publish", { order })
      output.document(published)
      output.line(
        `order ${published.order} is in the log at index ${String(published.index)}, size ${String(published.size)}`,
      )
      output.line(`queued for ${published.queued.join(", ")}`)
    })
}
