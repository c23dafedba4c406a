import { sql } from "kysely"
import { ingest, type Json, jsonOf } from "../protocol/canonical.ts"
import {
  decodeLinkValue,
  encodeLink,
  type Link,
  permits,
  verifyLink,
  widerTerm,
} from "../protocol/custody.ts"
import { decodeHex, decodeUtf8, encodeHex } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { decodeEntries, type EntriesFrame, readFrames } from "../protocol/exchange/frames.ts"
import { limits } from "../protocol/limits.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import type { Grant, Terms } from "../protocol/release/grant.ts"
import { factOf } from "../protocol/verify.ts"
import { type Context, today } from "./context.ts"
import { NodeError } from "./errors.ts"
import { noteEvent } from "./event.ts"
import { ownHolder } from "./holder.ts"
import { askPeer } from "./http/peer-client.ts"
import { mirrorLog } from "./mirror.ts"
import { nameOf } from "./peers.ts"
import { proveOrder } from "./prove-order.ts"
import { owe, purgeEnded } from "./receive.ts"
import { claimOf, liveFacts } from "./records.ts"
import type { RecordReference } from "./standing.ts"
import { truncateWal } from "./store/purge.ts"
import { keepLinks, membersOf } from "./store/queries/custody.ts"
import { asFact, type FactRow, factRow, factsAbout, insertFacts } from "./store/queries/facts.ts"
import { logOf } from "./store/queries/logs.ts"
import { allPeers, type Peer } from "./store/queries/members.ts"
import type { Db } from "./store/schema.ts"

/**
 * Passing on what another member released to us, as its terms permit; and passing down what ends it, to
 * those who hold it from us. docs/spec/custody.md, PROTOCOL.md §4, §6
 */

/** What a grant to somebody else is made of: the seal, the terms at most, and what it rests on. */
export type Held = {
  readonly sealed: Grant["sealed"]
  readonly digest: string
  readonly terms: Terms
  readonly custody: string
}

/**
 * The release that a record of another member is held by, kept as the link that an onward grant rests on.
 *
 * @throws `onward.refused` where its terms permit none, `record.withdrawn`
 */
export async function holdingOf(context: Context, reference: RecordReference): Promise<Held> {
  const { db, self } = context
  const fact = (await liveFacts(context, reference)).find(({ recipient }) => recipient === self.id)
  const from = await nameOf(context, reference.origin)
  if (fact === undefined || fact.standing === "suspended" || fact.standing === "repudiated")
    throw new NodeError("record.withdrawn", "No release of this record to us stands.")
  const { placed, sealed, terms } = await grantOf(context, fact)
  if (terms.onward === "consent")
    throw new NodeError("onward.refused", "Its terms ask for its origin's consent to pass it on.", {
      hint: `Ask ${from} to release it to that member: its officers' yes is a release of its own.`,
    })
  if (!permits(terms, self.id))
    throw new NodeError("onward.refused", "Its terms do not permit to pass this record on.", {
      hint: `Ask ${from} for other terms, or to release it to that member itself.`,
    })
  if (terms.expires !== undefined && terms.expires < today(context))
    throw new NodeError("onward.refused", `Its terms of use ended on ${terms.expires}.`)
  const link = await shownOf(context, fact, placed)
  if (link === null)
    throw new NodeError("order.pending", "The witnesses of its origin have not cosigned it yet.", {
      hint: "It can be passed on as soon as they have: comity sync.",
    })
  await keepLinks(db, [link])
  return { sealed, terms, custody: link.digest, digest: placed.grant.record.digest }
}

async function grantOf(context: Context, fact: FactRow) {
  const { placed } = await claimOf(context, fact)
  const { sealed, terms } = placed.grant
  if (terms === undefined) throw new TypeError("a release without terms")
  return { placed, sealed, terms }
}

/** One grant of an order with its proof, for who follows no log; null while its quorum is missing. */
async function shownOf(
  context: Context,
  fact: FactRow,
  { bytes, path, position }: { bytes: Uint8Array; path: readonly Uint8Array[]; position: number },
): Promise<Link | null> {
  const { claim, order, entry, logged, log, proof } = await claimOf(context, fact)
  const at = { index: fact.idx, salt: entry.salt }
  const { fields, witnessing } = await proveOrder(context.db, {
    order,
    entry: at,
    logged,
    log,
    proof,
  })
  if (!witnessing.isQuorate) return null
  const profile = findProfile(order.payload.rule.profile)
  if (profile === null)
    throw new NodeError("store.corrupt", "The profile of this order is missing.")
  const shown = encodeLink({
    ...fields,
    consents: claim.consents.map((one) => jsonOf(one.bytes)),
    grant: jsonOf(bytes),
    path: path.map(encodeHex),
    position,
    profile: jsonOf(profile.bytes),
  })
  return decodeLinkValue(jsonOf(shown))
}

/**
 * The terms of an onward grant: those that it was received under, narrowed as was asked.
 *
 * @throws `terms.invalid` for any that are wider
 */
export function narrowed(from: Terms, wanted: Partial<Terms>): Terms {
  const { arrangement: _arrangement, ...rest } = from
  const caveats = [...from.caveats, ...(wanted.caveats ?? [])]
  const terms = { ...rest, onward: "no" as const, ...wanted, caveats: [...new Set(caveats)] }
  const wider = widerTerm(from, terms)
  if (wider !== null)
    throw new NodeError("terms.invalid", `What is passed on keeps its terms: ${wider} is wider.`)
  return terms
}

/** Withdrawals that end what `peer` holds from us, and that it was not told of yet, each with its proof. */
export async function withdrawalsFor(
  context: Context,
  peer: string,
): Promise<readonly { readonly name: string; readonly bytes: Uint8Array }[]> {
  const { db, self } = context
  const passedOn = await db
    .selectFrom("fact")
    .select(["record_id", "record_origin"])
    .distinct()
    .where("recipient", "=", peer)
    .where("chain", "<>", sql.lit(""))
    .where("order_origin", "=", self.id)
    .execute()
  const found: { name: string; bytes: Uint8Array }[] = []
  for (const { record_id, record_origin } of passedOn) {
    const rows = await factsAbout(db, { origin: record_origin, id: record_id }, self.id)
    for (const row of rows.filter(({ act }) => act === "withdraw")) {
      const name = `${row.order_id} ${row.leaf}`
      const told = await db
        .selectFrom("told")
        .select("state")
        .where("peer", "=", peer)
        .where("subject", "=", name)
        .executeTakeFirst()
      const bytes = told === undefined ? await withdrawalOf(context, row) : null
      if (bytes !== null) found.push({ name, bytes })
    }
  }
  return found
}

async function withdrawalOf(context: Context, row: FactRow): Promise<Uint8Array | null> {
  if (row.names === "") {
    const { placed } = await claimOf(context, row)
    return (await shownOf(context, row, placed))?.bytes ?? null
  }
  const passed = await context.db
    .selectFrom("passed_withdrawal")
    .select("bytes")
    .where("order_origin", "=", row.order_origin)
    .where("order_id", "=", row.order_id)
    .where("leaf", "=", row.leaf)
    .executeTakeFirst()
  return passed === undefined ? null : new Uint8Array(passed.bytes)
}

/** Whether a JSON file claims to be evidence: what is in it is for its decoder to say. */
export function isEvidence(bytes: Uint8Array): boolean {
  const value = ingest(bytes, limits.evidenceBytes)
  return (value as { readonly type?: Json } | null)?.type === "comity/evidence/v1"
}

/**
 * A withdrawal from somebody through whom we hold a record: whoever brought it, it ends what rests on it.
 *
 * @throws `custody.*`, and as verifyLink; nothing of records that are not held through that member is kept
 */
export async function takeWithdrawal(context: Context, bytes: Uint8Array): Promise<void> {
  const { db, self, env } = context
  const link = decodeLinkValue(ingest(bytes, limits.evidenceBytes))
  const { grant } = link.placed
  if (grant.act !== "withdraw") throw new ProtocolError("custody.malformed", { detail: "act" })
  const members = await membersOf(db, [link])
  const { standing } = verifyLink(link, ownHolder(context, { members, takenBack: new Set() }))
  const fact = { ...factOf(standing, link.placed), names: grant.recipient }
  let hasPurged = false
  await db.transaction().execute(async (trx) => {
    const known = await factsAbout(trx, grant.record, self.id)
    const resting = known.filter(
      (row) =>
        row.act === "release" &&
        (asFact(row).chain ?? []).some(
          ({ origin, recipient }) =>
            origin === standing.order.origin && recipient === grant.recipient,
        ),
    )
    if (resting.length === 0) return
    const leaf = encodeHex(link.placed.leaf)
    await insertFacts(trx, [
      { ...factRow(fact, link.placed, leaf, env.clock.now()), recipient: self.id },
    ])
    await trx
      .insertInto("passed_withdrawal")
      .values({ order_origin: fact.orderOrigin, order_id: fact.orderId, leaf, bytes })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    const purged = await purgeEnded(trx, grant.record, [...known.map(asFact), fact])
    hasPurged = purged.hasPurged
    if (!hasPurged) return
    await noteEvent(context, trx, "record.ended", grant.record.id, fact.orderId)
    for (const { order_origin, order_id, leaf: theirs } of resting)
      await owe(context, trx, order_origin, order_id, decodeHex(theirs), "purged")
  })
  if (hasPurged) await truncateWal(db)
  context.bell.ring()
}

/**
 * The logs of members whose records we hold through `peer`, and from whom we read nothing ourselves: what
 * they withdraw for everybody stands there. PROTOCOL.md §7
 */
export async function followOrigins(context: Context, peer: Peer): Promise<void> {
  const { db, self } = context
  const rows = await db
    .selectFrom("fact")
    .select("record_origin")
    .distinct()
    .where("recipient", "=", self.id)
    .where("chain", "<>", sql.lit(""))
    .where("order_origin", "=", peer.member)
    .execute()
  if (rows.length === 0) return
  const read = new Set((await allPeers(db)).map(({ member }) => member))
  for (const { record_origin } of rows)
    if (!read.has(record_origin)) await followOrigin(context, peer, record_origin)
}

async function followOrigin(context: Context, peer: Peer, origin: string): Promise<void> {
  const { db } = context
  const log = await logOf(db, origin)
  const size = log === null || log.isDisowned ? 0 : log.range.size
  const path = `/log/${origin}?epoch=${log?.epoch ?? 1}&size=${size}`
  const { body } = await askPeer(context, peer, { method: "GET", path })
  const news = { checkpoint: "", entries: [] as EntriesFrame[], documents: [] as Uint8Array[] }
  for await (const { type, bytes } of readFrames(body))
    if (type === "checkpoint") news.checkpoint = decodeUtf8(bytes)
    else if (type === "entries") news.entries.push(decodeEntries(bytes))
    else if (type === "root" || type === "keys") news.documents.push(bytes)
  await db.transaction().execute((trx) => mirrorLog(context, trx, origin, news))
}

/** Whether the peer holds a record of this member from us: then that member's log is its to read. */
export async function hasPassedOn(db: Db, self: string, peer: string, origin: string) {
  const row = await db
    .selectFrom("fact")
    .select("order_id")
    .where("recipient", "=", peer)
    .where("chain", "<>", sql.lit(""))
    .where("order_origin", "=", self)
    .where("record_origin", "=", origin)
    .executeTakeFirst()
  return row !== undefined
}
