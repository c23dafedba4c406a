import type { Command } from "commander"
import type { OfficerKey } from "../../node/authority/found.ts"
import type { Review } from "../../node/authority/officer.ts"
import type { PeerView } from "../../node/authority/peers.ts"
import type { OrderSummary, OrderView } from "../../node/order/orders.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import { assertConfirmed } from "../confirm.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect, type NodeClient } from "../node-client.ts"
import { assertOfficer, decisionBy, type OfficerOptions, officerKeyOf } from "../officer-key.ts"
import { onwardWords } from "../onward.ts"
import type { Output } from "../output.ts"
import { styled } from "../output.ts"
import { UsageError } from "../usage-error.ts"

const exportBytes = 64 * 1024 * 1024

type SignOptions = OfficerOptions & {
  readonly role?: string
  readonly yes?: boolean
  readonly confirmPublic: readonly string[]
  readonly output?: string
  readonly agent?: string
}

type RefuseOptions = OfficerOptions & { readonly reason: string; readonly output?: string }

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
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .option("--agent <socket>", "the officer's running agent, which shows and asks itself")
    .option("--role <role>", "the role in which to sign, for officers with several")
    .option("--yes", "do not ask for confirmation")
    .option(
      "--confirm-public <record>",
      "confirm that everybody may read this record for ever; repeat for each",
      (value: string, all: readonly string[]) => [...all, value],
      [] as readonly string[],
    )
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
    .option("--seen <size>", "how far that machine has seen our log, if it asks for more")
    .action(async (id: string, options: { output: string; seen?: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { export: file } = await node.call<{ export: string }>("order.export", {
        order: id,
        ...(options.seen === undefined ? {} : { seenSize: Number(options.seen) }),
      })
      await writeFileArgument(options.output, decodeBase64(file), context.stdout)
      if (options.output === "-") return
      output.document({ order: id, file: options.output })
      output.note(
        "The file holds the records in the clear: carry it as you would carry them, and destroy it after.",
      )
    })
  order
    .command("import <file>")
    .description("take in a signature, or a refusal, that was made elsewhere")
    .addHelpText("after", "\nExample:\n  $ comity order import p1.sig\n")
    .action(async (file: string, _options: object, command: Command) => {
      const bytes = await readFileArgument(file, 64 * 1024, context.stdin)
      const line = await readSignature(bytes)
      await using node = await connect(context, command)
      printOrder(
        context.output(command),
        line === null
          ? await node.call<OrderView>("order.refuse", { statement: encodeBase64(bytes) })
          : await node.call<OrderView>("order.import", line),
      )
    })
  order
    .command("refuse <order>")
    .description("end an order as an officer who does not agree; ORDER may be an exported file")
    .requiredOption("--reason <text>", "why; kept here, under the officer's signature")
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .option("-o, --output <file>", "where the refusal of an exported order goes")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity order refuse 7c2e --as p2 --reason "names a site"\n',
    )
    .action((what: string, options: RefuseOptions, command: Command) =>
      refuse(context, what, options, command),
    )
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
      terms === undefined ? "" : `, ${terms.marking}, onward ${onwardWords(terms.onward)}`,
    )
  for (const { person, role } of view.signatures) output.line(`  signed by ${person} as ${role}`)
  if (view.refusedBy !== undefined)
    output.line(`  refused by ${view.refusedBy}: ${view.reason ?? ""}`)
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
  if (options.agent !== undefined) return signByAgent(context, what, options.agent, command)
  assertOfficer(options)
  if (isFile(what)) await signFile(context, what, options, command)
  else await signHere(context, what, options, command)
}

function isFile(what: string): boolean {
  return !/^[0-9a-f]{1,32}$/i.test(what)
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
  const { reviewExport } = await import("../../node/authority/officer.ts")
  const { hasPins, readPins } = await import("../../node/keys/pins.ts")
  const files = diskFiles(context.home(command))
  const seen = readSeen(files)
  await using node = await connect(context, command)
  const exported = await node.call<{ export: string }>("order.export", {
    order: id,
    ...(seen === null ? {} : { seenSize: seen.size }),
  })
  const { key, unlocking } = await officerKeyOf(context, options, command)
  const pins = hasPins(files) ? await readPins(files, unlocking) : await verifiedPeers(node)
  const review = reviewExport(decodeBase64(exported.export), pins, seen)
  const line = await decide(context, review, key, options, command)
  const view = await node.call<OrderView>("order.import", {
    order: review.order.id,
    seen: review.seen.size,
    ...line,
  })
  writeSeen(files, review.seen)
  printOrder(output, view)
}

/** The agent gets what a machine offline would get, and decides by itself. */
async function signByAgent(
  context: CliContext,
  id: string,
  socket: string,
  command: Command,
): Promise<void> {
  const { askAgent } = await import("../../node/keys/agent-client.ts")
  await using node = await connect(context, command)
  const exported = await node.call<{ export: string }>("order.export", { order: id })
  const signed = await askAgent(socket, "/order", exported)
  printOrder(context.output(command), await node.call<OrderView>("order.import", signed))
}

/** On a machine without pins of its own, the node's word for who is who, as far as words were compared. */
async function verifiedPeers(node: NodeClient): Promise<ReadonlyMap<string, string>> {
  const { peers } = await node.call<{ peers: readonly PeerView[] }>("peer.list", {})
  const verified = peers.filter((peer) => peer.verified)
  return new Map(verified.map(({ member, name, title }) => [member, `${name}, ${title}`]))
}

/** Offline: an exported order, the officer's key, what this machine knows, and nothing else. */
async function signFile(
  context: CliContext,
  path: string,
  options: SignOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const { diskFiles } = await import("../../node/files.ts")
  const { readSeen, writeSeen } = await import("../../node/home.ts")
  const { reviewExport } = await import("../../node/authority/officer.ts")
  const { readPins } = await import("../../node/keys/pins.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const files = diskFiles(context.home(command))
  const bytes = await readExport(context, path)
  const { key, unlocking } = await officerKeyOf(context, options, command)
  const review = reviewExport(bytes, await readPins(files, unlocking), readSeen(files))
  const line = await decide(context, review, key, options, command)
  const { encodeCanonical } = await import("../../protocol/canonical.ts")
  const { id: order } = review.order
  const { size } = review.seen
  const signature = encodeCanonical({ ...line, order, seen: size, type: signatureType })
  await writeFileArgument(options.output ?? "-", signature, context.stdout)
  writeSeen(files, review.seen)
  if (options.output === undefined) return
  output.document({ order, file: options.output })
  output.note(`Signature written to ${options.output}: comity order import ${options.output}`)
}

/** An officer's no, with the reason, in a file or to this home's node. */
async function refuse(
  context: CliContext,
  what: string,
  options: RefuseOptions,
  command: Command,
): Promise<void> {
  const { signDecision } = await import("../../node/authority/decision.ts")
  const { today } = await import("../../node/context.ts")
  const { realClock } = await import("../../node/real-env.ts")
  const day = today({ env: { clock: realClock } })
  const { reason } = options
  const output = context.output(command)
  if (isFile(what)) {
    assertOfficer(options)
    const { reviewExport } = await import("../../node/authority/officer.ts")
    const { prepareCrypto } = await import("../../node/node.ts")
    prepareCrypto()
    const bytes = await readExport(context, what)
    const { member, order } = reviewExport(bytes, new Map(), null)
    const { key } = await officerKeyOf(context, options, command)
    const to = { member: member.id, network: member.network, day }
    const statement = await signDecision(key, to, { act: "refuse", reason, subject: order.id })
    await writeFileArgument(options.output ?? "-", statement, context.stdout)
    return
  }
  await using node = await connect(context, command)
  const { order } = await node.call<OrderView>("order.show", { order: what })
  const about = { act: "refuse", reason, subject: order } as const
  const by = await refuser(context, options, command)
  const statement = await decisionBy(context, node, by, about, command)
  printOrder(
    output,
    await node.call<OrderView>("order.refuse", { statement: encodeBase64(statement) }),
  )
}

/** Where officers' keys lie in the home, as in a first trial, the first of them unless one is named. */
async function refuser(
  context: CliContext,
  options: RefuseOptions,
  command: Command,
): Promise<OfficerOptions> {
  if (options.as !== undefined || options.key !== undefined) return options
  const { diskFiles } = await import("../../node/files.ts")
  const { officersHere } = await import("../../node/home.ts")
  const [as] = officersHere(diskFiles(context.home(command)))
  if (as === undefined) assertOfficer(options)
  context.output(command).note(`Refused as ${as ?? ""}.`)
  return { ...options, as: as ?? "" }
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

/** The signature line in a file, or null for another statement of an officer. */
async function readSignature(bytes: Uint8Array) {
  const { ingest } = await import("../../protocol/canonical.ts")
  const { decodeShape, hex, integer, literal, object, text } = await import(
    "../../protocol/shape.ts"
  )
  const value = ingest(bytes, bytes.length)
  if (typeof value === "object" && value !== null && "payload" in value) return null
  const shape = object({
    order: hex(16),
    protected: text({ min: 1, max: 16_384 }),
    seen: integer(0, Number.MAX_SAFE_INTEGER),
    signature: text({ min: 1, max: 128 }),
    type: literal(signatureType),
  })
  const { type: _type, ...line } = decodeShape(shape, value, "signed.malformed")
  return line
}

/** Shows what is signed, asks, and signs. */
export async function decide(
  context: CliContext,
  review: Review,
  key: OfficerKey,
  options: {
    readonly role?: string
    readonly yes?: boolean
    readonly confirmPublic?: readonly string[]
  },
  command: Command,
): Promise<SignatureLine> {
  const { madePublic, saidAgain, signatureMeaning, signReview } = await import(
    "../../node/authority/officer.ts"
  )
  const { realClock } = await import("../../node/real-env.ts")
  const output = context.output(command)
  printReview(output, review)
  output.note(signatureMeaning)
  await assertConfirmed(context, options.yes === true, "Sign this?")
  const toAll = Map.groupBy(madePublic(review), ({ id }) => id)
  const confirmed = [...saidAgain([...toAll.keys()], options.confirmPublic ?? [])]
  if (context.terminal !== null)
    confirmed.push(...(await askedAgain(context.terminal, toAll, confirmed)))
  const day = new Date(realClock.now()).toISOString().slice(0, 10)
  return signReview(review, key, day, options.role, confirmed)
}

/** What is for everybody is confirmed by typing which record it is, where somebody is there to type. */
async function askedAgain(
  terminal: NonNullable<CliContext["terminal"]>,
  records: ReadonlyMap<string, readonly { readonly title: string }[]>,
  before: readonly string[],
): Promise<readonly string[]> {
  const { saidAgain, saidAs } = await import("../../node/authority/officer.ts")
  const { promptLine } = await import("../prompt.ts")
  const ids = [...records.keys()]
  const short = saidAs(ids)
  const confirmed: string[] = []
  for (const id of ids.filter((one) => !before.includes(one))) {
    const titles = records.get(id)!.map(({ title }) => `“${title}”`)
    const question = `Everybody will be able to read ${titles.join(" and ")} for ever. Type ${short.get(id)} to confirm: `
    const said = saidAgain(ids, [await promptLine(question, terminal)])
    if (said.includes(id)) confirmed.push(id)
  }
  return confirmed
}

function printReview(output: Output, { order, lines, notes, member }: Review): void {
  const { name, network } = member.documents.at(-1)!.payload
  const act = order.act.toUpperCase()
  output.note(styled("bold", `${act} on behalf of ${name}, network ${network}`))
  for (const { known, isPinned, record, grant, inside } of lines) {
    output.note(
      `  to ${known}`,
      isPinned ? "" : styled("yellow", " (not known on this machine: compare the words)"),
      grant.key === undefined
        ? ""
        : styled("yellow", ": anybody, for ever; it can be marked withdrawn, not called back"),
    )
    output.note(
      `     “${record.title}”, ${record.kind}, version ${String(record.version)}, ${record.marking}`,
    )
    const { terms } = grant
    if (terms !== undefined)
      output.note(
        `     onward ${onwardWords(terms.onward)}, for ${terms.purpose}, evidence to ${terms.evidence}`,
        terms.expires === undefined ? "" : `, until ${terms.expires}`,
        ...terms.caveats.map((caveat) => `, ${caveat}`),
      )
    if (inside !== null)
      output.note(`     @${inside.name}, the list it may go round in: ${inside.known.join(", ")}`)
  }
  for (const note of notes) output.note(`  ${note}`)
}
