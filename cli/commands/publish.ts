import type { Command } from "commander"
import type { HandedOver } from "../../node/exchange/outbox.ts"
import type { CliContext } from "../context.ts"
import { exitCodes, wordsOf } from "../errors.ts"
import { connect } from "../node-client.ts"

type Published = {
  readonly order: string
  /** null while it waits for a slot of the log */
  readonly index: number | null
  readonly size: number | null
  readonly slotAt?: string
  readonly delivered: readonly string[]
  readonly queued: readonly string[]
  readonly failed: readonly HandedOver[]
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
      if (published.slotAt !== undefined) {
        output.line(`order ${published.order} is in line for the log's slot of ${published.slotAt}`)
        output.note("Until then it can be cancelled: comity order cancel ORDER.")
        return
      }
      output.line(
        `order ${published.order} is in the log at index ${String(published.index)}, size ${String(published.size)}`,
      )
      const { delivered, queued, failed } = published
      if (delivered.length > 0) output.line(`handed over to ${delivered.join(", ")}`)
      if (queued.length > 0) output.line(`queued for ${queued.join(", ")}`)
      for (const { peer, code = "", error = "" } of failed)
        output.note(`${peer}: ${wordsOf(code, error)}`)
      if (failed.length === 0) return
      output.note("What is queued is tried again while the node serves: comity outbox")
      context.exit(exitCodes.partlyDone)
    })
}
