import { sql } from "kysely"
import type { Context } from "../../node/context.ts"
import { doctor } from "../../node/doctor.ts"
import { NodeError } from "../../node/errors.ts"
import { readHighWater } from "../../node/log/high-water.ts"
import { queuedFor } from "../../node/log/queue.ts"
import { show } from "../../node/reading/records.ts"
import { logOf, placesOf, rootAt } from "../../node/store/queries/logs.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { decodeDeliveryValue, deliveryDigest, firstPrev } from "../../protocol/exchange/delivery.ts"
import { entryOf } from "../../protocol/verify.ts"

/** What the node under fault promised to somebody, in the order in which they heard it. */
export class History {
  readonly drafts = new Set<string>()
  /** orders whose request was acknowledged */
  readonly requested = new Set<string>()
  /** `order person` of acknowledged signatures */
  readonly signatures = new Set<string>()
  readonly published = new Map<string, { readonly index: number; readonly size: number }>()
  /** asked for, and never answered */
  readonly unknown = new Set<string>()
  /** heads of its log that were seen by anyone: size → root in hex */
  readonly shown = new Map<number, string>()
  /** what it said to hold, or to hold no longer, by signed receipt: `record version` → digest */
  readonly delivered = new Map<string, string>()
  readonly purged = new Set<string>()

  /** how many promises there are so far */
  get size(): number {
    return this.drafts.size + this.signatures.size + this.published.size + this.shown.size
  }

  note(size: number, root: string): void {
    const known = this.shown.get(size)
    if (known !== undefined && known !== root) throw new Violation(`forked at size ${size}`)
    this.shown.set(size, root)
  }
}

/** A promise that was broken. */
export class Violation extends Error {
  override readonly name = "Violation"
}

/**
 * Everything that was promised is there, once, as it was promised, and the database agrees with itself.
 *
 * @throws Violation
 */
export async function audit(context: Context, history: History): Promise<void> {
  const { db, self, env } = context
  await assertSound(context)

  const log = (await logOf(db, self.id))!
  const mark = readHighWater(env.files)
  if (mark !== null && mark.size > log.range.size) throw new Violation("behind its high-water mark")
  for (const [size, root] of history.shown) {
    const held = await rootAt(db, log, size)
    if (held === null) throw new Violation(`lost: a log of ${size} entries was shown`)
    if (encodeHex(held) !== root) throw new Violation(`forked: another root at size ${size}`)
  }

  const drafts = new Set((await db.selectFrom("draft").select("id").execute()).map(({ id }) => id))
  for (const id of history.drafts)
    if (!drafts.has(id)) throw new Violation(`lost: draft ${id} was acknowledged`)

  await auditOrders(context, history)
  await auditFeeds(context)
  await auditReceived(context, history)
}

async function assertSound(context: Context): Promise<void> {
  const { rows } = await sql<{ integrity_check: string }>`PRAGMA integrity_check`.execute(
    context.db,
  )
  if (rows.length !== 1 || rows[0]!.integrity_check !== "ok")
    throw new Violation(`corrupt: ${JSON.stringify(rows)}`)
  const { checks } = await doctor(context)
  for (const { check, ok, text } of checks)
    if (!ok && /^(database|log|signer)$/.test(check)) throw new Violation(`${check}: ${text}`)
}

async function auditOrders(context: Context, history: History): Promise<void> {
  const { db, self } = context
  const orders = await db.selectFrom("release_order").selectAll().execute()
  const states = new Map(orders.map(({ id, state }) => [id, state]))
  for (const id of history.requested)
    if (!states.has(id)) throw new Violation(`lost: order ${id} was acknowledged`)
  const signatures = await db.selectFrom("order_signature").select(["order_id", "person"]).execute()
  const held = new Set(signatures.map(({ order_id, person }) => `${order_id} ${person}`))
  for (const signature of history.signatures)
    if (!held.has(signature)) throw new Violation(`lost: signature ${signature} was acknowledged`)

  const logged = await db
    .selectFrom("logged_order")
    .selectAll()
    .where("origin", "=", self.id)
    .execute()
  const indexes = new Map(logged.map(({ id, idx }) => [id, idx]))
  for (const [id, { index }] of history.published) {
    if (states.get(id) !== "logged") throw new Violation(`lost: order ${id} was published`)
    if (indexes.get(id) !== index) throw new Violation(`order ${id} is not at index ${index}`)
  }
  for (const { id, state } of orders)
    if ((state === "logged") !== indexes.has(id)) throw new Violation(`order ${id} is half logged`)

  const log = (await logOf(db, self.id))!
  const { n } = await db
    .selectFrom("log_entry")
    .select((eb) => eb.fn.countAll<number>().as("n"))
    .where("log", "=", log.id)
    .executeTakeFirstOrThrow()
  if (n !== log.range.size) throw new Violation(`${n} entries in a log of ${log.range.size}`)
  const open = await db
    .selectFrom("keys_document")
    .select("idx")
    .where("member", "=", self.id)
    .execute()
  // Founding and each renewal put documents there, each order itself and one dummy.
  const expected = self.documents.length + open.length + 2 * logged.length
  if (n !== expected) throw new Violation(`doubled: ${n} entries where ${expected} belong`)
}

/** Each feed is numbered without a gap, chained, and names entries that the log has at their places. */
async function auditFeeds(context: Context): Promise<void> {
  const { db, self } = context
  const log = (await logOf(db, self.id))!
  for (const feed of await db.selectFrom("feed").selectAll().execute()) {
    const rows = await db
      .selectFrom("delivery")
      .selectAll()
      .where("peer", "=", feed.peer)
      .orderBy("n")
      .execute()
    // Made again from orders and grants, as a reader would get them.
    const queued = feed.n === 0 ? [] : await queuedFor(context, feed.peer, 0, feed.n)
    let prev = firstPrev
    const orders = new Set<string>()
    for (const [i, { n, bytes, order: facts }] of queued.entries()) {
      const order = facts.id
      const delivery = decodeDeliveryValue(JSON.parse(new TextDecoder().decode(bytes)))
      if (n !== i + 1 || delivery.n !== n) throw new Violation(`a gap in a feed before ${n}`)
      if (delivery.prev !== prev) throw new Violation(`a feed is not chained at ${n}`)
      if (orders.has(order)) throw new Violation(`doubled: order ${order} in a feed`)
      orders.add(order)
      const places = await placesOf(db, log.id, entryOf(delivery))
      if (places.length !== 1 || places[0] !== delivery.entry.index)
        throw new Violation(`delivery ${n} is in the log at ${places.join(" and ")}`)
      prev = deliveryDigest(bytes)
    }
    if (rows.length !== feed.n || prev !== feed.prev) throw new Violation("a feed beyond its head")
    const expected = await db
      .selectFrom("fact")
      .select("order_id")
      .distinct()
      .where("order_origin", "=", self.id)
      .where("recipient", "=", feed.peer)
      .execute()
    if (expected.length !== rows.length) throw new Violation("an order without its delivery")
  }
}

async function auditReceived(context: Context, history: History): Promise<void> {
  const { db, self } = context
  const rows = await db
    .selectFrom("record")
    .leftJoin("content", (join) =>
      join
        .onRef("content.origin", "=", "record.origin")
        .onRef("content.id", "=", "record.id")
        .onRef("content.version", "=", "record.version"),
    )
    .select(["record.id", "record.version", "record.digest", "content.rid"])
    .where("record.origin", "!=", self.id)
    .execute()
  const held = new Map(rows.map((row) => [`${row.id} ${row.version}`, row]))
  for (const [name, digest] of history.delivered) {
    const row = held.get(name)
    if (row === undefined) throw new Violation(`lost: a receipt says that ${name} is held`)
    if (row.digest !== digest) throw new Violation(`corrupt: ${name}`)
    if (row.rid === null && !history.purged.has(name) && !(await isWithdrawn(context, row)))
      throw new Violation(`lost: the content of ${name}`)
  }
  for (const name of history.purged)
    if (held.get(name)?.rid != null) throw new Violation(`a receipt says that ${name} is purged`)

  const some = rows.filter(({ rid }) => rid !== null).slice(-3)
  for (const { id } of some) {
    const shown = await show(context, id).catch(unlessSuspended)
    if (shown === null) continue
    const { provenance } = shown
    const failed = provenance.find(({ ok }) => !ok)
    if (failed !== undefined) throw new Violation(`corrupt: ${id} fails at step ${failed.step}`)
  }
}

/** The log that it read says that it is withdrawn; the order had not come when it was killed. */
function unlessSuspended(cause: unknown): null {
  if (cause instanceof NodeError && cause.code === "record.suspended") return null
  throw cause
}

/** Its withdrawal has arrived, and the receipt for it has not gone out yet. */
async function isWithdrawn({ db }: Context, { id }: { readonly id: string }): Promise<boolean> {
  const row = await db
    .selectFrom("fact")
    .select("leaf")
    .where("record_id", "=", id)
    .where("act", "=", "withdraw")
    .executeTakeFirst()
  return row !== undefined
}
