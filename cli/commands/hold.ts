import type { Command } from "commander"
import type { Decision } from "../../node/authority/decision.ts"
import type { HoldView, Opened } from "../../node/exchange/hold.ts"
import type { RecordReference } from "../../node/order/standing.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { connect, type NodeClient } from "../node-client.ts"
import { assertOfficer, decisionBy, type OfficerOptions } from "../officer-key.ts"
import type { Output } from "../output.ts"
import { bothMarks } from "./records.ts"

type Decided = OfficerOptions & { readonly reason: string }

export function registerHold(program: Command, context: CliContext): void {
  const hold = program
    .command("hold")
    .description("what the law forbids to destroy when it is taken back")
    .addHelpText(
      "after",
      `
Examples:
  $ comity hold place 4f1c --review 2027-12-31 --as p1 --reason "Archives Act, section 5"
  $ comity hold list
`,
    )
  hold
    .command("list")
    .description("what is held, and when that is looked at again")
    .addHelpText("after", "\nExample:\n  $ comity hold list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { holds } = await node.call<{ holds: readonly HoldView[] }>("hold.list", {})
      output.document({ holds })
      if (holds.length === 0)
        output.note("Nothing is held: a withdrawal destroys what it takes back.")
      else
        output.table(
          ["RECORD", "FROM", "REVIEW", "STATE"],
          holds.map(({ record, from, review, due, locked }) => [
            record.slice(0, 12),
            from,
            review + (due ? " (past)" : ""),
            locked ? "withdrawn, locked away" : "not withdrawn",
          ]),
        )
    })
  decided(hold.command("place <record>"), "keep a record, locked away, when it is taken back")
    .requiredOption("--review <day>", "the day on which this is looked at again, YYYY-MM-DD")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity hold place 4f1c --review 2027-12-31 --as p1 --reason "Archives Act, section 5"\n',
    )
    .action(async (record: string, options: Decided & { review: string }, command: Command) => {
      const { review } = options
      await using node = await connect(context, command)
      const { origin, id } = await node.call<RecordReference>("hold.find", { record })
      const about = { act: "hold", subject: `${origin} ${id} ${review}` } as const
      const statement = await sign(context, node, options, about, command)
      print(
        context.output(command),
        await node.call("hold.place", { record: id, review, statement }),
      )
    })
  decided(hold.command("end <record>"), "end the hold: what was locked away under it is destroyed")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity hold end 4f1c --as p1 --reason "the case is closed"\n',
    )
    .action(async (record: string, options: Decided, command: Command) => {
      await using node = await connect(context, command)
      const { origin, id } = await node.call<RecordReference>("hold.find", { record })
      const about = { act: "unhold", subject: `${origin} ${id}` } as const
      const statement = await sign(context, node, options, about, command)
      const ended = await node.call<HoldView>("hold.end", { record: id, statement })
      const output = context.output(command)
      output.document(ended)
      output.line(`record ${ended.record} of ${ended.from} is held no more`)
      if (ended.locked) output.line("it was withdrawn, and is destroyed; its origin will be told")
    })
  decided(hold.command("open <record>"), "as an officer, read what is locked away")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity hold open 4f1c --as p1 --reason "order of the court, 12 May"\n',
    )
    .action(async (record: string, options: Decided, command: Command) => {
      await using node = await connect(context, command)
      const { origin, id } = await node.call<RecordReference>("hold.find", { record })
      const about = { act: "open", subject: `${origin} ${id}` } as const
      const statement = await sign(context, node, options, about, command)
      const opened = await node.call<Opened>("hold.open", { record: id, statement })
      const output = context.output(command)
      output.document(opened)
      const { title, body } = opened.content as { readonly title: string; readonly body: string }
      output.block(title)
      const { marking, localMark } = opened
      output.line(bothMarks(marking, localMark))
      output.block(body)
      output.note("It was withdrawn: read it for that reason only, which is on record.")
    })
}

function decided(command: Command, description: string): Command {
  return command
    .description(description)
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .requiredOption("--reason <text>", "the legal basis, or why; kept here with the signature")
}

async function sign(
  context: CliContext,
  node: NodeClient,
  options: Decided,
  about: Pick<Decision, "act" | "subject">,
  command: Command,
): Promise<string> {
  assertOfficer(options)
  const { reason } = options
  return encodeBase64(await decisionBy(context, node, options, { ...about, reason }, command))
}

function print(output: Output, view: HoldView): void {
  output.document(view)
  output.line(`record ${view.record} of ${view.from} is held until ${view.review}`)
  output.note(
    "While it is not withdrawn, nothing changes. Its origin learns of the hold by the receipt.",
  )
}
