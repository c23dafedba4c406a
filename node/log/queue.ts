import { sha256 } from "../../protocol/crypto/hash.ts"
import { insideOf } from "../../protocol/custody.ts"
import { decodeHex, encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { deliveryDigest, encodeDelivery, firstPrev } from "../../protocol/exchange/delivery.ts"
import { blindedEntry } from "../../protocol/log/entry.ts"
import type { Consent } from "../../protocol/release/consent.ts"
import { type Grant, grantLeaf, signedGrant } from "../../protocol/release/grant.ts"
import { areInGrantTree } from "../../protocol/release/grant-tree.ts"
import { loggedPayload, type Order } from "../../protocol/release/order.ts"
import type { PlacedGrant } from "../../protocol/release/placed-grant.ts"
import type { Claim } from "../../protocol/verify.ts"
import type { Context } from "../context.ts"
import { StoreDamage } from "../store/damage.ts"
import { consentsOf } from "../store/queries/consents.ts"
import {
  decodeGrants,
  grantListsOf,
  grantListsTo,
  type ListedGrant,
  pathOf,
  placedGrant,
} from "../store/queries/grants.ts"
import { entriesAt, logOf } from "../store/queries/logs.ts"
import {
  type LoggedFacts,
  type LoggedOrder,
  loggedFacts,
  loggedOrders,
} from "../store/queries/orders.ts"
import { prepared } from "../store/queries/prepared.ts"
import { insertRows } from "../store/queries/rows.ts"
import type { Db, Schema } from "../store/schema.ts"

/** What recipients get, as the sequencer fixes it and as it is served. PROTOCOL.md §8 */

type Row = Schema["delivery"]

/** The bytes of a delivery, and what its grants name, in their order. */
export type QueuedBytes = {
  readonly bytes: Uint8Array
  readonly grants: readonly QueuedGrant[]
}
export type QueuedGrant = Pick<
  Grant,
  "act" | "after" | "custody" | "recipient" | "record" | "sealed"
> & {
  /** digest of the group that it may be passed on inside */
  readonly inside: string | null
}
export type Queued = QueuedBytes & { readonly n: number; readonly order: LoggedFacts }

/** What a delivery is made of: whoever asks for it names all of it. */
function nameOf({ peer, order_id, digest }: Row): string {
  return `${peer} ${order_id} ${digest}`
}

function queuedGrant({ grant }: Pick<PlacedGrant, "grant">): QueuedGrant {
  const { act, after, custody, recipient, record, sealed } = grant
  const isPassedOn = custody !== undefined
  return {
    act,
    ...(after === undefined ? {} : { after }),
    ...(isPassedOn ? { custody } : {}),
    inside: insideOf(grant),
    recipient,
    record,
    sealed,
  }
}

/**
 * Fixes what every recipient of these orders gets: the next numbers of its feed, each chained to the one
 * before.
 */
export async function queueDeliveries(
  context: Context,
  trx: Db,
  orders: readonly Claim[],
): Promise<void> {
  const now = context.env.clock.now()
  const recipients = orders.flatMap(({ grants }) => grants.map(({ grant }) => grant.recipient))
  // A consent goes to nobody's feed.
  if (recipients.length === 0) return
  const feeds = await feedsOf(context, trx, [...new Set(recipients)])
  const rows: Row[] = []
  for (const { order, entry, grants, consents } of orders)
    for (const [peer, own] of Map.groupBy(grants, ({ grant }) => grant.recipient)) {
      const { feed, n: last, prev } = feeds.get(peer)!
      const n = last + 1
      const bytes = encodeDelivery({
        consents,
        entry,
        feed,
        grants: own,
        n,
        order: order.bytes,
        prev,
      })
      const digest = deliveryDigest(bytes)
      const row: Row = { peer, n, feed, prev, order_id: order.payload.id, digest, at: now }
      rows.push(row)
      feeds.set(peer, { peer, feed, n, prev: digest })
      // Readers wait for it. One that is not committed after all is in no feed, and asked for by nobody.
      const queued = { bytes, grants: own.map(queuedGrant) }
      context.recent.deliveries.keep(nameOf(row), queued, 2 * bytes.length)
    }
  await insertRows(trx, "delivery", rows)
  await trx
    .insertInto("feed")
    .values([...feeds.values()])
    .onConflict((conflict) =>
      conflict
        .column("peer")
        .doUpdateSet((eb) => ({ n: eb.ref("excluded.n"), prev: eb.ref("excluded.prev") })),
    )
    .execute()
}

/** Once more, to every recipient that is known of it, or to the one: their feeds begin anew. */
export async function queueAgain(
  context: Context,
  trx: Db,
  { order, entry }: Pick<Claim, "order" | "entry">,
  recipient?: string,
): Promise<void> {
  const { id, origin } = order.payload
  const lists = await grantListsOf(trx, origin, id)
  const grants = lists
    .filter((list) => recipient === undefined || list.recipient === recipient)
    .flatMap((list) => decodeGrants(list.grants).map(placedGrant))
  const consents = await consentsOf(trx, order.payload)
  if (grants.length > 0) await queueDeliveries(context, trx, [{ order, entry, grants, consents }])
}

/** Where the feeds stand; one that nobody was ever sent anything by begins. */
async function feedsOf(
  { env }: Context,
  trx: Db,
  peers: readonly string[],
): Promise<Map<string, Schema["feed"]>> {
  const rows = await trx.selectFrom("feed").selectAll().where("peer", "in", peers).execute()
  const feeds = new Map(rows.map((row) => [row.peer, row]))
  for (const peer of peers)
    if (!feeds.has(peer))
      feeds.set(peer, { peer, feed: encodeHex(env.random(16)), n: 0, prev: firstPrev })
  return feeds
}

/**
 * The peer's deliveries after number `after`, to number `last`. Those that were not queued a moment ago
 * are made again from the order and its grants.
 */
export async function queuedFor(
  context: Context,
  peer: string,
  after: number,
  last: number,
): Promise<readonly Queued[]> {
  const { db, self, recent } = context
  const rows = await deliveryRows(db, peer, after, last)
  if (rows.length === 0) throw new StoreDamage("a delivery of a feed is missing")
  const facts = await loggedFacts(
    db,
    self.id,
    rows.map((row) => row.order_id),
  )
  const orders = new Map(facts.map((order) => [order.id, order]))
  const forgotten = rows.filter((row) => recent.deliveries.get(nameOf(row)) === undefined)
  const remade = await remake(context, forgotten)
  return rows.map((row) => {
    const made = recent.deliveries.get(nameOf(row)) ?? remade.get(row)
    const order = orders.get(row.order_id)
    if (made === undefined || order === undefined) throw new StoreDamage("a delivery's order")
    return { ...made, n: row.n, order }
  })
}

const deliveryRows = prepared((db, peer: string, after: number, last: number) =>
  db
    .selectFrom("delivery")
    .selectAll()
    .where("peer", "=", peer)
    .where("n", ">", after)
    .where("n", "<=", last)
    .orderBy("n"),
)

async function remake(
  context: Context,
  rows: readonly Row[],
): Promise<ReadonlyMap<Row, QueuedBytes>> {
  const [first] = rows
  if (first === undefined) return new Map()
  const { db, self } = context
  const ids = rows.map(({ order_id }) => order_id)
  const logged = await loggedOrders(db, self.id, ids)
  await assertLogged(context, logged)
  const orders = new Map(logged.map((order) => [order.id, order]))
  const found = await grantListsTo(db, self.id, ids, first.peer)
  const lists = new Map(found.map(({ order_id, grants }) => [order_id, decodeGrants(grants)]))
  const remade = new Map<Row, QueuedBytes>()
  for (const row of rows) {
    const order = orders.get(row.order_id)
    if (order === undefined) throw new StoreDamage("a delivery without its order")
    const payload = loggedPayload(order.document)
    const consents = await consentsOf(db, payload)
    remade.set(row, remakeOne(row, { ...order, payload, consents }, lists.get(row.order_id)))
  }
  return remade
}

/** No row that was written past the sequencer is sent: the log has these orders, in these bytes. */
async function assertLogged(context: Context, orders: readonly LoggedOrder[]): Promise<void> {
  const { db, self } = context
  for (const [epoch, same] of Map.groupBy(orders, ({ epoch }) => epoch)) {
    const log = await logOf(db, self.id, epoch)
    if (log === null) throw new StoreDamage("an order that is not logged")
    const indexes = same.map(({ idx }) => idx)
    const entries = await entriesAt(db, log.id, indexes)
    for (const { document, idx, salt } of same) {
      const entry = entries.get(idx)
      if (entry === undefined || !equalBytes(entry, blindedEntry(1, salt, sha256(document))))
        throw new StoreDamage("an order that is not logged")
    }
  }
}

/** No grant is sent but by the order that officers signed, and to the peer that they named. */
function remakeOne(
  { peer, feed, n, prev, digest }: Row,
  order: LoggedOrder & { readonly payload: Order; readonly consents: readonly Consent[] },
  listed: readonly ListedGrant[] = [],
): QueuedBytes {
  const { consents, payload } = order
  const { root } = payload
  const placed = listed.map((one) => {
    const { bytes, position } = one
    return { bytes, leaf: grantLeaf(bytes), position, path: pathOf(one) }
  })
  if (root === undefined || !areInGrantTree(placed, decodeHex(root)))
    throw new StoreDamage("a delivery without its order")
  const grants = placed.map(({ bytes }) => queuedGrant({ grant: signedGrant(bytes) }))
  if (grants.some(({ recipient }) => recipient !== peer))
    throw new StoreDamage("a delivery to another peer")
  const entry = { index: order.idx, salt: order.salt }
  const bytes = encodeDelivery({
    consents,
    entry,
    feed,
    grants: placed,
    n,
    order: order.document,
    prev,
  })
  if (deliveryDigest(bytes) !== digest) throw new StoreDamage("a delivery's bytes")
  return { bytes, grants }
}
