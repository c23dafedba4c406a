import type { Command } from "commander"
import type { HandedOver, OutboxView } from "../../node/exchange/outbox.ts"
import type { ReceiptView } from "../../node/exchange/receipts.ts"
import type { Unanswered } from "../../node/exchange/unanswered.ts"
import type { Why } from "../../node/exchange/why.ts"
import type { CliContext } from "../context.ts"
import { exitCodes, wordsOf } from "../errors.ts"
import { connect } from "../node-client.ts"
import type { Output } from "../output.ts"
import { UsageError } from "../usage-error.ts"

export function registerOutcome(program: Command, context: CliContext): void {
  program
    .command("outbox")
    .description("what is queued and has not reached its recipient, and why")
    .option("--send [peer]", "hand it over now to those whom we push to")
    .addHelpText("after", "\nExamples:\n  $ comity outbox\n  $ comity outbox --send xb\n")
    .action(async ({ send }: { send?: string | true }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      if (send === undefined)
        return printOutbox(output, await node.call<{ peers: readonly OutboxView[] }>("outbox", {}))
      const input = send === true ? {} : { peer: send }
      const sent = await node.call<{ peers: readonly HandedOver[] }>("outbox.send", input)
      output.document(sent)
      for (const { peer, code, error = "" } of sent.peers)
        output.line(`${peer}: ${code === undefined ? "has everything" : wordsOf(code, error)}`)
      if (sent.peers.length === 0) output.note("We push to nobody: comity peer push NAME")
      if (sent.peers.some(({ code }) => code !== undefined)) context.exit(exitCodes.partlyDone)
    })
  program
    .command("receipts [record]")
    .description("what each member stated about a record of ours")
    .option("--overdue", "withdrawals that have not been answered with purged or sealed")
    .addHelpText("after", "\nExamples:\n  $ comity receipts 4f1c\n  $ comity receipts --overdue\n")
    .action(
      async (record: string | undefined, options: { overdue?: boolean }, command: Command) => {
        const output = context.output(command)
        if (record === undefined && options.overdue !== true)
          throw new UsageError("usage.invalid", "Name a record, or ask for --overdue.")
        await using node = await connect(context, command)
        if (record === undefined)
          return printUnanswered(
            output,
            await node.call<{ withdrawals: readonly Unanswered[] }>("receipts.unanswered", {}),
          )
        const answer = await node.call<{ record: string; receipts: readonly ReceiptView[] }>(
          "receipts",
          { record },
        )
        printReceipts(output, answer)
      },
    )
  program
    .command("why <record>")
    .description("why a member has a record, or does not")
    .requiredOption("--peer <name>", "the member; public for everybody")
    .addHelpText("after", "\nExample:\n  $ comity why 4f1c --peer xb\n")
    .action(async (record: string, { peer }: { peer: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<Why>("why", { record, peer })
      output.document(answer)
      const who = peer === "public" ? "everybody" : answer.peer
      output.line(`${who} ${answer.have ? "has it" : "does not have it"}: ${answer.detail}`)
    })
}

function printOutbox(output: Output, answer: { readonly peers: readonly OutboxView[] }): void {
  output.document(answer)
  const waiting = answer.peers.filter((one) => one.waiting > 0)
  if (waiting.length === 0) output.note("Nothing waits: everybody has what was released to them.")
  else
    output.table(
      ["PEER", "WAITING", "SINCE", "BY", "LAST ASKED", "LAST TRIED", "FAILED", "WHY"],
      waiting.map((one) => [
        one.peer,
        String(one.waiting),
        one.since ?? "",
        one.mode,
        one.asked ?? "never",
        one.tried ?? "-",
        String(one.failures),
        one.code ?? "",
      ]),
    )
}

const isStatement = "A receipt is a signed statement of the recipient, not a proof of erasure."

function printReceipts(
  output: Output,
  answer: { readonly record: string; readonly receipts: readonly ReceiptView[] },
): void {
  output.document(answer)
  if (answer.receipts.length === 0) {
    output.note("This record has not been released to anyone.")
    return
  }
  output.table(
    ["PEER", "STATE", "DAY", "VERSION", "ORDER", "CODE"],
    answer.receipts.map(({ peer, state, day, version, order, code, until }) => [
      peer,
      until === undefined ? state : `${state} until ${until}`,
      day,
      String(version),
      order.slice(0, 12),
      code ?? "",
    ]),
  )
  output.note(isStatement)
}

function printUnanswered(
  output: Output,
  answer: { readonly withdrawals: readonly Unanswered[] },
): void {
  output.document(answer)
  if (answer.withdrawals.length === 0) {
    output.note("Every withdrawal has been answered.")
    return
  }
  output.table(
    ["RECORD", "PEER", "SINCE", "STATE", "OVERDUE", "WHY"],
    answer.withdrawals.map(({ record, peer, since, state, until, overdue, detail }) => [
      record.slice(0, 12),
      peer,
      since,
      until === undefined ? state : `${state} until ${until}`,
      overdue ? "yes" : "",
      detail,
    ]),
  )
  output.note(isStatement)
}
