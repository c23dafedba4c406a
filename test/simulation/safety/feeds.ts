import type { Actor } from "../actor.ts"
import type { Cursor } from "../books.ts"
import { Broken, type MakeInvariant } from "./invariant.ts"

/**
 * S6, S11: every delivery is taken once, in its order, and none is passed over, though the sender's own
 * server leaves it out.
 */
export const feedsHaveNoGaps: MakeInvariant = (world) => {
  const cursors = new Map<Actor, Map<string, Cursor>>()
  return {
    look: (actor) => {
      const known = cursors.get(actor) ?? new Map<string, Cursor>()
      cursors.set(actor, known)
      for (const cursor of actor.books.cursors()) {
        const before = known.get(cursor.peer)
        if (before?.feed === cursor.feed && before.n === cursor.n) continue
        const peer = world.byId(cursor.peer)
        if (peer?.disk.isInTransaction) continue
        known.set(cursor.peer, cursor)
        // A member that comes back begins its feeds anew: what was sent before is in no book.
        if (peer !== undefined && !world.wasRestored(peer) && cursor.feed !== "")
          follow(actor, peer, cursor, before)
      }
    },
    forget: (actor) => void cursors.delete(actor),
  }

  function follow(actor: Actor, peer: Actor, cursor: Cursor, before: Cursor | undefined): void {
    const from = before?.feed === cursor.feed ? before.n : 0
    const place = `${actor.name} of ${peer.name} from ${from} to ${cursor.n}`
    if (cursor.n < from) throw new Broken("S11 a cursor never goes back", place)
    const feed = peer.books.deliveries(actor.id).filter((one) => one.feed === cursor.feed)
    // One that an adversary made up is in no book.
    if (!peer.isHonest && feed.length === 0) return
    const sent = feed.filter(({ n }) => n > from && n <= cursor.n)
    if (sent.length !== cursor.n - from)
      throw new Broken("S6 a feed is the one that was sent", place)
    const taken = new Set(
      actor.books
        .orders(0)
        .rows.filter(({ origin }) => origin === peer.id)
        .map(({ id }) => id),
    )
    for (const { order, state } of actor.books.receiptsTo(peer.id))
      if (state === "refused") taken.add(order)
    for (const { order, n } of sent)
      if (!taken.has(order))
        throw new Broken("S6 no delivery is passed over", `${place}: number ${n}`)
  }
}
