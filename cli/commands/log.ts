import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Command } from "commander"
import type { Audited } from "../../node/log/audit.ts"
import type { LogHead } from "../../node/log/log.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { WitnessPolicy } from "../../protocol/log/witness-policy.ts"
import type { CliContext } from "../context.ts"
import { exitCodes } from "../errors.ts"
import { readFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

export function registerLog(program: Command, context: CliContext): void {
  const log = program
    .command("log")
    .description("this member's own log, for anyone's tools")
    .addHelpText("after", "\nExamples:\n  $ comity log head\n  $ comity log proof 2\n")
  log
    .command("head")
    .description("show the newest checkpoint and the keys that verify it")
    .addHelpText("after", "\nExample:\n  $ comity log head --json\n")
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
    .command("consistency <size>")
    .description("prove that the log continues what it was at so many entries (RFC 6962)")
    .addHelpText("after", "\nExample:\n  $ comity log consistency 4\n")
    .action(async (size: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const consistency = await node.call<{ proof: readonly string[] }>("log.consistency", {
        from: numberOf(size),
      })
      output.document(consistency)
      for (const hash of consistency.proof) output.line(hash)
    })
  log
    .command("audit [peer]")
    .description("recompute our own log and all mirrors from their entries; or that of one peer")
    .addHelpText("after", "\nExamples:\n  $ comity log audit\n  $ comity log audit xb\n")
    .action(async (peer: string | undefined, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const input = peer === undefined ? {} : { peer }
      const audited = await node.call<{ logs: readonly Audited[] }>("log.audit", input)
      output.document(audited)
      output.table(
        ["LOG OF", "SIZE", "", ""],
        audited.logs.map(({ peer: name, size, ok, text }) => [
          name,
          String(size),
          ok ? "ok" : "DAMAGED",
          text,
        ]),
      )
      if (!audited.logs.every(({ ok }) => ok)) context.exit(exitCodes.verificationFailed)
    })
  log
    .command("cadence")
    .description("when entries are made: at once, or so many every so many seconds")
    .option("--every <seconds>", "length of a slot", numberOf)
    .option("--entries <number>", "entries in each slot, two for each order", numberOf)
    .option("--immediate", "at once, which shows every member when an order was logged")
    .addHelpText(
      "after",
      `
Examples:
  $ comity log cadence
  $ comity log cadence --every 3600 --entries 16
  $ comity log cadence --immediate
`,
    )
    .action(async (options: CadenceOptions, command: Command) => {
      const { readConfig, writeConfig } = await import("../../node/home.ts")
      const { diskFiles } = await import("../../node/files.ts")
      const files = diskFiles(context.home(command))
      const config = readConfig(files)
      const cadence = chosenCadence(options) ?? config.cadence
      const chosen = options.immediate === true ? null : cadence
      writeConfig(files, { ...config, cadence: chosen })
      const output = context.output(command)
      output.document({ cadence: chosen })
      output.line(
        chosen === null
          ? "Entries are made when there is something to log."
          : `${String(chosen.entries)} entries are made every ${String(chosen.everySeconds)} seconds, while the node serves.`,
      )
      if (chosen !== config.cadence)
        output.note("A running node takes it over when it is restarted.")
    })
  log
    .command("export <dir>")
    .description("write the log as static tiles (C2SP tlog-tiles)")
    .addHelpText("after", "\nExample:\n  $ comity log export /srv/www/log\n")
    .action(async (directory: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { files } = await node.call<{ files: readonly { path: string; bytes: string }[] }>(
        "log.export",
        {},
      )
      await writeAll(directory, files)
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

/** Over what an earlier export wrote: the checkpoint is the last, and never ahead of its tiles. */
async function writeAll(
  directory: string,
  files: readonly { readonly path: string; readonly bytes: string }[],
): Promise<void> {
  try {
    for (const { path, bytes } of files) {
      const target = join(directory, path)
      await mkdir(dirname(target), { recursive: true })
      await writeFile(target, decodeBase64(bytes))
    }
  } catch (cause) {
    throw new UsageError("file.unwritable", `The log cannot be written to ${directory}.`, {
      hint: "Name a directory, and check who may write in it.",
      cause,
    })
  }
}

type CadenceOptions = {
  readonly every?: number
  readonly entries?: number
  readonly immediate?: boolean
}

function chosenCadence({ every, entries }: CadenceOptions) {
  if (every === undefined && entries === undefined) return null
  if (every === undefined || entries === undefined || every < 1 || entries < 2)
    throw new UsageError(
      "usage.invalid",
      "A cadence needs both: --every SECONDS --entries NUMBER.",
      {
        hint: "At least 2 entries: an order takes two.",
      },
    )
  return { everySeconds: every, entries }
}

function numberOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError("usage.invalid", `${JSON.stringify(text)} is not a number of entries.`, {
    hint: "comity publish and comity log head say which there are.",
  })
}
