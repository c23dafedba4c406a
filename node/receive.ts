import { sha256 } from "../protocol/crypto/hash.ts"
import { kemKeyPair } from "../protocol/crypto/kem.ts"
import { chainBehind, type Link, verifyCustody } from "../protocol/custody.ts"
import { decodeUtf8, encodeHex, equalBytes } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { deliveryDigest, firstPrev, type PlacedGrant } from "../protocol/exchange/delivery.ts"
import {
  decodeEntries,
  type EntriesFrame,
  type Frame,
  parseHead,
} from "../protocol/exchange/frames.ts"
import {
  decodeParcelContent,
  joinEpoch,
  openParcel,
  type ParcelContent,
  type ParcelEpoch,
  parcelEnc,
} from "../protocol/exchange/parcel.ts"
import { limits } from "../protocol/limits.ts"
import { withdrawalTag } from "../protocol/log/entry.ts"
import type { ComityRecord } from "../protocol/record/record.ts"
import { endOf } from "../protocol/release/precedence.ts"
import {
  type Claim,
  factOf,
  type Standing,
  verifyOrder,
  verifyRelease,
} from "../protocol/verify.ts"
import { type Context, today } from "./context.ts"
import { noteEvent } from "./event.ts"
import { checkHeard, hearOf, memberOfCheckpoint, takeProof } from "./gossip.ts"
import { ownHolder } from "./holder.ts"
import { examine } from "./inconsistency.ts"
import { checkHeldLinks } from "./links.ts"
import { loggedOf } from "./logged.ts"
import { type LogNews, mirrorLog, noteDisowned } from "./mirror.ts"
import { assertAgreed } from "./mission.ts"
import { keepOrder, takeCosigned } from "./prove.ts"
import { indexRecord, unindexRecord } from "./search.ts"
import { staleWhy } from "./staleness.ts"
import { truncateWal } from "./store/purge.ts"
import { keepConsents, knowingOf } from "./store/queries/consents.ts"
import { keepLinks, membersOf } from "./store/queries/custody.ts"
import { asFact, factRow, factsAbout, insertFacts } from "./store/queries/facts.ts"
import type { LogState } from "./store/queries/logs.ts"
import { insertRoots, memberById } from "./store/queries/members.ts"
import type { Db, Schema } from "./store/schema.ts"

/**
 * The one way in. Whatever carried them, frames of a peer end here: its log first, then its deliveries
 * in the order of its feed, each through the eight steps, each committed with the cursor behind it.
 */

export type Received = {
  /** grants taken over: records, and withdrawals */
  readonly received: number
  readonly already: number
  readonly refused: number
  /** what could not be judged and is asked for again */
  readonly failed: number
  /** why the reading ended early */
  readonly code?: string
}

/** How the receiver asks for a sealed object that did not ride along. */
export type FetchSealed = (digest: string, size: number) => Promise<Uint8Array>

type Source = Schema["source"]
/** A parcel with the objects that followed it. */
type Bundle = { readonly parcel: Uint8Array; readonly sealed: Map<string, Uint8Array> }

const bundlesPerCommit = 32
const bytesPerCommit = 8 * 1024 * 1024
/** Waiting for the head that they belong to: some eight million entries of a log that is new here. */
const bytesHeld = 256 * 1024 * 1024
/** A stranger's parcels cost a decapsulation each; a peer's feed rarely needs more than one. */
const decapsulationsPerStream = 16
const epochsKept = 4

/**
 * Reads one answer of `peer`'s feed to its end.
 *
 * @throws `frames.*`, `checkpoint.*`, `root.*`: the peer's log does not continue as held here
 */
export async function receive(
  context: Context,
  peer: string,
  frames: AsyncIterable<Frame>,
  fetchSealed: FetchSealed,
): Promise<Received> {
  const reader = new FeedReader(context, peer, fetchSealed)
  for await (const frame of frames) await reader.take(frame)
  return reader.end()
}

export class FeedReader {
  readonly #context: Context
  readonly #peer: string
  readonly #fetchSealed: FetchSealed
  /** secrets of this stream; they are kept for later ones once a parcel has passed every step */
  #epochs: readonly ParcelEpoch[] = []
  /** of the peer's own log, or, from others' mouths, of a third member */
  #news: { checkpoint: string; entries: EntriesFrame[]; documents: Uint8Array[] } | null = null
  #bundles: Bundle[] = []
  #heldBytes = 0
  #decapsulations = 0
  #isWhole = false
  #hasNews = false
  #isBehind = false
  #counts = { received: 0, already: 0, refused: 0, failed: 0 }
  #code: string | undefined

  constructor(context: Context, peer: string, fetchSealed: FetchSealed) {
    this.#context = context
    this.#peer = peer
    this.#fetchSealed = fetchSealed
  }

  async take(frame: Frame): Promise<void> {
    this.#heldBytes += frame.bytes.length
    if (this.#heldBytes > bytesHeld) throw new ProtocolError("frames.too-large")
    this.#isWhole = frame.type === "head"
    switch (frame.type) {
      case "checkpoint":
        await this.#takeCheckpoint(decodeUtf8(frame.bytes))
        return
      case "entries":
        this.#expectNews().entries.push(decodeEntries(frame.bytes))
        return
      case "root":
      case "keys":
        this.#expectNews().documents.push(frame.bytes)
        return
      case "parcel":
        if (this.#bundles.length >= bundlesPerCommit || this.#heldBytes > bytesPerCommit)
          await this.#flush()
        this.#bundles.push({ parcel: frame.bytes, sealed: new Map() })
        return
      case "sealed": {
        const bundle = this.#bundles.at(-1)
        if (bundle === undefined || bundle.sealed.size >= limits.grantsPerOrder)
          throw new ProtocolError("frames.malformed", { detail: "sealed" })
        bundle.sealed.set(encodeHex(sha256(frame.bytes)), frame.bytes)
        return
      }
      case "evidence":
        await this.#flush()
        await takeProof(this.#context, this.#peer, frame.bytes)
        return
      case "head":
        this.#hasNews = false
        await this.#flush()
        await this.#noteHead(decodeUtf8(frame.bytes))
        return
      default:
        throw new ProtocolError("feature.unsupported", { detail: `frame ${frame.type}` })
    }
  }

  /** Of the peer's own the first says where its log is now; those behind it, to the head, are cosigned. */
  async #takeCheckpoint(checkpoint: string): Promise<void> {
    await this.#flush()
    const isOwn = memberOfCheckpoint(checkpoint) === this.#peer
    if (isOwn && this.#hasNews) return this.#takeCosigned(checkpoint)
    this.#news = { checkpoint, entries: [], documents: [] }
    this.#hasNews ||= isOwn
  }

  /** What was pushed has come to its end. */
  async flush(): Promise<void> {
    await this.#flush()
  }

  /** @throws `frames.malformed` for an answer that stops before its head */
  async end(): Promise<Received> {
    await this.#flush()
    if (!this.#isWhole) throw new ProtocolError("frames.malformed", { detail: "no head" })
    return this.counts
  }

  /** What was received so far: for a live stream. */
  get counts(): Received {
    return { ...this.#counts, ...(this.#code === undefined ? {} : { code: this.#code }) }
  }

  #expectNews() {
    if (this.#news === null) throw new ProtocolError("frames.malformed", { detail: "order" })
    return this.#news
  }

  async #flush(): Promise<void> {
    const news = this.#news
    this.#news = null
    if (news !== null) await this.#takeNews(news)
    const bundles = this.#bundles
    this.#bundles = []
    this.#heldBytes = 0
    if (bundles.length > 0 && this.#code === undefined) await this.#takeBundles(bundles)
  }

  async #takeNews(news: LogNews): Promise<void> {
    const context = this.#context
    const { db } = context
    if (memberOfCheckpoint(news.checkpoint) !== this.#peer) return hearOf(context, this.#peer, news)
    const before = await memberById(db, this.#peer)
    if (before === null) throw new ProtocolError("root.unknown")
    try {
      await db.transaction().execute((trx) => mirrorLog(context, trx, this.#peer, news))
    } catch (cause) {
      await noteDisowned(db, cause)
      await examine(context, before, cause, news.checkpoint)
      throw cause
    }
    context.gossip.revision++
    await checkHeard(context, this.#peer)
  }

  /** Waiting for witnesses stops no reading: what proves nothing is left, and noted. */
  async #takeCosigned(note: string): Promise<void> {
    const context = this.#context
    const { db, env, bell } = context
    try {
      await db.transaction().execute((trx) => takeCosigned(context, trx, this.#peer, note))
      bell.ring()
    } catch (cause) {
      // Two trees, both signed by the log: that is no matter of waiting.
      const isForked = cause instanceof ProtocolError && cause.code === "checkpoint.forked"
      const before = isForked ? await memberById(db, this.#peer) : null
      if (before !== null) await examine(context, before, cause, note)
      if (!(cause instanceof ProtocolError) || isForked) throw cause
      env.log.warn("proof.refused", { peer: this.#peer, code: cause.code })
    }
  }

  async #takeBundles(bundles: readonly Bundle[]): Promise<void> {
    const context = this.#context
    const prepared: { content: ParcelContent; objects: ReadonlyMap<string, Uint8Array> }[] = []
    for (const bundle of bundles)
      try {
        const content = decodeParcelContent(await this.#open(bundle.parcel))
        prepared.push({ content, objects: await this.#objects(content, bundle) })
      } catch (cause) {
        // Not for us, damaged, or not complete: the cursor stays before it.
        if (!(cause instanceof ProtocolError)) throw cause
        this.#fail(cause.code)
        break
      }
    let [hasPurged, hasPassed] = [false, false]
    await context.db.transaction().execute(async (trx) => {
      // A restart of this body begins from the counts before it.
      const counts = { ...this.#counts }
      for (const { content, objects } of prepared) {
        const outcome = await takeDelivery(context, trx, this.#peer, content, objects)
        if (outcome.gap !== undefined) {
          counts.failed++
          this.#code = outcome.gap
          break
        }
        counts.received += outcome.received
        counts.already += outcome.already
        counts.refused += outcome.refused
        hasPurged ||= outcome.hasPurged
      }
      hasPassed = counts.refused === this.#counts.refused && this.#code === undefined
      this.#counts = counts
    })
    if (hasPassed) this.#keepEpochs()
    if (hasPurged) await truncateWal(context.db)
    context.bell.ring()
  }

  #keepEpochs(): void {
    const { reading } = this.#context.epochs
    const kept = reading.get(this.#peer) ?? []
    reading.set(this.#peer, [...this.#epochs, ...kept].slice(0, epochsKept))
    this.#epochs = []
  }

  #fail(code: string): void {
    this.#counts.failed++
    this.#code = code
    this.#context.env.log.warn("receive.failed", { peer: this.#peer, code })
  }

  /** Tries the secrets shared already, then our live keys, newest first: a parcel names none. */
  async #open(parcel: Uint8Array): Promise<Uint8Array> {
    const { epochs, self, db } = this.#context
    const enc = parcelEnc(parcel)
    const shared = [...this.#epochs, ...(epochs.reading.get(this.#peer) ?? [])]
    const known = shared.find((epoch) => equalBytes(epoch.enc, enc))
    if (known !== undefined) return openParcel(known, parcel)
    const rows = await db
      .selectFrom("kem_key")
      .select("seed")
      .orderBy("not_after", "desc")
      .execute()
    for (const { seed } of rows) {
      if (++this.#decapsulations > decapsulationsPerStream) break
      const epoch = await tryJoin(this.#peer, self.id, new Uint8Array(seed), enc)
      const plaintext = epoch === null ? null : tryOpen(epoch, parcel)
      if (epoch === null || plaintext === null) continue
      this.#epochs = [epoch, ...this.#epochs].slice(0, epochsKept)
      return plaintext
    }
    throw new ProtocolError("parcel.unopenable")
  }

  /** The sealed objects that the parcel has keys for: from the stream, else fetched. */
  async #objects(
    { delivery, keys }: ParcelContent,
    bundle: Bundle,
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    for (const place of keys.keys()) {
      const wanted = delivery.grants[place]!.grant.sealed[0]
      if (wanted === undefined || bundle.sealed.has(wanted.digest)) continue
      if (wanted.size > limits.recordBytes * 2) throw new ProtocolError("sealed.malformed")
      const fetched = await this.#fetchSealed(wanted.digest, wanted.size)
      if (encodeHex(sha256(fetched)) !== wanted.digest) throw new ProtocolError("sealed.mismatch")
      bundle.sealed.set(wanted.digest, fetched)
    }
    return bundle.sealed
  }

  /** A head behind what was read, or a stream that ended below it, is shown; nothing is decided by it. */
  async #noteHead(text: string): Promise<void> {
    const head = parseHead(text)
    const { db, env } = this.#context
    const source = await sourceOf(db, this.#peer)
    const isSameFeed = source.feed === head.feed
    const wasBehind = this.#isBehind
    this.#isBehind ||= isSameFeed && source.seen_n > head.n
    if (this.#isBehind && !wasBehind)
      await noteEvent(this.#context, db, "feed.behind", this.#peer, `${head.n} < ${source.seen_n}`)
    // It ends below its own head: the rest was left out.
    if (this.#code === undefined && head.n > (isSameFeed ? source.n : 0)) this.#fail("delivery.gap")
    const now = env.clock.now()
    const why = staleWhy(this.#code ?? (this.#isBehind ? "feed.behind" : null))
    const seen = {
      // A head that steps back is still measured by the furthest that was seen.
      seen_n: isSameFeed ? Math.max(head.n, source.seen_n) : head.n,
      at: now,
      error: this.#code ?? null,
      stale_at: why === null ? null : (source.stale_at ?? now),
      stale_why: why,
    }
    await db
      .insertInto("source")
      .values({ ...source, ...seen })
      .onConflict((conflict) => conflict.column("peer").doUpdateSet(seen))
      .execute()
  }
}

/** Null for an encapsulation that is none, like one for another key: nobody learns which. */
async function tryJoin(
  sender: string,
  recipient: string,
  seed: Uint8Array,
  enc: Uint8Array,
): Promise<ParcelEpoch | null> {
  try {
    return await joinEpoch(sender, recipient, kemKeyPair(seed), enc)
  } catch (cause) {
    if (cause instanceof ProtocolError && cause.code === "kem.malformed") return null
    throw cause
  }
}

function tryOpen(epoch: ParcelEpoch, parcel: Uint8Array): Uint8Array | null {
  try {
    return openParcel(epoch, parcel)
  } catch (cause) {
    if (cause instanceof ProtocolError && cause.code === "parcel.unopenable") return null
    throw cause
  }
}

export async function sourceOf(db: Db, peer: string): Promise<Source> {
  const row = await db.selectFrom("source").selectAll().where("peer", "=", peer).executeTakeFirst()
  if (row !== undefined) return row
  const nothing = { feed: "", n: 0, prev: firstPrev, seen_n: 0, at: 0 }
  return { peer, ...nothing, error: null, stale_at: null, stale_why: null, cosigned_at: null }
}

type Outcome = {
  received: number
  already: number
  refused: number
  hasPurged: boolean
  /** set when the delivery is not the next of its feed */
  gap?: string
}

/** One delivery and the cursor behind it, in the caller's transaction. */
async function takeDelivery(
  context: Context,
  trx: Db,
  peer: string,
  { delivery, deliveryBytes, keys, links }: ParcelContent,
  objects: ReadonlyMap<string, Uint8Array>,
): Promise<Outcome> {
  const outcome: Outcome = { received: 0, already: 0, refused: 0, hasPurged: false }
  const source = await sourceOf(trx, peer)
  const isNewFeed = source.feed !== delivery.feed
  if (!isNewFeed && delivery.n <= source.n) return { ...outcome, already: delivery.grants.length }
  const expected = isNewFeed ? { n: 1, prev: firstPrev } : { n: source.n + 1, prev: source.prev }
  if (delivery.n !== expected.n) return { ...outcome, gap: "delivery.gap" }
  if (delivery.prev !== expected.prev) return { ...outcome, gap: "delivery.fork" }
  if (isNewFeed && source.feed !== "")
    await noteEvent(context, trx, "feed.new", peer, `${source.feed} ${delivery.feed}`)

  try {
    const { standing, log } = await standOrder(context, trx, peer, delivery)
    for (const [place, placed] of delivery.grants.entries()) {
      const content = contentOf(placed, keys.get(place), objects)
      const chain = content === null ? [] : chainBehind(placed.grant, links)
      const taken = await takeGrant(context, trx, peer, standing, placed, content, chain)
      outcome[taken.state]++
      outcome.hasPurged ||= taken.hasPurged
    }
    await keepOrder(context, trx, delivery, standing, log)
    await keepConsents(trx, standing.order, delivery.consents)
  } catch (cause) {
    // The order itself does not stand: nothing of it is kept but our signed refusal.
    if (!(cause instanceof ProtocolError)) throw cause
    for (const { leaf } of delivery.grants)
      await owe(context, trx, peer, delivery.order.payload.id, leaf, "refused", cause.code)
    outcome.refused += delivery.grants.length
    context.env.log.warn("receive.refused", { peer, code: cause.code })
  }
  const moved = { feed: delivery.feed, n: delivery.n, prev: deliveryDigest(deliveryBytes) }
  await trx
    .insertInto("source")
    .values({ ...source, ...moved })
    .onConflict((conflict) => conflict.column("peer").doUpdateSet(moved))
    .execute()
  return outcome
}

/** Steps 1 to 5, against the sender's log as mirrored here. */
async function standOrder(
  context: Context,
  trx: Db,
  peer: string,
  claim: Claim,
): Promise<{ readonly standing: Standing; readonly log: LogState }> {
  // A carrier is not the sender, and the sender speaks for itself alone.
  if (claim.order.payload.origin !== peer)
    throw new ProtocolError("order.malformed", { detail: "origin" })
  const same = await trx
    .selectFrom("logged_order")
    .select("digest")
    .where("origin", "=", peer)
    .where("id", "=", claim.order.payload.id)
    .executeTakeFirst()
  // An order is one (origin, id): what was logged first under it stays what it says.
  if (same !== undefined && same.digest !== claim.order.digest)
    throw new ProtocolError("order.malformed", { detail: "id used before" })
  const { logged, log } = await loggedOf(trx, peer, claim)
  const holder = ownHolder(context, await knowingOf(trx, claim.consents))
  return { standing: verifyOrder(claim, logged, holder), log }
}

type Content = { readonly key: Uint8Array; readonly sealed: Uint8Array }

function contentOf(
  { grant }: PlacedGrant,
  key: Uint8Array | undefined,
  objects: ReadonlyMap<string, Uint8Array>,
): Content | null {
  const [object] = grant.sealed
  if (key === undefined || object === undefined) return null
  const sealed = objects.get(object.digest)
  if (sealed === undefined) throw new ProtocolError("sealed.mismatch")
  return { key, sealed }
}

/** Steps 6 to 8 of one grant, and what it changes here. */
async function takeGrant(
  context: Context,
  trx: Db,
  peer: string,
  standing: Standing,
  placed: PlacedGrant,
  content: Content | null,
  chain: readonly Link[],
): Promise<{ readonly state: "received" | "already" | "refused"; readonly hasPurged: boolean }> {
  const { grant } = placed
  const known = (await factsAbout(trx, grant.record, grant.recipient)).map(asFact)
  const { id: orderId } = standing.order
  try {
    const holder = ownHolder(context, {
      members: await membersOf(trx, chain),
      takenBack: new Set(),
    })
    const custody =
      chain.length === 0 ? null : verifyCustody(chain, placed, standing.order.origin, holder)
    const fact = factOf(standing, placed, custody)
    const row = factRow(fact, placed, encodeHex(placed.leaf), context.env.clock.now())
    if (grant.act === "withdraw") {
      await insertFacts(trx, [row])
      const { hasPurged, isHeld } = await purgeEnded(trx, grant.record, [...known, fact])
      // One that ends nothing here, by its place or its rule, leaves what we hold: we don't say otherwise.
      await owe(context, trx, peer, orderId, placed.leaf, isHeld ? "delivered" : "purged")
      return { state: "received", hasPurged }
    }
    // Withdrawn before we fetched it: the grant is noted, there is nothing to read.
    if (content === null) {
      // Without its chain nobody can say what would end it: it is as if it had not come.
      if (grant.custody === undefined) await insertFacts(trx, [row])
      return { state: "already", hasPurged: false }
    }
    const verified = verifyRelease(standing, placed, known, content, holder, undefined, custody)
    await checkHeldLinks(trx, verified.record)
    await assertAgreed({ ...context, db: trx }, verified.record)
    const isNew = await storeRecord(context, trx, placed, content.key, verified)
    await insertFacts(trx, [row])
    await keepLinks(trx, chain)
    // Its log is read from whoever passed the record on: see followOrigins.
    if (custody !== null && (await memberById(trx, custody[0].origin.id)) === null)
      await insertRoots(trx, custody[0].origin)
    await owe(context, trx, peer, orderId, placed.leaf, "delivered")
    return { state: isNew ? "received" : "already", hasPurged: false }
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    await owe(context, trx, peer, orderId, placed.leaf, "refused", cause.code)
    context.env.log.warn("receive.refused", { peer, code: cause.code })
    return { state: "refused", hasPurged: false }
  }
}

/** @returns whether it was not held before; @throws `record.mismatch` for a second content of one version */
async function storeRecord(
  context: Context,
  trx: Db,
  { grant }: PlacedGrant,
  contentKey: Uint8Array,
  { record, bytes }: { readonly record: ComityRecord; readonly bytes: Uint8Array },
): Promise<boolean> {
  const { origin, id, version, digest } = grant.record
  const held = await trx
    .selectFrom("record")
    .select("digest")
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst()
  if (held !== undefined && held.digest !== digest) throw new ProtocolError("record.mismatch")
  if (held === undefined)
    await trx
      .insertInto("record")
      .values({
        origin,
        id,
        version,
        digest,
        kind: record.kind,
        profile_id: record.profile.id,
        profile_digest: record.profile.digest,
        sealed_digest: grant.sealed[0]!.digest,
        sealed_size: grant.sealed[0]!.size,
        created_at: context.env.clock.now(),
      })
      .execute()
  const inserted = await trx
    .insertInto("content")
    .values({
      origin,
      id,
      version,
      title: record.title,
      bytes,
      content_key: contentKey,
      tag: withdrawalTag(contentKey),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("rid")
    .executeTakeFirst()
  if (inserted !== undefined) await indexRecord(trx, inserted.rid, record)
  return inserted !== undefined
}

/** Removes every version of the record that no live release holds up any more. */
export async function purgeEnded(
  trx: Db,
  record: { readonly origin: string; readonly id: string; readonly version: number },
  facts: readonly ReturnType<typeof asFact>[],
): Promise<{ readonly hasPurged: boolean; readonly isHeld: boolean }> {
  const rows = await trx
    .selectFrom("content")
    .select(["rid", "version", "bytes"])
    .where("origin", "=", record.origin)
    .where("id", "=", record.id)
    .execute()
  let [hasPurged, isHeld] = [false, false]
  for (const { rid, version, bytes } of rows) {
    const isLive = facts.some(
      (fact) => fact.act === "release" && fact.version === version && endOf(fact, facts) === null,
    )
    isHeld ||= isLive && version <= record.version
    if (isLive) continue
    await unindexRecord(trx, rid, new Uint8Array(bytes))
    await trx.deleteFrom("content").where("rid", "=", rid).execute()
    hasPurged = true
  }
  return { hasPurged, isHeld }
}

/** A receipt that `peer` is owed; it goes out with the next batch. */
export async function owe(
  context: Context,
  trx: Db,
  peer: string,
  orderId: string,
  leaf: Uint8Array,
  state: "delivered" | "refused" | "purged",
  code?: string,
): Promise<void> {
  await trx
    .insertInto("receipt_out")
    .values({
      peer,
      order_id: orderId,
      leaf: encodeHex(leaf),
      state,
      code: code ?? null,
      day: today(context),
      sent: 0,
    })
    .execute()
}
