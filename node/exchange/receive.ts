import { sha256 } from "../../protocol/crypto/hash.ts"
import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { decodeUtf8, encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  decodeEntries,
  type FeedHead,
  type Frame,
  parseHead,
} from "../../protocol/exchange/frames.ts"
import {
  decodeParcelContent,
  joinEpoch,
  openParcel,
  type ParcelContent,
  type ParcelEpoch,
  parcelEnc,
} from "../../protocol/exchange/parcel.ts"
import { limits } from "../../protocol/limits.ts"
import type { Context } from "../context.ts"
import { noteEvent } from "../log/event.ts"
import { checkHeard, hearOf, memberOfCheckpoint, takeProof } from "../log/gossip.ts"
import { examine } from "../log/inconsistency.ts"
import { type LogNews, mirrorLog, noteDisowned } from "../log/mirror.ts"
import { takeCosigned } from "../log/prove.ts"
import { truncateWal } from "../store/purge.ts"
import { memberById } from "../store/queries/members.ts"
import { changeSource, sourceOf } from "../store/queries/sources.ts"
import type { Db } from "../store/schema.ts"
import { commitSoon } from "../store/soon.ts"
import { staleWhy } from "./staleness.ts"
import { StreamBudget } from "./stream-budget.ts"
import { type Opened, takeDeliveries } from "./take.ts"

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

/** A parcel with the objects that followed it. */
type Bundle = { readonly parcel: Uint8Array; readonly sealed: Map<string, Uint8Array> }

const bundlesPerCommit = 128
const bytesPerCommit = 2 * 1024 * 1024
/** Waiting for the head that they belong to: some eight million entries of a log that is new here. */
const bytesHeld = 256 * 1024 * 1024
/** A stranger's parcels cost a decapsulation each; a peer's feed rarely needs more than one. */
const decapsulationsPerStream = 16
const epochsKept = 4
const heardEveryMs = 60_000

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
  for await (const frame of frames) {
    if (reader.isWhole) throw new ProtocolError("frames.malformed", { detail: "after the head" })
    await reader.take(frame)
    // What could not be judged is asked for again: nothing behind it can be taken now.
    if (reader.counts.code !== undefined && !reader.isWhole) return reader.giveUp()
  }
  return reader.end()
}

export class FeedReader {
  readonly #context: Context
  readonly #peer: string
  readonly #fetchSealed: FetchSealed
  readonly #budget: StreamBudget
  /** secrets of this stream; they are kept for later ones once a parcel has passed every step */
  #epochs: readonly ParcelEpoch[] = []
  /**
   * Of the peer's own log, or, from others' mouths, of a third member. Its entries stay as they came until
   * all are there: one that is an object of its own takes six times the room.
   */
  #news: { checkpoint: string; entries: Uint8Array[]; documents: Uint8Array[] } | null = null
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
    this.#budget = new StreamBudget(peer, context.env.clock)
  }

  async take(frame: Frame): Promise<void> {
    this.#budget.take(frame)
    this.#heldBytes += frame.bytes.length
    if (this.#heldBytes > bytesHeld) throw new ProtocolError("frames.too-large")
    this.#isWhole = frame.type === "head"
    switch (frame.type) {
      case "checkpoint":
        await this.#takeCheckpoint(decodeUtf8(frame.bytes))
        return
      case "entries":
        this.#expectNews().entries.push(frame.bytes)
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
        await this.#flush(parseHead(decodeUtf8(frame.bytes)))
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
    if (this.#code !== undefined && !this.#isWhole) return this.giveUp()
    if (!this.#isWhole) throw new ProtocolError("frames.malformed", { detail: "no head" })
    return this.counts
  }

  /** Whether the last frame was a head: nothing is missing. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Reads no further; what was taken stays, and why it is not all stands with the source. */
  async giveUp(): Promise<Received> {
    const { db } = this.#context
    const source = await sourceOf(db, this.#peer)
    await changeSource(db, source, { error: this.#code ?? null })
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

  /** Judges and stores what is held, and the head behind it, in one transaction. */
  async #flush(head: FeedHead | null = null): Promise<void> {
    const bundles = this.#bundles
    const heard =
      this.#news === null ? null : { ...this.#news, entries: this.#news.entries.map(decodeEntries) }
    this.#news = null
    this.#bundles = []
    this.#heldBytes = 0
    const isOwn = heard === null || memberOfCheckpoint(heard.checkpoint) === this.#peer
    if (!isOwn) await hearOf(this.#context, this.#peer, heard)
    const news = isOwn ? heard : null
    const { opened, broken } = await this.#openAll(this.#code === undefined ? bundles : [])
    if (news !== null || opened.length > 0 || head !== null) await this.#commit(news, opened, head)
    if (broken !== undefined) throw broken
  }

  /** Waiting for witnesses stops no reading: what proves nothing is left, and noted. */
  async #takeCosigned(note: string): Promise<void> {
    const context = this.#context
    const { db, env, bell } = context
    try {
      await commitSoon(db, (trx) => takeCosigned(context, trx, this.#peer, note))
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

  /** As far as they open; `broken` is what kept us from asking for the objects of one. */
  async #openAll(
    bundles: readonly Bundle[],
  ): Promise<{ readonly opened: readonly Opened[]; readonly broken?: unknown }> {
    const opened: Opened[] = []
    for (const bundle of bundles)
      try {
        const content = decodeParcelContent(await this.#open(bundle.parcel))
        opened.push({ content, objects: await this.#objects(content, bundle) })
      } catch (cause) {
        if (!(cause instanceof ProtocolError)) return { opened, broken: cause }
        // Not for us, damaged, or not complete: the cursor stays before it.
        this.#fail(cause.code)
        break
      }
    return { opened }
  }

  async #commit(
    news: LogNews | null,
    opened: readonly Opened[],
    head: FeedHead | null,
  ): Promise<void> {
    const context = this.#context
    const { bell, db } = context
    const inTransaction = <T>(work: (trx: Db) => Promise<T>) =>
      opened.length > 0 ? db.transaction().execute(work) : commitSoon(db, work)
    const before = news === null ? null : await memberById(db, this.#peer)
    if (news !== null && before === null) throw new ProtocolError("root.unknown")
    // Of a delivery a receipt is owed. Without one, all of this is asked for from where our log of it ends.
    const commit = inTransaction(async (trx) => {
      if (news !== null) await mirrorLog(context, trx, this.#peer, news)
      const taken = await takeDeliveries(context, trx, this.#peer, opened)
      if (taken.gap !== undefined) this.#fail(taken.gap)
      if (head !== null) await this.#noteHead(trx, head)
      if (news !== null) await checkHeard(context, trx, this.#peer)
      return taken
    })
    const { received, already, refused, hasPurged } = await commit.catch(async (cause: unknown) => {
      await noteDisowned(db, cause)
      if (news !== null && before !== null) await examine(context, before, cause, news.checkpoint)
      throw cause
    })
    if (news !== null) context.gossip.revision++
    const counts = this.#counts
    this.#counts = {
      received: counts.received + received,
      already: counts.already + already,
      refused: counts.refused + refused,
      failed: counts.failed,
    }
    if (opened.length > 0 && refused === 0 && this.#code === undefined) this.#keepEpochs()
    if (hasPurged) await truncateWal(db)
    if (opened.length > 0) bell.ring()
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
  ): Promise<Map<string, Uint8Array>> {
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
  async #noteHead(trx: Db, head: FeedHead): Promise<void> {
    const source = await sourceOf(trx, this.#peer)
    const isSameFeed = source.feed === head.feed
    const wasBehind = this.#isBehind
    this.#isBehind ||= isSameFeed && source.seen_n > head.n
    if (this.#isBehind && !wasBehind)
      await noteEvent(this.#context, trx, "feed.behind", this.#peer, `${head.n} < ${source.seen_n}`)
    // It ends below its own head: the rest was left out.
    if (this.#code === undefined && head.n > (isSameFeed ? source.n : 0)) this.#fail("delivery.gap")
    const now = this.#context.env.clock.now()
    const why = staleWhy(this.#code ?? (this.#isBehind ? "feed.behind" : null))
    const seen = {
      // A head that steps back is still measured by the furthest that was seen.
      seen_n: isSameFeed ? Math.max(head.n, source.seen_n) : head.n,
      at: now,
      error: this.#code ?? null,
      stale_at: why === null ? null : (source.stale_at ?? now),
      stale_why: why,
    }
    const isNews =
      source.seen_n !== seen.seen_n ||
      source.error !== seen.error ||
      source.stale_why !== seen.stale_why
    // That the peer was heard of is kept by the minute: nobody waits for a disk because nothing is new.
    if (isNews || seen.at - source.at >= heardEveryMs) await changeSource(trx, source, seen)
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
