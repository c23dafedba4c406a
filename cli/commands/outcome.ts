import type { Command } from "commander"
import type { ReceiptView } from "../../node/receipts.ts"
import type { Why } from "../../node/records.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"

export function registerOutcome(program: Command, context: CliContext): void {
  program
    .command("receipts <record>")
    .description("what each member stated about a record of ours")
    .addHelpText("after", "\nExample:\n  $ comity receipts 4f1c\n")
    .action(async (record: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<{ record: string; receipts: readonly ReceiptView[] }>(
        "receipts",
        { record },
      )
      output.document(answer)
      if (answer.receipts.length === 0) {
        output.note("This record has not been released to anyone.")
        return
      }
      output.table(
        ["PEER", "STATE", "DAY", "VERSION", "ORDER", "CODE"],
        answer.receipts.map(({ peer, state, day, version, order, code }) => [
          peer,
          state,
          day,
          String(version),
          order.slice(0, 12),
          code ?? "",
        ]),
      )
      output.note("A receipt is a signed statement of the recipient, not a proof of erasure.")
    })
  program
    .command("why <record>")
    .description("why a member has a record, or does not")
    .requiredOption("--peer <name>", "the member")
    .addHelpText("after", "\nExample:\n  $ comity why 4f1c --peer xb\n")
    .action(async (record: string, { peer }: { peer: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<Why>("why", { record, peer })
      output.document(answer)
      output.line(`${answer.peer} ${answer.have ? "has it" : "does not have it"}: ${answer.detail}`)
    })
}
