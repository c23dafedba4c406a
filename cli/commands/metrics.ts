import type { Command } from "commander"
import type { Metrics } from "../../node/metrics.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"

export function registerMetrics(program: Command, context: CliContext): void {
  program
    .command("metrics")
    .description("print the figures that monitoring watches, as OpenMetrics text")
    .addHelpText(
      "after",
      `
Examples:
  $ comity metrics
  $ comity metrics > comity.prom
`,
    )
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const metrics = await node.call<Metrics>("metrics", {})
      output.document(metrics)
      output.block(metrics.text)
    })
}
