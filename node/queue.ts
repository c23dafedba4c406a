import { encodeHex } from "../protocol/encoding.ts"
import { deliveryDigest, encodeDelivery, firstPrev } from "../protocol/exchange/delivery.ts"
import type { Claim } from "../protocol/verify.ts"
import type { Context } from "./context.ts"
import { insertRows } from "./store/queries/rows.ts"
import type { Db, Schema } from "./store/schema.ts"

/**
 * Fixes what every recipient of these orders gets: the next numbers of its feed, each chained to the one
 * before. PROTOCOL.md §8
 */
export async function queueDeliveries(
  context: Context,
  trx: Db,
  orders: readonly Claim[],
): Promise<void> {
  const now = context.env.clock.now()
  const recipients = new Set(
    orders.flatMap(({ grants }) => grants.map((one) => one.grant.recipient)),
  )
  const feeds = await feedsOf(context, trx, [...recipients])
  const deliveries: Schema["delivery"][] = []
  for (const { order, entry, grants } of orders)
    for (const [peer, own] of Map.groupBy(grants, ({ grant }) => grant.recipient)) {
      const { feed, n: last, prev } = feeds.get(peer)!
      const n = last + 1
      const bytes = encodeDelivery({ entry, feed, grants: own, n, order: order.bytes, prev })
      const digest = deliveryDigest(bytes)
      const { id } = order.payload
      deliveries.push({ peer, n, feed, prev, order_id: id, digest, at: now })
      feeds.set(peer, { peer, feed, n, prev: digest })
    }
  await insertRows(trx, "delivery", deliveries)
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

/** Where the feeds stand; one that nobody has read from yet begins. */
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
