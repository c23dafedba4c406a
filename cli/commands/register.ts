import type { Command } from "commander"
import type { Opened, RegisterLine } from "../../node/authority/register.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import { assertConfirmed } from "../confirm.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { assertOfficer, type OfficerOptions, officerKeyOf } from "../officer-key.ts"

const fileBytes = 4 * 1024 * 1024

type AddOptions = {
  readonly name: string
  readonly post: string
  readonly instrument: string
  readonly from: string
  readonly until?: string
}
type OpenOptions = {
  readonly reason: string
  readonly share: readonly string[]
  readonly as: readonly string[]
  readonly reseal?: boolean
}

export function registerRegister(program: Command, context: CliContext): void {
  const all = (value: string, before: readonly string[]) => [...before, value]
  const none = [] as readonly string[]
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
  register
    .command("share <request>")
    .description("give the own share of an entry, on the officer's own machine; needs no node")
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .requiredOption("-o, --output <file>", "where the share goes; destroy it after use")
    .addHelpText("after", "\nExample:\n  $ comity register share p3.request --as p1 -o p1.share\n")
    .option("--yes", "do not ask for confirmation")
    .action((file: string, options: ShareOptions, command: Command) =>
      share(context, file, options, command),
    )
  register
    .command("open <person>")
    .description("open the entries of a person with the shares of two officers; goes on record")
    .requiredOption("--reason <text>", "as in the request")
    .option("--share <file>", "an officer's share; repeat", all, none)
    .option("--as <person>", "an officer whose key lies in this home; repeat", all, none)
    .option("--reseal", "seal them again, to the officers of today")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity register open p3 --reason "audit 2027" --share p1.share --share p2.share\n',
    )
    .action((person: string, options: OpenOptions, command: Command) =>
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

type ShareOptions = OfficerOptions & { readonly output: string; readonly yes?: boolean }

async function share(
  context: CliContext,
  file: string,
  options: ShareOptions,
  command: Command,
): Promise<void> {
  assertOfficer(options)
  const { readRequest } = await import("../../node/authority/register.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const request = readRequest(await readFileArgument(file, fileBytes, context.stdin))
  const output = context.output(command)
  output.note(`Open who ${request.person} is, because: ${request.reason}`)
  await assertConfirmed(context, options.yes === true, "Give your share?")
  const given = await shareOf(context, request, options, command)
  await writeFileArgument(options.output, given, context.stdout)
  output.note(`With that of another officer it opens ${request.person}: carry it with care.`)
}

async function shareOf(
  context: CliContext,
  request: Parameters<typeof import("../../node/authority/register.ts").giveShares>[0],
  options: OfficerOptions,
  command: Command,
): Promise<Uint8Array> {
  const { giveShares } = await import("../../node/authority/register.ts")
  const { today } = await import("../../node/context.ts")
  const { realClock } = await import("../../node/real-env.ts")
  const { key } = await officerKeyOf(context, options, command)
  return giveShares(request, key, today({ env: { clock: realClock } }))
}

async function open(
  context: CliContext,
  person: string,
  { reason, share: files, as, reseal }: OpenOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const statements: Uint8Array[] = []
  for (const file of files) statements.push(await readFileArgument(file, fileBytes, context.stdin))
  if (as.length > 0) {
    const { readRequest } = await import("../../node/authority/register.ts")
    const asked = await node.call<{ request: string }>("register.request", { person, reason })
    const request = readRequest(decodeBase64(asked.request))
    for (const officer of as)
      statements.push(await shareOf(context, request, { as: officer }, command))
  }
  const { entries } = await node.call<{ entries: readonly Opened[] }>("register.open", {
    person,
    reason,
    statements: statements.map(encodeBase64),
    reseal: reseal === true,
  })
  output.document({ entries })
  for (const { name, post, instrument, from, until } of entries)
    output.line(`${person}: ${name}, ${post}, by ${instrument}, ${from} to ${until ?? "now"}`)
  output.note("This opening is on record: comity register log")
}
