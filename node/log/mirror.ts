import { sha256 } from "../../protocol/crypto/hash.ts"
import { decodeHex, encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import type { EntriesFrame } from "../../protocol/exchange/frames.ts"
import { verifyCheckpoint } from "../../protocol/log/checkpoint.ts"
import { completedNodes, rangeRoot } from "../../protocol/log/compact-range.ts"
import { isEntry, isOpenEntry, logOrigin, openEntryDigest } from "../../protocol/log/entry.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import { keysFormat, verifyKeys } from "../../protocol/member/keys.ts"
import {
  endOfEpoch,
  extendRoots,
  logKeyOf,
  type Member,
  newestRoot,
  payloadDigest,
  rootFormat,
  rootVersion,
  verifyRoots,
} from "../../protocol/member/root.ts"
import { decodeSigned } from "../../protocol/signed.ts"
import { versionInForce } from "../../protocol/standing.ts"
import type { Context } from "../context.ts"
import {
  appendEntries,
  createLog,
  emptyLog,
  type LogState,
  logOf,
  markDisowned,
  rootAt,
} from "../store/queries/logs.ts"
import { insertRoots, memberById, rootIndexes } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { RootsContradict } from "./inconsistency.ts"
import { queueAdopted } from "./queue.ts"
import { rejudge } from "./repudiate.ts"

/** What a member says of its own log since we last looked. */
export type LogNews = {
  readonly checkpoint: string
  readonly entries: readonly EntriesFrame[]
  /** root documents and keys documents, for the open entries among them */
  readonly documents: readonly Uint8Array[]
}

/**
 * Takes over what `member` appended to its log, all of it or nothing: every entry is kept, and the root
 * computed from all of them must be the one that was signed. PROTOCOL.md §7
 *
 * @throws `checkpoint.rollback`, `checkpoint.forked`, `checkpoint.*`, `frames.malformed`,
 * `root.unknown` when the document of an open entry is missing, `root.forked`, and as extendRoots and
 * verifyKeys
 */
export async function mirrorLog(
  context: Context,
  trx: Db,
  memberId: string,
  news: LogNews,
): Promise<LogState> {
  const before = await memberById(trx, memberId)
  if (before === null) throw new ProtocolError("root.unknown")
  const member = await takeRoots(context, trx, before, news.documents)
  const root = newestRoot(member).payload
  const origin = logOrigin(member.network, member.id, root.epoch)
  const { checkpoint } = verifyCheckpoint(news.checkpoint, { origin, logKey: logKeyOf(root) })
  const newest = await logOf(trx, memberId)
  for (let epoch = newest?.epoch ?? 1; epoch < root.epoch; epoch++)
    await endLog(context, trx, member, await logFor(trx, member, epoch), news)
  const log = await logFor(trx, member, root.epoch)
  if (checkpoint.size < log.range.size) throw new ProtocolError("checkpoint.rollback")
  const entries = entriesBetween(news.entries, origin, log.range.size, checkpoint.size)
  const { range } = completedNodes(log.range, entries.map(leafHash))
  if (!equalBytes(rangeRoot(range), checkpoint.root)) throw new ProtocolError("checkpoint.forked")
  if (entries.length === 0) return log
  await takeDocuments(trx, member, log, entries, news.documents)
  return appendEntries(trx, log, entries, news.checkpoint, context.env.clock.now())
}

async function logFor(trx: Db, { id, network }: Member, epoch: number): Promise<LogState> {
  const held = await logOf(trx, id, epoch)
  return held ?? createLog(trx, { member: id, epoch, origin: logOrigin(network, id, epoch) })
}

/**
 * Root documents stand by themselves: whoever brought them, the chain is extended as far as it goes,
 * and a revocation in it takes effect at once. PROTOCOL.md §1
 *
 * @throws `root.forked` for a second payload of one version, as extendRoots
 */
export async function takeRoots(
  context: Context,
  trx: Db,
  before: Member,
  documents: readonly Uint8Array[],
): Promise<Member> {
  let member = before
  for (const bytes of documents) {
    if (isKeysDocument(bytes)) continue
    const { version } = decodeSigned(rootFormat, bytes).payload
    const known = rootVersion(member, version)
    if (known === null) member = extendRoots(member, bytes)
    else if (payloadDigest(known) !== payloadDigest(decodeSigned(rootFormat, bytes)))
      throw new RootsContradict(known, bytes)
  }
  if (member === before) return member
  await insertRoots(trx, member)
  await rejudge(context, trx, member)
  const known = new Set(newestRoot(before).payload.profiles)
  const adopted = newestRoot(member).payload.profiles.filter((digest) => !known.has(digest))
  await queueAdopted(context, trx, member.id, adopted)
  return member
}

/**
 * The log of an epoch that is over, brought to exactly what its member says survives; when what is held
 * here is another branch, it is noted, and the whole of the surviving one is asked for.
 *
 * @throws `checkpoint.forked` when what came does not lead to what survives
 */
async function endLog(
  context: Context,
  trx: Db,
  member: Member,
  held: LogState,
  news: LogNews,
): Promise<void> {
  const end = endOfEpoch(member, held.epoch)
  if (end === null) throw new ProtocolError("root.chain", { detail: "epoch" })
  const ours = await rootAt(trx, held, end.size)
  if (ours !== null && equalBytes(ours, decodeHex(end.root))) return
  const brought = news.entries.filter(({ origin }) => origin === held.origin)
  const start = brought[0]?.start ?? held.range.size
  const log = start === 0 && held.range.size > 0 ? await emptyLog(trx, held) : held
  const entries =
    log.range.size > end.size ? [] : entriesBetween(brought, held.origin, log.range.size, end.size)
  const { range } = completedNodes(log.range, entries.map(leafHash))
  if (range.size !== end.size || !equalBytes(rangeRoot(range), decodeHex(end.root)))
    throw new DisownedBranch(held.id)
  await takeDocuments(trx, member, log, entries, news.documents)
  await appendEntries(trx, log, entries, held.checkpoint, context.env.clock.now())
}

/** What is held of an ended log is not what survives. */
class DisownedBranch extends ProtocolError {
  readonly log: number

  constructor(log: number) {
    super("checkpoint.forked", { detail: "not what survives of that epoch" })
    this.log = log
  }
}

/** After a failed mirroring, outside its transaction: the surviving branch is asked for from its start. */
export async function noteDisowned(db: Db, cause: unknown): Promise<void> {
  if (cause instanceof DisownedBranch) await markDisowned(db, cause.log)
}

/** The entries of one log from `start` to before `end`, without gap or repetition. */
function entriesBetween(
  frames: readonly EntriesFrame[],
  origin: string,
  start: number,
  end: number,
): readonly Uint8Array[] {
  const entries: Uint8Array[] = []
  for (const frame of frames) {
    if (frame.origin !== origin) continue
    if (frame.start !== start + entries.length)
      throw new ProtocolError("frames.malformed", { detail: "entries" })
    entries.push(...frame.entries)
  }
  if (entries.length !== end - start || !entries.every(isEntry))
    throw new ProtocolError("frames.malformed", { detail: "entries" })
  return entries
}

/** Each open entry with its document: a root version of this epoch, or a keys document of one in force. */
async function takeDocuments(
  trx: Db,
  member: Member,
  log: LogState,
  entries: readonly Uint8Array[],
  documents: readonly Uint8Array[],
): Promise<void> {
  const byDigest = new Map(documents.map((bytes) => [encodeHex(sha256(bytes)), bytes]))
  const start = log.range.size
  for (const [i, entry] of entries.entries()) {
    const idx = start + i
    const isFirst = idx === 0
    if (isFirst && !isOpenEntry(entry))
      throw new ProtocolError("root.unknown", { detail: "entry 0" })
    if (!isOpenEntry(entry)) continue
    const digest = encodeHex(openEntryDigest(entry))
    const known = member.documents.find((document) => document.digest === digest)
    const bytes = known?.bytes ?? byDigest.get(digest)
    if (bytes === undefined) throw new ProtocolError("root.unknown", { detail: `entry ${idx}` })
    if (isFirst || !isKeysDocument(bytes)) await placeRoot(trx, member, log.epoch, bytes, idx)
    else await takeKeys(trx, member, log.epoch, bytes, idx)
  }
}

/**
 * Its lowest place counts: entered again, a version is in force no earlier and no later. The signatures
 * that are logged are the ones that are kept, whatever other good ones came before by another way.
 */
async function placeRoot(
  trx: Db,
  member: Member,
  epoch: number,
  bytes: Uint8Array,
  idx: number,
): Promise<void> {
  const document = decodeSigned(rootFormat, bytes)
  const { version } = document.payload
  const known = rootVersion(member, version)
  if (document.payload.epoch !== epoch || known === null)
    throw new ProtocolError("root.chain", { detail: "not of this log" })
  if (known.digest !== document.digest)
    verifyRoots([...member.documents.slice(0, version - 1).map((one) => one.bytes), bytes])
  await trx
    .updateTable("root_document")
    .set({ idx, bytes, digest: document.digest })
    .where("member", "=", member.id)
    .where("version", "=", version)
    .where("idx", "is", null)
    .execute()
}

export function isKeysDocument(bytes: Uint8Array): boolean {
  try {
    decodeSigned(keysFormat, bytes)
    return true
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}

async function takeKeys(
  trx: Db,
  member: Member,
  epoch: number,
  bytes: Uint8Array,
  idx: number,
): Promise<void> {
  const version = decodeSigned(keysFormat, bytes).payload.rootVersion
  const named = rootVersion(member, version)
  if (named === null) throw new ProtocolError("root.unknown", { detail: "keys document" })
  // A node key that was replaced announces nothing more, whoever holds the log key.
  if (version !== versionInForce(member, epoch, await rootIndexes(trx, member.id), idx))
    throw new ProtocolError("keys.invalid", { detail: "root version not in force" })
  const { digest } = verifyKeys(bytes, member.id, named.payload)
  await trx
    .insertInto("keys_document")
    .values({ member: member.id, digest, bytes, epoch, idx })
    .onConflict((conflict) => conflict.columns(["member", "digest"]).doUpdateSet({ epoch, idx }))
    .execute()
}
