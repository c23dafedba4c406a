import type { OfficerKey } from "../../node/authority/found.ts"
import { dayOf, today } from "../../node/context.ts"
import { feedFrames, parseFeedQuery } from "../../node/exchange/deliver.ts"
import { signResponse } from "../../node/http/message-signature.ts"
import { nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { commitEntries } from "../../node/log/append.ts"
import { linksOf, listsOf } from "../../node/store/queries/custody.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { keysInForce, memberById } from "../../node/store/queries/members.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { signEd25519 } from "../../protocol/crypto/sign.ts"
import { insideOf, type Link } from "../../protocol/custody.ts"
import { concat, decodeHex, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { deliveryDigest, encodeDelivery, firstPrev } from "../../protocol/exchange/delivery.ts"
import {
  decodeFrames,
  encodeFrame,
  type FeedHead,
  type Frame,
  type FrameType,
  formatHead,
  framesHeader,
  framesMediaType,
  readFrames,
} from "../../protocol/exchange/frames.ts"
import { encodeParcelContent, openEpoch, sealParcel } from "../../protocol/exchange/parcel.ts"
import { type ReceiptItem, verifyReceipts } from "../../protocol/exchange/receipt.ts"
import { rangeRoot } from "../../protocol/log/compact-range.ts"
import { blindedEntry, dummyEntry, entrySalt } from "../../protocol/log/entry.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { kemKeyFor } from "../../protocol/member/keys.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { encodeGrant, type Grant, grantLeaf } from "../../protocol/release/grant.ts"
import { buildGrantTree } from "../../protocol/release/grant-tree.ts"
import { decodeOrder, type Order, type OrderDocument } from "../../protocol/release/order.ts"
import type { PlacedGrant } from "../../protocol/release/placed-grant.ts"
import { encodeSigned, type SignatureLine, signLine } from "../../protocol/signed.ts"
import type { TestNetwork, TestNode } from "./network.ts"

/**
 * A member whose operator has turned against the others: it holds its own log key, node key and
 * officers' keys and runs none of its checks. What it cannot do is what the protocol promises.
 */

/** What it takes to forge: a node's store, its keys and its officers'. */
export type Forger = Pick<TestNode, "context" | "env" | "founded">

/** An officer's key, in a role it may or may not have. */
export type HostileSigner = { readonly key: OfficerKey; readonly role?: string }

export function officerKey(node: Forger, person: string): OfficerKey {
  const found = node.founded.officers.find(({ officer }) => officer.person === person)
  if (found === undefined) throw new RangeError(`no officer ${person}`)
  return found
}

/** The release of a record of this node's own, as `release request` would word it. */
export async function releaseGrant(
  node: Forger,
  record: string,
  recipient: string,
  changes: Partial<Grant> = {},
): Promise<Grant> {
  const row = await node.context.db
    .selectFrom("record")
    .selectAll()
    .where("id", "=", record)
    // Its own before another member's under the same id.
    .orderBy((eb) => eb("origin", "=", node.context.self.id), "desc")
    .orderBy("version", "desc")
    .executeTakeFirstOrThrow()
  return {
    act: "release",
    recipient,
    record: { digest: row.digest, id: row.id, origin: row.origin, version: row.version },
    salt: encodeHex(node.env.random(32)),
    sealed: [{ digest: row.sealed_digest, size: row.sealed_size }],
    terms: {
      caveats: [],
      evidence: "members",
      marking: "TLP:AMBER",
      onward: "no",
      purpose: "peer learning",
    },
    type: "comity/grant/v1",
    ...changes,
  }
}

export async function withdrawGrant(
  node: Forger,
  record: string,
  recipient: string,
): Promise<Grant> {
  const { salt, record: named, type } = await releaseGrant(node, record, recipient)
  return { act: "withdraw", recipient, record: named, salt, sealed: [], type }
}

export type ForgedOrder = {
  /** of the grant tree */
  readonly seed: Uint8Array
  readonly order: OrderDocument
  readonly placed: readonly PlacedGrant[]
}

/** An order over these grants on the newest checkpoint, signed by whomever; fields as they are given. */
export async function forgeOrder(
  node: Forger,
  grants: readonly Grant[],
  options: {
    readonly fields?: Partial<Order>
    readonly signers?: readonly HostileSigner[]
    readonly lines?: (payload: Uint8Array) => Promise<readonly SignatureLine[]>
  } = {},
): Promise<ForgedOrder> {
  const { context, env } = node
  const log = (await logOf(context.db, context.self.id))!
  const seed = env.random(32)
  const leaves = grants.map((grant, position) => ({ position, bytes: encodeGrant(grant) }))
  const tree = buildGrantTree(
    new Map(leaves.map(({ position, bytes }) => [position, grantLeaf(bytes)])),
    seed,
  )
  const [first] = grants
  const row = await context.db
    .selectFrom("record")
    .select(["kind", "profile_digest"])
    .where("id", "=", first!.record.id)
    .orderBy((eb) => eb("origin", "=", first!.record.origin), "desc")
    .executeTakeFirst()
  const order: Order = {
    act: first!.act,
    base: { epoch: log.epoch, root: encodeHex(rangeRoot(log.range)), size: log.range.size },
    id: encodeHex(env.random(16)),
    network: context.self.network,
    notAfter: dayOf(node.env.clock.now() + 14 * 86_400_000),
    origin: context.self.id,
    root: encodeHex(tree.root),
    rootVersion: newestRoot(context.self).payload.version,
    rule: { conditions: [], kind: row?.kind ?? "any", profile: row?.profile_digest ?? "" },
    type: "comity/order/v1",
    ...options.fields,
  }
  const payload = encodeCanonical(order)
  const signers = options.signers ?? node.founded.officers.map((key) => ({ key }))
  const lines = options.lines ?? ((bytes) => orderLines(bytes, order.network, signers))
  const document = decodeOrder(encodeSigned(payload, await lines(payload)))
  const placed = leaves.map(({ position, bytes }, i) => ({
    grant: grants[i]!,
    bytes,
    leaf: grantLeaf(bytes),
    position,
    path: tree.path(position),
  }))
  return { seed, order: document, placed }
}

export async function orderLines(
  payload: Uint8Array,
  network: string,
  signers: readonly HostileSigner[],
): Promise<readonly SignatureLine[]> {
  const lines: SignatureLine[] = []
  for (const { key, role } of signers) {
    const { key: publicKey, organisation, person, roles, salt } = key.officer
    const header = {
      alg: "Ed25519",
      day: "2026-11-23",
      key: publicKey.ed25519,
      kid: kidOf(publicKey),
      network,
      organisation,
      person,
      role: role ?? roles[0]!,
      roles,
      salt,
      typ: "comity-order+jws",
    } as const
    lines.push(await signLine(header, payload, (message) => signEd25519(message, key.seed)))
  }
  return lines
}

export type Entry = { readonly index: number; readonly salt: Uint8Array }

/** Puts the order into the node's real log, with its real log key, past the sequencer's checks. */
export async function logForged(node: Forger, order: OrderDocument): Promise<Entry> {
  const { context } = node
  const digest = decodeHex(order.digest)
  const salt = entrySalt(context.keys.salt, 1, digest)
  const { range } = (await logOf(context.db, context.self.id))!
  const entries = [blindedEntry(1, salt, digest), dummyEntry(context.keys.salt, range.size + 1)]
  let index = 0
  await commitEntries(context, entries, async (_trx, log) => {
    index = log.range.size - entries.length
  })
  return { index, salt }
}

/** What an order and its grants are in a feed. */
export type Forgery = ForgedOrder & { readonly entry: Entry }

export type Sent = {
  readonly bytes: Uint8Array
  readonly placed: readonly PlacedGrant[]
  /** as if what it gives had been taken back meanwhile: without content keys */
  readonly isKeyless: boolean
}

/** A feed of the adversary's own: numbers and links as they should be. */
export class ForgedFeed {
  readonly feed: string
  readonly sent: Sent[] = []
  #prev = firstPrev

  constructor(feed: string) {
    this.feed = feed
  }

  add({ order, placed, entry }: Omit<Forgery, "seed">, isKeyless = false): this {
    const { feed } = this
    const n = this.sent.length + 1
    const prev = this.#prev
    const bytes = encodeDelivery({ entry, feed, grants: placed, n, order: order.bytes, prev })
    this.#prev = deliveryDigest(bytes)
    this.sent.push({ bytes, placed, isKeyless })
    return this
  }
}

/** One delivery sealed to `peer`, keys, sealed objects and what its grants rest on beside it. */
export async function parcelOf(
  node: Forger,
  peer: string,
  { bytes, placed, isKeyless }: Sent,
): Promise<readonly Frame[]> {
  const { db, self } = node.context
  const keys: { grant: number; key: string }[] = []
  const sealed: Frame[] = []
  for (const [grant, { grant: one }] of placed.entries()) {
    if (one.act !== "release" || isKeyless) continue
    const row = await db
      .selectFrom("content")
      .selectAll()
      .where("origin", "=", one.record.origin)
      .where("id", "=", one.record.id)
      .where("version", "=", one.record.version)
      .executeTakeFirst()
    if (row === undefined) continue
    const key = new Uint8Array(row.content_key)
    keys.push({ grant, key: encodeHex(key) })
    sealed.push({ type: "sealed", bytes: sealObject(key, 0, new Uint8Array(row.bytes)) })
  }
  const keyed = keys.map(({ grant }) => placed[grant]!.grant)
  const links = new Map<string, Link>()
  for (const grant of keyed)
    for (const link of await linksOf(db, grant)) links.set(link.digest, link)
  const sorted = [...links.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const groups = [...(await listsOf(db, keyed.map(insideOf))).values()]
  const content = encodeParcelContent(bytes, keys, { links: sorted, groups })
  return [await sealTo(node, peer, content, self.id), ...sealed]
}

/** Any plaintext as a parcel to `peer`, from whomever it claims to be. */
export async function sealTo(
  node: Forger,
  peer: string,
  plaintext: Uint8Array,
  sender: string = node.context.self.id,
): Promise<Frame> {
  const { db } = node.context
  const keys = (await keysInForce(db, (await memberById(db, peer))!))!
  const kem = kemKeyFor(keys.payload, today(node))
  const epoch = await openEpoch(sender, peer, kem, node.env.random(64))
  return { type: "parcel", bytes: sealParcel(epoch, node.env.random(24), plaintext) }
}

export function framesBody(frames: readonly Frame[]): Uint8Array {
  return concat(framesHeader(), ...frames.map(({ type, bytes }) => encodeFrame(type, bytes)))
}

export function headFrame(head: FeedHead): Frame {
  return { type: "head", bytes: utf8(formatHead(head)) }
}

/** What the node's own code would say of its log to a reader who holds `position`; no deliveries. */
export async function logFrames(node: Forger, request: Request): Promise<readonly Frame[]> {
  const position = parseFeedQuery(new URL(request.url).searchParams)!
  const parts: Uint8Array[] = [framesHeader()]
  for await (const part of feedFrames(node.context, "nobody", position)) parts.push(part)
  const frames = await decodeFrames(concat(...parts))
  return frames.filter(({ type }) => type !== "head")
}

/** An answer to this request under the node's real key. */
export async function signedAnswer(
  node: Pick<TestNode, "context">,
  request: Request,
  answer:
    | { readonly frames: readonly Frame[]; readonly head: FeedHead }
    | { readonly status: number; readonly body: Uint8Array; readonly type?: string },
): Promise<Response> {
  const { context } = node
  const isStream = "frames" in answer
  const status = isStream ? 200 : answer.status
  const type = isStream ? framesMediaType : (answer.type ?? "application/octet-stream")
  const headers = new Headers({ "content-type": type })
  if (isStream) headers.set("comity-head", formatHead(answer.head))
  const body = isStream ? framesBody(answer.frames) : answer.body
  await signResponse(
    { status, headers, body: isStream ? null : body },
    {
      request: {
        signature: request.headers.get("signature") ?? "",
        nonce: /;nonce="([^"]*)"/.exec(request.headers.get("signature-input") ?? "")?.[1] ?? "",
      },
      keyid: nodeKid(context.keys),
      sign: nodeSigner(context.keys),
      created: Math.floor(context.env.clock.now() / 1000),
    },
  )
  return new Response(body as Uint8Array<ArrayBuffer>, { status, headers })
}

type Host = (request: Request) => Promise<Response>

/** Stands in place of a node's host until the end of the block. */
export function takeOver(
  net: TestNetwork,
  node: TestNode,
  host: (request: Request, honest: Host) => Promise<Response>,
): Disposable {
  const honest = net.hosts.get(node.host)!
  net.hosts.set(node.host, (request) => host(request, honest))
  return {
    [Symbol.dispose]: () => {
      net.hosts.set(node.host, honest)
    },
  }
}

/** Serves `feed` to `peer` beside the true log, and keeps the receipts it is sent for it. */
export function serveForged(
  net: TestNetwork,
  node: TestNode,
  peer: TestNode,
  feed: ForgedFeed,
): Disposable & { readonly receipts: () => readonly ReceiptItem[] } {
  const items: ReceiptItem[] = []
  const { self, db } = node.context
  const over = takeOver(net, node, async (request) => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === "/frames") {
      for (const { bytes } of await decodeFrames(new Uint8Array(await request.arrayBuffer()))) {
        const { payload: root } = newestRoot((await memberById(db, peer.context.self.id))!)
        const expected = { from: peer.context.self.id, to: self.id, root }
        items.push(...verifyReceipts(bytes, expected).payload.items)
      }
      return signedAnswer(node, request, { status: 200, body: new Uint8Array(0) })
    }
    if (pathname !== "/feed") return new Response(null, { status: 404 })
    const isSame = searchParams.get("feed") === feed.feed
    const after = isSame ? Number(searchParams.get("after")) : 0
    const frames = [...(await logFrames(node, request))]
    for (const sent of feed.sent.slice(after))
      frames.push(...(await parcelOf(node, peer.context.self.id, sent)))
    const { range } = (await logOf(db, self.id))!
    const head = { feed: feed.feed, n: feed.sent.length, size: range.size }
    return signedAnswer(node, request, { frames: [...frames, headFrame(head)], head })
  })
  return { [Symbol.dispose]: () => over[Symbol.dispose](), receipts: () => items }
}

/** Changes the frames of the node's own answers on their way; everything else passes. */
export function tamper(
  net: TestNetwork,
  node: TestNode,
  edit: (frames: readonly Frame[]) => readonly Frame[] | Promise<readonly Frame[]>,
): Disposable {
  return takeOver(net, node, async (request, honest) => {
    const response = await honest(request)
    if (response.headers.get("content-type") !== framesMediaType) return response
    const frames = await decodeFrames(new Uint8Array(await response.arrayBuffer()))
    const body = framesBody(await edit(frames)) as Uint8Array<ArrayBuffer>
    return new Response(body, { status: response.status, headers: response.headers })
  })
}

export function framesOf(frames: readonly Frame[], type: FrameType): readonly Uint8Array[] {
  return frames.filter((frame) => frame.type === type).map(({ bytes }) => bytes)
}

/** What a node took over from others: records, contents, and the facts that hold them up. */
export async function holdings(
  node: TestNode,
): Promise<Readonly<Record<string, readonly object[]>>> {
  const { db } = node.context
  const held: Record<string, readonly object[]> = {}
  for (const table of ["record", "content", "fact"] as const) {
    const rows: readonly object[] = await db.selectFrom(table).selectAll().execute()
    held[table] = rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [
          name,
          value instanceof Uint8Array ? encodeHex(value) : value,
        ]),
      ),
    )
  }
  return held
}

/** A practice under the general profile. */
export function practiceText(title: string, body = "What is done, in a few words."): string {
  return `---\ntitle: ${title}\nlanguage: en\n---\n${body}\n`
}

/** What `node` answered to `asker`, one after the other, as it went out. */
export function answersTo(
  node: TestNode,
  asker: string,
): readonly { readonly head: string; readonly body: Uint8Array }[] {
  const answers: { head: string; parts: Uint8Array[] }[] = []
  for (const part of node.served.get(asker) ?? []) {
    const text = new TextDecoder("latin1").decode(part)
    if (/^\d{3}\n/.test(text)) answers.push({ head: text, parts: [] })
    else answers.at(-1)!.parts.push(part)
  }
  return answers.map(({ head, parts }) => ({ head, body: concat(...parts) }))
}

/** The frames among them; those of an answer that broke off, too. */
export async function framesTo(node: TestNode, asker: string): Promise<readonly Frame[]> {
  const frames: Frame[] = []
  for (const { head, body } of answersTo(node, asker)) {
    if (!head.includes(framesMediaType)) continue
    try {
      for await (const frame of readFrames(chunksOf(body))) frames.push(frame)
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
    }
  }
  return frames
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
