import type { Command } from "commander"
import type { Decision } from "../../node/authority/decision.ts"
import type { HoldView, OpenedRecord } from "../../node/exchange/hold.ts"
import type { RecordReference } from "../../node/order/standing.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { connect, type NodeClient } from "../node-client.ts"
import { assertOfficer, decisionBy, type OfficerOptions } from "../officer-key.ts"
import {
  collectShares,
  giveShare,
  type OpeningOptions,
  opening,
  type ShareOptions,
  sharing,
} from "../opening.ts"
import type { Output } from "../output.ts"
import { bothMarks } from "./records.ts"

type Decided = OfficerOptions & { readonly reason: string }
type ArchiveLine = {
  readonly at: number
  readonly act: string
  readonly record_id: string
  readonly officers: string
  readonly reason: string
}

export function registerHold(program: Command, context: CliContext): void {
  const hold = program
    .command("hold")
    .description("what the law forbids to destroy when it is taken back")
    .addHelpText(
      "after",
      `
Examples:
  $ comity hold place 4f1c --review 2027-12-31 --as p1 --reason "Archives Act, section 5"
  $ comity hold seal 4f1c --as p1 --reason "Archives Act, section 5"
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
          holds.map((view) => [
            view.record.slice(0, 12),
            view.from,
            view.review === null ? "none" : view.review + (view.due ? " (past)" : ""),
            stateOf(view),
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
  decided(
    hold.command("seal <record>"),
    "instead: seal a record for two officers when it is taken back",
  )
    .addHelpText(
      "after",
      '\nExample:\n  $ comity hold seal 4f1c --as p1 --reason "Archives Act, section 5"\n',
    )
    .action(async (record: string, options: Decided, command: Command) => {
      await using node = await connect(context, command)
      const { origin, id } = await node.call<RecordReference>("hold.find", { record })
      const about = { act: "seal", subject: `${origin} ${id}` } as const
      const statement = await sign(context, node, options, about, command)
      print(context.output(command), await node.call("hold.seal", { record: id, statement }))
    })
  registerUnsealing(hold, context)
  decided(hold.command("end <record>"), "end the hold: what was kept under it is destroyed")
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
      if (ended.locked || ended.openers !== undefined)
        output.line("it was withdrawn, and is destroyed; its origin will be told")
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
      const opened = await node.call<OpenedRecord>("hold.open", { record: id, statement })
      printOpened(context.output(command), opened)
    })
}

function stateOf({ locked, openers }: HoldView): string {
  if (locked) return "withdrawn, locked away"
  if (openers === undefined) return "not withdrawn"
  const few = openers.length < 2 ? " (too few)" : ""
  return `withdrawn, sealed for two of ${openers.join(", ")}${few}`
}

function printOpened(output: Output, opened: OpenedRecord): void {
  output.document(opened)
  const { title, body } = opened.content as { readonly title: string; readonly body: string }
  output.block(title)
  const { marking, localMark } = opened
  output.line(bothMarks(marking, localMark))
  output.block(body)
  output.note("It was withdrawn: read it for that reason only, which is on record.")
}

/** What two officers do to read what is sealed. */
function registerUnsealing(hold: Command, context: CliContext): void {
  hold
    .command("request <record>")
    .description("write what two officers need to open what is sealed")
    .requiredOption("--reason <text>", "why; officers see it, and it goes on record")
    .requiredOption("-o, --output <file>", "- for stdout")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity hold request 4f1c --reason "order of the court, 12 May" -o 4f1c.request\n',
    )
    .action(
      async (record: string, options: { reason: string; output: string }, command: Command) => {
        await using node = await connect(context, command)
        const { reason, output: file } = options
        const { request } = await node.call<{ request: string }>("hold.request", { record, reason })
        await writeFileArgument(file, decodeBase64(request), context.stdout)
        context.output(command).note("Two officers: comity hold share FILE -o SHARE")
      },
    )
  sharing(hold.command("share <request>"), "give the own share of it")
    .addHelpText("after", "\nExample:\n  $ comity hold share 4f1c.request --as p1 -o p1.share\n")
    .action((file: string, options: ShareOptions, command: Command) =>
      giveShare(context, file, options, command, loadOpening, ({ id, origin, reason }) => ({
        asked: `Open record ${id} of ${origin}, because: ${reason}`,
        opens: "the record",
      })),
    )
  opening(
    hold.command("unseal <record>"),
    "read what is sealed",
    "seal it again, to the officers of today",
  )
    .addHelpText(
      "after",
      '\nExample:\n  $ comity hold unseal 4f1c --reason "order of the court, 12 May" --share p1.share --share p2.share\n',
    )
    .action((record: string, options: OpeningOptions, command: Command) =>
      unseal(context, record, options, command),
    )
  hold
    .command("log")
    .description("list what was sealed, opened and destroyed, by whom and why")
    .addHelpText("after", "\nExample:\n  $ comity hold log\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { log } = await node.call<{ log: readonly ArchiveLine[] }>("hold.log", {})
      output.document({ log })
      output.table(
        ["DAY", "ACT", "RECORD", "OFFICERS", "REASON"],
        log.map(({ at, act, record_id, officers, reason }) => [
          new Date(at).toISOString().slice(0, 10),
          act,
          record_id.slice(0, 12),
          officers,
          reason,
        ]),
      )
    })
}

async function loadOpening() {
  const { readArchiveRequest, giveArchiveShares } = await import("../../node/exchange/archive.ts")
  return { read: readArchiveRequest, give: giveArchiveShares }
}

async function unseal(
  context: CliContext,
  record: string,
  options: OpeningOptions,
  command: Command,
): Promise<void> {
  await using node = await connect(context, command)
  const { reason, reseal } = options
  const ask = () => node.call<{ request: string }>("hold.request", { record, reason })
  const opened = await node.call<OpenedRecord>("hold.unseal", {
    record,
    reason,
    statements: await collectShares(context, options, command, loadOpening, ask),
    reseal: reseal === true,
  })
  printOpened(context.output(command), opened)
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
  const how =
    view.review === null
      ? "is sealed for two officers when it is withdrawn"
      : `is held until ${view.review}`
  output.line(`record ${view.record} of ${view.from} ${how}`)
  output.note(
    "While it is not withdrawn, nothing changes. Its origin learns of the hold by the receipt.",
  )
}
