import { sql } from "kysely"
import { ingest, type Json, jsonOf } from "../../protocol/canonical.ts"
import {
  decodeLinkValue,
  encodeLink,
  type Link,
  verifyLink,
  widerTerm,
} from "../../protocol/custody.ts"
import { decodeUtf8, encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { decodeEntries, type EntriesFrame, readFrames } from "../../protocol/exchange/frames.ts"
import { limits } from "../../protocol/limits.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import type { Group } from "../../protocol/record/group.ts"
import { everybody, type Grant, signedGrant, type Terms } from "../../protocol/release/grant.ts"
import type { Standing } from "../../protocol/verify.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { askPeer } from "../http/peer-client.ts"
import { noteEvent } from "../log/event.ts"
import { mirrorLog } from "../log/mirror.ts"
import { proveOrder } from "../log/prove-order.ts"
import type { RecordReference } from "../order/standing.ts"
import { claimOf, liveFacts } from "../reading/records.ts"
import { truncateWal } from "../store/purge.ts"
import { keepLinks, linksOf, listOf, membersOf } from "../store/queries/custody.ts"
import { asFact, type FactRow } from "../store/queries/facts.ts"
import { insertGrants, placesGranted } from "../store/queries/grants.ts"
import { logOf } from "../store/queries/logs.ts"
import { allPeers, type Peer } from "../store/queries/members.ts"
import { insertLoggedOrders } from "../store/queries/orders.ts"
import { passedOn, releasing, withdrawing } from "../store/queries/partial.ts"
import { prepared } from "../store/queries/prepared.ts"
import { isAny } from "../store/queries/remembered.ts"
import { insertRows } from "../store/queries/rows.ts"
import type { Db } from "../store/schema.ts"
import { ownHolder } from "./holder.ts"
import { purgeEnded } from "./take.ts"

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
  /** whom it may be passed on to, where its terms say `inside` */
  readonly group: Group | null
}

/**
 * The release that a record of another member is held by, kept as the link that an onward grant rests on.
 *
 * @throws `onward.refused` where its terms permit none, `record.withdrawn`
 */
export async function holdingOf(context: Context, reference: RecordReference): Promise<Held> {
  const { db, self } = context
  const live = await liveFacts(context, reference)
  const fact = live.find(({ recipient }) => recipient === self.id)
  const from = await nameOf(context, reference.origin)
  if (fact === undefined && live.some(({ recipient }) => recipient === everybody))
    throw new NodeError("onward.refused", `${from} has released this record to everybody.`, {
      hint: "There is nothing to permit: show it, with its proof (comity evidence RECORD -o FILE).",
    })
  if (fact === undefined || fact.standing === "suspended" || fact.standing === "repudiated")
    throw new NodeError("record.withdrawn", "No release of this record to us stands.")
  const { placed, sealed, terms } = await grantOf(context, fact)
  if (terms.onward === "consent")
    throw new NodeError("onward.refused", "Its terms ask for its origin's consent to pass it on.", {
      hint: `Ask ${from} to release it to that member: its officers' yes is a release of its own.`,
    })
  if (terms.onward === "no")
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
  await keepLinks(db, [...(await linksOf(db, placed.grant)), link])
  const { digest: custody, group } = link
  return { sealed, terms, custody, group, digest: placed.grant.record.digest }
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
  const grant = jsonOf(bytes)
  const list = await listOf(context.db, signedGrant(bytes), context.self.network)
  const shown = encodeLink({
    ...fields,
    consents: claim.consents.map((one) => jsonOf(one.bytes)),
    grant,
    ...(list === null ? {} : { group: list.value }),
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
  if (!(await isAnyPassedOn(db))) return []
  const given = await passedOnTo(db, self.id, peer)
  if (given.length === 0) return []
  const rows = await db
    .selectFrom("fact")
    .leftJoin("told", (join) =>
      join.on("told.peer", "=", peer).on("told.subject", "=", sql`order_id || ' ' || leaf`),
    )
    .selectAll("fact")
    .where(withdrawing)
    .where("record_id", "in", [...new Set(given.map(({ record_id }) => record_id))])
    .where("recipient", "<>", peer)
    .where("record_origin", "<>", self.id)
    .where("told.state", "is", null)
    .orderBy("idx")
    .execute()
  const found: { name: string; bytes: Uint8Array }[] = []
  for (const row of rows) {
    const bytes = await withdrawalOf(context, row)
    if (bytes !== null) found.push({ name: `${row.order_id} ${row.leaf}`, bytes })
  }
  return found
}

const isAnyPassedOn = isAny(
  "order_grant",
  prepared((db) =>
    db.selectFrom("order_grant").select("record_id").where(passedOn).limit(sql.lit(1)),
  ),
)

const passedOnTo = prepared((db, giver: string, peer: string) =>
  db
    .selectFrom("order_grant")
    .select("record_id")
    .where("recipient", "=", peer)
    .where(passedOn)
    .where("order_origin", "=", giver),
)

/** From us, as our own mirror proves it; from somebody further up, as it was passed down to us. */
async function withdrawalOf(context: Context, row: FactRow): Promise<Uint8Array | null> {
  if (row.recipient === context.self.id) {
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
  let hasPurged = false
  await db.transaction().execute(async (trx) => {
    const resting = await restingOn(trx, self.id, standing.order.origin, grant)
    if (resting.length === 0) return
    await keepWithdrawal(trx, link, standing, env.clock.now())
    const purged = await purgeEnded(context, trx, grant.record)
    hasPurged = purged.hasPurged
    if (purged.isLive) return
    const { heldUntil: until, isSealed } = purged
    await noteEvent(context, trx, "record.ended", grant.record.id, standing.orderId)
    const said = {
      state: until !== null ? "held" : isSealed ? "sealed" : "purged",
      record_id: grant.record.id,
      code: null,
      until,
      day: today(context),
      sent: 0,
    }
    await insertRows(
      trx,
      "receipt_out",
      resting.map(({ order_origin: peer, order_id, leaf }) => ({ ...said, peer, order_id, leaf })),
    )
  })
  if (hasPurged) await truncateWal(db)
  context.bell.ring()
}

/** Our holdings of the record that rest on a release by this member to the holder that the grant names. */
async function restingOn(
  trx: Db,
  self: string,
  origin: string,
  { record, recipient }: Grant,
): Promise<readonly FactRow[]> {
  const rows = await trx
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "=", record.id)
    .where("record_origin", "=", record.origin)
    .where("recipient", "=", self)
    .where(releasing)
    .execute()
  return rows.filter((row) =>
    (asFact(row).chain ?? []).some((one) => one.origin === origin && one.recipient === recipient),
  )
}

/** As an order of its member's log, which we don't follow: the link is its proof. */
async function keepWithdrawal(trx: Db, link: Link, standing: Standing, now: number): Promise<void> {
  const { proven, placed, bytes } = link
  const { origin, id } = standing.order
  const entry = { index: standing.index, salt: proven.salt }
  // Its quorum was met: it waits for no proof.
  const judged = { index: standing.index, root: { ...standing.root, quorum: 0 } }
  await insertLoggedOrders(
    trx,
    [{ order: proven.order, entry, standing: judged, proof: null }],
    now,
  )
  const known = await placesGranted(trx, origin, id)
  if (!known.some(({ position }) => position === placed.position))
    await insertGrants(trx, [{ origin, id, grants: [placed] }])
  await trx
    .insertInto("passed_withdrawal")
    .values({ order_origin: origin, order_id: id, leaf: encodeHex(placed.leaf), bytes })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/**
 * The logs of members whose records we hold through `peer`, and from whom we read nothing ourselves: what
 * they withdraw for everybody stands there. PROTOCOL.md §7
 */
export async function followOrigins(context: Context, peer: Peer): Promise<void> {
  const { db, self } = context
  const rows = await db
    .selectFrom("order_grant")
    .select("record_origin")
    .distinct()
    .where("recipient", "=", self.id)
    .where(passedOn)
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
    .innerJoin("order_grant", (join) =>
      join
        .onRef("order_grant.order_origin", "=", "fact.order_origin")
        .onRef("order_grant.order_id", "=", "fact.order_id")
        .onRef("order_grant.leaf", "=", "fact.leaf"),
    )
    .select("fact.order_id")
    .where("order_grant.recipient", "=", peer)
    .where("order_grant.custody", "<>", sql.lit(""))
    .where("fact.order_origin", "=", self)
    .where("fact.record_origin", "=", origin)
    .executeTakeFirst()
  return row !== undefined
}
