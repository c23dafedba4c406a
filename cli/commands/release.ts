import type { Command } from "commander"
import type { Foreseen } from "../../node/order/foresee.ts"
import type { Asked } from "../../node/order/interests.ts"
import type { Requested } from "../../node/order/release.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { onwardWords } from "../onward.ts"
import type { Output } from "../output.ts"
import { addAll, holdsMany, type Practice, practicesIn } from "../practice-files.ts"
import { oneOf } from "./init.ts"

type ReleaseOptions = {
  readonly to: string
  readonly onward?: string
  readonly evidence?: string
  readonly purpose?: string
  readonly caveat: readonly string[]
  readonly until?: string
  readonly beyondDefault?: boolean
  readonly dryRun?: boolean
}

export function registerRelease(program: Command, context: CliContext): void {
  const release = program
    .command("release")
    .description("ask officers to release records")
    .addHelpText("after", "\nExample:\n  $ comity release request 4f1c --to xb\n")
  release
    .command("request <record...>")
    .description("make the orders that release records to the members named; nothing leaves by it")
    .requiredOption(
      "--to <peers>",
      "members and groups (@name), separated by commas; public for everybody, for ever",
    )
    .option(
      "--onward <how>",
      "may they pass it on: no, consent, inside:@GROUP or free (default: no)",
    )
    .option(
      "--evidence <who>",
      "who may see evidence: recipient, members or public (default: members)",
    )
    .option("--purpose <text>", "what it is for (default: peer learning)")
    .option(
      "--caveat <text>",
      "a condition in words; repeat for each",
      (value: string, all: readonly string[]) => [...all, value],
      [] as readonly string[],
    )
    .option("--until <day>", "last day of use, YYYY-MM-DD")
    .option("--beyond-default", "as its origin, go further than the profile does by itself")
    .option("--dry-run", "show what each recipient would see and know; make no order")
    .addHelpText(
      "after",
      `
Examples:
  $ comity release request 4f1c --to xb,xc --dry-run
  $ comity release request 4f1c --to @harbours
  $ comity release request 4f1c 90ab --to xb --until 2027-12-31
  $ comity release request 4f1c --to xb --onward inside:@harbours --dry-run
  $ comity release request practices/ --to @harbours
  $ comity release request 4f1c --to public --dry-run
`,
    )
    .action((records: readonly string[], options: ReleaseOptions, command: Command) =>
      request(context, records, options, command),
    )
}

async function request(
  context: CliContext,
  records: readonly string[],
  options: ReleaseOptions,
  command: Command,
): Promise<void> {
  const { onward, evidence, purpose, until, caveat } = options
  const input = {
    to: namesIn(options.to),
    ...(onward === undefined ? {} : { onward: onwardAsked(onward) }),
    ...(evidence === undefined
      ? {}
      : {
          evidence: oneOf("--evidence", evidence, ["recipient", "members", "public"] as const),
        }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(caveat.length === 0 ? {} : { caveats: caveat }),
    ...(until === undefined ? {} : { until }),
    ...(options.beyondDefault === true ? { beyondDefault: true } : {}),
    ...(options.dryRun === true ? { dryRun: true } : {}),
  }
  const named = await recordsNamed(context, records)
  await using node = await connect(context, command)
  const found: string[] = []
  for (const one of named)
    if (typeof one === "string") found.push(one)
    else found.push(...(await addAll(node, one)).map(({ record }) => record))
  const requested = await node.call<Requested>("release.request", { records: found, ...input })
  printRequested(context.output(command), requested, options.dryRun === true)
}

function onwardAsked(onward: string): string {
  if (/^inside:@./.test(onward)) return onward
  return oneOf("--onward", onward, ["no", "consent", "inside:@GROUP", "free"] as const)
}

/** Ids as they are; of a folder or a list its practices, which become drafts where they are none yet. */
async function recordsNamed(
  context: CliContext,
  names: readonly string[],
): Promise<readonly (string | readonly Practice[])[]> {
  const found: (string | readonly Practice[])[] = []
  for (const name of names) {
    const isPath = !/^[0-9a-f]{1,32}$/i.test(name) && (await holdsMany(name))
    found.push(isPath ? await practicesIn(context, name) : name)
  }
  return found
}

/** Members, separated by commas. */
export function namesIn(list: string): readonly string[] {
  return list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
}

export function printRequested(output: Output, requested: Requested, isDry: boolean): void {
  output.document(isDry ? { ...requested, order: null, orders: [] } : requested)
  for (const foreseen of requested.preview) printForeseen(output, foreseen, isDry)
  for (const { group, peer } of requested.leftOut ?? [])
    output.line(`${peer} has closed, and with that left ${group}: it is given nothing`)
  if (isDry) {
    for (const asked of requested.asked ?? []) printAsked(output, asked)
    output.note("Dry run: no order was made.")
    return
  }
  for (const order of requested.orders) output.line(`order ${order}`)
  output.note(
    `Each order needs ${String(requested.needs)} officers: comity order sign ORDER --as PERSON`,
  )
}

/** A member that looks for such a record: shown where an audience is chosen. */
export function printAsked(
  output: Output,
  {
    peer,
    kind,
    title,
    by,
    named,
  }: Omit<Asked, "named" | "record" | "member"> & { readonly named?: boolean },
): void {
  output.line(
    `${peer} asked for such a record: “${title}” (${kind} ${by.slice(0, 12)})`,
    named === false ? "; it is not named" : "",
  )
}

/** In a dry run all that the recipient will see and know; else what it is given. */
function printForeseen(output: Output, foreseen: Foreseen, isDry: boolean): void {
  const { recipient, member, title, version, terms, sees, knows } = foreseen
  const isForAll = member === "public"
  const whom = isForAll ? "EVERYBODY" : `${recipient} (${member.slice(0, 12)}…)`
  output.line(`${whom}: “${title}”, version ${String(version)}`)
  if (terms !== undefined)
    output.line(
      `    ${terms.marking}, onward ${onwardWords(terms.onward)}, for ${terms.purpose}, evidence to ${terms.evidence}`,
      terms.expires === undefined ? "" : `, until ${terms.expires}`,
    )
  if (!isDry) return
  if (isForAll && terms !== undefined)
    output.line("    everybody will be able to read it, for ever: nobody can call it back")
  for (const clause of foreseen.allowedBy ?? []) output.line(`    allowed: ${clause}`)
  for (const caveat of terms?.caveats ?? []) output.line(`    caveat: ${caveat}`)
  if (sees !== undefined) {
    const { kind, profile, language, areas, fields, attachments, bytes } = sees
    const parts = [...areas, ...fields, ...attachments.map((name) => `file ${name}`)]
    output.line(
      `    sees the whole record: ${kind} under ${profile}, in ${language}, ${String(bytes)} bytes`,
      parts.length === 0 ? "" : `, with ${parts.join(", ")}`,
    )
  }
  for (const clause of knows) output.line(`    knows ${clause}`)
}
