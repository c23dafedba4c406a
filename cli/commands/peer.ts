import { existsSync } from "node:fs"
import type { Command } from "commander"
import type { Identity, PeerView } from "../../node/authority/peers.ts"
import type { Requested } from "../../node/order/release.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument } from "../file-argument.ts"
import { connect, type NodeClient } from "../node-client.ts"
import { assertOfficer, type OfficerOptions, officerKeyOf } from "../officer-key.ts"
import type { Output } from "../output.ts"
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
    .description("state that the words were compared with the member by another way")
    .requiredOption(
      "--words <words>",
      "the 12 words, or 39 digits, that they read; or the whole id",
    )
    .option("--both", "they have compared ours as well")
    .option("--as <person>", "the officer who compared, with a key in this home")
    .option("--key <file>", "that officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .addHelpText(
      "after",
      `
Examples:
  $ comity peer verify xb --words "abandon ability …" --both
  $ comity peer verify xb --words "48213 90177 …" --as p1
  $ comity peer verify xb --words comity/exercise:demo/4d8c…        (a scanned QR code)
`,
    )
    .action((name: string, options: VerifyOptions, command: Command) =>
      verify(context, name, options, command),
    )
  peer
    .command("show <name>")
    .description("show what is known of a member, and whom to call")
    .addHelpText("after", "\nExample:\n  $ comity peer show xb\n")
    .action(async (name: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const view = await node.call<PeerView>("peer.show", { name })
      output.document(view)
      printPeer(output, view)
    })
  peer
    .command("introduce <name>")
    .description(
      "tell others that we have compared a member's words: a release for officers to sign",
    )
    .requiredOption("--to <peers>", "whom, separated by commas")
    .option(
      "--replaces <id>",
      "attest that it takes over from this member, whose root keys are lost",
    )
    .addHelpText("after", "\nExample:\n  $ comity peer introduce xc --to xb,xd\n")
    .action(async (name: string, options: { to: string; replaces?: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { to, replaces } = options
      const requested = await node.call<Requested>("peer.introduce", {
        name,
        to: to.split(","),
        ...(replaces === undefined ? {} : { replaces }),
      })
      const { order, orders, needs, signed, grants } = requested
      output.document({ order, orders, needs, signed, grants })
      output.line(`order ${order}: needs ${String(needs)} officers`)
      output.note(`Next: comity order sign ${order.slice(0, 12)} --as PERSON`)
    })
  peer
    .command("update <file|name>")
    .description(
      "take in a member's newer root documents: from its card, from one of them, or its node",
    )
    .addHelpText(
      "after",
      `
Examples:
  $ comity peer update xa.card
  $ comity peer update xa-v3.root      as comity key publish --out wrote it
  $ comity peer update xa              asks its node
`,
    )
    .action(async (what: string, _options: object, command: Command) => {
      const output = context.output(command)
      const input = existsSync(what)
        ? { file: encodeBase64(await readFileArgument(what, limits.cardBytes, context.stdin)) }
        : { name: what }
      await using node = await connect(context, command)
      const view = await node.call<PeerView>("peer.update", input)
      output.document(view)
      output.line(`${view.name}: ${view.title}, root version ${String(view.rootVersion)}`)
    })
  peer
    .command("list")
    .description("list the members known here")
    .addHelpText("after", "\nExample:\n  $ comity peer list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { peers } = await node.call<{ peers: readonly PeerView[] }>("peer.list", {})
      output.document({ peers })
      if (peers.length === 0) output.note("No peer yet: comity peer add CARD|URL")
      else
        output.table(
          ["NAME", "STATE", "VERIFIED", "TITLE", "URL"],
          peers.map(({ name, state, verified, blocked, introducedBy, title, url }) => [
            name,
            state,
            blocked ? "blocked" : verified ? "yes" : introducedBy.length > 0 ? "introduced" : "no",
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

type VerifyOptions = OfficerOptions & { readonly words: string; readonly both?: boolean }

async function verify(
  context: CliContext,
  name: string,
  options: VerifyOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const both = options.both === true
  const statement = await statementOf(context, node, name, { ...options, both }, command)
  const view = await node.call<PeerView>("peer.verify", {
    name,
    words: options.words,
    both,
    ...(statement === null ? {} : { statement: encodeBase64(statement) }),
  })
  output.document(view)
  if (view.verified) output.line(`${view.name} is verified: ${view.title} (${view.member})`)
  else
    output.line(
      `noted for ${view.name}; not verified yet: this home asks for another officer or for both directions`,
    )
}

/** Who compared, under their own key; null where nobody is named. */
async function statementOf(
  context: CliContext,
  node: NodeClient,
  name: string,
  options: VerifyOptions & { readonly both: boolean },
  command: Command,
): Promise<Uint8Array | null> {
  if (options.as === undefined && options.key === undefined) return null
  const { compared } = await import("../../node/authority/peers.ts")
  const { signStatement } = await import("../../node/authority/statement.ts")
  const { today } = await import("../../node/context.ts")
  const { realClock } = await import("../../node/real-env.ts")
  assertOfficer(options)
  const peer = await node.call<PeerView>("peer.show", { name })
  const { member, network } = await node.call<Identity>("id.show", {})
  const { key } = await officerKeyOf(context, options, command)
  const to = { member, network, day: today({ env: { clock: realClock } }) }
  return signStatement(key, to, compared(peer.member, options.both))
}

function printPeer(output: Output, view: PeerView): void {
  const standing = view.blocked
    ? "blocked"
    : view.verified
      ? "verified"
      : view.introducedBy.length > 0
        ? `introduced by ${view.introducedBy.join(", ")}, not verified: nothing is shared with it`
        : "not verified: nothing is shared with it"
  output.line(`${view.name}: ${view.title} (${view.state}), ${standing}`)
  output.line(`member        ${view.member}`)
  output.line(`words         ${view.words}`)
  output.line(`root version  ${String(view.rootVersion)}, in force until ${view.expires}`)
  output.line(`address       ${view.url ?? "none"}`)
  for (const [name, line] of Object.entries(view.contact))
    output.line(`${name.padEnd(12)}  ${line}`)
  if (view.closing !== undefined)
    output.line(`closes on ${view.closing}; successor: ${view.successor ?? "none that both name"}`)
  for (const { member, agreed, attestedBy } of view.succeeds)
    output.line(
      `says it takes over from ${member}: ${agreed ? "that one says so too" : attestedBy.length > 0 ? `attested by ${attestedBy.join(", ")}` : "nobody else says so"}`,
    )
  for (const other of view.sameState) output.line(`${view.state} is also claimed by ${other}`)
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
  output.document(view)
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
  output.document(view)
  output.line(
    `${view.name}: ${view.title}, ${view.blocked ? "blocked" : (view.url ?? "no address")}`,
  )
}
