import { sha256 } from "../protocol/crypto/hash.ts"
import { encodeHex, equalBytes } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import type { EntriesFrame } from "../protocol/exchange/frames.ts"
import { verifyCheckpoint } from "../protocol/log/checkpoint.ts"
import { completedNodes, rangeRoot } from "../protocol/log/compact-range.ts"
import { isEntry, isOpenEntry, logOrigin, openEntryDigest } from "../protocol/log/entry.ts"
import { leafHash } from "../protocol/log/merkle.ts"
import { keysFormat, verifyKeys } from "../protocol/member/keys.ts"
import {
  extendRoots,
  logKeyOf,
  type Member,
  newestRoot,
  rootVersion,
} from "../protocol/member/root.ts"
import { decodeSigned } from "../protocol/signed.ts"
import { versionInForce } from "../protocol/verify.ts"
import type { Context } from "./context.ts"
import { appendEntries, createLog, type LogState, logOf } from "./store/queries/logs.ts"
import { insertRoots, memberById, rootIndexes } from "./store/queries/members.ts"
import type { Db } from "./store/schema.ts"

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
 * `root.unknown` when the document of an open entry is missing, and as verifyRoots and verifyKeys
 */
export async function mirrorLog(
  context: Context,
  trx: Db,
  memberId: string,
  news: LogNews,
): Promise<LogState> {
  const member = await memberById(trx, memberId)
  if (member === null) throw new ProtocolError("root.unknown")
  const root = newestRoot(member).payload
  const origin = logOrigin(member.network, member.id, root.epoch)
  const expected = { origin, logKey: logKeyOf(root) }
  const { checkpoint } = verifyCheckpoint(news.checkpoint, expected)
  const held =
    (await logOf(trx, memberId)) ??
    (await createLog(trx, { member: memberId, epoch: root.epoch, origin }))
  if (checkpoint.size < held.range.size) throw new ProtocolError("checkpoint.rollback")
  const entries = newEntries(news.entries, origin, held.range.size, checkpoint.size)
  const { range } = completedNodes(held.range, entries.map(leafHash))
  if (!equalBytes(rangeRoot(range), checkpoint.root)) throw new ProtocolError("checkpoint.forked")
  if (entries.length === 0) return held
  await takeDocuments(trx, member, held.range.size, entries, news.documents)
  return appendEntries(trx, held, entries, news.checkpoint, context.env.clock.now())
}

/** The entries from `start` to before `end`, without gap or repetition. */
function newEntries(
  frames: readonly EntriesFrame[],
  origin: string,
  start: number,
  end: number,
): readonly Uint8Array[] {
  const entries: Uint8Array[] = []
  for (const frame of frames) {
    if (frame.origin !== origin || frame.start !== start + entries.length)
      throw new ProtocolError("frames.malformed", { detail: "entries" })
    entries.push(...frame.entries)
  }
  if (entries.length !== end - start || !entries.every(isEntry))
    throw new ProtocolError("frames.malformed", { detail: "entries" })
  return entries
}

/** Each open entry with its document: root versions in their order, keys documents under theirs. */
async function takeDocuments(
  trx: Db,
  before: Member,
  start: number,
  entries: readonly Uint8Array[],
  documents: readonly Uint8Array[],
): Promise<void> {
  const byDigest = new Map(documents.map((bytes) => [encodeHex(sha256(bytes)), bytes]))
  let member = before
  for (const [i, entry] of entries.entries()) {
    if (!isOpenEntry(entry)) continue
    const digest = encodeHex(openEntryDigest(entry))
    const idx = start + i
    const known = member.documents.find((document) => document.digest === digest)
    const bytes = known?.bytes ?? byDigest.get(digest)
    if (bytes === undefined) throw new ProtocolError("root.unknown", { detail: `entry ${idx}` })
    if (known === undefined && isKeysDocument(bytes)) await takeKeys(trx, member, bytes, idx)
    else {
      if (known === undefined) member = extendRoots(member, bytes)
      await insertRoots(trx, member)
      await trx
        .updateTable("root_document")
        .set({ idx })
        .where("member", "=", member.id)
        .where("digest", "=", digest)
        .where("idx", "is", null)
        .execute()
    }
  }
}

function isKeysDocument(bytes: Uint8Array): boolean {
  try {
    decodeSigned(keysFormat, bytes)
    return true
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}

async function takeKeys(trx: Db, member: Member, bytes: Uint8Array, idx: number): Promise<void> {
  const version = decodeSigned(keysFormat, bytes).payload.rootVersion
  const named = rootVersion(member, version)
  if (named === null) throw new ProtocolError("root.unknown", { detail: "keys document" })
  // A node key that was replaced announces nothing more, whoever holds the log key.
  if (version !== versionInForce(await rootIndexes(trx, member.id), idx))
    throw new ProtocolError("keys.invalid", { detail: "root version not in force" })
  const { digest } = verifyKeys(bytes, member.id, named.payload)
  await trx
    .insertInto("keys_document")
    .values({ member: member.id, digest, bytes, idx })
    .onConflict((conflict) => conflict.columns(["member", "digest"]).doUpdateSet({ idx }))
    .execute()
}
