import { decodeRecord } from "../../protocol/record/record.ts"
import { isDay } from "../../protocol/shape.ts"
import { verifyDecision } from "../authority/decision.ts"
import { nameOf } from "../authority/peers.ts"
import type { Statement } from "../authority/statement.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { findRecord, shownContent } from "../reading/records.ts"
import { truncateWal } from "../store/purge.ts"
import type { Db } from "../store/schema.ts"
import { assertHolders, destroyArchived, openersOf } from "./archive.ts"
import { localMark } from "./holder.ts"

/**
 * Where the law forbids to destroy what was taken back, an officer decides that it is held: on which
 * basis, and when that is looked at again. Nobody finds or reads it, and its origin is told. PROTOCOL.md §9
 */

type Named = { readonly origin: string; readonly id: string }

export type HoldView = {
  readonly record: string
  readonly origin: string
  readonly from: string
  /** null where it is sealed for two officers when it is taken back, instead of locked away */
  readonly review: string | null
  /** whether its review is past */
  readonly due: boolean
  /** whether it has been taken back, and is locked away */
  readonly locked: boolean
  /** once it is sealed: officers of today who hold a share; with fewer than two it stays closed */
  readonly openers?: readonly string[]
}

/** What the officer signs: the record, and for how long. */
export function holdSubject({ origin, id }: Named, review: string): string {
  return `${origin} ${id} ${review}`
}

export async function holdOn(db: Db, { origin, id }: Named) {
  const row = await db
    .selectFrom("hold")
    .selectAll()
    .where("record_origin", "=", origin)
    .where("record_id", "=", id)
    .where("ended_by", "is", null)
    .executeTakeFirst()
  return row ?? null
}

/** Released anew: it may be read and found again. */
export function unlock(db: Db, { origin, id, version }: Named & { readonly version: number }) {
  return db
    .updateTable("content")
    .set({ locked: 0 })
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .where("locked", "=", 1)
    .returning("rid")
    .executeTakeFirst()
}

/** @throws `record.*`, `terms.invalid` for a day that is past or none, `officer.unknown` */
export async function holdRecord(
  context: Context,
  prefix: string,
  review: string,
  statement: Uint8Array,
): Promise<HoldView> {
  const record = await theirs(context, prefix)
  if (review < today(context) || !isDay(review))
    throw new NodeError("terms.invalid", "A hold names the day on which it is looked at again.", {
      hint: "Write it as 2027-12-31.",
    })
  const subject = holdSubject(record, review)
  return keepHold(
    context,
    record,
    review,
    verifyDecision(context, statement, { act: "hold", subject }),
  )
}

/**
 * Instead: sealed for two officers when it is taken back, and no day of review.
 *
 * @throws `record.*`, `hold.officers`, `officer.unknown`
 */
export async function sealRecord(
  context: Context,
  prefix: string,
  statement: Uint8Array,
): Promise<HoldView> {
  const record = await theirs(context, prefix)
  const subject = `${record.origin} ${record.id}`
  const decision = verifyDecision(context, statement, { act: "seal", subject })
  await assertHolders(context)
  return keepHold(context, record, null, decision)
}

async function keepHold(
  context: Context,
  record: Named,
  review: string | null,
  { digest, bytes }: Pick<Statement, "digest" | "bytes">,
): Promise<HoldView> {
  await context.db.transaction().execute(async (trx) => {
    await keepDecision(context, trx, digest, bytes)
    const row = { review, decision: digest, ended_by: null }
    await trx
      .insertInto("hold")
      .values({ record_origin: record.origin, record_id: record.id, ...row })
      .onConflict((conflict) => conflict.columns(["record_origin", "record_id"]).doUpdateSet(row))
      .execute()
  })
  return viewOf(context, record)
}

/** The record, which must be another member's: our own we keep as we like. */
async function theirs(context: Context, prefix: string): Promise<Named> {
  const { origin, id } = await findRecord(context, prefix)
  if (origin !== context.self.id) return { origin, id }
  throw new NodeError("recipient.self", "That record is our own: nobody takes it back from us.")
}

/** The hold ends: what was locked away under it is destroyed, and its origin is told so. @throws `hold.*` */
export async function endHold(
  context: Context,
  prefix: string,
  statement: Uint8Array,
): Promise<HoldView> {
  const { db } = context
  const record = await theirs(context, prefix)
  if ((await holdOn(db, record)) === null) throw notHeld(record)
  const subject = `${record.origin} ${record.id}`
  const { digest, bytes } = verifyDecision(context, statement, { act: "unhold", subject })
  const view = await viewOf(context, record)
  await db.transaction().execute(async (trx) => {
    await keepDecision(context, trx, digest, bytes)
    await trx
      .updateTable("hold")
      .set({ ended_by: digest })
      .where("record_origin", "=", record.origin)
      .where("record_id", "=", record.id)
      .execute()
    await trx
      .deleteFrom("content")
      .where("origin", "=", record.origin)
      .where("id", "=", record.id)
      .where("locked", "=", 1)
      .execute()
    await destroyArchived(context, trx, record)
    await owePurged(context, trx, record)
  })
  await truncateWal(db)
  return view
}

/** For each withdrawal that was answered with `held` or `sealed`. */
async function owePurged(context: Context, trx: Db, { origin, id }: Named): Promise<void> {
  // To its origin, or to whoever passed it on to us.
  const held = await trx
    .selectFrom("receipt_out")
    .innerJoin("fact", (join) =>
      join
        .onRef("fact.order_origin", "=", "receipt_out.peer")
        .onRef("fact.order_id", "=", "receipt_out.order_id")
        .onRef("fact.leaf", "=", "receipt_out.leaf"),
    )
    .selectAll("receipt_out")
    .where("fact.record_origin", "=", origin)
    .where("fact.record_id", "=", id)
    .where("receipt_out.state", "in", ["held", "sealed"])
    .execute()
  const rows = held.map(({ peer, order_id, record_id, leaf }) => ({
    ...{ peer, order_id, record_id, leaf, code: null, until: null },
    ...{ state: "purged", day: today(context), sent: 0 },
  }))
  if (rows.length > 0) await trx.insertInto("receipt_out").values(rows).execute()
}

export type OpenedRecord = {
  readonly record: string
  readonly from: string
  readonly content: object
  readonly marking: string
  /** the mark of our own beside it */
  readonly localMark: string | null
}

/** What is locked away, for an officer who has a reason that is kept. @throws `hold.unknown` */
export async function openHeld(
  context: Context,
  prefix: string,
  statement: Uint8Array,
): Promise<OpenedRecord> {
  const { db } = context
  const record = await theirs(context, prefix)
  const subject = `${record.origin} ${record.id}`
  const { digest, bytes } = verifyDecision(context, statement, { act: "open", subject })
  const row = await db
    .selectFrom("content")
    .select("bytes")
    .where("origin", "=", record.origin)
    .where("id", "=", record.id)
    .where("locked", "=", 1)
    .orderBy("version", "desc")
    .executeTakeFirst()
  if (row === undefined) throw notHeld(record)
  await keepDecision(context, db, digest, bytes)
  const content = decodeRecord(new Uint8Array(row.bytes))
  return {
    record: record.id,
    from: await nameOf(context, record.origin),
    content: shownContent(content),
    marking: content.marking,
    localMark: localMark(context, content.marking),
  }
}

function notHeld({ id }: Named): NodeError {
  return new NodeError("hold.unknown", `Record ${id} is not held.`, {
    hint: "comity hold list shows what is.",
  })
}

async function keepDecision(
  { env }: Context,
  db: Db,
  digest: string,
  bytes: Uint8Array,
): Promise<void> {
  await db
    .insertInto("decision")
    .values({ digest, bytes, at: env.clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function listHolds(context: Context): Promise<readonly HoldView[]> {
  const rows = await context.db
    .selectFrom("hold")
    .select(["record_origin", "record_id"])
    .where("ended_by", "is", null)
    .orderBy("review")
    .execute()
  const named = rows.map(({ record_origin, record_id }) => ({
    origin: record_origin,
    id: record_id,
  }))
  return Promise.all(named.map((record) => viewOf(context, record)))
}

async function viewOf(context: Context, record: Named): Promise<HoldView> {
  const hold = await holdOn(context.db, record)
  const locked = await context.db
    .selectFrom("content")
    .select("rid")
    .where("origin", "=", record.origin)
    .where("id", "=", record.id)
    .where("locked", "=", 1)
    .executeTakeFirst()
  const review = hold?.review ?? null
  const openers = await openersOf(context, record)
  return {
    record: record.id,
    origin: record.origin,
    from: await nameOf(context, record.origin),
    review,
    due: review !== null && review < today(context),
    locked: locked !== undefined,
    ...(openers === null ? {} : { openers }),
  }
}
