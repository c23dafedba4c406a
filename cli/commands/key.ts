import type { Command } from "commander"
import type { listKeys } from "../../node/authority/authority.ts"
import type { Wishes } from "../../node/authority/propose.ts"
import type { Exposed } from "../../node/authority/renew.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import { assertConfirmed } from "../confirm.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect, environmentOf, unlockingOf } from "../node-client.ts"
import { styled } from "../output.ts"
import { printProposal, readProposalFile } from "../proposal.ts"
import { UsageError } from "../usage-error.ts"
import { registerCeremony } from "./ceremony.ts"
import { openPair, registerKeyFiles } from "./key-files.ts"
import { placeOf, propose, registerPropose } from "./propose.ts"

export function registerKey(program: Command, context: CliContext): void {
  const key = program
    .command("key")
    .description("root keys and their ceremonies; the keys of the running node")
    .addHelpText("after", "\nExamples:\n  $ comity key list\n  $ comity key ceremony\n")
  key
    .command("list")
    .description("list the keys that the root document in force names")
    .addHelpText("after", "\nExample:\n  $ comity key list\n")
    .action((_options: object, command: Command) => list(context, command))
  registerKeyFiles(key, context)
  registerPropose(key, context)
  registerCeremony(key, context)
  key
    .command("show <proposal>")
    .description("show what a proposal changes; needs no node")
    .addHelpText("after", "\nExample:\n  $ comity key show v2.proposal\n")
    .action(async (file: string, _options: object, command: Command) => {
      const { proposal } = await readProposalFile(context, file)
      await printProposal(context.output(command), proposal, { isShown: true })
    })
  key
    .command("sign <proposal>")
    .description("sign a proposal with a root key, after looking at it; needs no node")
    .requiredOption("--key <file>", "the root key file")
    .requiredOption("-o, --output <file>", "where the signature goes, - for stdout")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .option("--yes", "do not ask for confirmation")
    .addHelpText(
      "after",
      "\nExample:\n  $ comity key sign v2.proposal --key /media/stick/root-1a2b3c4d.json -o v2-1.sig\n",
    )
    .action((file: string, options: SignOptions, command: Command) =>
      sign(context, file, options, command),
    )
  key
    .command("publish <proposal> <signatures...>")
    .description("put the signed version in force: the node logs it")
    .option("--out <file>", "write the root document instead, for peers to take in; needs no node")
    .addHelpText(
      "after",
      `
Examples:
  $ comity key publish v2.proposal v2-1.sig v2-2.sig
  $ comity key publish v2.proposal v2-1.sig --out xa-v2.root     then at a peer: comity peer update xa-v2.root
`,
    )
    .action((file: string, signatures: string[], options: { out?: string }, command: Command) =>
      publish(context, file, signatures, options, command),
    )
  key
    .command("revoke <who>")
    .description("propose that a key counts no more: an officer's pseudonym, or a kid")
    .requiredOption("--from <index>", "from this index of our log on, or now")
    .requiredOption("-o, --output <file>", "where the proposal goes")
    .addHelpText("after", "\nExample:\n  $ comity key revoke p2 --from 118 -o revoke-p2.proposal\n")
    .action((who: string, options: { from: string; output: string }, command: Command) =>
      propose(context, { revoke: [{ who, from: placeOf(options.from) }] }, options.output, command),
    )
  key
    .command("rotate <job>")
    .description(
      "make a key of the node anew: kem at once; node, witness or log by a root ceremony",
    )
    .option("--survives <index>", "log: what of the log so far stands (default: all of it)")
    .option("-o, --output <file>", "where the proposal goes; not for kem")
    .addHelpText(
      "after",
      `
Examples:
  $ comity key rotate kem
  $ comity key rotate node -o v3.proposal
  $ comity key rotate log --survives 512 -o v3.proposal     (after a theft: what came later is disowned)
`,
    )
    .action(async (job: string, options: RotateOptions, command: Command) => {
      if (job === "kem") return rotateKem(context, command)
      const wishes: Wishes | null =
        job === "node" || job === "witness"
          ? { renew: [job] }
          : job === "log"
            ? { survives: placeOf(options.survives ?? "now") }
            : null
      if (wishes === null || options.output === undefined)
        throw new UsageError("usage.invalid", `A key ${job} is not rotated so.`, {
          hint: "kem; node, witness, log with -o FILE; root keys: comity key propose --root-key …",
        })
      return propose(context, wishes, options.output, command)
    })
  key
    .command("compromised <job>")
    .description("a key is in other hands: replace it at once, and say what that exposed; kem")
    .addHelpText(
      "after",
      "\nExample:\n  $ comity key compromised kem\n\nOther keys: comity key revoke, comity key rotate; docs/compromise.md\n",
    )
    .action((job: string, _options: object, command: Command) => compromised(context, job, command))
}

type RotateOptions = { readonly survives?: string; readonly output?: string }

async function rotateKem(context: CliContext, command: Command): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const { notAfter } = await node.call<{ notAfter: string }>("key.rotate-kem", {})
  output.document({ notAfter })
  output.line(`peers seal to a new key from now on, until ${notAfter}`)
}

async function compromised(context: CliContext, job: string, command: Command): Promise<void> {
  if (job !== "kem")
    throw new UsageError("usage.invalid", `For a key ${job} there is another way.`, {
      hint: "An officer's: comity key revoke. The node's, the log's: comity key rotate. See docs/compromise.md",
    })
  const output = context.output(command)
  await using node = await connect(context, command)
  const { exposed } = await node.call<{ exposed: readonly Exposed[] }>("key.replace-kem", {})
  output.document({ exposed })
  output.note("A new key is announced; the former ones are destroyed.")
  output.note(
    "Whoever had one and kept our traffic could read these; tell their origins, and sync with every peer:",
  )
  output.table(
    ["ORIGIN", "RECORD", "VERSION", "TITLE"],
    exposed.map(({ origin, record, version, title }) => [
      origin.slice(0, 12),
      record.slice(0, 12),
      String(version),
      title,
    ]),
  )
}

type SignOptions = {
  readonly key: string
  readonly output: string
  readonly passphraseFile?: string
  readonly yes?: boolean
}

async function sign(
  context: CliContext,
  file: string,
  options: SignOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const { proposal } = await readProposalFile(context, file)
  const { encodeRootSignature, signersOf, signProposal } = await import(
    "../../node/authority/ceremony.ts"
  )
  const { publicRootKey } = await import("../../node/authority/found.ts")
  const { kidOf } = await import("../../protocol/member/key.ts")
  if (!output.isJson) await printProposal(output, proposal, { isShown: false })
  await assertConfirmed(context, options.yes === true, "Sign this version of the root document?")
  const pair = await openPair(context, options.key, options.passphraseFile)
  const kid = kidOf(publicRootKey(pair))
  if (!signersOf(proposal).some(({ kids }) => kids.includes(kid)))
    throw new UsageError("usage.invalid", `Root key ${kid.slice(0, 8)} has no say in this version.`)
  const signature = encodeRootSignature(await signProposal(proposal, pair))
  await writeFileArgument(options.output, signature, context.stdout)
  if (options.output === "-") return
  output.document({ kid, version: proposal.root.version, file: options.output })
  output.note(`Signed by root key ${kid.slice(0, 8)}: ${options.output}`)
}

async function publish(
  context: CliContext,
  file: string,
  signatures: readonly string[],
  { out }: { readonly out?: string },
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const { bytes, proposal } = await readProposalFile(context, file)
  const { assembleRoot, assertEnough, decodeRootSignature } = await import(
    "../../node/authority/ceremony.ts"
  )
  const { limits } = await import("../../protocol/limits.ts")
  const lines = []
  for (const one of signatures)
    lines.push(
      ...decodeRootSignature(await readFileArgument(one, limits.signedBytes, context.stdin)),
    )
  assertEnough(proposal, lines)
  const { document } = assembleRoot(proposal, lines)
  const { version } = proposal.root
  if (out !== undefined) {
    await writeFileArgument(out, document, context.stdout)
    if (out === "-") return
    output.document({ member: proposal.memberId, version, file: out })
    output.note(`Root document written to ${out}. At a peer: comity peer update ${out}`)
    return
  }
  if (await isBegunHere(context, command)) return complete(context, lines, command)
  await using node = await connect(context, command)
  const published = await node.call<{ version: number; index: number }>("root.publish", {
    proposal: encodeBase64(bytes),
    lines,
  })
  output.document(published)
  output.line(`root version ${version} is in force, logged at index ${published.index}`)
  output.note(
    styled("dim", "Open orders made under the version before have to be requested again."),
  )
}

async function isBegunHere(context: CliContext, command: Command): Promise<boolean> {
  const { isBegun } = await import("../../node/home.ts")
  const { diskFiles } = await import("../../node/files.ts")
  return isBegun(diskFiles(context.home(command)))
}

/** Version 1 is signed: what `init` began is a member now. */
async function complete(
  context: CliContext,
  lines: readonly SignatureLine[],
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const home = context.home(command)
  const { completeHome, readBegun } = await import("../../node/begin.ts")
  const { diskFiles } = await import("../../node/files.ts")
  const { acquireLease } = await import("../../node/log/lease.ts")
  const begun = await readBegun(diskFiles(home), await unlockingOf(context))
  const { cipher, url = null } = begun
  const lease = acquireLease(home)
  const env = await environmentOf(context, home, { cipher, url })
  try {
    const identity = await completeHome(env, begun, lines)
    output.document(identity)
    output.line(`${identity.name} (${identity.state}), network ${identity.network}`)
    output.line(`member  ${identity.member}`)
    output.line(`words   ${identity.words}`)
    output.note("Next: comity id show --card FILE makes the card that other members add.")
  } finally {
    env.close()
    lease.release()
  }
}

async function list(context: CliContext, command: Command): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const view = await node.call<ReturnType<typeof listKeys>>("key.list", {})
  output.document(view)
  output.line(
    `root version ${view.rootVersion}, in force until ${view.expires}, ${view.threshold} of its root keys sign`,
  )
  output.table(
    ["JOB", "KID"],
    view.keys.map(({ job, kid }) => [job, kid]),
  )
  for (const { kid, from } of view.revoked) output.line(`revoked from index ${from}: ${kid}`)
}
