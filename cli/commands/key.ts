import { basename, dirname, join } from "node:path"
import type { Command } from "commander"
import type { listKeys } from "../../node/authority.ts"
import type { RootPair } from "../../node/found.ts"
import type { Unlocking } from "../../node/keystore.ts"
import type { Wishes } from "../../node/propose.ts"
import type { Exposed } from "../../node/renew.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import { assertConfirmed } from "../confirm.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect, environmentOf, unlockingFor, unlockingOf } from "../node-client.ts"
import { styled } from "../output.ts"
import { printProposal, publicKeys, readProposalFile } from "../proposal.ts"
import { UsageError } from "../usage-error.ts"
import { registerCeremony } from "./ceremony.ts"

const keyFileBytes = 64 * 1024

export function registerKey(program: Command, context: CliContext): void {
  const key = program
    .command("key")
    .description("root keys and their ceremonies; the keys of the running node")
  key
    .command("list")
    .description("list the keys that the root document in force names")
    .action((_options: object, command: Command) => list(context, command))
  key
    .command("generate")
    .description("make root keys, on the offline machine where they will stay")
    .requiredOption("--out <dir>", "where the key files go")
    .option("--count <n>", "how many", "1")
    .option("--passphrase-file <file>", "the new passphrase (default: asked)")
    .addHelpText("after", "\nExample:\n  $ comity key generate --out /media/stick\n")
    .action((options: GenerateOptions, command: Command) => generate(context, options, command))
  key
    .command("backup <file>")
    .description("split a root key into shares, some of which give it back; needs no node")
    .requiredOption("--shares <k/n>", "3/5: five shares, any three of which suffice")
    .requiredOption("--out <dir>", "where the shares go, to be parted")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .addHelpText(
      "after",
      "\nExample:\n  $ comity key backup root-1a2b3c4d.json --shares 3/5 --out /media/stick\n",
    )
    .action((file: string, options: BackupOptions, command: Command) =>
      backup(context, file, options, command),
    )
  key
    .command("restore <shares...>")
    .description("join shares to the root key again, under a new passphrase; needs no node")
    .requiredOption("--out <dir>", "where the key goes")
    .option("--passphrase-file <file>", "its new passphrase (default: asked)")
    .action((files: string[], options: RestoreOptions, command: Command) =>
      restore(context, files, options, command),
    )
  key
    .command("passphrase [files...]")
    .description("seal key files under a new passphrase (default: the node's); needs no node")
    .option("--new-passphrase-file <file>", "the new one (default: asked)")
    .addHelpText(
      "after",
      `
Examples:
  $ comity key passphrase
  $ comity key passphrase officers/p3.json officers/pins        an officer's key, and what it opens
`,
    )
    .action((files: string[], options: { newPassphraseFile?: string }, command: Command) =>
      changePassphrase(context, files, options.newPassphraseFile, command),
    )
  key
    .command("raw")
    .description("derive the raw key with which a service opens this home unattended")
    .requiredOption("-o, --output <file>", "where it goes; then COMITY_KEY_FILE names it")
    .action((options: { readonly output: string }, command: Command) =>
      raw(context, options.output, command),
    )
  registerPropose(key, context)
  registerCeremony(key, context)
  key
    .command("show <proposal>")
    .description("show what a proposal changes; needs no node")
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

type GenerateOptions = {
  readonly out: string
  readonly count: string
  readonly passphraseFile?: string
}

async function generate(
  context: CliContext,
  options: GenerateOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const count = Number(options.count)
  if (!/^\d{1,2}$/.test(options.count) || count < 1 || count > 32)
    throw new UsageError("usage.invalid", "--count is a number from 1 to 32.")
  const { realRandom } = await import("../../node/real-env.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const unlocking = await unlockingFor(context, {
    what: "these root keys",
    isNew: true,
    passphraseFile: options.passphraseFile,
  })
  const keys = []
  for (let i = 0; i < count; i++) {
    const pair = { ed25519: realRandom(32), mldsa65: realRandom(32) }
    keys.push(await writePair(pair, unlocking, options.out))
  }
  output.document({ keys })
  for (const { kid, words, key, public: open } of keys) {
    output.line(`root key  ${kid}`)
    output.line(`words     ${words}`)
    output.line(`secret    ${key}  (stays here)`)
    output.line(`public    ${open}  (goes to the node)`)
  }
  output.note("Compare the words where the public file arrives; write the passphrase down apart.")
}

type BackupOptions = {
  readonly shares: string
  readonly out: string
  readonly passphraseFile?: string
}

async function backup(
  context: CliContext,
  file: string,
  options: BackupOptions,
  command: Command,
): Promise<void> {
  const [, threshold = 0, shares = 0] = (/^(\d{1,3})\/(\d{1,3})$/.exec(options.shares) ?? []).map(
    Number,
  )
  if (threshold < 2 || shares < threshold || shares > 255)
    throw new UsageError("usage.invalid", `--shares ${options.shares} is not K/N, as in 3/5.`, {
      hint: "At least two shares are needed to give the key back.",
    })
  const output = context.output(command)
  const { splitRootKey } = await import("../../node/shares.ts")
  const { diskFiles } = await import("../../node/files.ts")
  const pair = await openPair(context, file, options.passphraseFile)
  const name = basename(file, ".json")
  const files = diskFiles(options.out)
  const written = []
  for (const [i, share] of (await splitRootKey(pair, { threshold, shares })).entries()) {
    files.write(`${name}.share-${i + 1}`, share)
    written.push(join(options.out, `${name}.share-${i + 1}`))
  }
  output.document({ threshold, shares: written })
  for (const one of written) output.line(one)
  output.note(
    `Any ${threshold} of them give the key back, without its passphrase: part them now, and try once.`,
  )
}

type RestoreOptions = { readonly out: string; readonly passphraseFile?: string }

async function restore(
  context: CliContext,
  files: readonly string[],
  options: RestoreOptions,
  command: Command,
): Promise<void> {
  const { joinShares } = await import("../../node/shares.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const shares = []
  for (const file of files) shares.push(await readFileArgument(file, keyFileBytes, context.stdin))
  const pair = await joinShares(shares)
  const what = "the key that comes back"
  const { passphraseFile } = options
  const unlocking = await unlockingFor(context, { what, isNew: true, passphraseFile })
  const key = await writePair(pair, unlocking, options.out)
  context.output(command).document(key)
  context.output(command).line(`root key  ${key.kid}: ${key.key}`)
}

async function changePassphrase(
  context: CliContext,
  given: readonly string[],
  passphraseFile: string | undefined,
  command: Command,
): Promise<void> {
  const { diskFiles } = await import("../../node/files.ts")
  const { openKeyFile, sealKeyFile } = await import("../../node/keystore.ts")
  const { realRandom } = await import("../../node/real-env.ts")
  const files = given.length > 0 ? given : [join(context.home(command), "keys.json")]
  const unlocking = await unlockingOf(context)
  const secrets: Uint8Array[] = []
  for (const file of files)
    secrets.push(
      await openKeyFile(await readFileArgument(file, keyFileBytes, context.stdin), unlocking),
    )
  // All are open before the first is written.
  const next = await unlockingFor(context, { what: "these files", isNew: true, passphraseFile })
  for (const [i, file] of files.entries())
    diskFiles(dirname(file)).write(basename(file), await sealKeyFile(secrets[i]!, next, realRandom))
  context.output(command).document({ files })
  context.output(command).note("Sealed anew. Copies made before still open with the former one.")
}

async function raw(context: CliContext, file: string, command: Command): Promise<void> {
  const { deriveRawKey } = await import("../../node/keystore.ts")
  const passphrase = await unlockingOf(context)
  if (typeof passphrase !== "string")
    throw new UsageError("usage.invalid", "The home opens with a raw key already.")
  const keys = join(context.home(command), "keys.json")
  const sealed = await readFileArgument(keys, keyFileBytes, context.stdin)
  const { encodeHex, utf8 } = await import("../../protocol/encoding.ts")
  const key = await deriveRawKey(sealed, passphrase)
  await writeFileArgument(file, utf8(`${encodeHex(key)}\n`), context.stdout)
  const output = context.output(command)
  output.document({ file })
  output.note(`Whoever reads ${file} opens this home: let nobody but the service's account do so.`)
}

async function openPair(context: CliContext, file: string, passphraseFile: string | undefined) {
  const { openRootKey } = await import("../../node/root-key.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const bytes = await readFileArgument(file, keyFileBytes, context.stdin)
  return openRootKey(bytes, await unlockingFor(context, { what: basename(file), passphraseFile }))
}

/** Both halves, named by the beginning of their kid. */
async function writePair(pair: RootPair, unlocking: Unlocking, directory: string) {
  const { diskFiles } = await import("../../node/files.ts")
  const { publicRootKey } = await import("../../node/found.ts")
  const { realRandom } = await import("../../node/real-env.ts")
  const { encodePublicRootKey, sealRootKey } = await import("../../node/root-key.ts")
  const { kidOf } = await import("../../protocol/member/key.ts")
  const { wordsOf } = await import("../../protocol/words.ts")
  const files = diskFiles(directory)
  const publicKey = publicRootKey(pair)
  const kid = kidOf(publicKey)
  const name = `root-${kid.slice(0, 8)}`
  files.write(`${name}.json`, await sealRootKey(pair, unlocking, realRandom))
  files.write(`${name}.pub`, encodePublicRootKey(publicKey))
  const key = join(directory, `${name}.json`)
  return { kid, words: wordsOf(kid), key, public: join(directory, `${name}.pub`) }
}

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

function registerPropose(key: Command, context: CliContext): void {
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
    enrol.push({ request: await readFileArgument(file, keyFileBytes, context.stdin), ...days })
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
  return parsePolicyFile(decodeUtf8(await readFileArgument(file, keyFileBytes, context.stdin)))
}

function revocationOf(text: string) {
  const [, who, from] = /^([^@]+)@(\d{1,15}|now)$/.exec(text) ?? []
  if (who === undefined || from === undefined)
    throw new UsageError("usage.invalid", `--revoke ${text} is not WHO@INDEX.`, {
      hint: "For example: --revoke p2@118, or p2@now.",
    })
  return { who, from: placeOf(from) }
}

function placeOf(text: string): number | "now" {
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
  const { readProposal } = await import("../../node/ceremony.ts")
  const output = context.output(command)
  await writeFileArgument(file, bytes, context.stdout)
  if (file === "-") return
  await printProposal(output, readProposal(bytes), { isShown: false, file })
  output.note(`Written to ${file}. Each holder of a root key: comity key sign ${file} --key …`)
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
  const { encodeRootSignature, signersOf, signProposal } = await import("../../node/ceremony.ts")
  const { publicRootKey } = await import("../../node/found.ts")
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
  const { assembleRoot, assertEnough, decodeRootSignature } = await import("../../node/ceremony.ts")
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
  const { completeHome, readBegun } = await import("../../node/home.ts")
  const { diskFiles } = await import("../../node/files.ts")
  const { acquireLease } = await import("../../node/lease.ts")
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
