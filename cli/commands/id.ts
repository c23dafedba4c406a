import type { Command } from "commander"
import type { Identity } from "../../node/peers.ts"
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
    .addHelpText(
      "after",
      `
Examples:
  $ comity id show
  $ comity id show --card xa.card
`,
    )
    .action((options: { readonly card?: string }, command: Command) =>
      showId(context, options, command),
    )
}

async function showId(
  context: CliContext,
  options: { readonly card?: string },
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const identity = await node.call<Identity>("id.show", {})
  if (options.card !== undefined) {
    const { card } = await node.call<{ card: string }>("id.card", {})
    await writeFileArgument(options.card, decodeBase64(card), context.stdout)
    if (options.card === "-") return
    output.note(`Card written to ${options.card}. Let them compare your 12 words by another way.`)
  }
  output.document(identity)
  output.line(`${identity.name} (${identity.state}), network ${identity.network}`)
  output.line(`member        ${identity.member}`)
  output.line(`words         ${identity.words}`)
  output.line(`root version  ${String(identity.rootVersion)}`)
}
