import type { Command } from "commander"
import type { Wishes } from "../../node/authority/propose.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { printProposal, publicKeys } from "../proposal.ts"
import { UsageError } from "../usage-error.ts"

/** The node words the next version of its root document, for root keys to sign. */

const fileBytes = 64 * 1024

type ProposeOptions = {
  readonly output: string
  readonly name?: string
  readonly expires?: string
  readonly ceiling?: string
  readonly policy?: string
  readonly enrol: readonly string[]
  readonly from?: string
  readonly until?: string
  readonly dismiss: readonly string[]
  readonly adopt: readonly string[]
  readonly drop: readonly string[]
  readonly revoke: readonly string[]
  readonly renew: readonly string[]
  readonly survives?: string
  readonly rootKey: readonly string[]
  readonly nextKey: readonly string[]
  readonly nextThreshold?: string
  readonly close?: string
  readonly successor?: string
  readonly answers?: string
  readonly keep?: boolean
  readonly succeeds: readonly string[]
}

export function registerPropose(key: Command, context: CliContext): void {
  const all = (value: string, before: readonly string[]) => [...before, value]
  const none = [] as readonly string[]
  key
    .command("propose")
    .description("word the next version of the root document, for the holders of root keys to sign")
    .requiredOption("-o, --output <file>", "where the proposal goes")
    .option("--name <name>", "the member's name")
    .option("--expires <day>", "until when it is in force")
    .option("--ceiling <marking>", "highest marking taken from others")
    .option("--policy <file>", "who must sign what: YAML, see comity policy show")
    .option("--enrol <request>", "an officer's request (comity officer new); repeat", all, none)
    .option("--from <day>", "first day of those enrolled")
    .option("--until <day>", "last day of those enrolled: deputies")
    .option("--dismiss <person>", "an officer who leaves; repeat", all, none)
    .option("--adopt <profile>", "a profile to adopt; repeat", all, none)
    .option("--drop <profile>", "a profile adopted no more; repeat", all, none)
    .option("--revoke <who@index>", "a key that counts no more from there; repeat", all, none)
    .option("--renew <job>", "node or witness: a key made anew; repeat", all, none)
    .option("--survives <index>", "a new log; of the old one so many entries stand, or: now")
    .option("--root-key <file>", "public root key that takes over, as announced; repeat", all, none)
    .option("--next-key <file>", "public root key that may follow those; repeat", all, none)
    .option("--next-threshold <n>", "how many of those must sign (default: more than half)")
    .option("--close <day>", "the member closes: from then on only withdrawals count")
    .option("--successor <id>", "with --close: the member that takes over")
    .option("--answers <text>", "with --close: who answers questions after that")
    .option("--keep", "with --close: this member keeps what it received")
    .option("--succeeds <id>", "a member that this one takes over from; repeat", all, none)
    .addHelpText(
      "after",
      `
Examples:
  $ comity key propose --enrol p3.request --dismiss p1 -o v2.proposal
  $ comity key propose --policy policy.yaml --adopt ippas -o v2.proposal
  $ comity key propose --root-key next-1.pub --next-key new-1.pub -o v3.proposal
  $ comity key propose --close 2027-06-30 --successor 4d8c… -o last.proposal
`,
    )
    .action(async (options: ProposeOptions, command: Command) =>
      propose(context, await wishesOf(context, options), options.output, command),
    )
}

async function wishesOf(context: CliContext, options: ProposeOptions): Promise<Wishes> {
  const { markings } = await import("../../protocol/record/marking.ts")
  const { oneOf } = await import("./init.ts")
  const { name, expires, ceiling, policy, from, until, close, survives } = options
  const days = {
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  }
  const enrol = []
  for (const file of options.enrol)
    enrol.push({ request: await readFileArgument(file, fileBytes, context.stdin), ...days })
  const renew = options.renew.map((job) => oneOf("--renew", job, ["node", "witness"] as const))
  return {
    ...(name === undefined ? {} : { name }),
    ...(expires === undefined ? {} : { expires }),
    ...(ceiling === undefined ? {} : { ceiling: oneOf("--ceiling", ceiling, markings) }),
    ...(policy === undefined ? {} : { policy: await readPolicy(context, policy) }),
    ...(enrol.length === 0 ? {} : { enrol }),
    ...(options.dismiss.length === 0 ? {} : { dismiss: options.dismiss }),
    ...(options.adopt.length === 0 ? {} : { adopt: options.adopt }),
    ...(options.drop.length === 0 ? {} : { drop: options.drop }),
    ...(options.revoke.length === 0 ? {} : { revoke: options.revoke.map(revocationOf) }),
    ...(renew.length === 0 ? {} : { renew }),
    ...(survives === undefined ? {} : { survives: placeOf(survives) }),
    ...(await rotationOf(context, options)),
    ...(close === undefined ? {} : { closing: closingOf(close, options) }),
    ...(options.succeeds.length === 0 ? {} : { succeeds: options.succeeds }),
  }
}

export async function readPolicy(context: CliContext, file: string) {
  const { parsePolicyFile } = await import("../policy-file.ts")
  const { decodeUtf8 } = await import("../../protocol/encoding.ts")
  return parsePolicyFile(decodeUtf8(await readFileArgument(file, fileBytes, context.stdin)))
}

function revocationOf(text: string) {
  const [, who, from] = /^([^@]+)@(\d{1,15}|now)$/.exec(text) ?? []
  if (who === undefined || from === undefined)
    throw new UsageError("usage.invalid", `--revoke ${text} is not WHO@INDEX.`, {
      hint: "For example: --revoke p2@118, or p2@now.",
    })
  return { who, from: placeOf(from) }
}

/** A size of our log, past or present. */
export function placeOf(text: string): number | "now" {
  if (text === "now") return text
  if (!/^\d{1,15}$/.test(text))
    throw new UsageError("usage.invalid", `${text} is not an index of the log, nor now.`)
  return Number(text)
}

async function rotationOf(
  context: CliContext,
  { rootKey, nextKey, nextThreshold }: ProposeOptions,
): Promise<Pick<Wishes, "rotate">> {
  if (rootKey.length === 0 && nextKey.length === 0) return {}
  if (rootKey.length === 0 || nextKey.length === 0)
    throw new UsageError(
      "usage.invalid",
      "Root keys change by --root-key and --next-key together.",
      {
        hint: "Those announced last time take over; those that may follow them are announced.",
      },
    )
  const threshold = Number(nextThreshold ?? Math.floor(nextKey.length / 2) + 1)
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > nextKey.length)
    throw new UsageError("usage.invalid", `--next-threshold is 1 to ${nextKey.length}.`)
  const now = await publicKeys(context, rootKey)
  return { rotate: { now, next: { rootKeys: await publicKeys(context, nextKey), threshold } } }
}

function closingOf(day: string, { successor, answers, keep }: ProposeOptions) {
  return {
    answers: answers ?? "",
    day,
    keep: keep === true,
    ...(successor === undefined ? {} : { successor }),
  }
}

/** The node words it; what it will mean is read from the file itself, as its signers will. */
export async function propose(
  context: CliContext,
  wishes: Wishes,
  file: string,
  command: Command,
): Promise<void> {
  await using node = await connect(context, command)
  const enrol = wishes.enrol?.map(({ request, ...days }) => ({
    request: encodeBase64(request),
    ...days,
  }))
  const { proposal: text } = await node.call<{ proposal: string }>("root.propose", {
    ...wishes,
    ...(enrol === undefined ? {} : { enrol }),
  })
  const bytes = decodeBase64(text)
  const { readProposal } = await import("../../node/authority/ceremony.ts")
  const output = context.output(command)
  await writeFileArgument(file, bytes, context.stdout)
  if (file === "-") return
  await printProposal(output, readProposal(bytes), { isShown: false, file })
  output.note(`Written to ${file}. Each holder of a root key: comity key sign ${file} --key …`)
}
