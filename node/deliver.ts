import { jsonOf } from "../protocol/canonical.ts"
import { sha256 } from "../protocol/crypto/hash.ts"
import { sealObject } from "../protocol/crypto/seal.ts"
import type { Link } from "../protocol/custody.ts"
import { decodeHex, encodeBase64url, encodeHex, utf8 } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { type Delivery, decodeDeliveryValue } from "../protocol/exchange/delivery.ts"
import {
  encodeEntries,
  encodeFrame,
  type FeedHead,
  formatHead,
} from "../protocol/exchange/frames.ts"
import {
  encodeParcelContent,
  openEpoch,
  type ParcelEpoch,
  sealParcel,
} from "../protocol/exchange/parcel.ts"
import { limits } from "../protocol/limits.ts"
import { ownLines } from "../protocol/log/checkpoint.ts"
import { emptyRange } from "../protocol/log/compact-range.ts"
import { kemKeyFor } from "../protocol/member/keys.ts"
import { endOfEpoch } from "../protocol/member/root.ts"
import { recordDigest } from "../protocol/record/record.ts"
import { isInGrantTree } from "../protocol/release/grant-tree.ts"
import { endOf } from "../protocol/release/precedence.ts"
import { entryOf } from "../protocol/verify.ts"
import { type Context, today } from "./context.ts"
import { NodeError } from "./errors.ts"
import { gossipFrames } from "./gossip.ts"
import { StoreDamage } from "./store/damage.ts"
import { linksOf } from "./store/queries/custody.ts"
import { asFact, withdrawalsFrom } from "./store/queries/facts.ts"
import { entriesFrom, type LogState, logOf, placesOf } from "./store/queries/logs.ts"
import { keysInForce, memberById } from "./store/queries/members.ts"
import { checkpointAt, type Place, proofsFor, unprovenFor } from "./store/queries/proofs.ts"

/** Where a reader of our feed stands: what it has of us already. */
export type FeedPosition = {
  /** the feed it knows, 32 hex digits; null for none */
  readonly feed: string | null
  readonly after: number
  /** the newest epoch of our log that it knows, and how many entries of that it holds */
  readonly epoch: number
  readonly size: number
  /** from where on it wants the quorate checkpoints of its orders, a place an epoch; null for none */
  readonly pending: readonly Place[] | null
}

const noFeed = "0".repeat(32)
const deliveriesPerPage = 32

/** The head of what `peer` may read now: a snapshot, so that no delivery outruns its log entry. */
export async function feedHead(
  context: Context,
  peer: string,
): Promise<{ readonly head: FeedHead; readonly log: LogState }> {
  return context.db.transaction().execute(async (trx) => {
    const log = await logOf(trx, context.self.id)
    if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
    const feed = await trx
      .selectFrom("feed")
      .selectAll()
      .where("peer", "=", peer)
      .executeTakeFirst()
    // With a gap in our log, what was queued may have been taken back by an order that is lost.
    const isSilent = feed === undefined || context.gap !== null
    const { size } = log.range
    return { head: isSilent ? { feed: noFeed, n: 0, size } : { ...feed, size }, log }
  })
}

/**
 * Everything that `peer` lacks, once: our log's news, then its deliveries, then the head. Readers of a
 * live stream get the same again whenever something was added: one code for both. PROTOCOL.md §8
 */
export async function* feedFrames(
  context: Context,
  peer: string,
  position: FeedPosition,
): AsyncGenerator<Uint8Array, FeedPosition> {
  const { head, log } = await feedHead(context, peer)
  if (log.checkpoint === null) throw new NodeError("store.corrupt", "Our log is not signed.")
  const proofs = await proofsWanted(context, peer, log, position)
  const isSame = position.epoch === log.epoch && position.size === log.range.size
  // A poll with nothing new stays small: who holds this size has a checkpoint of it.
  if (!isSame || proofs.length > 0) yield* logFrames(context, log, position)
  let after = firstAfter(head, position)
  while (after < head.n) {
    const rows = await context.db
      .selectFrom("delivery")
      .select(["n", "bytes"])
      .where("peer", "=", peer)
      .where("n", ">", after)
      .where("n", "<=", head.n)
      .orderBy("n")
      .limit(deliveriesPerPage)
      .execute()
    if (rows.length === 0) throw new NodeError("store.corrupt", "A delivery of a feed is missing.")
    for (const { n, bytes } of rows) {
      yield* parcelFrames(context, peer, new Uint8Array(bytes))
      after = n
    }
  }
  // Behind our own, before those of others: PROTOCOL.md §11.
  yield* proofFrames(context, proofs)
  yield* gossipFrames(context, peer)
  yield encodeFrame("head", utf8(formatHead(head)))
  const pending = await stillPending(context, peer, log, position)
  return { feed: head.feed, after: head.n, epoch: log.epoch, size: head.size, pending }
}

type Proof = { readonly epoch: number; readonly size: number }

/** The quorate checkpoints that a reader waits for and that are here, of the log as it is sent. */
export async function proofsWanted(
  { db, self }: Context,
  peer: string,
  log: LogState,
  { pending }: Pick<FeedPosition, "pending">,
): Promise<readonly Proof[]> {
  // Who never named witnesses is spared the look.
  const isWitnessed = self.documents.some(({ payload }) => payload.quorum > 0)
  if (pending === null || !isWitnessed) return []
  const proofs = await proofsFor(db, self.id, peer, pending)
  return proofs.filter(({ epoch, size }) => epoch < log.epoch || size <= log.range.size)
}

async function* proofFrames(
  { db, self }: Context,
  proofs: readonly Proof[],
): AsyncGenerator<Uint8Array> {
  for (const { epoch, size } of proofs) {
    const log = await logOf(db, self.id, epoch)
    const kept = log === null ? null : await checkpointAt(db, log.id, size)
    if (kept !== null) yield encodeFrame("checkpoint", utf8(kept.note))
  }
}

/** Where a live reader stands after this: at its first orders without a proof, or at the log's end. */
async function stillPending(
  { db, self }: Context,
  peer: string,
  log: LogState,
  { pending }: FeedPosition,
): Promise<readonly Place[] | null> {
  if (pending === null) return null
  return withEnd(await unprovenFor(db, self.id, peer, pending), log)
}

/** Ends at the newest epoch of a log: whatever comes there is wanted too. */
export function withEnd(pending: readonly Place[], log: LogState | null): readonly Place[] {
  const { epoch, range } = log ?? { epoch: 1, range: emptyRange }
  const isThere = pending.some((one) => one.epoch === epoch)
  return isThere ? pending : [...pending, { epoch, index: range.size }]
}

/**
 * What a log held here has gained since `position`: of epochs that ended meanwhile what survives, then of
 * the present one. The checkpoint comes in any case.
 */
export async function* logFrames(
  context: Context,
  log: LogState,
  position: Pick<FeedPosition, "epoch" | "size">,
): AsyncGenerator<Uint8Array> {
  const { db } = context
  const member = await memberById(db, log.member)
  if (member === null || log.checkpoint === null)
    throw new NodeError("store.corrupt", "The log is not signed.")
  // Cosignatures are for those who wait for them.
  yield encodeFrame("checkpoint", utf8(ownLines(log.checkpoint)))
  const first = Math.min(position.epoch, log.epoch)
  for (let epoch = first; epoch <= log.epoch; epoch++) {
    const one = epoch === log.epoch ? log : await logOf(db, log.member, epoch)
    if (one === null) continue
    const end = Math.min(endOfEpoch(member, epoch)?.size ?? one.range.size, one.range.size)
    const start = epoch === position.epoch ? Math.min(position.size, end) : 0
    yield* entryFrames(context, one, start, end)
    yield* documentFrames(context, log.member, epoch, start)
  }
}

async function* entryFrames(
  { db }: Context,
  log: LogState,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += limits.entriesPerFrame) {
    const entries = await entriesFrom(db, log.id, at, Math.min(limits.entriesPerFrame, end - at))
    yield encodeFrame("entries", encodeEntries({ origin: log.origin, start: at, entries }))
  }
}

/** The documents of an epoch's open entries from `start` on. */
async function* documentFrames(
  { db }: Context,
  member: string,
  epoch: number,
  start: number,
): AsyncGenerator<Uint8Array> {
  for (const [table, type] of [
    ["root_document", "root"],
    ["keys_document", "keys"],
  ] as const) {
    const rows = await db
      .selectFrom(table)
      .select("bytes")
      .where("member", "=", member)
      .where("epoch", "=", epoch)
      .where("idx", ">=", start)
      .orderBy("idx")
      .execute()
    for (const { bytes } of rows) yield encodeFrame(type, new Uint8Array(bytes))
  }
}

/** One delivery sealed to the peer, with the sealed objects small enough to ride along. */
async function* parcelFrames(
  context: Context,
  peer: string,
  deliveryBytes: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const delivery = decodeDeliveryValue(jsonOf(deliveryBytes))
  await assertOrdered(context, peer, delivery)
  const open = await openGrants(context, peer, delivery)
  const keys = open.map(({ place, key }) => ({ grant: place, key }))
  const epoch = await epochFor(context, peer)
  const links = new Map<string, Link>()
  for (const { place } of open)
    for (const link of await linksOf(context.db, delivery.grants[place]!.grant))
      links.set(link.digest, link)
  const sorted = [...links.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const plaintext = encodeParcelContent(deliveryBytes, keys, sorted)
  yield encodeFrame("parcel", sealParcel(epoch, context.env.random(24), plaintext))
  for (const { sealedSize, contentKey, bytes } of open)
    if (sealedSize <= limits.inlineSealedBytes)
      yield encodeFrame("sealed", sealObject(contentKey, 0, bytes))
}

/** No row that was written past the sequencer is sent: the log has the order, and it names this peer. */
async function assertOrdered(context: Context, peer: string, delivery: Delivery): Promise<void> {
  const { order, entry, grants } = delivery
  const log = await logOf(context.db, context.self.id, order.payload.base.epoch)
  const places = log === null ? [] : await placesOf(context.db, log.id, entryOf(delivery))
  const root = decodeHex(order.payload.root ?? "")
  const isOrdered =
    places.includes(entry.index) &&
    grants.every(
      ({ grant, leaf, position, path }) =>
        grant.recipient === peer && isInGrantTree(leaf, position, path, root),
    )
  if (!isOrdered) throw new StoreDamage("a delivery without its order")
}

type OpenGrant = {
  readonly place: number
  readonly key: string
  readonly contentKey: Uint8Array
  readonly bytes: Uint8Array
  readonly sealedSize: number
}

/** The release grants that nothing has ended meanwhile: only they are served with their content key. */
async function openGrants(
  { db, self }: Context,
  peer: string,
  { order, grants }: Delivery,
): Promise<readonly OpenGrant[]> {
  const releases = grants
    .map((placed, place) => ({ placed, place }))
    .filter(({ placed }) => placed.grant.act === "release")
  if (releases.length === 0) return []
  const ids = [...new Set(releases.map(({ placed }) => placed.grant.record.id))]
  const facts = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "in", ids)
    .where("recipient", "=", peer)
    .execute()
  const doubts = await db
    .selectFrom("doubt")
    .selectAll()
    .where("record_id", "in", ids)
    .where("recipient", "=", peer)
    .execute()
  const contents = await db
    .selectFrom("content")
    .select(["origin", "id", "version", "bytes", "content_key"])
    .where("id", "in", ids)
    .execute()
  const isPassedOn = facts.some(({ chain }) => chain !== "")
  const fromUs = isPassedOn ? await withdrawalsFrom(db, self.id, ids) : []
  const open: OpenGrant[] = []
  for (const { placed, place } of releases) {
    const { record, sealed } = placed.grant
    const about = [
      ...facts.filter((row) => row.record_id === record.id && row.repudiated === 0).map(asFact),
      ...fromUs.filter(({ row }) => row.record_id === record.id).map(({ fact }) => fact),
    ]
    const own = about.find(
      (fact) => fact.orderId === order.payload.id && fact.version === record.version,
    )
    const content = contents.find(
      (row) =>
        row.id === record.id && row.version === record.version && row.origin === record.origin,
    )
    if (content === undefined || own === undefined || endOf(own, about) !== null) continue
    if (doubts.some((one) => one.record_id === record.id && own.baseSize <= one.size)) continue
    const contentKey = new Uint8Array(content.content_key)
    const bytes = new Uint8Array(content.bytes)
    if (recordDigest(bytes) !== record.digest) throw new StoreDamage("a record's content")
    open.push({
      place,
      key: encodeHex(contentKey),
      contentKey,
      bytes,
      sealedSize: sealed[0]!.size,
    })
  }
  return open
}

/** A sealed object that `peer` was granted and that nothing has ended; null for anything else. */
export async function sealedFor(
  context: Context,
  peer: string,
  digest: string,
): Promise<Uint8Array | null> {
  const row = await context.db
    .selectFrom("record")
    .innerJoin("content", (join) =>
      join
        .onRef("content.origin", "=", "record.origin")
        .onRef("content.id", "=", "record.id")
        .onRef("content.version", "=", "record.version"),
    )
    .select([
      "record.id",
      "record.version",
      "record.origin",
      "content.bytes",
      "content.content_key",
    ])
    .where("record.sealed_digest", "=", digest)
    .executeTakeFirst()
  if (row === undefined || context.gap !== null) return null
  const about = (
    await context.db
      .selectFrom("fact")
      .selectAll()
      .where("record_id", "=", row.id)
      .where("record_origin", "=", row.origin)
      .where("order_origin", "=", context.self.id)
      .where("recipient", "=", peer)
      .where("repudiated", "=", 0)
      .execute()
  ).map(asFact)
  if (about.some(({ chain }) => chain !== undefined))
    for (const { fact } of await withdrawalsFrom(context.db, context.self.id, [row.id]))
      about.push(fact)
  const doubt = await context.db
    .selectFrom("doubt")
    .select("size")
    .where("record_id", "=", row.id)
    .where("recipient", "=", peer)
    .executeTakeFirst()
  const isLive = about.some(
    (fact) =>
      fact.act === "release" &&
      fact.version === row.version &&
      fact.baseSize > (doubt?.size ?? -1) &&
      endOf(fact, about) === null,
  )
  if (!isLive) return null
  const sealed = sealObject(new Uint8Array(row.content_key), 0, new Uint8Array(row.bytes))
  if (encodeHex(sha256(sealed)) !== digest) throw new StoreDamage("a record's content")
  return sealed
}

/**
 * Whether what waits for the peer can be sealed to it, asked while it can still be told.
 *
 * @throws `keys.expired`
 */
export async function assertSealable(
  context: Context,
  peer: string,
  head: FeedHead,
  position: FeedPosition,
): Promise<void> {
  if (head.n > firstAfter(head, position)) await epochFor(context, peer)
}

/** From another feed, or from beyond this one, a reader begins anew. */
function firstAfter(head: FeedHead, { feed, after }: FeedPosition): number {
  return feed === head.feed && after <= head.n ? after : 0
}

const epochMs = 86_400_000

/** The shared secret of today: new each day and with each keys document of the peer. PROTOCOL.md §8 */
export async function epochFor(context: Context, peer: string): Promise<ParcelEpoch> {
  const { db, env, epochs, self } = context
  const member = await memberById(db, peer)
  const keys = member === null ? null : await keysInForce(db, member)
  if (keys === null) throw new ProtocolError("keys.expired")
  const kemKey = kemKeyFor(keys.payload, today(context))
  const name = `${keys.digest} ${encodeBase64url(kemKey)}`
  const now = env.clock.monotonic()
  const cached = epochs.sending.get(peer)
  if (cached !== undefined && cached.kemKey === name && cached.until > now) return cached.epoch
  const epoch = await openEpoch(self.id, peer, kemKey, env.random(64))
  epochs.sending.set(peer, { kemKey: name, until: now + epochMs, epoch })
  return epoch
}

/** Null for anything but plain decimals, and for a name that stands twice: one reading of each query. */
export function parseFeedQuery(query: URLSearchParams): FeedPosition | null {
  const names = [...query.keys()]
  const feed = query.get("feed")
  const after = numberOf(query.get("after"), 0)
  const epoch = numberOf(query.get("epoch"), 1)
  const size = numberOf(query.get("size"), 0)
  const pending = parsePlaces(query.get("pending"))
  const isSane =
    new Set(names).size === names.length &&
    (feed === null || /^[0-9a-f]{32}$/.test(feed)) &&
    after !== null &&
    epoch !== null &&
    epoch >= 1 &&
    size !== null &&
    pending !== undefined
  return isSane ? { feed, after, epoch, size, pending } : null
}

/** `epoch.index`, joined by commas, ascending; undefined for anything else that is there. */
function parsePlaces(text: string | null): readonly Place[] | null | undefined {
  if (text === null) return null
  if (!/^[1-9]\d{0,6}\.(0|[1-9]\d{0,14})(,[1-9]\d{0,6}\.(0|[1-9]\d{0,14})){0,15}$/.test(text))
    return undefined
  const places = text.split(",").map((place) => {
    const [epoch = 0, index = 0] = place.split(".").map(Number)
    return { epoch, index }
  })
  return places.every(({ epoch }, i) => epoch > (places[i - 1]?.epoch ?? 0)) ? places : undefined
}

function numberOf(text: string | null, otherwise: number): number | null {
  if (text === null) return otherwise
  if (!/^(?:0|[1-9]\d{0,15})$/.test(text)) return null
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : null
}
