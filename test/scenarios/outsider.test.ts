import { expect, test } from "vitest"
import { renamePeer } from "../../node/authority/peers.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { signRequest } from "../../node/http/message-signature.ts"
import { nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { openSealed } from "../../protocol/crypto/seal.ts"
import { concat, decodeHex, encodeHex, utf8 } from "../../protocol/encoding.ts"
import {
  decodeEntries,
  encodeFrame,
  type Frame,
  framesHeader,
  framesMediaType,
  readFrames,
} from "../../protocol/exchange/frames.ts"
import {
  decodeParcelContent,
  joinEpoch,
  openParcel,
  parcelEnc,
} from "../../protocol/exchange/parcel.ts"
import { encodeReceipts } from "../../protocol/exchange/receipt.ts"
import { encodeSigned, signLine } from "../../protocol/signed.ts"
import { allowPublic } from "../support/ceremony.ts"
import { answersTo, framesOf, framesTo } from "../support/hostile.ts"
import {
  acquaint,
  authoriseAndPublish,
  network,
  signAs,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { type Secret, tracesIn } from "../support/traces.ts"

/**
 * A member that is not in an order learns nothing of it: not the title, not the recipients, not their
 * number. XA shares with some of XB, XD and XE; XC is a peer of XA and of XB, and has an order of its own.
 */

const officers = [
  { person: "heron.canary", organisation: "Heron Canary Bureau", roles: ["competentAuthority"] },
  { person: "stork.canary", organisation: "Stork Canary Office", roles: ["informationSecurity"] },
  { person: "p3", organisation: "Authority", roles: ["focalPoint"] },
  { person: "p4", organisation: "Authority", roles: ["operator"] },
]

type Told = { readonly title: string; readonly body: string; readonly to: readonly string[] }

type Cast = {
  readonly net: TestNetwork
  readonly xa: TestNode
  readonly xb: TestNode
  readonly xc: TestNode
  readonly xd: TestNode
  readonly xe: TestNode
}

async function cast(): Promise<Cast> {
  const net = await network(["xa", "xb", "xc", "xd", "xe"], { acquainted: false, officers })
  const { xa, xb, xc, xd, xe } = net.nodes as unknown as Omit<Cast, "net">
  for (const peer of [xb, xc, xd, xe]) {
    await acquaint(xa, peer)
    await acquaint(peer, xa)
  }
  await acquaint(xb, xc)
  await acquaint(xc, xb)
  return { net, xa, xb, xc, xd, xe }
}

async function publishAs(node: TestNode, orders: readonly string[], persons: readonly string[]) {
  for (const order of orders) {
    for (const person of persons) await signAs(node, order, person)
    await publish(node.context, order)
  }
}

const heronAndStork = ["heron.canary", "stork.canary"]

async function release(xa: TestNode, { title, body, to }: Told, persons = heronAndStork) {
  const text = `---\ntitle: ${title}\nlanguage: en\n---\n${body}\n`
  const { record } = await addDraft(xa.context, text)
  const terms = { purpose: `Purpose of ${title}`, caveats: [`Caveat of ${title}`] }
  const { orders } = await requestRelease(xa.context, { records: [record], to, ...terms })
  await publishAs(xa, orders, persons)
  return record
}

async function withdraw(xa: TestNode, record: string): Promise<void> {
  const { orders } = await requestWithdrawal(xa.context, { record, reason: "Canary of a reason" })
  await publishAs(xa, orders, heronAndStork)
}

/** What an outsider might know that exists, and asks for: as if somebody had told it the digests. */
type Guesses = { readonly sealed: string; readonly order: string; readonly leaf: string }

async function guessesAt(xa: TestNode, record: string): Promise<Guesses> {
  const { db } = xa.context
  const { sealed_digest: sealed } = await db
    .selectFrom("record")
    .select("sealed_digest")
    .where("id", "=", record)
    .executeTakeFirstOrThrow()
  const { order_id: order, leaf } = await db
    .selectFrom("fact")
    .select(["order_id", "leaf"])
    .where("record_id", "=", record)
    .executeTakeFirstOrThrow()
  return { sealed, order, leaf }
}

/** An answer without what must differ each time: signatures, and the roots and proofs of a log. */
type Seen = {
  readonly asked: string
  readonly status: number
  readonly headers: readonly string[]
  readonly body: string | readonly string[]
}

let nonces = 0

type Ask = readonly [method: string, target: string, body?: Uint8Array]

async function send(
  net: TestNetwork,
  node: TestNode,
  asker: TestNode | null,
  [method, target, body]: Ask,
): Promise<Response> {
  const url = new URL(target, `https://${node.host}`)
  const headers = new Headers({ "content-type": framesMediaType })
  const bytes = (body ?? new Uint8Array(0)) as Uint8Array<ArrayBuffer>
  if (asker !== null) {
    const { env, keys, self } = asker.context
    const created = Math.floor(env.clock.now() / 1000)
    const nonce = String(1_000_000 + nonces++)
    const signing = { from: self.id, to: node.context.self.id, created, nonce }
    await signRequest(
      { method, url, headers, body: bytes },
      { ...signing, keyid: nodeKid(keys), sign: nodeSigner(keys) },
    )
  }
  headers.set("host", node.host)
  const init = { method, headers, ...(method === "POST" ? { body: bytes } : {}) }
  return net.hosts.get(node.host)!(new Request(url, init))
}

async function seen(asked: string, response: Response): Promise<Seen> {
  const headers = [...response.headers].map(([name, value]) => `${name}: ${masked(value)}`)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const isFrames = bytes.length > 0 && response.headers.get("content-type") === framesMediaType
  const body = isFrames
    ? (await framesIn(bytes)).map(shapeOf)
    : masked(Buffer.from(bytes).toString())
  return { asked, status: response.status, headers, body }
}

async function framesIn(bytes: Uint8Array): Promise<readonly Frame[]> {
  const frames: Frame[] = []
  for await (const frame of readFrames(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream()))
    frames.push(frame)
  return frames
}

/** Hashes, signatures and nonces, each by its length. */
function masked(text: string): string {
  return text
    .replaceAll(/[A-Za-z0-9+/_=-]{40,}/g, (run) => `<${run.length}>`)
    .replaceAll(/nonce="[^"]*"/g, 'nonce="…"')
}

function shapeOf({ type, bytes }: Frame): string {
  const text = Buffer.from(bytes).toString()
  if (type === "head") return `head ${text}`
  if (type === "checkpoint") return `checkpoint ${masked(text)}`
  if (type !== "entries") return `${type} of ${bytes.length}`
  const { start, entries } = decodeEntries(bytes)
  return `entries ${start}: ${entries.map(([kind]) => kind).join(" ")}`
}

/** Everything that can be asked of `node`, as the outsider and as nobody. */
async function everything(
  { net, xc, xd }: Cast,
  node: TestNode,
  { sealed, order, leaf }: Guesses,
): Promise<readonly Seen[]> {
  const { keys, self } = xc.context
  const payload = encodeReceipts({
    from: self.id,
    items: [{ day: "2026-11-23", leaf, order, state: "delivered" }],
    network: self.network,
    to: node.context.self.id,
    type: "comity/receipts/v1",
  })
  const kid = nodeKid(keys)
  const header = { alg: "Ed25519", kid, network: self.network, typ: "comity-receipts+jws" } as const
  const line = await signLine(header, payload, nodeSigner(keys))
  const receipts = encodeFrame("receipts", encodeSigned(payload, [line]))
  const asks = [
    ...[
      ["GET", "/livez"],
      ["GET", "/readyz"],
      ["GET", "/.well-known/comity"],
      ["GET", "/root/1"],
    ],
    ...[
      ["GET", "/root/2"],
      ["GET", "/feed"],
      ["GET", "/feed?after=0&size=0"],
      ["GET", "/feed?after=1"],
    ],
    ...[
      ["GET", "/feed?after=x"],
      ["HEAD", "/feed"],
    ],
    ...[
      ["GET", "/checkpoint"],
      ["GET", "/tile/0/000"],
      ["GET", "/tile/entries/000"],
      ["GET", "/nothing"],
      ["GET", `/log/${node.context.self.id}`],
    ],
  ].map(([method, target]) => [method!, target!] as const)
  const guesses = [
    ...[sealed, order, leaf, "ab".repeat(32)].map((guess) => ["GET", `/sealed/${guess}`] as const),
    ["GET", `/feed?feed=${order}&after=9&size=9`] as const,
    ["GET", `/log/${xd.context.self.id}`] as const,
    ["POST", "/frames", concat(framesHeader(), receipts)] as const,
    ["POST", "/frames", concat(framesHeader(), encodeFrame("parcel", utf8("x")))] as const,
    ["POST", "/frames", utf8("x")] as const,
  ]
  const answers: Seen[] = []
  for (const asker of [xc, null]) {
    for (const one of asks)
      answers.push(await seen(one.join(" "), await send(net, node, asker, one)))
    for (const [i, one] of guesses.entries())
      answers.push(await seen(`guess ${i}`, await send(net, node, asker, one)))
  }
  return answers
}

/** What remains to be compared when logs have grown: everything but their news. */
function apartFromLogs(answers: readonly Seen[]): readonly Seen[] {
  return answers.map(({ headers, body, ...rest }) => ({
    ...rest,
    headers: headers.map((line) => line.replace(/^(comity-head: .*, )\d+$/, "$1…")),
    body:
      typeof body === "string"
        ? body.replace(/"proof":"[^"]*"/, "").replace(/^(comity\/.*\n)\d+\n/, "$1…\n")
        : body
            .filter((frame) => !/^(checkpoint|entries|root|keys) /.test(frame))
            .map((frame) => frame.replace(/^(head .*, )\d+$/, "$1…")),
  }))
}

const short = { title: "Canary of the vault", body: "Two persons open it." }
const long = {
  title: "Another canary altogether, of the gate and of all who pass it",
  body: "Nobody walks in alone, whatever the hour may be; and more is said of it. ".repeat(20),
}

/** The outsider's view at each stage of one release and its withdrawal. */
async function story({ title, body, to }: Told): Promise<readonly (readonly Seen[])[]> {
  nonces = 0
  const all = await cast()
  await using _net = all.net
  const { xa, xb, xc, xd, xe } = all
  await release(xa, { title: "For the outsider", body: "Its own.", to: ["xc"] }, ["p3", "p4"])
  await sync(xc.context)
  const stages = [await everything(all, xa, guessed)]
  const record = await release(xa, { title, body, to })
  const guesses = await guessesAt(xa, record)
  stages.push(await everything(all, xa, guesses))
  for (const { context } of [xb, xd, xe]) await sync(context)
  stages.push(await everything(all, xa, guesses), await everything(all, xb, guesses))
  await withdraw(xa, record)
  for (const { context } of [xb, xd, xe]) await sync(context)
  stages.push(await everything(all, xa, guesses), await everything(all, xb, guesses))
  return stages
}

test("an outsider is told the same whether one member was chosen or three, and whatever the text", async () => {
  const one = await story({ ...short, to: ["xb"] })
  const three = await story({ ...long, to: ["xb", "xd", "xe"] })
  for (const [stage, answers] of one.entries()) expect(answers).toEqual(three[stage])

  const [before, ...after] = one.map(apartFromLogs)
  const [released, received, receivedAtB, withdrawn, withdrawnAtB] = after
  for (const answers of [released, received, withdrawn]) expect(answers).toEqual(before)
  expect(withdrawnAtB).toEqual(receivedAtB)
  // It does see the log grow, by two entries for each order, at once.
  expect(JSON.stringify(one[1])).toContain("entries 0: 2 2 1 1 1 1")
  expect(JSON.stringify(one[4])).toContain("entries 0: 2 2 1 1 1 1 1 1")
})

const raw = (hex: string) => decodeHex(hex)

/** Everything about a release that is somebody else's business. */
async function secretsOf(xa: TestNode, told: Told, record: string): Promise<readonly Secret[]> {
  const { db } = xa.context
  const kept = await db
    .selectFrom("record")
    .innerJoin("content", "content.id", "record.id")
    .select(["digest", "sealed_digest", "content_key"])
    .where("record.id", "=", record)
    .executeTakeFirstOrThrow()
  const facts = await db.selectFrom("fact").selectAll().where("record_id", "=", record).execute()
  const orders = await db
    .selectFrom("logged_order")
    .selectAll()
    .where(
      "id",
      "in",
      facts.map(({ order_id }) => order_id),
    )
    .execute()
  return [
    { name: "title", value: told.title },
    { name: "body", value: told.body },
    { name: "purpose", value: `urpose of ${told.title}` },
    { name: "caveat", value: `aveat of ${told.title}` },
    { name: "reason", value: "Canary of a reason" },
    { name: "record id", value: raw(record) },
    { name: "record digest", value: raw(kept.digest) },
    { name: "sealed digest", value: raw(kept.sealed_digest) },
    { name: "content key", value: new Uint8Array(kept.content_key) },
    ...facts.map(({ leaf }) => ({ name: "leaf", value: raw(leaf) })),
    ...orders.flatMap(({ id, digest, salt }) => [
      { name: "order id", value: raw(id) },
      { name: "order digest", value: raw(digest) },
      { name: "entry salt", value: new Uint8Array(salt) },
    ]),
    ...officers.slice(0, 2).flatMap(({ person, organisation }) => [
      { name: "officer", value: person },
      { name: "organisation", value: organisation },
    ]),
  ]
}

function traitsOf(node: TestNode): readonly Secret[] {
  const { founded, context } = node
  const { publicKey } = kemKeyPair(founded.kem.seed)
  return [
    { name: `id of ${node.name}`, value: raw(context.self.id) },
    { name: `KEM key of ${node.name}`, value: publicKey },
    // With its quotation mark: base64 of less would share its last digit with the others.
    { name: `name of ${node.name}`, value: `Authority ${node.name.toUpperCase()}"` },
    { name: `address of ${node.name}`, value: node.host },
  ]
}

/** What `node` was ever sent by `from`, and what it makes of it with its own keys. */
async function openedBy(node: TestNode, from: TestNode): Promise<readonly Uint8Array[]> {
  const frames = await framesTo(from, node.context.self.id)
  const opened: Uint8Array[] = []
  const keys = new Map<string, Uint8Array>()
  for (const parcel of framesOf(frames, "parcel")) {
    const key = kemKeyPair(node.founded.kem.seed)
    const epoch = await joinEpoch(
      from.context.self.id,
      node.context.self.id,
      { ...key, seed: node.founded.kem.seed },
      parcelEnc(parcel),
    )
    const plaintext = openParcel(epoch, parcel)
    opened.push(plaintext)
    const content = decodeParcelContent(plaintext)
    for (const [place, contentKey] of content.keys)
      keys.set(content.delivery.grants[place]!.grant.sealed[0]!.digest, contentKey)
  }
  for (const sealed of framesOf(frames, "sealed")) {
    const contentKey = keys.get(encodeHex(sha256(sealed)))
    if (contentKey !== undefined) opened.push(openSealed(contentKey, 0, sealed))
  }
  return opened
}

/**
 * All that was served, but for what every peer is told of every member that is known, whether or not
 * anyone shares with it: third members' checkpoints, with the root and keys documents behind them.
 */
async function servedTo(node: TestNode, asker: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for (const { head, body } of answersTo(node, asker)) {
    parts.push(utf8(head))
    if (!head.includes(framesMediaType) || body.length === 0) parts.push(body)
    else parts.push(...withoutGossip(node, await framesIn(body)).map(({ bytes }) => bytes))
  }
  return concat(...parts)
}

function withoutGossip(node: TestNode, frames: readonly Frame[]): readonly Frame[] {
  let isGossip = false
  return frames.filter(({ type, bytes }) => {
    if (type === "checkpoint") isGossip = !Buffer.from(bytes).includes(node.context.self.id)
    else if (type !== "root" && type !== "keys") isGossip = false
    return !isGossip
  })
}

test("no byte served to an outsider, nor what it opens and holds, shows a trace of a release to others", async () => {
  const all = await cast()
  await using _net = all.net
  const { xa, xb, xc, xd, xe } = all
  await release(xa, { title: "For the outsider", body: "Its own.", to: ["xc"] }, ["p3", "p4"])
  const told = { ...short, to: ["xb", "xd", "xe"] }
  const record = await release(xa, told)
  const guesses = await guessesAt(xa, record)
  for (const { context } of [xb, xc, xd, xe, xa]) await sync(context)
  for (const node of [xa, xb]) await everything(all, node, guesses)
  await withdraw(xa, record)
  for (const { context } of [xb, xc, xd, xe, xa]) await sync(context)
  for (const node of [xa, xb]) await everything(all, node, guesses)
  // And when things go wrong: a node that stopped signing, a store that is damaged.
  for (const { context } of [xa, xb]) {
    context.stopped = { code: "store.failed", message: "Canary of a reason", hint: "" }
    await context.db
      .updateTable("log")
      .set({ range: new Uint8Array(1) })
      .execute()
  }
  for (const node of [xa, xb]) {
    const answers = await everything(all, node, guesses)
    expect(answers.find(({ asked }) => asked === "GET /readyz")).toMatchObject({ status: 503 })
  }

  const secrets = await secretsOf(xa, told, record)
  // What it asked with came from it: its guesses stand in no answer.
  const outsider = xc.context.self.id
  for (const asker of [outsider, "stranger"]) {
    const others = [...traitsOf(xb), ...traitsOf(xd), ...traitsOf(xe)]
    expect(tracesIn(await servedTo(xa, asker), [...secrets, ...others])).toEqual([])
    const beyond = [...traitsOf(xa), ...traitsOf(xd), ...traitsOf(xe)]
    expect(tracesIn(await servedTo(xb, asker), [...secrets, ...beyond])).toEqual([])
  }
  const opened = await openedBy(xc, xa)
  expect(opened.length).toBeGreaterThanOrEqual(2)
  expect(Buffer.concat(opened).toString()).toContain("For the outsider")
  expect(tracesIn(concat(...opened), [...secrets, ...traitsOf(xb), ...traitsOf(xd)])).toEqual([])
  const held = xc.env.openDatabase(xc.founded.keys.database).serialize()
  // Its own officers go by the same names.
  const foreign = secrets.filter(({ name }) => !/^(officer|organisation)$/.test(name))
  expect(tracesIn(held, [...foreign, ...traitsOf(xd), ...traitsOf(xe)])).toEqual([])
  expect((await inbox(xc.context)).records).toHaveLength(1)

  // The search would find them where they are: with a recipient, and in what it was served.
  const atB = xb.env.openDatabase(xb.founded.keys.database).serialize()
  expect(tracesIn(atB, secrets)).toEqual(expect.arrayContaining(["record id, hex"]))
  expect(tracesIn(concat(...(await openedBy(xb, xa))), secrets)).toEqual(
    expect.arrayContaining(["title, as it is", "officer, base64url", "content key, hex"]),
  )
  // Nor do titles, texts or officers stand in anybody's journal.
  const words = secrets.filter(({ value }) => typeof value === "string")
  for (const { journal } of [xa, xb, xc, xd, xe])
    expect(tracesIn(utf8(journal.join("\n")), words)).toEqual([])
})

/**
 * XA does not know XC, which knows XA, and follows XB: what XC and a stranger see while a record goes to XB,
 * or to everybody, and is taken back.
 */
async function storyBeside(to: "xb" | "public") {
  nonces = 0
  const net = await network(["xa", "xb", "xc", "xd", "xe"], { acquainted: false, officers })
  const { xa, xb, xc, xd, xe } = net.nodes as unknown as Omit<Cast, "net">
  for (const [one, other] of [
    [xa, xb],
    [xa, xd],
    [xb, xc],
  ] as const) {
    await acquaint(one, other)
    await acquaint(other, one)
  }
  await acquaint(xc, xa)
  await allowPublic(xa)
  const all = { net, xa, xb, xc, xd, xe }
  for (const { context } of [xb, xd, xc]) await sync(context)
  const before = await everything(all, xa, guessed)
  const { record } = await addDraft(
    xa.context,
    `---\ntitle: ${short.title}\nmarking: TLP:CLEAR\n---\n${short.body}\n`,
  )
  const { orders } = await requestRelease(xa.context, { records: [record], to: [to] })
  await authoriseAndPublish(xa, orders, [record])
  for (const { context } of [xb, xd, xc]) await sync(context)
  const guesses = await guessesAt(xa, record)
  const stages = [await everything(all, xa, guesses), await everything(all, xb, guesses)]
  const secrets = await secretsOf(xa, { ...short, to: ["xb"] }, record)
  await withdraw(xa, record)
  for (const { context } of [xb, xd, xc]) await sync(context)
  stages.push(await everything(all, xa, guesses), await everything(all, xb, guesses))
  return { all, before, stages, secrets }
}

const guessed = { sealed: "cd".repeat(32), order: "cd".repeat(16), leaf: "cd".repeat(32) }

test("whom the origin does not know learns nothing of what is for everybody, there or from who has it", async () => {
  const toOne = await storyBeside("xb")
  await using _one = toOne.all.net
  const toAll = await storyBeside("public")
  await using _all = toAll.all.net
  expect(toAll.stages).toEqual(toOne.stages)
  // At the origin but for how long its log is, which everybody may know.
  for (const stage of [0, 2])
    expect(apartFromLogs(toAll.stages[stage]!)).toEqual(apartFromLogs(toAll.before))

  const { xa, xb, xc } = toAll.all
  for (const asker of [xc.context.self.id, "stranger"])
    for (const node of [xa, xb])
      expect(tracesIn(await servedTo(node, asker), toAll.secrets)).toEqual([])
  const held = xc.env.openDatabase(xc.founded.keys.database).serialize()
  const foreign = toAll.secrets.filter(({ name }) => !/^(officer|organisation)$/.test(name))
  expect(tracesIn(held, foreign)).toEqual([])
  expect((await inbox(xc.context)).records).toEqual([])
  // Who is known has it, and was served it.
  expect(tracesIn(concat(...(await openedBy(xb, xa))), toAll.secrets)).toEqual(
    expect.arrayContaining(["title, as it is", "content key, hex"]),
  )
})

/** What comes on a feed that `asker` holds open at `node`, from where its log is now. */
async function follow(net: TestNetwork, node: TestNode, asker: TestNode) {
  const { size } = await node.context.db
    .selectFrom("log")
    .select("size")
    .where("member", "=", node.context.self.id)
    .executeTakeFirstOrThrow()
  const response = await send(net, node, asker, ["GET", `/feed?live&size=${size}`])
  const came: string[] = []
  const reader = response.body!.getReader()
  const chunks = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
  })
  const reading = (async () => {
    for await (const frame of readFrames(chunks)) came.push(shapeOf(frame))
  })().catch(() => {})
  const settled = () => new Promise((resolve) => setTimeout(resolve, 30))
  await settled()
  const since = async () => {
    await settled()
    return came.splice(0)
  }
  const close = async () => {
    await reader.cancel()
    await reading
  }
  return { since, close }
}

test("a feed held open says when a log grows, and nothing when the node does anything else", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"], { officers })
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  for (const { context } of Object.values(net.nodes)) await sync(context)
  const [atA, atB] = [await follow(net, xa, xc), await follow(net, xb, xc)]
  const [first, second] = [await atA.since(), await atB.since()]
  expect([first.at(-1), second.at(-1)]).toEqual(Array(2).fill(`head ${"0".repeat(32)}, 0, 2`))

  const said: string[][] = []
  for (const to of ["xb", "xd"]) {
    await release(xa, { ...short, to: [to] })
    const types = (await atA.since()).map((frame) => frame.split(" ", 1)[0])
    expect(types).toEqual(["checkpoint", "entries", "head"])
    expect(await atB.since()).toEqual([])
    const { peers } = await sync(xb.context, "xa")
    expect(peers).toMatchObject([{ received: to === "xb" ? 1 : 0, refused: 0 }])
    // XB has news of XA's log, as any peer of XA. It says so with its next beat, whatever else it got.
    expect(await atB.since()).toEqual([])
    net.clock.now += 30_000
    for (const { context } of [xa, xb]) context.bell.ring()
    said.push((await atB.since()).map((frame) => frame.replaceAll(/\n\d+\n/g, "\n…\n")))
    expect((await atA.since()).at(-1)).toMatch(/^head /)
  }
  expect(said[0]!.map((frame) => frame.split(" ", 1)[0])).toEqual(["checkpoint", "keys", "head"])
  expect(said[1]).toEqual(said[0])

  await renamePeer(xa.context, "xb", "canary")
  await addDraft(xb.context, "---\ntitle: Not shared\nlanguage: en\n---\nYet.\n")
  expect([...(await atA.since()), ...(await atB.since())]).toEqual([])
  await atA.close()
  await atB.close()
})

/** A value by its form: every text by its length, no number by its size. */
function skeleton(value: unknown): unknown {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null) return typeof value
  if (Array.isArray(value)) return value.map(skeleton)
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, skeleton(one)]))
}

test("a recipient cannot tell from its parcel who else was chosen, or whether anybody was", async () => {
  const all = await cast()
  await using _net = all.net
  const { xa, xb, xd, xe } = all
  await release(xa, { title: "To one", body: "The same.", to: ["xb"] })
  await release(xa, { title: "To all", body: "The same.", to: ["xd", "xb", "xe"] })
  await sync(xb.context)

  const frames = await framesTo(xa, xb.context.self.id)
  const [alone, among] = framesOf(frames, "parcel")
  expect(among!.length).toBe(alone!.length)
  const [one, other] = framesOf(frames, "sealed")
  expect(other!.length).toBe(one!.length)
  const opened = await openedBy(xb, xa)
  const [first, second] = opened.map((bytes) => JSON.parse(Buffer.from(bytes).toString()))
  expect(skeleton(second)).toEqual(skeleton(first))
  expect(second.delivery.grants).toHaveLength(1)
  const others = [...traitsOf(xd), ...traitsOf(xe), ...traitsOf(all.xc)]
  expect(tracesIn(concat(...opened), others)).toEqual([])
  expect(tracesIn(await servedTo(xa, xb.context.self.id), others)).toEqual([])
})
