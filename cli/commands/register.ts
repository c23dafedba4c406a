import type { Command } from "commander"
import type { Opened, RegisterLine } from "../../node/authority/register.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import {
  collectShares,
  giveShare,
  type OpeningOptions,
  opening,
  type ShareOptions,
  sharing,
} from "../opening.ts"

type AddOptions = {
  readonly name: string
  readonly post: string
  readonly instrument: string
  readonly from: string
  readonly until?: string
}
export function registerRegister(program: Command, context: CliContext): void {
  const register = program
    .command("register")
    .description("who stands behind a pseudonym: sealed, local, opened by two officers, on record")
    .addHelpText("after", "\nExamples:\n  $ comity register list\n  $ comity register log\n")
  register
    .command("add <person>")
    .description("note who a pseudonym is, sealed to the officers of today")
    .requiredOption("--name <name>", "the person's name")
    .requiredOption("--post <post>", "the post held")
    .requiredOption("--instrument <text>", "the instrument of appointment")
    .requiredOption("--from <day>", "first day of the appointment")
    .option("--until <day>", "last day")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity register add p3 --name "…" --post "Head of section" --instrument "Order 12/2026" --from 2026-11-01\n',
    )
    .action(async (person: string, options: AddOptions, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const added = await node.call<{ entry: string; holders: readonly string[] }>("register.add", {
        person,
        ...options,
      })
      output.document(added)
      output.line(`entry ${added.entry}: any two of ${added.holders.join(", ")} can open it`)
    })
  register
    .command("list")
    .description("list the entries, and who could open them today")
    .addHelpText("after", "\nExample:\n  $ comity register list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { entries } = await node.call<{ entries: readonly RegisterLine[] }>("register.list", {})
      output.document({ entries })
      output.table(
        ["ENTRY", "PERSON", "SINCE", "HOLDERS"],
        entries.map(({ entry, person, at, holders }) => [
          entry.slice(0, 12),
          person,
          dayOf(at),
          holders.length < 2 ? `${holders.join(", ")} (too few)` : holders.join(", "),
        ]),
      )
    })
  register
    .command("request <person>")
    .description("write what two officers need to open the entries of a person")
    .requiredOption("--reason <text>", "why; officers see it, and it goes on record")
    .requiredOption("-o, --output <file>", "- for stdout")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity register request p3 --reason "audit 2027" -o p3.request\n',
    )
    .action(
      async (person: string, options: { reason: string; output: string }, command: Command) => {
        await using node = await connect(context, command)
        const { reason, output: file } = options
        const { request } = await node.call<{ request: string }>("register.request", {
          person,
          reason,
        })
        await writeFileArgument(file, decodeBase64(request), context.stdout)
        context.output(command).note("Two officers: comity register share FILE -o SHARE")
      },
    )
  sharing(register.command("share <request>"), "give the own share of an entry")
    .addHelpText("after", "\nExample:\n  $ comity register share p3.request --as p1 -o p1.share\n")
    .action((file: string, options: ShareOptions, command: Command) =>
      giveShare(context, file, options, command, loadOpening, ({ person, reason }) => ({
        asked: `Open who ${person} is, because: ${reason}`,
        opens: person,
      })),
    )
  opening(
    register.command("open <person>"),
    "open the entries of a person",
    "seal them again, to the officers of today",
  )
    .addHelpText(
      "after",
      '\nExample:\n  $ comity register open p3 --reason "audit 2027" --share p1.share --share p2.share\n',
    )
    .action((person: string, options: OpeningOptions, command: Command) =>
      open(context, person, options, command),
    )
  register
    .command("log")
    .description("list what was noted and opened, by whom and why")
    .addHelpText("after", "\nExample:\n  $ comity register log\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { log } = await node.call<{ log: readonly LogLine[] }>("register.log", {})
      output.document({ log })
      output.table(
        ["DAY", "ACT", "PERSON", "OFFICERS", "REASON"],
        log.map(({ at, act, person, officers, reason }) => [
          dayOf(at),
          act,
          person,
          officers,
          reason,
        ]),
      )
    })
}

type LogLine = {
  readonly at: number
  readonly act: string
  readonly person: string
  readonly officers: string
  readonly reason: string
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}

async function loadOpening() {
  const { readRequest, giveShares } = await import("../../node/authority/register.ts")
  return { read: readRequest, give: giveShares }
}

async function open(
  context: CliContext,
  person: string,
  options: OpeningOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const { reason, reseal } = options
  const ask = () => node.call<{ request: string }>("register.request", { person, reason })
  const { entries } = await node.call<{ entries: readonly Opened[] }>("register.open", {
    person,
    reason,
    statements: await collectShares(context, options, command, loadOpening, ask),
    reseal: reseal === true,
  })
  output.document({ entries })
  for (const { name, post, instrument, from, until } of entries)
    output.line(`${person}: ${name}, ${post}, by ${instrument}, ${from} to ${until ?? "now"}`)
  output.note("This opening is on record: comity register log")
}
