import { basename, dirname, join } from "node:path"
import type { Command } from "commander"
import type { RootPair } from "../../node/authority/found.ts"
import type { Unlocking } from "../../node/keys/keystore.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { unlockingFor, unlockingOf } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

/** Key files on their machines: root keys made, split and joined; passphrases changed. No node runs here. */

const keyFileBytes = 64 * 1024

export function registerKeyFiles(key: Command, context: CliContext): void {
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
    .addHelpText(
      "after",
      "\nExample:\n  $ comity key restore a.share b.share c.share --out /media/stick\n",
    )
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
    .addHelpText("after", "\nExample:\n  $ comity key raw -o /etc/credstore/comity.key\n")
    .action((options: { readonly output: string }, command: Command) =>
      raw(context, options.output, command),
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
  const { splitRootKey } = await import("../../node/keys/shares.ts")
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
  const { joinShares } = await import("../../node/keys/shares.ts")
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
  const { openKeyFile, sealKeyFile } = await import("../../node/keys/keystore.ts")
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
  const { deriveRawKey } = await import("../../node/keys/keystore.ts")
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

export async function openPair(
  context: CliContext,
  file: string,
  passphraseFile: string | undefined,
) {
  const { openRootKey } = await import("../../node/keys/root-key.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const bytes = await readFileArgument(file, keyFileBytes, context.stdin)
  return openRootKey(bytes, await unlockingFor(context, { what: basename(file), passphraseFile }))
}

/** Both halves, named by the beginning of their kid. */
async function writePair(pair: RootPair, unlocking: Unlocking, directory: string) {
  const { diskFiles } = await import("../../node/files.ts")
  const { publicRootKey } = await import("../../node/authority/found.ts")
  const { realRandom } = await import("../../node/real-env.ts")
  const { encodePublicRootKey, sealRootKey } = await import("../../node/keys/root-key.ts")
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
