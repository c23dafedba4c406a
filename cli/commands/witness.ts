import type { Command } from "commander"
import type { Witnesses } from "../../node/authority/name-witnesses.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import { assertConfirmed } from "../confirm.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { connect, unlockingOf } from "../node-client.ts"
import type { Output } from "../output.ts"
import { UsageError } from "../usage-error.ts"

type ChangeOptions = {
  readonly quorum?: string
  readonly sign?: boolean
  readonly yes?: boolean
  readonly output?: string
}

export function registerWitness(program: Command, context: CliContext): void {
  const witness = program
    .command("witness")
    .description("the members that cosign this member's log, so that nobody can rewrite it")
    .addHelpText("after", "\nExample:\n  $ comity witness add xb xc xd --sign\n")
  for (const [name, words] of [
    ["add", "name peers as witnesses, or their present keys, in the next root document"],
    ["remove", "name them no more"],
  ] as const)
    witness
      .command(`${name} <peer...>`)
      .description(words)
      .option("--quorum <n>", "how many of them must cosign (default: more than half)")
      .option("--sign", "sign with the root keys in this home, and publish at once")
      .option("--yes", "do not ask for confirmation")
      .option("-o, --output <file>", "where the proposal for the root keys goes, - for stdout")
      .addHelpText(
        "after",
        `
Examples:
  $ comity witness ${name} xb xc --sign
  $ comity witness ${name} xb xc -o next.root      (the root keys are elsewhere)
`,
      )
      .action((peers: readonly string[], options: ChangeOptions, command: Command) =>
        change(context, { [name]: peers }, options, command),
      )
  witness
    .command("list")
    .description("who witnesses this log, and what each has cosigned")
    .addHelpText("after", "\nExample:\n  $ comity witness list\n")
    .action(async (_options: object, command: Command) => {
      await using node = await connect(context, command)
      printWitnesses(context.output(command), await node.call<Witnesses>("witness.list", {}))
    })
  witness
    .command("stop-after <hours>")
    .description("publish no release once witnesses have been missing for so long; never: always")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity witness stop-after 96\n  $ comity witness stop-after never\n",
    )
    .action(async (text: string, _options: object, command: Command) => {
      const output = context.output(command)
      const hours = text === "never" ? null : numberFrom(text, "HOURS", 8760)
      await using node = await connect(context, command)
      output.document(await node.call<object>("witness.stopAfter", { hours }))
      output.line(
        hours === null
          ? "Releases are published whether witnesses answer or not."
          : `Releases stop once witnesses have been missing for ${String(hours)} hours.`,
      )
    })
}

function printWitnesses(output: Output, view: Witnesses): void {
  output.document(view)
  if (view.witnesses.length === 0) {
    output.note("No witnesses: comity witness add PEER… names some.")
    return
  }
  output.table(
    ["WITNESS", "COSIGNED", "AT", "PROBLEM"],
    view.witnesses.map(({ name, size, cosignedAt, error, hasNewKey }) => [
      name,
      size === null ? "nothing" : `${String(size)} of ${String(view.size)}`,
      cosignedAt?.replace(/\.\d+Z$/, "Z") ?? "",
      hasNewKey ? `has a new key: comity witness add ${name}` : (error ?? ""),
    ]),
  )
  output.line(
    `quorum ${String(view.quorum)}`,
    view.stopAfterHours === null
      ? ""
      : `; releases stop after ${String(view.stopAfterHours)} hours without it`,
  )
}

async function change(
  context: CliContext,
  peers: { readonly add?: readonly string[]; readonly remove?: readonly string[] },
  options: ChangeOptions,
  command: Command,
): Promise<void> {
  const isSigned = options.sign === true
  if (isSigned === (options.output !== undefined))
    throw new UsageError(
      "usage.invalid",
      "Say how it is signed: --sign here, or -o FILE for the machines with root keys.",
    )
  const output = context.output(command)
  await using node = await connect(context, command)
  const { proposal, changes } = await node.call<{
    proposal: string
    changes: readonly string[]
  }>("witness.propose", {
    ...peers,
    ...(options.quorum === undefined ? {} : { quorum: numberFrom(options.quorum, "N", 64) }),
  })
  for (const line of changes) output.note(line)
  if (options.output !== undefined) {
    await writeFileArgument(options.output, decodeBase64(proposal), context.stdout)
    if (options.output === "-") return
    output.document({ file: options.output, changes })
    output.note(
      `Proposal written to ${options.output}: it takes effect once the root keys have signed it.`,
    )
    return
  }
  await assertConfirmed(context, options.yes === true, "Sign this root document?")
  const lines = await signHere(context, decodeBase64(proposal), command)
  const published = await node.call<{ version: number; index: number }>("root.publish", {
    proposal,
    lines,
  })
  output.document({ ...published, changes })
  output.line(`Root version ${String(published.version)} is in force.`)
  output.note("Orders that are still open must be requested and signed anew.")
}

/** The root keys of this home sign in this process: the node never sees them. */
async function signHere(context: CliContext, bytes: Uint8Array, command: Command) {
  const { readProposal, signProposal } = await import("../../node/authority/ceremony.ts")
  const { diskFiles } = await import("../../node/files.ts")
  const { publicRootKey } = await import("../../node/authority/found.ts")
  const { readRootKeys } = await import("../../node/home.ts")
  const { kidOf } = await import("../../protocol/member/key.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const proposal = readProposal(bytes)
  const named = new Set(proposal.root.rootKeys.map(kidOf))
  const pairs = await readRootKeys(diskFiles(context.home(command)), await unlockingOf(context))
  const ours = pairs.filter((pair) => named.has(kidOf(publicRootKey(pair))))
  if (ours.length < proposal.root.threshold)
    throw new UsageError(
      "usage.invalid",
      `${ours.length} root keys lie in this home; ${proposal.root.threshold} must sign.`,
      { hint: "Write the proposal to a file with -o FILE, and sign it where they are." },
    )
  const signed = await Promise.all(ours.map((pair) => signProposal(proposal, pair)))
  return signed.flat()
}

function numberFrom(text: string, name: string, max: number): number {
  const value = Number(text)
  if (/^\d{1,4}$/.test(text) && value >= 1 && value <= max) return value
  throw new UsageError("usage.invalid", `${name} is a number from 1 to ${String(max)}.`)
}
