import { encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { verifyCheckpoint } from "../../protocol/log/checkpoint.ts"
import { findCheckpoint, parseCheckpoint } from "../../protocol/log/checkpoint-body.ts"
import { rangeRoot } from "../../protocol/log/compact-range.ts"
import { parseLogOrigin } from "../../protocol/log/entry.ts"
import { emptyRoot } from "../../protocol/log/merkle.ts"
import { parseNote } from "../../protocol/log/note.ts"
import {
  type Head,
  logKeyOf,
  type Member,
  newestRoot,
  type Root,
} from "../../protocol/member/root.ts"
import {
  asksForTheSame,
  describeWitnessing,
  judgeQuorum,
  keepLines,
  versionsFor,
  type Witnessing,
} from "../../protocol/quorum.ts"
import type { Logged } from "../../protocol/standing.ts"
import type { Claim, Standing } from "../../protocol/verify.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { type LogState, logOf, rootAt, signedSize } from "../store/queries/logs.ts"
import { memberById, rootIndexes } from "../store/queries/members.ts"
import { insertLoggedOrders } from "../store/queries/orders.ts"
import {
  checkpointAt,
  keepCheckpoint,
  newestQuorate,
  pendingOf,
  proofCovering,
  proveOrders,
} from "../store/queries/proofs.ts"
import type { Db } from "../store/schema.ts"

/**
 * Each order keeps the first quorate checkpoint that covers it: found at the origin when enough of its
 * witnesses have answered, at a recipient when the origin's feed brings it. PROTOCOL.md §7
 */

/**
 * Takes `note`, a checkpoint of what is held of the log, as the proof of every order that still waits
 * for one, if it meets the quorum of the version in force there or of a later one.
 *
 * @returns how many orders it proves, null when it meets no quorum; @throws `note.malformed`
 */
export async function keepProof(
  db: Db,
  origin: Member,
  log: LogState,
  note: string,
): Promise<number | null> {
  const { size } = parseCheckpoint(parseNote(note).text)
  const asking = await versionsWithin(db, origin, log, size)
  const met = asking.findLast((root) => judgeQuorum(note, [root]).isQuorate)
  if (met === undefined) return null
  const kept = { size, note: keepLines(note, [met, ...asking]), version: met.version }
  await keepCheckpoint(db, log.id, kept)
  return proveOrders(db, log, kept)
}

/**
 * The versions of the log's epoch that ask for witnesses, and are in its first `size` entries; of those
 * one after another that ask for the same, the last.
 */
async function versionsWithin(
  db: Db,
  origin: Member,
  log: LogState,
  size: number,
): Promise<readonly Root[]> {
  const place = { index: 0, size }
  const versions = versionsFor(origin, log.epoch, await rootIndexes(db, origin.id), place)
  return versions.filter((root, i) => {
    const next = versions[i + 1]
    return root.quorum > 0 && (next === undefined || !asksForTheSame(root, next))
  })
}

/**
 * What a new order of ours rests on: the newest checkpoint, or, where we name witnesses, the newest that
 * enough of them have cosigned, with its note; size 0 before the first. PROTOCOL.md §5
 */
export async function newestBase(
  { self }: Pick<Context, "self">,
  db: Db,
): Promise<{ readonly base: Head; readonly note: string | null }> {
  const log = await logOf(db, self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const { epoch } = log
  if (newestRoot(self).payload.quorum === 0) {
    const { size } = log.range
    return { base: { epoch, root: encodeHex(rangeRoot(log.range)), size }, note: null }
  }
  const kept = await newestQuorate(db, log.id)
  const root = kept === null ? emptyRoot : await rootAt(db, log, kept.size)
  if (root === null)
    throw new NodeError("store.corrupt", "A checkpoint of our own log is ahead of it.")
  return {
    base: { epoch, root: encodeHex(root), size: kept?.size ?? 0 },
    note: kept?.note ?? null,
  }
}

/** Where an order is, and the size of the checkpoint that is its proof, null while it has none. */
export type Proven = { readonly index: number; readonly proof: number | null }

/**
 * The checkpoint under which an order is shown, and what witnesses say of it: its proof, or, while it is
 * pending, the newest that is signed. Null when none that covers it is held.
 */
export async function proofOf(
  db: Db,
  { origin, rootIndexes }: Pick<Logged, "origin" | "rootIndexes">,
  log: LogState,
  { index, proof }: Proven,
): Promise<{
  readonly size: number
  readonly note: string
  readonly witnessing: Witnessing
} | null> {
  const kept = proof === null ? null : await checkpointAt(db, log.id, proof)
  const note = kept?.note ?? log.checkpoint
  const size = kept?.size ?? signedSize(log)
  const versions = versionsFor(origin, log.epoch, rootIndexes, { index, size })
  if (note === null || size <= index || versions.length === 0) return null
  return { size, note, witnessing: judgeQuorum(note, versions) }
}

/** An order that stands, with the log that it was found in. */
export type Kept = Pick<Claim, "order" | "entry"> & {
  readonly standing: Standing
  readonly log: LogState
}

/**
 * Orders as their logs have them. Where its origin asks for no witnesses, the first checkpoint held that
 * covers an order is its proof; otherwise the first quorate one will be, once it is here.
 */
export async function keepOrders(
  context: Context,
  trx: Db,
  orders: readonly Kept[],
): Promise<void> {
  const logged: Parameters<typeof insertLoggedOrders>[1][number][] = []
  const plain = new Map<number, LogState>()
  for (const { log, ...order } of orders) {
    const { index, root } = order.standing
    const size = signedSize(log)
    const isPlain = root.quorum === 0 && size > index
    if (isPlain) plain.set(log.id, log)
    const proof = isPlain ? size : await proofCovering(trx, log.id, index, root.version)
    logged.push({ ...order, proof })
  }
  for (const log of plain.values())
    await keepCheckpoint(trx, log.id, { size: signedSize(log), note: log.checkpoint!, version: 0 })
  await insertLoggedOrders(trx, logged, context.env.clock.now())
}

/** What witnesses say of an order, in words, under the names by which they are known here. */
export async function describeProof(
  context: Context,
  logged: Pick<Logged, "origin" | "rootIndexes">,
  log: LogState,
  proven: Proven,
): Promise<string> {
  const proof = await proofOf(context.db, logged, log, proven)
  if (proof === null) return "no signed checkpoint that covers it is held"
  const names = new Map<string, string>()
  for (const { name, member } of proof.witnessing.root.witnesses)
    names.set(name, await nameOf(context, member))
  return describeWitnessing(proof.witnessing, (witness) => names.get(witness) ?? witness)
}

/**
 * A cosigned checkpoint that `memberId` sent of its own log: nothing of it is believed but what its
 * signatures and the entries held here say.
 *
 * @returns how many orders it proves; one that none waits for is not looked at
 * @throws `checkpoint.forked` when its log signed another tree than is held here; `checkpoint.*`,
 * `note.malformed`, `frames.malformed` for one of entries that are not held, `quorum.missing`
 */
export async function takeCosigned(
  context: Context,
  trx: Db,
  memberId: string,
  note: string,
): Promise<number> {
  const checkpoint = findCheckpoint(parseNote(note).text)
  if (checkpoint === null) throw new ProtocolError("checkpoint.malformed")
  const { epoch } = parseLogOrigin(checkpoint.origin)
  const pending = await pendingOf(trx, memberId)
  if (!pending.some((one) => one.epoch === epoch && one.index < checkpoint.size)) return 0
  const { origin, log } = await verifyHeld(trx, memberId, note)
  await noteCosigned(context, trx, origin, log, note)
  const proven = await keepProof(trx, origin, log, note)
  if (proven === null) throw new ProtocolError("quorum.missing")
  context.env.log.info("proof.taken", { origin: memberId, size: checkpoint.size, orders: proven })
  return proven
}

/**
 * A checkpoint of a member's log, signed by it, whose tree is that of the entries held here.
 *
 * @throws as takeCosigned
 */
async function verifyHeld(
  trx: Db,
  memberId: string,
  note: string,
): Promise<{ readonly origin: Member; readonly log: LogState }> {
  const checkpoint = parseCheckpoint(parseNote(note).text)
  const { member, epoch } = parseLogOrigin(checkpoint.origin)
  const origin = await memberById(trx, memberId)
  const log = await logOf(trx, memberId, epoch)
  if (member !== memberId || origin === null || log === null || log.origin !== checkpoint.origin)
    throw new ProtocolError("checkpoint.origin")
  const root = origin.documents.findLast(({ payload }) => payload.epoch === epoch)?.payload
  if (root === undefined) throw new ProtocolError("root.unknown")
  verifyCheckpoint(note, { origin: log.origin, logKey: logKeyOf(root) })
  const held = await rootAt(trx, log, checkpoint.size)
  if (held === null) throw new ProtocolError("frames.malformed", { detail: "checkpoint" })
  if (!equalBytes(held, checkpoint.root)) throw new ProtocolError("checkpoint.forked")
  return { origin, log }
}

/**
 * A checkpoint that says only how fresh the member's log is here: when the witnesses of its newest root
 * document had seen it. @throws as takeCosigned
 */
export async function takeFresh(
  context: Context,
  trx: Db,
  memberId: string,
  note: string,
): Promise<void> {
  const { origin, log } = await verifyHeld(trx, memberId, note)
  if (!(await noteCosigned(context, trx, origin, log, note)))
    throw new ProtocolError("quorum.missing")
}

/** @returns whether the quorum is there */
async function noteCosigned(
  { env }: Context,
  trx: Db,
  origin: Member,
  log: LogState,
  note: string,
): Promise<boolean> {
  const root = newestRoot(origin).payload
  const { isQuorate, time } = judgeQuorum(note, [root])
  if (!isQuorate || time === null) return false
  const cosigned = keepLines(note, [root])
  await trx.updateTable("log").set({ cosigned }).where("id", "=", log.id).execute()
  // A time to come says no more than now.
  const at = Math.min(time * 1000, env.clock.now())
  await trx
    .updateTable("source")
    .set({ cosigned_at: at })
    .where("peer", "=", origin.id)
    .where((eb) => eb.or([eb("cosigned_at", "is", null), eb("cosigned_at", "<", at)]))
    .execute()
  return true
}
