import { encodeCanonical, jsonOf } from "../protocol/canonical.ts"
import { decodeHex, encodeHex, equalBytes } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import type { Returned } from "../protocol/exchange/returned.ts"
import { blindedEntry, dummyEntry, isOpenEntry, withdrawalTag } from "../protocol/log/entry.ts"
import { decodeRecord } from "../protocol/record/record.ts"
import { decodeOrder } from "../protocol/release/order.ts"
import { verifyOrder } from "../protocol/verify.ts"
import type { Context } from "./context.ts"
import { ownHolder } from "./exchange/holder.ts"
import { noteEvent } from "./log/event.ts"
import { loggedOf } from "./log/logged.ts"
import { keepOrders } from "./log/prove.ts"
import { queueAgain } from "./log/queue.ts"
import { formatDraft } from "./order/draft.ts"
import { indexRecords } from "./reading/search.ts"
import { keepConsents } from "./store/queries/consents.ts"
import { insertGrants, placesGranted } from "./store/queries/grants.ts"
import { entriesFrom, logOf } from "./store/queries/logs.ts"
import { allPeers, readMeta, writeMeta } from "./store/queries/members.ts"
import { releasing } from "./store/queries/partial.ts"
import type { Db } from "./store/schema.ts"

/**
 * The part of our log that was taken back from peers: entries whose orders this database has not seen. While
 * one of them is not opened, nothing that was queued earlier is served: it might have been withdrawn by it.
 * PROTOCOL.md §8
 */

export type Gap = { readonly epoch: number; readonly from: number; readonly to: number }
const metaGap = "gap"
/** indexes that officers have given up, joined by spaces */
const metaLost = "lost"

export async function gapOf({ db }: Pick<Context, "db">): Promise<Gap | null> {
  const bytes = await readMeta(db, metaGap)
  if (bytes === null) return null
  const [epoch = 1, from = 0, to = 0] = new TextDecoder().decode(bytes).split(" ").map(Number)
  return { epoch, from, to }
}

/** Who has still to be asked what it got of us from some index on: also after nothing is missing any more. */
export type Owed = {
  readonly epoch: number
  readonly from: number
  readonly peers: readonly string[]
}
const metaOwed = "owed"

export async function owedOf({ db }: Pick<Context, "db">): Promise<Owed | null> {
  const bytes = await readMeta(db, metaOwed)
  return bytes === null ? null : (jsonOf(new Uint8Array(bytes)) as Owed)
}

export async function writeOwed({ db }: Pick<Context, "db">, owed: Owed): Promise<void> {
  if (owed.peers.length > 0) await writeMeta(db, metaOwed, encodeCanonical(owed))
  else await db.deleteFrom("meta").where("name", "=", metaOwed).execute()
}

/** Joins what was there already: one gap, from the first entry that is missing to the last. */
export async function storeGap(
  context: Context,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  const { db, self } = context
  const epoch = (await logOf(db, self.id))?.epoch ?? 1
  const before = await gapOf(context)
  const start = before !== null && before.epoch === epoch ? Math.min(before.from, from) : from
  await writeMeta(db, metaGap, new TextEncoder().encode(`${epoch} ${start} ${to}`))
  context.gap = await gapOf(context)
  const peers = await allPeers(db)
  const verified = peers.filter(({ verified_on }) => verified_on !== null)
  await writeOwed(context, { epoch, from: start, peers: verified.map(({ member }) => member) })
  await noteEvent(context, db, "log.regained", self.id, `${start} ${to}`)
}

/** Indexes in the gap that neither an order, a document, a tag nor a dummy of ours explains. */
export async function unopened(context: Context): Promise<readonly number[]> {
  const gap = await gapOf(context)
  if (gap === null) return []
  const { db, self, keys } = context
  const log = await logOf(db, self.id, gap.epoch)
  if (log === null) return []
  const entries = await entriesFrom(db, log.id, gap.from, gap.to - gap.from)
  const orders = await orderEntries(db, self.id, gap)
  const tags = await tagsOf(db, self.id)
  const lost = await lostOf(db)
  return entries.flatMap((entry, i) => {
    const index = gap.from + i
    const before = entries[i - 1]
    const isOurs =
      isOpenEntry(entry) ||
      orders.has(encodeHex(entry)) ||
      tags.has(encodeHex(entry)) ||
      // Behind an order stands a dummy or a tag, also where nobody has the key that the tag is made of.
      (before !== undefined && orders.has(encodeHex(before))) ||
      equalBytes(entry, dummyEntry(keys.salt, index)) ||
      lost.has(index)
    return isOurs ? [] : [index]
  })
}

async function orderEntries(db: Db, origin: string, gap: Gap): Promise<ReadonlySet<string>> {
  const orders = await db
    .selectFrom("logged_order")
    .select(["digest", "salt"])
    .where("origin", "=", origin)
    .where("idx", ">=", gap.from)
    .execute()
  return new Set(
    orders.map(({ digest, salt }) =>
      encodeHex(blindedEntry(1, new Uint8Array(salt), decodeHex(digest))),
    ),
  )
}

async function tagsOf(db: Db, origin: string): Promise<ReadonlySet<string>> {
  const contents = await db
    .selectFrom("content")
    .select("tag")
    .where("origin", "=", origin)
    .execute()
  return new Set(contents.map(({ tag }) => encodeHex(new Uint8Array(tag))))
}

async function lostOf(db: Db): Promise<ReadonlySet<number>> {
  const bytes = await readMeta(db, metaLost)
  const text = bytes === null ? "" : new TextDecoder().decode(bytes)
  return new Set(text === "" ? [] : text.split(" ").map(Number))
}

/** Officers give up what nobody can open. */
export async function giveUp(context: Context, indexes: readonly number[]): Promise<void> {
  const all = [...(await lostOf(context.db)), ...indexes].sort((a, b) => a - b)
  await writeMeta(context.db, metaLost, new TextEncoder().encode([...new Set(all)].join(" ")))
  for (const index of indexes)
    await noteEvent(context, context.db, "log.lost", context.self.id, String(index))
  await closeGap(context)
}

/**
 * An order of ours that a peer has given back: kept when it is an entry of the gap and stands by our own
 * rules.
 *
 * @throws `entry.mismatch`, `order.*`, `signed.*`: the peer gave back what is not ours
 */
export async function takeReturned(context: Context, returned: Returned): Promise<void> {
  const { db, self } = context
  const { order, entry, grants, contents } = returned
  if (order.payload.origin !== self.id) throw new ProtocolError("order.malformed")
  await db.transaction().execute(async (trx) => {
    const { logged, log } = await loggedOf(trx, self.id, returned)
    if (!logged.places.includes(entry.index)) throw new ProtocolError("entry.mismatch")
    const holder = { ...ownHolder(context), recipient: null, mapMarking: null }
    const standing = verifyOrder(returned, logged, holder)
    const { id } = order.payload
    await keepOrders(context, trx, [{ order, entry, standing, log }])
    await keepConsents(trx, order.payload, returned.consents)
    const places = await placesGranted(trx, self.id, id)
    const known = new Set(places.map(({ position }) => position))
    const fresh = grants.filter(({ position }) => !known.has(position))
    await insertGrants(trx, [{ origin: self.id, id, grants: fresh }])
    for (const { grant } of grants) {
      const content = contents.get(grant.record.digest)
      if (content !== undefined) await storeOwn(context, trx, grant, content)
    }
    if (order.payload.act === "withdraw") await doubt(trx, self.id, standing.index, grants)
    await trx.updateTable("release_order").set({ state: "logged" }).where("id", "=", id).execute()
    // The feeds have begun anew without it: it goes to the end of this one.
    if (context.gap === null && fresh.length > 0)
      await queueAgain(context, trx, returned, grants[0]!.grant.recipient)
  })
  await closeGap(context)
}

/** A recipient gives back its own grant alone: whether others were named beside it, it can't know. */
async function doubt(
  trx: Db,
  origin: string,
  index: number,
  grants: Returned["grants"],
): Promise<void> {
  for (const { grant } of grants) {
    const holders = await trx
      .selectFrom("fact")
      .select("recipient")
      .distinct()
      .where("record_origin", "=", origin)
      .where("record_id", "=", grant.record.id)
      .where(releasing)
      .execute()
    for (const { recipient } of holders)
      await trx
        .insertInto("doubt")
        .values({ record_id: grant.record.id, recipient, size: index })
        .onConflict((conflict) =>
          conflict.columns(["record_id", "recipient"]).doUpdateSet({ size: index }),
        )
        .execute()
  }
}

/** A record of ours that this database had not seen yet, with a draft that can be released or withdrawn. */
async function storeOwn(
  context: Context,
  trx: Db,
  grant: Returned["grants"][number]["grant"],
  { bytes, key }: { readonly bytes: Uint8Array; readonly key: Uint8Array },
): Promise<void> {
  const { origin, id, version, digest } = grant.record
  if (origin !== context.self.id) return
  const record = decodeRecord(bytes)
  const now = context.env.clock.now()
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
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const { marking, title } = record
  const inserted = await trx
    .insertInto("content")
    .values({
      ...{ origin, id, version, title, marking, bytes },
      content_key: key,
      tag: withdrawalTag(key),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("rid")
    .executeTakeFirst()
  if (inserted !== undefined) await indexRecords(trx, [{ rid: inserted.rid, record }])
  const source = formatDraft(record)
  await trx
    .insertInto("draft")
    .values({ id, source, title, released: version, released_source: null, updated_at: now })
    .onConflict((conflict) =>
      conflict
        .column("id")
        .doUpdateSet({ released: version })
        .where("draft.released", "<", version),
    )
    .execute()
}

/** When every entry is opened or given up: new feeds, with everything that stands and every withdrawal. */
export async function closeGap(context: Context): Promise<void> {
  const { db } = context
  if ((await gapOf(context)) === null || (await unopened(context)).length > 0) return
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom("delivery").execute()
    await trx.deleteFrom("feed").execute()
    const orders = await trx
      .selectFrom("logged_order")
      .selectAll()
      .where("origin", "=", context.self.id)
      .execute()
    const placed = orders
      .map((row) => ({ row, order: decodeOrder(new Uint8Array(row.document)) }))
      .sort(
        (a, b) => a.order.payload.base.epoch - b.order.payload.base.epoch || a.row.idx - b.row.idx,
      )
    for (const { row, order } of placed)
      await queueAgain(context, trx, {
        order,
        entry: { index: row.idx, salt: new Uint8Array(row.salt) },
      })
    await trx.deleteFrom("meta").where("name", "in", [metaGap, metaLost]).execute()
  })
  context.gap = null
  context.bell.ring()
  await noteEvent(context, db, "feed.renewed", context.self.id, "")
}
