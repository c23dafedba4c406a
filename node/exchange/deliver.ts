import { sql } from "kysely"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { sealedSize, sealInto, sealObject } from "../../protocol/crypto/seal.ts"
import type { Link } from "../../protocol/custody.ts"
import { encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  encodeEntries,
  encodeFrame,
  type FeedHead,
  type FrameType,
  formatHead,
  frameHeader,
} from "../../protocol/exchange/frames.ts"
import {
  openEpoch,
  type ParcelEpoch,
  type ParcelKey,
  parcelContentParts,
  parcelParts,
} from "../../protocol/exchange/parcel.ts"
import { limits } from "../../protocol/limits.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { emptyRange } from "../../protocol/log/compact-range.ts"
import { isOpenEntry } from "../../protocol/log/entry.ts"
import { kemKeyFor } from "../../protocol/member/keys.ts"
import { endOfEpoch, type Member } from "../../protocol/member/root.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { endOf, type FactLink } from "../../protocol/release/precedence.ts"
import { heldLink } from "../../protocol/verify.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { gossipFrames, noteTold, type Told } from "../log/gossip.ts"
import { type Queued, type QueuedGrant, queuedFor } from "../log/queue.ts"
import { StoreDamage } from "../store/damage.ts"
import { contentKeys, contentsByRow, heldContents } from "../store/queries/contents.ts"
import { linksOf, listsOf } from "../store/queries/custody.ts"
import {
  asFact,
  doubtsOf,
  factOfGrant,
  factsTowards,
  withdrawalsOf,
} from "../store/queries/facts.ts"
import { entriesFrom, type LogState, logOf } from "../store/queries/logs.ts"
import { keysInForce, memberById } from "../store/queries/members.ts"
import { releasing } from "../store/queries/partial.ts"
import { prepared } from "../store/queries/prepared.ts"
import { checkpointAt, type Place, proofsFor, unprovenFor } from "../store/queries/proofs.ts"
import type { Db } from "../store/schema.ts"
import { type Parts, Pieces } from "./pieces.ts"

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

/** Of a peer for whom nothing was ever queued. */
export const noFeed = "0".repeat(32)
const deliveriesPerPage = 32
/** Deliveries that are looked after together: their records are in memory at one time. */
const grantsAtOnce = 128

/** The head of what `peer` may read now: first its feed, then our log, so that no delivery outruns its entry. */
export async function feedHead(
  { db, gap, self }: Context,
  peer: string,
): Promise<{ readonly head: FeedHead; readonly log: LogState }> {
  const [queued] = await feedRow(db, peer)
  const log = await logOf(db, self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const { size } = log.range
  // With a gap in our log, what was queued may have been taken back by an order that is lost.
  const isSilent = queued === undefined || gap !== null
  return { head: isSilent ? { feed: noFeed, n: 0, size } : { ...queued, size }, log }
}

const feedRow = prepared((db, peer: string) =>
  db.selectFrom("feed").select(["feed", "n"]).where("peer", "=", peer),
)

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
  // Before the look: what witnesses answer while this is sent is wanted still.
  const pending = await stillPending(context, peer, log, position)
  const pieces = new Pieces()
  const told: Told[] = []
  try {
    for await (const frames of newFrames(context, peer, position, head, log, told)) {
      for (const parts of frames) pieces.add(parts)
      yield* pieces.take()
    }
  } catch (cause) {
    // The log's news counts, whatever is wrong with a delivery behind it.
    yield* pieces.rest()
    throw cause
  }
  pieces.add([encodeFrame("head", utf8(formatHead(head)))])
  yield* pieces.rest()
  await noteTold(context.db, peer, told)
  return { feed: head.feed, after: head.n, epoch: log.epoch, size: head.size, pending }
}

/**
 * The same, frame by frame, for whoever sends them otherwise than as a stream. What they tell of third
 * members is added to `told`, for `noteTold` once the peer has them.
 */
export async function* feedParts(
  context: Context,
  peer: string,
  position: FeedPosition,
  told: Told[],
): AsyncGenerator<Parts> {
  const { head, log } = await feedHead(context, peer)
  if (log.checkpoint === null) throw new NodeError("store.corrupt", "Our log is not signed.")
  for await (const frames of newFrames(context, peer, position, head, log, told)) yield* frames
  yield [encodeFrame("head", utf8(formatHead(head)))]
}

/** Frames that are there at the same time come together: to wait for each takes longer than to make it. */
async function* newFrames(
  context: Context,
  peer: string,
  position: FeedPosition,
  head: FeedHead,
  log: LogState,
  told: Told[],
): AsyncGenerator<readonly Parts[]> {
  const proofs = await proofsWanted(context, peer, log, position)
  const isSame = position.epoch === log.epoch && position.size === log.range.size
  // A poll with nothing new stays small: who holds this size has a checkpoint of it.
  if (!isSame || proofs.length > 0)
    for await (const frame of logFrames(context, log, position)) yield [[frame]]
  let after = firstAfter(head, position)
  while (after < head.n) {
    const page = await queuedFor(context, peer, after, Math.min(head.n, after + deliveriesPerPage))
    const epoch = await epochFor(context, peer)
    for (const group of together(page)) yield* parcelFrames(context, peer, epoch, group)
    after = page.at(-1)!.n
  }
  // Behind our own, before those of others: PROTOCOL.md §11.
  for await (const frame of proofFrames(context, proofs)) yield [[frame]]
  for await (const frame of gossipFrames(context, peer, told)) yield [[frame]]
}

type Proof = { readonly epoch: number; readonly size: number }

/** The quorate checkpoints that a reader waits for and that are here, of the log as it is sent. */
export async function proofsWanted(
  { db, self }: Context,
  peer: string,
  log: LogState,
  { pending }: Pick<FeedPosition, "pending">,
): Promise<readonly Proof[]> {
  if (pending === null || !isWitnessed(self)) return []
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
  return withEnd(isWitnessed(self) ? await unprovenFor(db, self.id, peer, pending) : [], log)
}

/** Who never named witnesses is spared the look for what they have said. */
function isWitnessed({ documents }: Member): boolean {
  return documents.some(({ payload }) => payload.quorum > 0)
}

/** Ends at the newest epoch of a log: whatever comes there is wanted too. */
export function withEnd(pending: readonly Place[], log: LogState | null): readonly Place[] {
  const { epoch, range } = log ?? { epoch: 1, range: emptyRange }
  const isThere = pending.some((one) => one.epoch === epoch)
  const end = { epoch, index: range.size }
  return isThere
    ? pending.map((one) => (one.epoch === epoch && one.index > end.index ? end : one))
    : [...pending, end]
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
  const lacks = position.epoch === log.epoch ? log.range.size - position.size : -1
  if (lacks < 0 || lacks > entriesShared) return yield* newsOf(context, log, position)
  const tails = tailsOf.get(log) ?? new Map<number, readonly Uint8Array[]>()
  tailsOf.set(log, tails)
  const known = tails.get(lacks)
  if (known !== undefined) return yield* known
  const tail: Uint8Array[] = []
  for await (const frame of newsOf(context, log, position)) {
    tail.push(frame)
    yield frame
  }
  tails.set(lacks, tail)
}

const entriesShared = 64
/** By how many entries are lacking, what all are sent who lack them: made once, until the log grows. */
const tailsOf = new WeakMap<LogState, Map<number, readonly Uint8Array[]>>()

async function* newsOf(
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
  }
}

/** The entries of one log, then the documents of those that are open. */
async function* entryFrames(
  { db }: Context,
  log: LogState,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let hasDocuments = false
  for (let at = start; at < end; at += limits.entriesPerFrame) {
    const entries = await entriesFrom(db, log.id, at, Math.min(limits.entriesPerFrame, end - at))
    hasDocuments ||= entries.some(isOpenEntry)
    yield encodeFrame("entries", encodeEntries({ origin: log.origin, start: at, entries }))
  }
  if (!hasDocuments) return
  for (const [table, type] of [
    ["root_document", "root"],
    ["keys_document", "keys"],
  ] as const) {
    const rows = await db
      .selectFrom(table)
      .select("bytes")
      .where("member", "=", log.member)
      .where("epoch", "=", log.epoch)
      .where("idx", ">=", start)
      .orderBy("idx")
      .execute()
    for (const { bytes } of rows) yield encodeFrame(type, bytes)
  }
}

/** Neighbours with some hundred grants between them, so that few queries look after many. */
function* together(page: readonly Queued[]): Generator<readonly Queued[]> {
  let group: Queued[] = []
  let count = 0
  for (const one of page) {
    if (group.length > 0 && count + one.grants.length > grantsAtOnce) {
      yield group
      group = []
      count = 0
    }
    group.push(one)
    count += one.grants.length
  }
  if (group.length > 0) yield group
}

/** Deliveries sealed to the peer, each with the sealed objects small enough to ride along. */
async function* parcelFrames(
  context: Context,
  peer: string,
  epoch: ParcelEpoch,
  group: readonly Queued[],
): AsyncGenerator<readonly Parts[]> {
  const open = await openContents(context, peer, group)
  for (const { bytes, grants } of group) {
    const keys: ParcelKey[] = []
    const sealed: OpenContent[] = []
    for (const [place, grant] of grants.entries()) {
      const content = open.get(grant)
      if (content === undefined) continue
      keys.push({ grant: place, key: content.key })
      sealed.push(content)
    }
    const links = new Map<string, Link>()
    for (const grant of grants)
      if (grant.custody !== undefined && open.has(grant))
        for (const link of await linksOf(context.db, grant)) links.set(link.digest, link)
    const sorted = [...links.values()].sort(byDigest)
    const groups = await listsOf(
      context.db,
      grants.filter((grant) => open.has(grant)).map(({ inside }) => inside),
    )
    const enclosed = { links: sorted, groups: [...groups.values()] }
    const plaintext = parcelContentParts(bytes, keys, enclosed)
    const parcel = parcelParts(epoch, context.env.random(24), plaintext)
    const frames = sealed.sort(byDigest).flatMap(({ frame }) => (frame ? [[frame]] : []))
    yield [frameParts("parcel", parcel), ...frames]
  }
}

function frameParts(type: FrameType, parts: Parts): Parts {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return [frameHeader(type, length), ...parts]
}

type OpenContent = {
  /** in hex */
  readonly key: string
  readonly digest: string
  /** with the sealed object; undefined when that is too large to ride along */
  readonly frame: Uint8Array | undefined
}

/** One order for all recipients, which says nothing of when a record came: their frames lie in it, too. */
function byDigest(a: { readonly digest: string }, b: { readonly digest: string }): number {
  return a.digest < b.digest ? -1 : 1
}

/** The contents of releases that nothing has ended meanwhile: only they are served with their content key. */
async function openContents(
  context: Context,
  peer: string,
  group: readonly Queued[],
): Promise<ReadonlyMap<QueuedGrant, OpenContent>> {
  const { db } = context
  const releases = group
    .filter(({ order }) => order.act === "release" && order.repudiated === 0)
    .flatMap(({ order, grants }) => grants.map((grant) => ({ order, grant })))
  if (releases.length === 0) return new Map()
  const ids = [...new Set(releases.map(({ grant }) => grant.record.id))]
  const contents = new Map<string, Map<string, Awaited<ReturnType<typeof contentKeys>>>>()
  for (const origin of new Set(releases.map(({ grant }) => grant.record.origin)))
    contents.set(
      origin,
      Map.groupBy(await contentKeys(db, origin, ids), ({ id }) => id),
    )
  const withdrawals = await withdrawalsOf(db, ids)
  const doubts = await doubtsTowards(db, peer, ids)
  const chains = new Map<QueuedGrant, readonly FactLink[]>()
  for (const { grant } of releases)
    if (grant.custody !== undefined) chains.set(grant, (await linksOf(db, grant)).map(heldLink))
  const lists = await listsOf(
    db,
    releases.map(({ grant }) => grant.inside),
  )
  const open = releases.flatMap(({ order, grant }) => {
    const { record } = grant
    const versions = contents.get(record.origin)?.get(record.id)
    const content = versions?.find(({ version }) => version === record.version)
    const known = withdrawals.length > 0 ? factsTowards(withdrawals, record, grant.recipient) : []
    const isEnded =
      known.length > 0 && endOf(factOfGrant(order, grant, chains.get(grant)), known) !== null
    const isDoubtful = order.base_size <= (doubts.get(grant.recipient)?.get(record.id) ?? -1)
    // After a restore the list may be missing: nobody could tell whom it may be passed on to.
    const isListed = grant.inside === null || lists.has(grant.inside)
    if (content === undefined || isEnded || isDoubtful || !isListed) return []
    return [{ grant, content, object: grant.sealed[0]! }]
  })
  const inline = open.filter(({ object }) => object.size <= limits.inlineSealedBytes)
  const frames = await sealedFrames(
    context,
    new Map(inline.map(({ content, object }) => [object.digest, content.rid])),
  )
  return new Map(
    open.map(({ grant, content, object }) => {
      const key = content.key.toLowerCase()
      const { digest } = object
      return [grant, { key, digest, frame: frames.get(digest) }]
    }),
  )
}

/**
 * Frames of the objects as they were sealed when their records were frozen, to the last bit, by their
 * digest. Those that are made together lie one behind the other.
 *
 * @param wanted digest → row of the content
 */
async function sealedFrames(
  { db, recent }: Context,
  wanted: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const frames = new Map<string, Uint8Array>()
  const missing = new Map<number, string>()
  for (const [digest, rid] of wanted) {
    const known = recent.sealed.get(digest)
    if (known === undefined) missing.set(rid, digest)
    else frames.set(digest, known)
  }
  if (missing.size === 0) return frames
  const contents = (await contentsByRow(db, [...missing.keys()])).map(
    ({ rid, bytes, content_key: key }) => ({
      bytes,
      digest: missing.get(rid)!,
      header: frameHeader("sealed", sealedSize(bytes.length)),
      key,
    }),
  )
  const room = new Uint8Array(
    contents.reduce((sum, { bytes, header }) => sum + header.length + sealedSize(bytes.length), 0),
  )
  let at = 0
  for (const { bytes, digest, header, key } of contents.sort(byDigest)) {
    const frame = room.subarray(at, at + header.length + sealedSize(bytes.length))
    frame.set(header)
    const object = frame.subarray(header.length)
    sealInto(object, key, 0, bytes)
    if (encodeHex(sha256(object)) !== digest) throw new StoreDamage("a record's content")
    frames.set(digest, frame)
    recent.sealed.keep(digest, frame, frame.length)
    at += frame.length
  }
  return frames
}

/** A sealed object that `peer` was granted and that nothing has ended; null for anything else. */
export async function sealedFor(
  context: Context,
  peer: string,
  digest: string,
): Promise<Uint8Array | null> {
  const row = await heldContents(context.db)
    .select([
      "record.id",
      "record.version",
      "record.origin",
      "content.bytes",
      "content.content_key",
    ])
    // As the index has it, then in full.
    .where(sql`substr(record.sealed_digest, 1, 16)`, "=", digest.slice(0, 16))
    .where("record.sealed_digest", "=", digest)
    .executeTakeFirst()
  if (row === undefined || context.gap !== null) return null
  const about = await context.db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "=", row.id)
    .where("record_origin", "=", row.origin)
    .where("order_origin", "=", context.self.id)
    .where("recipient", "in", [peer, everybody])
    .where("version", "=", row.version)
    .where(releasing)
    .where("repudiated", "=", 0)
    .execute()
  const withdrawals = await withdrawalsOf(context.db, [row.id])
  const doubts = await doubtsTowards(context.db, peer, [row.id])
  const isLive = about.some(
    (fact) =>
      fact.base_size > (doubts.get(fact.recipient)?.get(row.id) ?? -1) &&
      endOf(asFact(fact), factsTowards(withdrawals, row, fact.recipient)) === null,
  )
  if (!isLive) return null
  const sealed = sealObject(new Uint8Array(row.content_key), 0, new Uint8Array(row.bytes))
  if (encodeHex(sha256(sealed)) !== digest) throw new StoreDamage("a record's content")
  return sealed
}

/** What is in doubt of what it was given itself, and of what everybody was. */
async function doubtsTowards(db: Db, peer: string, ids: readonly string[]) {
  const doubts = new Map<string, ReadonlyMap<string, number>>()
  for (const recipient of [peer, everybody])
    doubts.set(recipient, await doubtsOf(db, recipient, ids))
  return doubts
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
  const day = today(context)
  const now = env.clock.monotonic()
  const cached = epochs.sending.get(peer)
  const isOfToday = cached?.keys === keys.digest && cached.day === day && cached.until > now
  if (isOfToday) return cached.epoch
  const epoch = await openEpoch(self.id, peer, kemKeyFor(keys.payload, day), env.random(64))
  epochs.sending.set(peer, { keys: keys.digest, day, until: now + epochMs, epoch })
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

export function formatPlaces(places: readonly Place[]): string {
  return places.map(({ epoch, index }) => `${epoch}.${index}`).join()
}

/** `epoch.index`, joined by commas, ascending; undefined for anything else that is there. */
export function parsePlaces(text: string | null): readonly Place[] | null | undefined {
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
