import { kemKeyPair } from "../protocol/crypto/kem.ts"
import { decodeUtf8, encodeHex } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { decodeEntries, type EntriesFrame, readFrames } from "../protocol/exchange/frames.ts"
import { joinEpoch, openParcel, parcelEnc } from "../protocol/exchange/parcel.ts"
import { decodeReturned, type Returned } from "../protocol/exchange/returned.ts"
import { rangeRoot } from "../protocol/log/compact-range.ts"
import { leafHash } from "../protocol/log/merkle.ts"
import { newestRoot } from "../protocol/member/root.ts"
import { isAskable } from "./authority/peers.ts"
import { renewKeys } from "./authority/renew.ts"
import type { Context, Halt } from "./context.ts"
import { PeerUnreachable } from "./env.ts"
import { NodeError, noteFailure } from "./errors.ts"
import { pushLog } from "./exchange/push.ts"
import { takeReceipts } from "./exchange/receipts.ts"
import { databaseName } from "./files.ts"
import { askPeer, PeerRefusal } from "./http/peer-client.ts"
import { areNamedBy } from "./keys/keys.ts"
import { noteHighWater } from "./log/append.ts"
import { noteEvent } from "./log/event.ts"
import { isBehind, readHighWater } from "./log/high-water.ts"
import { compareTrees, openCheckpoint } from "./log/inconsistency.ts"
import { type LogNews, mirrorLog } from "./log/mirror.ts"
import {
  closeGap,
  type Owed,
  owedOf,
  storeGap,
  takeReturned,
  unopened,
  writeOwed,
} from "./regain.ts"
import { type LogState, logOf } from "./store/queries/logs.ts"
import { allPeers, memberById, type Peer, readMeta, writeMeta } from "./store/queries/members.ts"

/**
 * Coming back without a fork. A node that may be behind what it has signed (a backup, a copied disk, a
 * database that is older than its high-water mark, peers that know more) signs nothing until it has taken its
 * entries back from peers; what it released in between is served again when every entry is opened.
 * DESIGN.md §4, PROTOCOL.md §8
 */

export type Recovery = {
  /**
   * `sound`: signing is allowed; `regaining`: it is, but what lies in the gap is not all back yet;
   * `waiting`: not all have said yet how far our log has come; `forked`: peers hold entries that contradict ours
   */
  readonly state: "sound" | "regaining" | "waiting" | "forked"
  readonly reason: string | null
  readonly answers: readonly Answer[]
  /** entries taken back */
  readonly regained: number
  /** indexes of entries that nothing here explains yet */
  readonly unopened: readonly number[]
}

type Answer = {
  readonly peer: string
  /** `nothing`: it holds no entry of our log, or answers as to a stranger; `refused`: no answer to the question */
  readonly answer: "same" | "shorter" | "longer" | "other" | "nothing" | "unreachable" | "refused"
  /** of our log as that peer holds it */
  readonly epoch?: number
  readonly size?: number
}

/**
 * Asks every verified peer for our own log, takes back what we lack, and, where that settles the matter, lets
 * the signer go on. Run at start, and by `comity recover`.
 */
export async function recover(context: Context): Promise<Recovery> {
  const { answers, regained } = await ask(context)
  if (answers.some(({ answer }) => answer === "other"))
    return report(context, "forked", answers, regained)
  if (context.stopped !== null && recoverable.has(context.stopped.code)) {
    if (!(await isSettled(context, answers))) return report(context, "waiting", answers, regained)
    await resume(context)
  }
  if ((await owedOf(context)) === null) return report(context, "sound", answers, regained)
  await regain(context, answers)
  await closeGap(context)
  const left = await unopened(context)
  return report(context, left.length === 0 ? "sound" : "regaining", answers, regained)
}

/**
 * One that can't be reached may be the only one that holds the newest entries: signed without them, ours
 * would be a second history. Only the mark beside the database can say that nothing is missing.
 * docs/decisions/0071
 */
async function isSettled(context: Context, answers: readonly Answer[]): Promise<boolean> {
  if (context.stopped?.code === halts.behind.code && !(await isBehindMark(context))) return true
  const said = new Set(answers.map(({ answer }) => answer))
  if (said.has("unreachable") || said.has("refused")) return false
  return [...said].some((answer) => knows.has(answer))
}

/** The questions alone, all peers at once: run once before the first signature of a process. */
export async function ask(
  context: Context,
): Promise<{ readonly answers: readonly Answer[]; readonly regained: number }> {
  const peers = await askable(context)
  const taken: Taken[] = []
  const answers = await Promise.all(peers.map((peer) => askForOwn(context, peer, taken)))
  const regained = taken.reduce((sum, { from, to }) => sum + to - from, 0)
  if (regained > 0)
    await storeGap(context, {
      from: Math.min(...taken.map(({ from }) => from)),
      to: Math.max(...taken.map(({ to }) => to)),
    })
  // Where only documents of ours were missing, nobody has an order to give back.
  if (regained > 0) await closeGap(context)
  if (answers.some(({ answer }) => answer === "other")) context.stopped = halts.forked
  return { answers, regained }
}

const patienceMs = 3_000

/** Who does not answer in time may have been asked in vain; nobody's absence stops us. PROTOCOL.md §7 */
export async function askBeforeSigning(context: Context): Promise<void> {
  const waiting = new AbortController()
  const asked = ask(context).catch((cause: unknown) => {
    const { code } = cause as { code?: string }
    context.env.log.warn("recover.failed", { code: code ?? "internal" })
  })
  await Promise.race([asked, context.env.clock.sleep(patienceMs, waiting.signal)])
  waiting.abort()
}

const knows: ReadonlySet<Answer["answer"]> = new Set(["same", "shorter", "longer"])

async function report(
  context: Context,
  state: Recovery["state"],
  answers: readonly Answer[],
  regained: number,
): Promise<Recovery> {
  const reason = context.stopped?.message ?? null
  return { state, reason, answers, regained, unopened: await unopened(context) }
}

async function askable(context: Context): Promise<readonly Peer[]> {
  return (await allPeers(context.db)).filter(isAskable)
}

/** Entries of ours that a peer gave back: what we append ourselves meanwhile is none of them. */
type Taken = { readonly from: number; readonly to: number }

/** One peer's word on our log: believed as far as our own signature and our own entries bear it out. */
async function askForOwn(context: Context, peer: Peer, taken: Taken[]): Promise<Answer> {
  const named = { peer: peer.name }
  try {
    const log = await logOf(context.db, context.self.id)
    if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
    const size = log.range.size
    const news = await readLog(context, peer, log.epoch, size)
    if (news === null) return { ...named, answer: "refused" }
    const { checkpoint, epoch } = openCheckpoint(context.self, news.checkpoint)
    const theirs = { size: checkpoint.size, epoch }
    if (epoch < log.epoch) return { ...named, answer: "shorter", ...theirs }
    try {
      const { from, to } = await takeBack(context, news)
      if (to > from) taken.push({ from, to })
      return { ...named, answer: theirs.size > size ? "longer" : "same", ...theirs }
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      if (cause.code === "checkpoint.rollback") return { ...named, answer: "shorter", ...theirs }
      if (cause.code !== "checkpoint.forked") throw cause
      return { ...named, answer: (await contradicts(context, peer)) ? "other" : "refused" }
    }
  } catch (cause) {
    if (cause instanceof PeerUnreachable || isUnreachable(cause))
      return { ...named, answer: "unreachable" }
    if (hasNothing(cause)) return { ...named, answer: "nothing" }
    if (!(cause instanceof ProtocolError || cause instanceof NodeError)) throw cause
    context.env.log.warn("recover.refused", { peer: peer.member, code: cause.code })
    return { ...named, answer: "refused" }
  }
}

/** In turn with the sequencer: nothing is appended between the look and the taking. */
function takeBack(context: Context, news: LogNews): Promise<Taken> {
  return context.sequencing.take(async () => {
    const before = await logOf(context.db, context.self.id)
    // All were asked from where it stood: what the first of them brought is not missing any more.
    const missing = before === null ? news : { ...news, entries: beyond(news.entries, before) }
    const after = await context.db
      .transaction()
      .execute((trx) => mirrorLog(context, trx, context.self.id, missing))
    await adopt(context)
    // A part of what is missing must not lower the mark that tells how much is.
    if (!(await isBehindMark(context))) noteHighWater(context, after)
    const from = before?.epoch === after.epoch ? before.range.size : 0
    return { from, to: after.range.size }
  })
}

/** Without the entries that the log has already; that they are the same shows in the root. */
function beyond(
  frames: readonly EntriesFrame[],
  { origin, range }: LogState,
): readonly EntriesFrame[] {
  return frames.flatMap((frame) => {
    const held = frame.origin === origin ? Math.max(0, range.size - frame.start) : 0
    if (held === 0) return [frame]
    const entries = frame.entries.slice(held)
    return entries.length === 0 ? [] : [{ ...frame, start: frame.start + held, entries }]
  })
}

function hasNothing(cause: unknown): boolean {
  if (cause instanceof PeerRefusal) return cause.theirs === "record.unknown"
  return cause instanceof NodeError && cause.code === "peer.refused"
}

function isUnreachable(cause: unknown): boolean {
  return cause instanceof NodeError && cause.code === "peer.unreachable"
}

async function readLog(context: Context, peer: Peer, epoch: number, size: number) {
  const path = `/log/${context.self.id}?epoch=${epoch}&size=${size}`
  const { body } = await askPeer(context, peer, { method: "GET", path })
  const news = { checkpoint: "", entries: [] as EntriesFrame[], documents: [] as Uint8Array[] }
  for await (const { type, bytes } of readFrames(body))
    if (type === "checkpoint") news.checkpoint = decodeUtf8(bytes)
    else if (type === "entries") news.entries.push(decodeEntries(bytes))
    else if (type === "root" || type === "keys") news.documents.push(bytes)
  return news.checkpoint === "" ? null : news
}

/** Whether the peer holds a tree under our signature that ours does not continue: then it is a real fork. */
async function contradicts(context: Context, peer: Peer): Promise<boolean> {
  const log = await logOf(context.db, context.self.id)
  const news = log === null ? null : await readLog(context, peer, log.epoch, 0)
  if (log === null || news === null) return false
  const leaves = news.entries
    .filter(({ origin }) => origin === log.origin)
    .flatMap(({ entries }) => entries.map(leafHash))
  return compareTrees(context, context.self, news.checkpoint, leaves)
}

/** What came back may bring root versions of ours that this database had not seen. */
async function adopt(context: Context): Promise<void> {
  const self = await memberById(context.db, context.self.id)
  if (self === null) throw new NodeError("store.corrupt", "Our own root documents are missing.")
  context.self = self
  if (!areNamedBy(newestRoot(self).payload, context.keys)) context.stopped = halts.keys
}

/** Lets the signer go on, from where the log stands now. */
async function resume(context: Context): Promise<void> {
  const log = await logOf(context.db, context.self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  await context.db.deleteFrom("meta").where("name", "=", metaRestored).execute()
  await writeIdentity(context)
  noteHighWater(context, log)
  context.stopped = null
  await noteEvent(context, context.db, "signer.resumed", context.self.id, String(log.range.size))
  // Seeds are in no backup: until a new key is announced, nothing that peers seal opens here.
  await renewKeys(context)
}

/** An officer takes it upon himself that nobody has seen more of our log than this database holds. */
export async function resumeAnyway(context: Context, decision: string): Promise<void> {
  if (context.stopped === null || !recoverable.has(context.stopped.code))
    throw new NodeError("request.malformed", "The signer is not waiting for anyone.")
  await noteEvent(context, context.db, "signer.overridden", context.self.id, decision)
  await resume(context)
}

/** Asks whoever can be reached what it got of us; it is sealed to a key made after the loss. */
async function regain(context: Context, answers: readonly Answer[]): Promise<void> {
  if (context.stopped === null) await renewKeys(context)
  for (const peer of await askable(context)) {
    const owed = await owedOf(context)
    const held = answers.find((one) => one.peer === peer.name)
    if (owed === null || !owed.peers.includes(peer.member) || held?.size === undefined) continue
    try {
      await pushLog(context, peer, { epoch: held.epoch ?? owed.epoch, size: held.size })
      await readReturned(context, peer, owed)
      const peers = owed.peers.filter((member) => member !== peer.member)
      await writeOwed(context, { ...owed, peers })
    } catch (cause) {
      const isTheirs =
        cause instanceof PeerUnreachable ||
        cause instanceof NodeError ||
        cause instanceof ProtocolError
      if (!isTheirs) throw cause
      context.env.log.warn("recover.refused", { peer: peer.member })
    }
  }
}

async function readReturned(context: Context, peer: Peer, owed: Owed): Promise<void> {
  const path = `/log/${context.self.id}?epoch=${owed.epoch}&size=${owed.from}&returned`
  const { body } = await askPeer(context, peer, { method: "GET", path })
  for await (const { type, bytes } of readFrames(body))
    if (type === "parcel") {
      const returned = await openReturned(context, peer.member, bytes)
      // Sealed to a key of before: the peer has not read our new one, and is asked again.
      if (returned === null) throw new ProtocolError("parcel.unopenable")
      await takeReturned(context, returned)
    } else if (type === "receipts") await takeReceipts(context, peer.member, bytes)
}

async function openReturned(
  context: Context,
  sender: string,
  parcel: Uint8Array,
): Promise<Returned | null> {
  const rows = await context.db
    .selectFrom("kem_key")
    .select("seed")
    .orderBy("not_after", "desc")
    .execute()
  for (const { seed } of rows)
    try {
      const key = kemKeyPair(new Uint8Array(seed))
      const epoch = await joinEpoch(sender, context.self.id, key, parcelEnc(parcel))
      return decodeReturned(openParcel(epoch, parcel))
    } catch (cause) {
      const isForAnotherKey = cause instanceof ProtocolError && cause.code === "parcel.unopenable"
      if (!isForAnotherKey) throw cause
    }
  return null
}

export const metaRestored = "restored"
export const metaIdentity = "store-identity"

const firstRetryMs = 10_000
const longestRetryMs = 10 * 60_000

/** While the node serves: until peers have answered, and each that had something of us has given it back. */
export async function keepRecovering(context: Context, signal: AbortSignal): Promise<void> {
  let retry = firstRetryMs
  // A copy goes on by nobody's word but its operator's.
  while (!signal.aborted && context.stopped?.code !== halts.copied.code) {
    if (await isRecovered(context).catch(noteFailure(context.env.log, "recover.failed"))) return
    await context.env.clock.sleep(retry, signal)
    retry = Math.min(retry * 2, longestRetryMs)
  }
}

async function isRecovered(context: Context): Promise<boolean> {
  const { state } = await recover(context)
  return state === "forked" || (state === "sound" && (await owedOf(context)) === null)
}

/** Why the signer does not go on by itself; null when nothing speaks against it. */
export async function haltAtStart(context: Context): Promise<Halt | null> {
  const { db, env } = context
  if ((await readMeta(db, metaRestored)) !== null) return halts.restored
  const known = await readMeta(db, metaIdentity)
  const present = env.files.identity(databaseName)
  if (known === null) await writeIdentity({ db, env })
  else if (present !== null && decodeUtf8(known) !== present) return halts.copied
  return (await isBehindMark(context)) ? halts.behind : null
}

async function isBehindMark(context: Context): Promise<boolean> {
  const log = await logOf(context.db, context.self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const { epoch, range } = log
  const state = { epoch, size: range.size, root: encodeHex(rangeRoot(range)) }
  return isBehind(readHighWater(context.env.files), state)
}

/** This file is the one that signs. */
export async function writeIdentity(context: Pick<Context, "db" | "env">): Promise<void> {
  const identity = context.env.files.identity(databaseName)
  if (identity !== null)
    await writeMeta(context.db, metaIdentity, new TextEncoder().encode(identity))
}

const recoverable: ReadonlySet<string> = new Set([
  "store.restored",
  "store.copied",
  "store.rolled-back",
])

export const halts = {
  restored: {
    code: "store.restored",
    message:
      "This home comes from a backup; nothing is signed before all peers have said how far our log has come.",
    hint: "comity recover asks them. If one of them stays away, an officer decides: comity recover --resume --as PERSON --reason TEXT.",
  },
  copied: {
    code: "store.copied",
    message: "This home is a copy: the database is another file than the one that has signed.",
    hint: "If the other one will never run again: comity recover. Two that sign would tell two histories.",
  },
  behind: {
    code: "store.rolled-back",
    message: "The database is older than what this node has signed.",
    hint: "comity recover takes the missing entries back from peers.",
  },
  forked: {
    code: "store.forked",
    message:
      "Peers hold entries under our signature that contradict ours: two histories have been signed.",
    hint: "comity inconsistency list shows the proof; a root ceremony begins a new epoch: comity key propose --new-epoch.",
  },
  keys: {
    code: "key.unavailable",
    message: "Our newest root document names node keys that this backup does not hold.",
    hint: "A root ceremony names new ones: comity key propose.",
  },
} as const satisfies Record<string, Halt>
