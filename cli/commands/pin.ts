import { existsSync } from "node:fs"
import type { Command } from "commander"
import type { CliContext } from "../context.ts"
import { readFileArgument } from "../file-argument.ts"
import { unlockingFor } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

export function registerPin(program: Command, context: CliContext): void {
  const pin = program
    .command("pin")
    .description("the members that an officer knows by name, kept on the officer's own machine")
    .addHelpText(
      "after",
      '\nExamples:\n  $ comity pin add xb xb.card --words "abandon ability …"\n  $ comity pin list\n',
    )
  pin
    .command("add <name> <card|id>")
    .description("know a member by a name; its words were compared, or its whole id")
    .option("--words <words>", "the 12 words that the member read to you; for a card")
    .option("--passphrase-file <file>", "the officer's passphrase (default: asked)")
    .addHelpText(
      "after",
      `
Examples:
  $ comity pin add xb xb.card --words "abandon ability …"
  $ comity pin add xb 4d8cbfa52c127ba1…      the whole id, as from a QR code
`,
    )
    .action((name: string, what: string, options: PinOptions, command: Command) =>
      add(context, name, what, options, command),
    )
  pin
    .command("list")
    .description("list the members pinned here")
    .addHelpText("after", "\nExample:\n  $ comity pin list\n")
    .option("--passphrase-file <file>", "the officer's passphrase (default: asked)")
    .action(async (options: PinOptions, command: Command) => {
      const { files, unlocking } = await opened(context, options, command)
      const { readPins } = await import("../../node/keys/pins.ts")
      print(context, command, await readPins(files, unlocking))
    })
  pin
    .command("remove <name>")
    .description("know a member no more")
    .addHelpText("after", "\nExample:\n  $ comity pin remove xb\n")
    .option("--passphrase-file <file>", "the officer's passphrase (default: asked)")
    .action(async (name: string, options: PinOptions, command: Command) => {
      const { files, unlocking } = await opened(context, options, command)
      const { removePin } = await import("../../node/keys/pins.ts")
      const { realRandom } = await import("../../node/real-env.ts")
      print(context, command, await removePin(files, unlocking, name, realRandom))
    })
}

type PinOptions = { readonly words?: string; readonly passphraseFile?: string }

async function opened(context: CliContext, options: PinOptions, command: Command) {
  const { diskFiles } = await import("../../node/files.ts")
  const { passphraseFile } = options
  const unlocking = await unlockingFor(context, { what: "this officer", passphraseFile })
  return { files: diskFiles(context.home(command)), unlocking }
}

async function add(
  context: CliContext,
  name: string,
  what: string,
  options: PinOptions,
  command: Command,
): Promise<void> {
  const member = await memberOf(context, what, options)
  const { files, unlocking } = await opened(context, options, command)
  const { addPin } = await import("../../node/keys/pins.ts")
  const { realRandom } = await import("../../node/real-env.ts")
  print(context, command, await addPin(files, unlocking, { member, name }, realRandom))
}

/** A whole id decides by itself; a card says who it is, and its words were compared by another way. */
async function memberOf(context: CliContext, what: string, { words }: PinOptions): Promise<string> {
  if (/^[0-9a-f]{64}$/.test(what) && !existsSync(what)) return what
  if (words === undefined)
    throw new UsageError("usage.invalid", "A card is pinned with the words that were compared.", {
      hint: 'comity pin add NAME CARD --words "…"',
    })
  const { prepareCrypto } = await import("../../node/node.ts")
  const { NodeError } = await import("../../node/errors.ts")
  const { verifyCard } = await import("../../protocol/exchange/card.ts")
  const { decodeHex, equalBytes } = await import("../../protocol/encoding.ts")
  const { limits } = await import("../../protocol/limits.ts")
  const { readWords } = await import("../../protocol/words.ts")
  prepareCrypto()
  const { member } = verifyCard(await readFileArgument(what, limits.cardBytes, context.stdin))
  const readings = await readWords(words)
  const compared = decodeHex(member.id).subarray(0, 16)
  if (!readings.some((reading) => equalBytes(reading, compared)))
    throw new NodeError("peer.words", "These are not the words of that card.", {
      hint: "Stop here if they read you these words themselves: the card is somebody else's.",
    })
  return member.id
}

function print(context: CliContext, command: Command, pins: ReadonlyMap<string, string>): void {
  const output = context.output(command)
  output.document({ pins: [...pins].map(([member, name]) => ({ name, member })) })
  output.table(
    ["NAME", "MEMBER"],
    [...pins].map(([member, name]) => [name, member]),
  )
}
