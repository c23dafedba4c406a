import type { Command } from "commander"
import type { OfficerKey } from "../../node/found.ts"
import type { Review } from "../../node/officer.ts"
import type { OrderSummary, OrderView } from "../../node/orders.ts"
import type { PeerView } from "../../node/peers.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect, unlockingOf } from "../node-client.ts"
import type { Output } from "../output.ts"
import { styled } from "../output.ts"
import { UsageError } from "../usage-error.ts"

const exportBytes = 64 * 1024 * 1024

type SignOptions = {
  readonly as?: string
  readonly key?: string
  readonly role?: string
  readonly yes?: boolean
  readonly output?: string
}

export function registerOrder(program: Command, context: CliContext): void {
  const order = program
    .command("order")
    .description("what officers sign, and what becomes of it")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity order list\n  $ comity order sign 7c2e --as p1\n",
    )
  order
    .command("list")
    .description("list the orders made here")
    .addHelpText("after", "\nExample:\n  $ comity order list\n")
    .action((_options: object, command: Command) => listOrders(context, command))
  order
    .command("show <order>")
    .description("show who would get what, and who has signed")
    .addHelpText("after", "\nExample:\n  $ comity order show 7c2e\n")
    .action(async (id: string, _options: object, command: Command) => {
      await using node = await connect(context, command)
      printOrder(context.output(command), await node.call<OrderView>("order.show", { order: id }))
    })
  order
    .command("sign <order>")
    .description(
      "sign as an officer, after looking at what is signed; ORDER may be an exported file",
    )
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--role <role>", "the role in which to sign, for officers with several")
    .option("--yes", "do not ask for confirmation")
    .option("-o, --output <file>", "where the signature of an exported order goes")
    .addHelpText(
      "after",
      `
Examples:
  $ comity order sign 7c2e --as p1
  $ comity order sign order.json --key /media/stick/p1.json -o p1.sig     (needs no node)
`,
    )
    .action((what: string, options: SignOptions, command: Command) =>
      signOrder(context, what, options, command),
    )
  order
    .command("export <order>")
    .description("write all that an officer's own machine needs to judge and sign the order")
    .addHelpText("after", "\nExample:\n  $ comity order export 7c2e -o order.json\n")
    .requiredOption("-o, --output <file>", "- for stdout")
    .action(async (id: string, options: { output: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { export: file } = await node.call<{ export: string }>("order.export", { order: id })
      await writeFileArgument(options.output, decodeBase64(file), context.stdout)
      if (options.output === "-") return
      output.document({ order: id, file: options.output })
      output.note(
        "The file holds the records in the clear: carry it as you would carry them, and destroy it after.",
      )
    })
  order
    .command("import <file>")
    .description("take in a signature that was made elsewhere")
    .addHelpText("after", "\nExample:\n  $ comity order import p1.sig\n")
    .action(async (file: string, _options: object, command: Command) => {
      const line = await readSignature(context, file)
      await using node = await connect(context, command)
      printOrder(context.output(command), await node.call<OrderView>("order.import", line))
    })
  order
    .command("refuse <order>")
    .description("end an order as an officer who does not agree")
    .addHelpText("after", '\nExample:\n  $ comity order refuse 7c2e --reason "names a site"\n')
    .requiredOption("--reason <text>", "why; kept here")
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      await using node = await connect(context, command)
      printOrder(
        context.output(command),
        await node.call<OrderView>("order.refuse", { order: id, reason }),
      )
    })
  order
    .command("cancel <order>")
    .description("end an order that nobody wants any more")
    .addHelpText("after", "\nExample:\n  $ comity order cancel 7c2e\n")
    .action(async (id: string, _options: object, command: Command) => {
      await using node = await connect(context, command)
      printOrder(context.output(command), await node.call<OrderView>("order.cancel", { order: id }))
    })
}

async function listOrders(context: CliContext, command: Command): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const { orders } = await node.call<{ orders: readonly OrderSummary[] }>("order.list", {})
  output.document({ orders })
  if (orders.length === 0) output.note("No order yet: comity release request RECORD --to PEER")
  else
    output.table(
      ["ORDER", "ACT", "STATE", "SIGNED", "PUBLISH BY"],
      orders.map((one) => [
        one.order.slice(0, 12),
        one.act,
        one.state,
        `${one.signed} of ${one.needs}`,
        one.notAfter,
      ]),
    )
}

function printOrder(output: Output, view: OrderView): void {
  output.document(view)
  const to = view.consentTo === undefined ? "" : ` towards ${view.consentTo}`
  output.line(`order ${view.order}: ${view.act}${to}, ${view.state}, publish by ${view.notAfter}`)
  for (const { recipient, title, record, version, terms } of view.grants)
    output.line(
      `  ${recipient}: “${title}” (${record.slice(0, 12)}, version ${String(version)})`,
      terms === undefined ? "" : `, ${terms.marking}, onward ${String(terms.onward)}`,
    )
  for (const { person, role } of view.signatures) output.line(`  signed by ${person} as ${role}`)
  if (view.state !== "open") return
  const isAwaited = view.missing.some((line) => line.startsWith("the consent of"))
  if (isAwaited)
    output.note(
      `For a consent: comity order export ${view.order.slice(0, 12)} -o FILE, to that member`,
    )
  if (view.satisfied) output.note(`Ready: comity publish ${view.order.slice(0, 12)}`)
  else output.note(`Still needed: ${view.missing.join("; ")}.`)
}

async function signOrder(
  context: CliContext,
  what: string,
  options: SignOptions,
  command: Command,
): Promise<void> {
  if ((options.as === undefined) === (options.key === undefined))
    throw new UsageError("usage.invalid", "Say who signs: --as PERSON, or --key FILE.")
  const isFile = !/^[0-9a-f]{1,32}$/i.test(what)
  if (isFile) await signFile(context, what, options, command)
  else await signHere(context, what, options, command)
}

/** The order of this home's node, judged and signed in this process: the node sees no officer's key. */
async function signHere(
  context: CliContext,
  id: string,
  options: SignOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const { diskFiles } = await import("../../node/files.ts")
  const { readSeen, writeSeen } = await import("../../node/home.ts")
  const { reviewExport } = await import("../../node/officer.ts")
  const files = diskFiles(context.home(command))
  const seen = readSeen(files)
  await using node = await connect(context, command)
  const exported = await node.call<{ export: string }>("order.export", {
    order: id,
    ...(seen === null ? {} : { seenSize: seen.size }),
  })
  const { peers } = await node.call<{ peers: readonly PeerView[] }>("peer.list", {})
  const pins = new Map(
    peers
      .filter(({ verified }) => verified)
      .map(({ member, name, title }) => [member, `${name}, ${title}`]),
  )
  const review = reviewExport(decodeBase64(exported.export), pins, seen)
  const line = await decide(context, review, options, command)
  const view = await node.call<OrderView>("order.import", { order: review.order.id, ...line })
  writeSeen(files, review.seen)
  printOrder(output, view)
}

/** Offline: an exported order, the officer's key, and nothing else. */
async function signFile(
  context: CliContext,
  path: string,
  options: SignOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const { reviewExport } = await import("../../node/officer.ts")
  const bytes = await readExport(context, path)
  const review = reviewExport(bytes, new Map(), null)
  const line = await decide(context, review, options, command)
  const { encodeCanonical } = await import("../../protocol/canonical.ts")
  const signature = encodeCanonical({ ...line, order: review.order.id, type: signatureType })
  await writeFileArgument(options.output ?? "-", signature, context.stdout)
  if (options.output === undefined) return
  output.document({ order: review.order.id, file: options.output })
  output.note(`Signature written to ${options.output}: comity order import ${options.output}`)
}

async function readExport(context: CliContext, path: string): Promise<Uint8Array> {
  try {
    return await readFileArgument(path, exportBytes, context.stdin)
  } catch (cause) {
    if (!(cause instanceof UsageError) || cause.code !== "file.missing") throw cause
    throw new UsageError(cause.code, cause.message, {
      hint: "The id of an order is made of 0-9 and a-f: comity order list. Anything else is a file.",
      cause,
    })
  }
}

const signatureType = "comity/order-signature/v1"

async function readSignature(context: CliContext, path: string) {
  const { ingest } = await import("../../protocol/canonical.ts")
  const { decodeShape, hex, literal, object, text } = await import("../../protocol/shape.ts")
  const shape = object({
    order: hex(16),
    protected: text({ min: 1, max: 16_384 }),
    signature: text({ min: 1, max: 128 }),
    type: literal(signatureType),
  })
  const bytes = await readFileArgument(path, 64 * 1024, context.stdin)
  const { type: _type, ...line } = decodeShape(
    shape,
    ingest(bytes, bytes.length),
    "signed.malformed",
  )
  return line
}

/** Shows what is signed, asks, and signs. */
async function decide(
  context: CliContext,
  review: Review,
  options: SignOptions,
  command: Command,
): Promise<SignatureLine> {
  const { signatureMeaning, signReview } = await import("../../node/officer.ts")
  const { realClock } = await import("../../node/real-env.ts")
  const output = context.output(command)
  // Before anything is read and confirmed for nothing.
  const key = await officerKeyOf(context, options, command)
  printReview(output, review)
  output.note(signatureMeaning)
  await assertConfirmed(context, options.yes === true)
  const day = new Date(realClock.now()).toISOString().slice(0, 10)
  return signReview(review, key, day, options.role)
}

function printReview(output: Output, { order, lines, notes, member }: Review): void {
  const { name, network } = member.documents.at(-1)!.payload
  const act = order.act.toUpperCase()
  output.note(styled("bold", `${act} on behalf of ${name}, network ${network}`))
  for (const { known, isPinned, record, grant } of lines) {
    output.note(
      `  to ${known}`,
      isPinned ? "" : styled("yellow", " (not known on this machine: compare the words)"),
    )
    output.note(
      `     “${record.title}”, ${record.kind}, version ${String(record.version)}, ${record.marking}`,
    )
    const { terms } = grant
    if (terms !== undefined)
      output.note(
        `     onward ${String(terms.onward)}, for ${terms.purpose}, evidence to ${terms.evidence}`,
        terms.expires === undefined ? "" : `, until ${terms.expires}`,
        ...terms.caveats.map((caveat) => `, ${caveat}`),
      )
  }
  for (const note of notes) output.note(`  ${note}`)
}

async function assertConfirmed(context: CliContext, isYes: boolean): Promise<void> {
  if (isYes) return
  if (context.terminal === null)
    throw new UsageError("usage.unconfirmed", "Nobody was there to confirm the signature.", {
      hint: "Look at comity order show ORDER, then repeat with --yes.",
    })
  const { confirm } = await import("../prompt.ts")
  if (!(await confirm("Sign this?", context.terminal)))
    throw new UsageError("usage.unconfirmed", "Not signed.")
}

async function officerKeyOf(
  context: CliContext,
  options: SignOptions,
  command: Command,
): Promise<OfficerKey> {
  const { openOfficerKey, readOfficerKey } = await import("../../node/home.ts")
  const unlocking = await unlockingOf(context)
  if (options.key !== undefined)
    return openOfficerKey(await readFileArgument(options.key, 64 * 1024, context.stdin), unlocking)
  const { diskFiles } = await import("../../node/files.ts")
  return readOfficerKey(diskFiles(context.home(command)), options.as ?? "", unlocking)
}
