import { existsSync } from "node:fs"
import type { Command } from "commander"
import type { PeerView } from "../../node/peers.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

export function registerPeer(program: Command, context: CliContext): void {
  const peer = program
    .command("peer")
    .description("the members this one exchanges with")
    .addHelpText("after", "\nExamples:\n  $ comity peer add xb.card\n  $ comity peer list\n")
  peer
    .command("add <card|url>")
    .description("add a member from its card file, or from its node's address")
    .option("--name <name>", "local name (default: its state code)")
    .option("--url <url>", "address, where the card names none or another")
    .addHelpText(
      "after",
      `
Examples:
  $ comity peer add xb.card
  $ comity peer add https://comity.xb.example --name xb
`,
    )
    .action((what: string, options: { name?: string; url?: string }, command: Command) =>
      addPeer(context, what, options, command),
    )
  peer
    .command("verify <name>")
    .description("state that the 12 words were compared with the member by another way")
    .requiredOption("--words <words>", "the 12 words that they read to you")
    .addHelpText("after", '\nExample:\n  $ comity peer verify xb --words "abandon ability …"\n')
    .action(async (name: string, { words }: { words: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const view = await node.call<PeerView>("peer.verify", { name, words })
      output.document(shown(view))
      output.line(`${view.name} is verified: ${view.title} (${view.member})`)
    })
  peer
    .command("list")
    .description("list the members known here")
    .addHelpText("after", "\nExample:\n  $ comity peer list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { peers } = await node.call<{ peers: readonly PeerView[] }>("peer.list", {})
      output.document({ peers: peers.map(shown) })
      if (peers.length === 0) output.note("No peer yet: comity peer add CARD|URL")
      else
        output.table(
          ["NAME", "STATE", "VERIFIED", "TITLE", "URL"],
          peers.map(({ name, state, verified, blocked, title, url }) => [
            name,
            state,
            blocked ? "blocked" : verified ? "yes" : "no",
            title,
            url ?? "-",
          ]),
        )
    })
  peer
    .command("rename <name> <to>")
    .description("call a member otherwise, here only")
    .addHelpText("after", "\nExample:\n  $ comity peer rename xb-2 harbour\n")
    .action((name: string, to: string, _options: object, command: Command) =>
      change(context, command, "peer.rename", { name, to }),
    )
  peer
    .command("move <name> <url>")
    .description("note another address of a member")
    .addHelpText("after", "\nExample:\n  $ comity peer move xb https://comity.xb.example\n")
    .action((name: string, url: string, _options: object, command: Command) =>
      change(context, command, "peer.move", { name, url }),
    )
  peer
    .command("push <name>")
    .description("hand over what is queued for a member, instead of waiting until it asks")
    .option("--off", "wait until it asks")
    .addHelpText("after", "\nExamples:\n  $ comity peer push xb\n  $ comity peer push xb --off\n")
    .action((name: string, { off }: { off?: boolean }, command: Command) =>
      change(context, command, "peer.push", { name, push: off !== true }),
    )
  peer
    .command("block <name>")
    .description("exchange nothing with a member until it is unblocked")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity peer block xb\n  $ comity peer block xb --undo\n",
    )
    .option("--undo", "unblock it")
    .action((name: string, { undo }: { undo?: boolean }, command: Command) =>
      change(context, command, "peer.block", { name, blocked: undo !== true }),
    )
  peer
    .command("remove <name>")
    .description("forget a member; what was exchanged stays, with its proofs")
    .addHelpText("after", "\nExample:\n  $ comity peer remove xb\n")
    .action(async (name: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const removed = await node.call<{ removed: string }>("peer.remove", { name })
      output.document(removed)
      output.line(`${name} is removed (${removed.removed})`)
    })
}

function shown({
  name,
  member,
  state,
  verified,
  url,
  rootVersion,
  title,
  words,
  blocked,
  push,
}: PeerView) {
  return { name, member, state, verified, url, rootVersion, title, words, blocked, push }
}

async function addPeer(
  context: CliContext,
  what: string,
  options: { name?: string; url?: string },
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const isUrl = /^https?:\/\//i.test(what) && !existsSync(what)
  const named = options.name === undefined ? {} : { name: options.name }
  const input = isUrl
    ? { url: what, ...named }
    : {
        card: encodeBase64(await readCard(context, what)),
        ...named,
        ...(options.url === undefined ? {} : { url: options.url }),
      }
  await using node = await connect(context, command)
  const view = await node.call<PeerView & { sameWords: readonly string[] }>("peer.add", input)
  output.document({ ...shown(view), sameWords: view.sameWords })
  output.line(`${view.name}: ${view.title} (${view.state})`)
  output.line(`member  ${view.member}`)
  output.line(`words   ${view.words}`)
  for (const other of view.sameWords)
    output.note(`ALARM: member ${other} has the same 12 words. Verify neither; tell both.`)
  output.note(
    `Not verified yet. Compare the words by telephone or in person, then: comity peer verify ${view.name} --words "…"`,
  )
}

async function readCard(context: CliContext, path: string): Promise<Uint8Array> {
  try {
    return await readFileArgument(path, limits.cardBytes, context.stdin)
  } catch (cause) {
    if (!(cause instanceof UsageError) || cause.code !== "file.missing") throw cause
    throw new UsageError(cause.code, cause.message, {
      hint: "A card is a file; a node's address begins with https://",
      cause,
    })
  }
}

async function change(
  context: CliContext,
  command: Command,
  operation: "peer.rename" | "peer.move" | "peer.block" | "peer.push",
  input: object,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const view = await node.call<PeerView>(operation, input)
  output.document(shown(view))
  output.line(
    `${view.name}: ${view.title}, ${view.blocked ? "blocked" : (view.url ?? "no address")}`,
  )
}
