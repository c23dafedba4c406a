import type { Actor } from "../actor.ts"
import type { MakeInvariant } from "./invariant.ts"

type SourceRow = { readonly peer: string; readonly feed: string; readonly n: number }

/** S6, S11: of an honest member every delivery is taken once, in its order, and none is passed over. */
export const feedsHaveNoGaps: MakeInvariant = (world) => {
  const cursors = new Map<string, SourceRow>()
  return {
    look: (actor) => {
      for (const row of actor.disk.read("SELECT peer, feed, n FROM source") as SourceRow[]) {
        const key = `${actor.name} ${row.peer}`
        const before = actor.isRestored ? undefined : cursors.get(key)
        if (before?.feed === row.feed && before.n === row.n) continue
        cursors.set(key, row)
        const peer = world.byId(row.peer)
        if (peer?.isHonest && row.feed !== "") follow(actor, peer, row, before)
      }
    },
  }

  function follow(actor: Actor, peer: Actor, row: SourceRow, before: SourceRow | undefined): void {
    const isSame = before !== undefined && before.feed === row.feed
    const from = isSame ? before.n : 0
    const place = `${actor.name} of ${peer.name} from ${from} to ${row.n}`
    if (row.n < from) return world.violate("S11 a cursor never goes back", place)
    if (peer.disk.isInTransaction) return
    const sent = peer.disk.read(
      "SELECT order_id, n FROM delivery WHERE peer = ? AND feed = ? AND n > ? AND n <= ? ORDER BY n",
      actor.id,
      row.feed,
      from,
      row.n,
    ) as { order_id: string; n: number }[]
    if (sent.length !== row.n - from)
      return world.violate("S6 a feed is the one that was sent", place)
    for (const { order_id, n } of sent) {
      const taken = actor.disk.read(
        `SELECT 1 FROM logged_order WHERE origin = ? AND id = ? UNION ALL
         SELECT 1 FROM receipt_out WHERE peer = ? AND order_id = ? AND state = 'refused'`,
        peer.id,
        order_id,
        peer.id,
        order_id,
      )
      if (taken.length === 0)
        return world.violate("S6 no delivery is passed over", `${place}: number ${n}`)
    }
  }
}
