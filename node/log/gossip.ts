import { equalBytes, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { encodeFrame } from "../../protocol/exchange/frames.ts"
import { decodeExplanation } from "../../protocol/explanation.ts"
import { bareCheckpoint, isInconsistency } from "../../protocol/inconsistency.ts"
import { logOrigin, parseLogOrigin } from "../../protocol/log/entry.ts"
import { keysFormat, verifyKeys } from "../../protocol/member/keys.ts"
import { type Member, rootVersion } from "../../protocol/member/root.ts"
import { isConsent } from "../../protocol/release/consent.ts"
import { decodeSigned } from "../../protocol/signed.ts"
import type { Context } from "../context.ts"
import { isEvidence, takeWithdrawal, withdrawalsFor } from "../exchange/pass-on.ts"
import { consentsFor, provenConsent, takeConsent } from "../order/consent.ts"
import { logOf } from "../store/queries/logs.ts"
import { insertKeys, keysInForce, memberById } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import {
  accuse,
  compareWithMirror,
  examine,
  keepExplanation,
  keepInconsistency,
  openCheckpoint,
} from "./inconsistency.ts"
import { isKeysDocument, takeRoots } from "./mirror.ts"

/**
 * What every exchange carries of third members, whether or not anyone shares with them: the newest
 * checkpoint, root versions and keys document known of each, in the order of their ids, and proofs of
 * inconsistency. It rides only when it has changed since this peer was last told. PROTOCOL.md §11
 */

/** What is known of one member, in short: two alike are the same news. */
type Known = { readonly member: string; readonly state: string }

async function knownOf(context: Context, peer: string): Promise<readonly Known[]> {
  const { db, self } = context
  const [roots, logs, heard, keys] = await Promise.all([
    db
      .selectFrom("root_document")
      .select(["member", (eb) => eb.fn.max<number>("version").as("version")])
      .groupBy("member")
      .orderBy("member")
      .execute(),
    db.selectFrom("log").select(["member", "epoch", "size"]).orderBy("epoch").execute(),
    db.selectFrom("heard").select(["member", "epoch", "size"]).execute(),
    db
      .selectFrom("keys_document")
      .select(["member", (eb) => eb.fn.count<number>("digest").as("count")])
      .groupBy("member")
      .execute(),
  ])
  const newest = new Map<string, { epoch: number; size: number }>()
  for (const { member, epoch, size } of [...logs, ...heard]) {
    const known = newest.get(member) ?? { epoch: 0, size: 0 }
    if (epoch > known.epoch || (epoch === known.epoch && size > known.size))
      newest.set(member, { epoch, size })
  }
  const mirrored = new Map(logs.map(({ member, size }) => [member, size]))
  const counts = new Map(keys.map(({ member, count }) => [member, count]))
  return roots
    .filter(({ member }) => member !== self.id && member !== peer)
    .map(({ member, version }) => {
      const { epoch, size } = newest.get(member) ?? { epoch: 0, size: 0 }
      const held = mirrored.get(member) ?? 0
      return { member, state: `${version} ${epoch} ${size} ${counts.get(member) ?? 0} ${held}` }
    })
}

/** One thing told, and in which state it was. */
export type Told = { readonly subject: string; readonly state: string }

/**
 * Frames with what this peer has not been told yet. What they
 * tell is added to `sent`, for `noteTold` once the peer has them: what is lost on the way is told again.
 */
export async function* gossipFrames(
  context: Context,
  peer: string,
  sent: Told[],
): AsyncGenerator<Uint8Array> {
  const { db, gossip } = context
  const { revision } = gossip
  yield* consentFrames(context, peer, sent)
  yield* withdrawalFrames(context, peer, sent)
  if (gossip.told.get(peer) === revision) return
  const told = new Map(
    (await db.selectFrom("told").selectAll().where("peer", "=", peer).execute()).map(
      ({ subject, state }) => [subject, state],
    ),
  )
  for (const { member, state } of await knownOf(context, peer)) {
    const before = told.get(member)
    if (before === state) continue
    yield* memberFrames(context, member, Number(before?.split(" ")[0] ?? "1"))
    sent.push({ subject: member, state })
  }
  yield* proofFrames(context, peer, new Set(told.keys()), sent)
  if (sent.length === 0) gossip.told.set(peer, revision)
}

/** What our officers said to a release of this peer, or took back that it may be shown a release under. */
async function* consentFrames(
  context: Context,
  peer: string,
  sent: Told[],
): AsyncGenerator<Uint8Array> {
  for (const id of await consentsFor(context.db, peer)) {
    const bytes = await provenConsent(context, id)
    if (bytes === null) continue
    yield encodeFrame("evidence", bytes)
    sent.push({ subject: id, state: "1" })
  }
}

/** What was withdrawn further up, from those through whom this peer holds it, us among them. */
async function* withdrawalFrames(
  context: Context,
  peer: string,
  sent: Told[],
): AsyncGenerator<Uint8Array> {
  for (const { name, bytes } of await withdrawalsFor(context, peer)) {
    yield encodeFrame("evidence", bytes)
    sent.push({ subject: name, state: "1" })
  }
}

async function* memberFrames(
  { db }: Context,
  id: string,
  fromVersion: number,
): AsyncGenerator<Uint8Array> {
  const member = await memberById(db, id)
  if (member === null) return
  const notes = await newestNotes(db, member)
  if (notes.length === 0) return
  for (const note of notes) yield encodeFrame("checkpoint", utf8(bareCheckpoint(note, member)))
  for (const { payload, bytes } of member.documents)
    if (payload.version > fromVersion) yield encodeFrame("root", bytes)
  const keys = await keysInForce(db, member)
  if (keys !== null) yield encodeFrame("keys", keys.bytes)
}

/**
 * What is mirrored, and what was heard of if that is further: between the two lies what cannot be compared
 * here, and whoever has mirrored as far compares it. Each with its log's own lines alone.
 */
async function newestNotes(db: Db, member: Member): Promise<readonly string[]> {
  const log = await logOf(db, member.id)
  const heard = await db
    .selectFrom("heard")
    .selectAll()
    .where("member", "=", member.id)
    .orderBy("epoch", "desc")
    .orderBy("size", "desc")
    .limit(1)
    .executeTakeFirst()
  const isHeard =
    heard !== undefined &&
    (log === null ||
      heard.epoch > log.epoch ||
      (heard.epoch === log.epoch && heard.size > log.range.size))
  const notes = [log?.checkpoint ?? null, isHeard ? heard.note : null]
  return notes.filter((note) => note !== null)
}

/** Proofs that their member has been told first, and what it says to them. */
async function* proofFrames(
  { db }: Context,
  peer: string,
  told: ReadonlySet<string>,
  sent: Told[],
): AsyncGenerator<Uint8Array> {
  const proofs = await db
    .selectFrom("inconsistency")
    .select(["digest", "bytes"])
    .where((eb) => eb.or([eb("told", "=", 1), eb("member", "=", peer)]))
    .orderBy("at")
    .execute()
  const explanations = await db.selectFrom("explanation").select(["digest", "bytes"]).execute()
  for (const { digest, bytes } of [...proofs, ...explanations]) {
    if (told.has(digest)) continue
    yield encodeFrame("evidence", new Uint8Array(bytes))
    sent.push({ subject: digest, state: "1" })
  }
}

/** Takes them out of `sent`; all in one commit, as there may be one for each member known. */
export async function noteTold(db: Db, peer: string, sent: Told[]): Promise<void> {
  const told = sent.splice(0)
  if (told.length === 0) return
  await db.transaction().execute(async (trx) => {
    for (const { subject, state } of told)
      await trx
        .insertInto("told")
        .values({ peer, subject, state })
        .onConflict((conflict) => conflict.columns(["peer", "subject"]).doUpdateSet({ state }))
        .execute()
  })
}

/** What was told of one third member. */
export type Gossip = {
  readonly checkpoint: string
  readonly documents: readonly Uint8Array[]
}

/** Whose log a checkpoint says it is of. @throws `checkpoint.origin` */
export function memberOfCheckpoint(note: string): string {
  return parseLogOrigin(note.slice(0, Math.max(0, note.indexOf("\n")))).member
}

/**
 * Takes over what `from` tells of another member, as far as that member's own keys bear it out; nothing of
 * members that are not known here.
 *
 * @throws for what does not verify: then `from` is the one who told it wrong
 */
export async function takeGossip(context: Context, gossip: Gossip): Promise<void> {
  const { db, self } = context
  const id = memberOfCheckpoint(gossip.checkpoint)
  const before = id === self.id ? null : await memberById(db, id)
  if (before === null) return
  const keys = await keysInForce(db, before)
  const held = [...before.documents, ...(keys === null ? [] : [keys])]
  const news = gossip.documents.filter((bytes) => !held.some((one) => equalBytes(one.bytes, bytes)))
  const member = news.length === 0 ? before : await extended(context, before, news)
  const { checkpoint, epoch } = openCheckpoint(member, gossip.checkpoint)
  if (checkpoint.origin !== logOrigin(member.network, member.id, epoch))
    throw new ProtocolError("checkpoint.origin")
  const found = await compareWithMirror(context, db, member, gossip.checkpoint)
  if (found === "ahead") await hear(context, db, member, gossip.checkpoint)
  for (const bytes of news) if (isKeysDocument(bytes)) await hearKeys(db, member, bytes)
}

/** The same for what came along with something else: a bad word about others is no reason to lose that. */
export async function hearOf(context: Context, from: string, gossip: Gossip): Promise<void> {
  try {
    await takeGossip(context, gossip)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    context.env.log.warn("gossip.refused", { peer: from, code: cause.code })
  }
}

async function extended(
  context: Context,
  before: Member,
  documents: readonly Uint8Array[],
): Promise<Member> {
  try {
    const member = await context.db
      .transaction()
      .execute((trx) => takeRoots(context, trx, before, documents))
    if (member !== before) context.gossip.revision++
    return member
  } catch (cause) {
    await examine(context, before, cause)
    throw cause
  }
}

const heardOfLog = 16

/** Kept until our mirror has come so far; of one size, a second root is proof by itself. */
export async function hear(context: Context, db: Db, member: Member, note: string): Promise<void> {
  const { checkpoint, epoch } = openCheckpoint(member, note)
  const known = await db
    .selectFrom("heard")
    .selectAll()
    .where("member", "=", member.id)
    .where("epoch", "=", epoch)
    .orderBy("size")
    .execute()
  const { root } = checkpoint
  const same = known.find(({ size }) => size === checkpoint.size)
  if (same !== undefined) {
    if (!equalBytes(new Uint8Array(same.root), root))
      await accuse(context, db, member, { smaller: note, larger: same.note, root: same.root })
    return
  }
  const row = {
    member: member.id,
    epoch,
    size: checkpoint.size,
    root,
    note,
    at: context.env.clock.now(),
  }
  const { numInsertedOrUpdatedRows } = await db
    .insertInto("heard")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  // Two peers told it at the same time: whoever came first is now what to compare with.
  if (numInsertedOrUpdatedRows === 0n) return hear(context, db, member, note)
  context.gossip.revision++
  // The furthest says most; of the others any will do.
  if (known.length >= heardOfLog)
    await db
      .deleteFrom("heard")
      .where("member", "=", member.id)
      .where("epoch", "=", epoch)
      .where("size", "=", known[0]!.size)
      .execute()
}

/** Where none is known: without its log, nobody can say which of two is the later one. */
async function hearKeys(db: Db, member: Member, bytes: Uint8Array): Promise<void> {
  const named = rootVersion(member, decodeSigned(keysFormat, bytes).payload.rootVersion)
  if (named === null || (await keysInForce(db, member)) !== null) return
  await insertKeys(db, verifyKeys(bytes, member.id, named.payload))
}

/**
 * A proof of inconsistency, what a member says to one, a consent of
 * `from`, or a withdrawal that it passes down.
 *
 * @throws as verifyInconsistency and verifyExplanation
 */
export async function takeProof(context: Context, from: string, bytes: Uint8Array): Promise<void> {
  const { db } = context
  if (isConsent(bytes)) return hearOrders(context, from, () => takeConsent(context, bytes, from))
  if (isEvidence(bytes)) return hearOrders(context, from, () => takeWithdrawal(context, bytes))
  if (isInconsistency(bytes)) return void (await keepInconsistency(context, db, bytes))
  const member = await memberById(db, decodeExplanation(bytes).payload.member)
  if (member === null) return
  await keepExplanation(db, bytes, member)
  context.gossip.revision++
}

/** What we can't take is no reason to lose what else came. */
async function hearOrders(
  context: Context,
  from: string,
  take: () => Promise<unknown>,
): Promise<void> {
  try {
    await take()
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    context.env.log.warn("order.unheard", { peer: from, code: cause.code })
  }
}

/** After the mirror has grown: what others showed of this log has to be part of it. */
export async function checkHeard(context: Context, db: Db, id: string): Promise<void> {
  const rows = await db.selectFrom("heard").selectAll().where("member", "=", id).execute()
  const member = rows.length === 0 ? null : await memberById(db, id)
  if (member === null) return
  for (const { epoch, size, note } of rows) {
    if ((await compareWithMirror(context, db, member, note)) === "ahead") continue
    await db
      .deleteFrom("heard")
      .where("member", "=", member.id)
      .where("epoch", "=", epoch)
      .where("size", "=", size)
      .execute()
  }
}
