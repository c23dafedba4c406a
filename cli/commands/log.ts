import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Command } from "commander"
import type { LogHead } from "../../node/log.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { WitnessPolicy } from "../../protocol/log/witness-policy.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

export function registerLog(program: Command, context: CliContext): void {
  const log = program.command("log").description("this member's own log, for anyone's tools")
  log
    .command("head")
    .description("show the newest checkpoint and the keys that verify it")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const head = await node.call<LogHead>("log.head", {})
      output.document(head)
      output.line(head.origin)
      output.line(`size ${String(head.size)}`)
      output.line(`root ${head.root}`)
      for (const vkey of head.vkeys) output.line(`vkey ${vkey}`)
      for (const name of head.cosignedBy) output.line(`cosigned by ${name}`)
    })
  log
    .command("proof [what]")
    .description("prove a record's release, or an entry by its index (C2SP tlog-proof)")
    .option("--peer <name>", "for a record of ours: whose grant")
    .option("--from <size>", "instead, prove that the log continues that of so many entries")
    .addHelpText(
      "after",
      `
Examples:
  $ comity log proof 4f1c            (a record, received or our own)
  $ comity log proof 17              (an entry of our own log)
  $ comity log proof --from 12
`,
    )
    .action((what: string | undefined, options: ProofOptions, command: Command) =>
      prove(context, what, options, command),
    )
  log
    .command("policy [peer]")
    .description("the keys and witnesses of this log, or of a peer's, for others' tools (C2SP)")
    .option("--check <file>", "instead, say what a policy file asks for; needs no node")
    .addHelpText(
      "after",
      `
Examples:
  $ comity log policy xa > xa.policy
  $ comity log policy --check mine.policy
  $ comity verify practice.evidence --pin "abandon ability …" --policy mine.policy
`,
    )
    .action((peer: string | undefined, options: { check?: string }, command: Command) =>
      options.check === undefined
        ? showPolicy(context, peer, command)
        : checkPolicy(context, options.check, command),
    )
  log
    .command("export <dir>")
    .description("write the log as static tiles (C2SP tlog-tiles)")
    .action(async (directory: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { files } = await node.call<{ files: readonly { path: string; bytes: string }[] }>(
        "log.export",
        {},
      )
      for (const { path, bytes } of files) {
        const target = join(directory, path)
        await mkdir(dirname(target), { recursive: true })
        await writeFile(target, decodeBase64(bytes))
      }
      output.document({ directory, files: files.length })
      output.line(`${String(files.length)} files in ${directory}`)
    })
}

type ProofOptions = { readonly from?: string; readonly peer?: string }

async function prove(
  context: CliContext,
  what: string | undefined,
  { from, peer }: ProofOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  if ((what === undefined) === (from === undefined))
    throw new UsageError("usage.invalid", "Name a record or an index, or --from SIZE.")
  await using node = await connect(context, command)
  if (from !== undefined) {
    const consistency = await node.call<{ proof: readonly string[] }>("log.consistency", {
      from: numberOf(from),
    })
    output.document(consistency)
    for (const hash of consistency.proof) output.line(hash)
    return
  }
  // A record's id that begins with nothing but digits takes more of it.
  const isIndex = /^\d{1,15}$/.test(what!)
  const proof = isIndex
    ? await node.call<{ proof: string; witnessing?: string }>("log.proof", {
        index: numberOf(what!),
      })
    : await node.call<{ proof: string; witnessing?: string }>("log.recordProof", {
        record: what,
        ...(peer === undefined ? {} : { peer }),
      })
  output.document(proof)
  output.block(proof.proof)
  if (proof.witnessing !== undefined) output.note(proof.witnessing)
}

async function showPolicy(
  context: CliContext,
  peer: string | undefined,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const answer = await node.call<{ origin: string; rootVersion: number; policy: string }>(
    "log.policy",
    peer === undefined ? {} : { peer },
  )
  output.document(answer)
  output.block(answer.policy)
  output.note(
    `As root version ${String(answer.rootVersion)} names them. Whoever wants more pins witnesses of their own.`,
  )
}

async function checkPolicy(context: CliContext, file: string, command: Command): Promise<void> {
  const output = context.output(command)
  const { logs, witnesses, quorum, groups } = await readPolicy(context, file)
  output.document({
    logs: logs.map(({ key }) => key.name),
    witnesses: witnesses.map(({ name, key }) => ({ name, key: key.name })),
    quorum,
  })
  for (const { key } of logs) output.line(`log ${key.name}`)
  for (const { name, key } of witnesses) output.line(`witness ${name}, key ${key.name}`)
  for (const { name, threshold, members } of groups)
    output.line(`group ${name}: ${String(threshold)} of ${members.join(", ")}`)
  output.line(`quorum ${quorum}`)
}

/** @throws `policy.malformed`, `file.*` */
export async function readPolicy(context: CliContext, file: string): Promise<WitnessPolicy> {
  const [{ parseWitnessPolicy }, { recode }, { decodeUtf8 }, { prepareCrypto }] = await Promise.all(
    [
      import("../../protocol/log/witness-policy.ts"),
      import("../../protocol/canonical.ts"),
      import("../../protocol/encoding.ts"),
      import("../../node/node.ts"),
    ],
  )
  const bytes = await readFileArgument(file, limits.noteBytes, context.stdin)
  prepareCrypto()
  return parseWitnessPolicy(recode("policy.malformed", () => decodeUtf8(bytes)))
}

function numberOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError("usage.invalid", `${text} is no number of an entry.`)
}
