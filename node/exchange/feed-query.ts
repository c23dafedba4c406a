import type { Context } from "../context.ts"
import { logOf } from "../store/queries/logs.ts"
import { pendingOf } from "../store/queries/proofs.ts"
import { sourceOf } from "../store/queries/sources.ts"
import { formatPlaces, withEnd } from "./deliver.ts"

/** Epochs of which a proof is still waited for: the sender reads no more in one request. */
const placesAsked = 16

/** From where we would ask `peer` for its feed: what it is answered when it hands over, too. */
export async function feedQuery(context: Context, peer: string): Promise<string> {
  const source = await sourceOf(context.db, peer)
  const log = await logOf(context.db, peer)
  const query = new URLSearchParams({
    after: String(source.n),
    epoch: String(log?.epoch ?? 1),
    // Of an ended epoch that went another way here, the surviving branch is asked for whole.
    size: String(log === null || log.isDisowned ? 0 : log.range.size),
  })
  if (source.feed !== "") query.set("feed", source.feed)
  // Quorate checkpoints of the orders that wait for one, and of whatever this answer brings.
  const pending = withEnd(await pendingOf(context.db, peer), log).slice(-placesAsked)
  query.set("pending", formatPlaces(pending))
  return query.toString()
}
