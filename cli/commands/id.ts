import type { Command } from "commander"
import type { Identity } from "../../node/authority/peers.ts"
import type { Contact } from "../../node/authority/renew.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"

export function registerId(program: Command, context: CliContext): void {
  const id = program
    .command("id")
    .description("who this member is")
    .addHelpText("after", "\nExamples:\n  $ comity id show\n  $ comity id show --card xa.card\n")
  id.command("show")
    .description("show the member id and its 12 words; write the card that others add")
    .option("--card <file>", "write the card to a file, - for stdout")
    .option(
      "--language <language>",
      "the words in cs, es, fr, it, ja, ko, pt, zh-Hans, zh-Hant, or digits",
    )
    .option("--qr", "print the whole id as a QR code")
    .addHelpText(
      "after",
      `
Examples:
  $ comity id show
  $ comity id show --card xa.card
  $ comity id show --language fr --qr
`,
    )
    .action((options: ShowOptions, command: Command) => showId(context, options, command))
  id.command("contact")
    .description("say in the keys document how to reach this member's people; confirm it yearly")
    .option("--mailbox <address>", "a role mailbox, never a person's")
    .option("--hours <text>", "when somebody answers")
    .option("--languages <list>", "in which languages")
    .option("--valid-until <day>", "when these lines end")
    .addHelpText(
      "after",
      `
Examples:
  $ comity id contact --mailbox exchange@authority.xa.example --hours "Mon-Fri 8-16 UTC" --languages "en, fr"
  $ comity id contact                 confirms them as they are
`,
    )
    .action((options: ContactOptions, command: Command) => contact(context, options, command))
}

type ShowOptions = { readonly card?: string; readonly language?: string; readonly qr?: boolean }
type ContactOptions = {
  readonly mailbox?: string
  readonly hours?: string
  readonly languages?: string
  readonly validUntil?: string
}

async function contact(
  context: CliContext,
  options: ContactOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const lines = await node.call<{ contact: Contact }>("id.contact", { contact: options })
  output.document(lines)
  for (const [name, line] of Object.entries(lines.contact)) output.line(`${name}: ${line}`)
  output.note("Peers see these lines with the next sync. They never make anybody trusted.")
}

async function showId(context: CliContext, options: ShowOptions, command: Command): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const identity = await node.call<Identity>("id.show", {})
  if (options.card !== undefined) {
    const { card } = await node.call<{ card: string }>("id.card", {})
    await writeFileArgument(options.card, decodeBase64(card), context.stdout)
    if (options.card === "-") return
    output.note(`Card written to ${options.card}. Let them compare your 12 words by another way.`)
  }
  const { wordsIn } = await import("../../protocol/words.ts")
  const words = await wordsIn(identity.member, options.language ?? "en")
  output.document({ ...identity, words })
  output.line(`${identity.name} (${identity.state}), network ${identity.network}`)
  output.line(`member        ${identity.member}`)
  output.line(`words         ${words}`)
  output.line(`root version  ${String(identity.rootVersion)}`)
  if (options.qr === true) {
    const { renderUnicodeCompact } = await import("uqr")
    output.block(renderUnicodeCompact(`comity/${identity.network}/${identity.member}`))
  }
}
