import { sql } from "kysely"
import { sha256 } from "../protocol/crypto/hash.ts"
import { sealObject } from "../protocol/crypto/seal.ts"
import { concat, encodeBase64url, encodeHex, utf8 } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import {
  encodeEntries,
  type FeedHead,
  type FrameType,
  formatHead,
  frameHeader,
} from "../protocol/exchange/frames.ts"
import {
  openEpoch,
  type ParcelEpoch,
  type ParcelKey,
  parcelContentParts,
  parcelParts,
} from "../protocol/exchange/parcel.ts"
import { limits } from "../protocol/limits.ts"
import { isOpenEntry } from "../protocol/log/entry.ts"
import { kemKeyFor } from "../protocol/member/keys.ts"
import { endOfEpoch } from "../protocol/member/root.ts"
import { endOf } from "../protocol/release/precedence.ts"
import { type Context, today } from "./context.ts"
import { NodeError } from "./errors.ts"
import { type Queued, type QueuedGrant, queuedFor } from "./queue.ts"
import { StoreDamage } from "./store/damage.ts"
import { contentKeys, contentsByRow } from "./store/queries/contents.ts"
import { asFact, factOfGrant, isAbout, withdrawalsOf } from "./store/queries/facts.ts"
import { entriesFrom, type LogState, logAndFeed, logOf } from "./store/queries/logs.ts"
import { keysInForce, memberById } from "./store/queries/members.ts"

/** Where a reader of our feed stands: what it has of us already. */
export type FeedPosition = {
  /** the feed it knows, 32 hex digits; null for none */
  readonly feed: string | null
  readonly after: number
  /** the newest epoch of our log that it knows, and how many entries of that it holds */
  readonly epoch: number
  readonly size: number
}

const noFeed = "0".repeat(32)
const deliveriesPerPage = 32
/** Deliveries that are looked after together: their records are in memory at one time. */
const grantsAtOnce = 128
/** Frames go out in pieces of about this size: a network and its reader pay for each piece. */
const pieceBytes = 64 * 1024

/** The head of what `peer` may read now: of one moment, so that no delivery outruns its log entry. */
export async function feedHead({ db, self }: Context, peer: string): Promise<Head> {
  const found = await logAndFeed(db, self.id, peer)
  if (found === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const { log, checkpoint, feed, n } = found
  if (checkpoint === null) throw new NodeError("store.corrupt", "Our log is not signed.")
  return { head: { feed: feed ?? noFeed, n, size: log.range.size }, log, checkpoint }
}

type Head = {
  readonly head: FeedHead
  readonly log: Pick<LogState, "id" | "epoch" | "origin" | "range">
  readonly checkpoint: Uint8Array
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
  const found = await feedHead(context, peer)
  const { head, log } = found
  const pieces = new Pieces()
  try {
    for await (const frame of newFrames(context, peer, position, found)) {
      pieces.add(frame)
      yield* pieces.take()
    }
  } catch (cause) {
    // The log's news counts, whatever is wrong with a delivery behind it.
    yield* pieces.rest()
    throw cause
  }
  pieces.add(whole("head", utf8(formatHead(head))))
  yield* pieces.rest()
  return { feed: head.feed, after: head.n, epoch: log.epoch, size: head.size }
}

/** A frame to be sent, its bytes in parts. */
type Outgoing = { readonly type: FrameType; readonly parts: readonly Uint8Array[] }

function whole(type: FrameType, bytes: Uint8Array): Outgoing {
  return { type, parts: [bytes] }
}

/** Small parts together, a large one as it is. */
class Pieces {
  #ready: Uint8Array[] = []
  #parts: Uint8Array[] = []
  #length = 0

  add({ type, parts }: Outgoing): void {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    for (const part of [frameHeader(type, length), ...parts]) {
      if (part.length >= pieceBytes) {
        this.#put()
        this.#ready.push(part)
      } else {
        this.#parts.push(part)
        this.#length += part.length
        if (this.#length >= pieceBytes) this.#put()
      }
    }
  }

  #put(): void {
    if (this.#length > 0) this.#ready.push(concat(...this.#parts))
    this.#parts = []
    this.#length = 0
  }

  /** What is large enough to be sent. */
  *take(): Generator<Uint8Array> {
    const ready = this.#ready
    this.#ready = []
    yield* ready
  }

  *rest(): Generator<Uint8Array> {
    this.#put()
    yield* this.take()
  }
}

async function* newFrames(
  context: Context,
  peer: string,
  position: FeedPosition,
  found: Head,
): AsyncGenerator<Outgoing> {
  const { head } = found
  yield* logFrames(context, found, position)
  const isSameFeed = position.feed === head.feed && position.after <= head.n
  let after = isSameFeed ? position.after : 0
  while (after < head.n) {
    const page = await queuedFor(context, peer, after, Math.min(head.n, after + deliveriesPerPage))
    const epoch = await epochFor(context, peer)
    for (const group of together(page)) yield* parcelFrames(context, peer, epoch, group)
    after += page.length
  }
}

/** What our log has gained: of epochs that ended meanwhile what survives, then of the present one. */
async function* logFrames(
  context: Context,
  { log, checkpoint }: Head,
  position: FeedPosition,
): AsyncGenerator<Outgoing> {
  // A poll with nothing new stays small: who holds this size has a checkpoint of it.
  if (position.epoch === log.epoch && position.size === log.range.size) return
  yield whole("checkpoint", checkpoint)
  const first = Math.min(position.epoch, log.epoch)
  for (let epoch = first; epoch <= log.epoch; epoch++) {
    const one = epoch === log.epoch ? log : await logOf(context.db, context.self.id, epoch)
    if (one === null) continue
    const end = endOfEpoch(context.self, epoch)?.size ?? one.range.size
    const start = epoch === position.epoch ? Math.min(position.size, end) : 0
    yield* entryFrames(context, one, start, end)
  }
}

/** The entries of one log, then the documents of those that are open. */
async function* entryFrames(
  { db, self }: Context,
  log: Head["log"],
  start: number,
  end: number,
): AsyncGenerator<Outgoing> {
  let hasDocuments = false
  for (let at = start; at < end; at += limits.entriesPerFrame) {
    const entries = await entriesFrom(db, log.id, at, Math.min(limits.entriesPerFrame, end - at))
    hasDocuments ||= entries.some(isOpenEntry)
    yield whole("entries", encodeEntries({ origin: log.origin, start: at, entries }))
  }
  if (!hasDocuments) return
  for (const [table, type] of [
    ["root_document", "root"],
    ["keys_document", "keys"],
  ] as const) {
    const rows = await db
      .selectFrom(table)
      .select("bytes")
      .where("member", "=", self.id)
      .where("epoch", "=", log.epoch)
      .where("idx", ">=", start)
      .orderBy("idx")
      .execute()
    for (const { bytes } of rows) yield whole(type, bytes)
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
): AsyncGenerator<Outgoing> {
  const open = await openContents(context, peer, group)
  for (const { bytes, grants } of group) {
    const keys: ParcelKey[] = []
    const sealed: Uint8Array[] = []
    for (const [place, grant] of grants.entries()) {
      const content = open.get(grant)
      if (content === undefined) continue
      keys.push({ grant: place, key: content.key })
      if (content.sealed !== undefined) sealed.push(content.sealed)
    }
    const plaintext = parcelContentParts(bytes, keys)
    yield { type: "parcel", parts: parcelParts(epoch, context.env.random(24), plaintext) }
    for (const object of sealed) yield whole("sealed", object)
  }
}

type OpenContent = {
  /** in hex */
  readonly key: string
  /** undefined when it is too large to ride along */
  readonly sealed: Uint8Array | undefined
}

/** The contents of releases that nothing has ended meanwhile: only they are served with their content key. */
async function openContents(
  context: Context,
  peer: string,
  group: readonly Queued[],
): Promise<ReadonlyMap<QueuedGrant, OpenContent>> {
  const { db, self } = context
  const releases = group
    .filter(({ order }) => order.act === "release" && order.repudiated === 0)
    .flatMap(({ order, grants }) => grants.map((grant) => ({ order, grant })))
  if (releases.length === 0) return new Map()
  const ids = [...new Set(releases.map(({ grant }) => grant.record.id))]
  const contents = new Map(
    (await contentKeys(db, self.id, ids)).map((row) => [`${row.id} ${row.version}`, row]),
  )
  const withdrawals = await withdrawalsOf(db, ids)
  const open = releases.flatMap(({ order, grant }) => {
    const { record } = grant
    const content = contents.get(`${record.id} ${record.version}`)
    const known = withdrawals.filter((row) => isAbout(row, record, peer)).map(asFact)
    const isEnded = known.length > 0 && endOf(factOfGrant(order, grant), known) !== null
    return content === undefined || isEnded ? [] : [{ grant, content, object: grant.sealed[0]! }]
  })
  const inline = open.filter(({ object }) => object.size <= limits.inlineSealedBytes)
  const sealed = await sealedObjects(
    context,
    new Map(inline.map(({ content, object }) => [object.digest, content.rid])),
  )
  return new Map(
    open.map(({ grant, content, object }) => {
      const key = content.key.toLowerCase()
      return [grant, { key, sealed: sealed.get(object.digest) }]
    }),
  )
}

/**
 * The objects as they were sealed when their records were frozen, to the last bit, by their digest.
 *
 * @param wanted digest → row of the content
 */
async function sealedObjects(
  { db, recent }: Context,
  wanted: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const objects = new Map<string, Uint8Array>()
  const missing = new Map<number, string>()
  for (const [digest, rid] of wanted) {
    const known = recent.sealed.get(digest)
    if (known === undefined) missing.set(rid, digest)
    else objects.set(digest, known)
  }
  for (const { rid, bytes, content_key } of await contentsByRow(db, [...missing.keys()])) {
    const digest = missing.get(rid)!
    const object = sealObject(content_key, 0, bytes)
    if (encodeHex(sha256(object)) !== digest) throw new StoreDamage("a record's content")
    objects.set(digest, object)
    recent.sealed.keep(digest, object, object.length)
  }
  return objects
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
    // As the index has it, then in full.
    .where(sql`substr(record.sealed_digest, 1, 16)`, "=", digest.slice(0, 16))
    .where("record.sealed_digest", "=", digest)
    .where("record.origin", "=", context.self.id)
    .executeTakeFirst()
  if (row === undefined) return null
  const about = (
    await context.db
      .selectFrom("fact")
      .selectAll()
      .where("record_id", "=", row.id)
      .where("record_origin", "=", row.origin)
      .where("recipient", "=", peer)
      .where("repudiated", "=", 0)
      .execute()
  ).map(asFact)
  const isLive = about.some(
    (fact) => fact.act === "release" && fact.version === row.version && endOf(fact, about) === null,
  )
  if (!isLive) return null
  const sealed = sealObject(new Uint8Array(row.content_key), 0, new Uint8Array(row.bytes))
  if (encodeHex(sha256(sealed)) !== digest) throw new StoreDamage("a record's content")
  return sealed
}

const epochMs = 86_400_000

/** The shared secret of today: new each day and with each keys document of the peer. PROTOCOL.md §8 */
async function epochFor(context: Context, peer: string): Promise<ParcelEpoch> {
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

export function parseFeedQuery(query: URLSearchParams): FeedPosition | null {
  const feed = query.get("feed")
  const after = Number(query.get("after") ?? "0")
  const epoch = Number(query.get("epoch") ?? "1")
  const size = Number(query.get("size") ?? "0")
  const isSane =
    (feed === null || /^[0-9a-f]{32}$/.test(feed)) &&
    Number.isSafeInteger(after) &&
    after >= 0 &&
    Number.isSafeInteger(epoch) &&
    epoch >= 1 &&
    Number.isSafeInteger(size) &&
    size >= 0
  return isSane ? { feed, after, epoch, size } : null
}
