import { sha256 } from "../../protocol/crypto/hash.ts"
import { insideOf } from "../../protocol/custody.ts"
import { decodeHex, encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { deliveryDigest, encodeDelivery, firstPrev } from "../../protocol/exchange/delivery.ts"
import { blindedEntry } from "../../protocol/log/entry.ts"
import type { Consent } from "../../protocol/release/consent.ts"
import { everybody, type Grant, grantLeaf, signedGrants } from "../../protocol/release/grant.ts"
import { areInGrantTree } from "../../protocol/release/grant-tree.ts"
import { decodeOrder, loggedPayload, type Order } from "../../protocol/release/order.ts"
import type { PlacedGrant } from "../../protocol/release/placed-grant.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import type { Claim } from "../../protocol/verify.ts"
import type { Context } from "../context.ts"
import { StoreDamage } from "../store/damage.ts"
import { consentsOf } from "../store/queries/consents.ts"
import { asFact, type FactRow, factsAbout } from "../store/queries/facts.ts"
import {
  decodeGrants,
  grantListsOf,
  grantListsTo,
  type ListedGrant,
  pathOf,
  placedGrant,
} from "../store/queries/grants.ts"
import { entriesAt, logOf } from "../store/queries/logs.ts"
import { allPeers } from "../store/queries/members.ts"
import {
  type LoggedFacts,
  type LoggedOrder,
  loggedFacts,
  loggedOrders,
} from "../store/queries/orders.ts"
import { forAll } from "../store/queries/partial.ts"
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
 * before. What is for everybody goes to every peer that is verified, or to `only` that one.
 */
export async function queueDeliveries(
  context: Context,
  trx: Db,
  orders: readonly Claim[],
  only?: string,
): Promise<void> {
  const now = context.env.clock.now()
  const followers = only === undefined ? await followersOf(trx, orders) : [only]
  const shares = orders.map(({ grants }) => sharesOf(grants, followers))
  const peers = new Set(shares.flatMap((share) => [...share.keys()]))
  // A consent goes to nobody's feed.
  if (peers.size === 0) return
  const feeds = await feedsOf(context, trx, [...peers])
  const rows: Row[] = []
  for (const [i, { order, entry, consents }] of orders.entries())
    for (const [peer, own] of shares[i]!) {
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

/** The members whose feeds have these grants. An order is for everybody or for members: see makeOrders. */
export async function readersOf(trx: Db, grants: Claim["grants"]): Promise<readonly string[]> {
  return [...sharesOf(grants, await followersOf(trx, [{ grants }])).keys()]
}

function sharesOf(
  grants: Claim["grants"],
  followers: readonly string[],
): ReadonlyMap<string, Claim["grants"]> {
  const shares = Map.groupBy(grants, ({ grant }) => grant.recipient)
  const forAll = shares.get(everybody)
  if (forAll === undefined) return shares
  return new Map(followers.map((peer) => [peer, forAll]))
}

/** Every verified peer, where something is for everybody; one that is blocked is served it afterwards. */
async function followersOf(
  trx: Db,
  orders: readonly Pick<Claim, "grants">[],
): Promise<readonly string[]> {
  if (!orders.some(({ grants }) => grants.some(isForAll))) return []
  const peers = await allPeers(trx)
  return peers.filter(({ verified_on }) => verified_on !== null).map(({ member }) => member)
}

function isForAll({ grant }: Pick<PlacedGrant, "grant">): boolean {
  return grant.recipient === everybody
}

/**
 * What was released to everybody before this peer was verified here, as far as it stands, and everything
 * that took such a release back: what its feed has already is in it once.
 */
export async function queueForAll(context: Context, trx: Db, peer: string): Promise<void> {
  const { id } = context.self
  const given = new Set((await ordersToAll(trx, id)).map(({ order_id }) => order_id))
  const queued = new Set((await ordersQueued(trx, peer)).map(({ order_id }) => order_id))
  const logged = await loggedOrders(
    trx,
    id,
    [...given].filter((order) => !queued.has(order)),
  )
  const byPlace = logged.toSorted((a, b) => a.epoch - b.epoch || a.idx - b.idx)
  for (const order of byPlace)
    if (await isWorthTelling(trx, await factsToAll(trx, id, order.id)))
      await queueFor(context, trx, peer, order, everybody)
}

/**
 * What this peer refused because it had not adopted a profile that its root document names now: the same
 * orders, once more. docs/spec/delivery.md
 */
export async function queueAdopted(
  context: Context,
  trx: Db,
  peer: string,
  adopted: readonly string[],
): Promise<void> {
  if (adopted.length === 0) return
  const { id } = context.self
  const refused = await refusedUnadopted(trx, peer, id, adopted)
  const logged = await loggedOrders(trx, id, [...new Set(refused.map((row) => row.order_id))])
  for (const order of logged.toSorted((a, b) => a.epoch - b.epoch || a.idx - b.idx))
    for (const recipient of [peer, everybody])
      if (recipient === peer || (await isWorthTelling(trx, await factsToAll(trx, id, order.id))))
        await queueFor(context, trx, peer, order, recipient)
}

const refusedUnadopted = prepared((db, peer: string, origin: string, adopted: readonly string[]) =>
  db
    .selectFrom("receipt_in")
    .innerJoin("logged_order", (join) =>
      join
        .onRef("logged_order.id", "=", "receipt_in.order_id")
        .on("logged_order.origin", "=", origin),
    )
    .select("order_id")
    .where("receipt_in.peer", "=", peer)
    .where("receipt_in.state", "=", "refused")
    .where("receipt_in.code", "=", "profile.unadopted")
    .where("logged_order.rule_profile", "in", adopted),
)

/** An order's grants to one recipient, or to everybody, into the feed of one peer. */
async function queueFor(
  context: Context,
  trx: Db,
  peer: string,
  { id, document, idx, salt }: LoggedOrder,
  recipient: string,
): Promise<void> {
  const lists = await grantListsTo(trx, context.self.id, [id], recipient)
  const grants = lists.flatMap((list) => decodeGrants(list.grants).map(placedGrant))
  if (grants.length === 0) return
  const order = decodeOrder(document)
  const consents = await consentsOf(trx, order.payload)
  const claim = { order, entry: { index: idx, salt }, grants, consents }
  await queueDeliveries(context, trx, [claim], peer)
}

/** Logged or not: from the table itself, whose index answers. */
const ordersToAll = prepared((db, origin: string) =>
  db.selectFrom("order_grant").select("order_id").where(forAll).where("order_origin", "=", origin),
)

const factsToAll = prepared((db, origin: string, orderId: string) =>
  db
    .selectFrom("fact")
    .selectAll()
    .where(forAll)
    .where("order_origin", "=", origin)
    .where("order_id", "=", orderId)
    .where("repudiated", "=", 0),
)

const ordersQueued = prepared((db, peer: string) =>
  db.selectFrom("delivery").select("order_id").distinct().where("peer", "=", peer),
)

async function isWorthTelling(trx: Db, facts: readonly FactRow[]): Promise<boolean> {
  for (const fact of facts) {
    if (fact.act === "withdraw") return true
    const record = { origin: fact.record_origin, id: fact.record_id }
    const known = await factsAbout(trx, record, everybody)
    if (endOf(asFact(fact), known) === null) return true
  }
  return false
}

/**
 * Once more, to every recipient that is known of it, or to the one: their feeds begin anew. What everybody
 * was given has its content key in it: where nothing of an order stands, it is not handed out again.
 */
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
  if (grants.some(isForAll) && !(await isWorthTelling(trx, await factsToAll(trx, origin, id))))
    return
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
  const kept = new Map(rows.map((row) => [row, recent.deliveries.get(nameOf(row))]))
  const forgotten = rows.filter((row) => kept.get(row) === undefined)
  const remade = await remake(context, forgotten)
  return rows.map((row) => {
    const made = kept.get(row) ?? remade.get(row)
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
  const found = [
    ...(await grantListsTo(db, self.id, ids, first.peer)),
    ...(await grantListsTo(db, self.id, ids, everybody)),
  ]
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
  const grants = signedGrants(placed.map(({ bytes }) => bytes)).map((grant) =>
    queuedGrant({ grant }),
  )
  if (grants.some(({ recipient }) => recipient !== peer && recipient !== everybody))
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
