import { concat } from "../../protocol/encoding.ts"
import { framesHeader, framesMediaType } from "../../protocol/exchange/frames.ts"
import { limits } from "../../protocol/limits.ts"
import type { Context } from "../context.ts"
import { askPeer, PeerRefusal } from "../http/peer-client.ts"
import { noteEvent } from "../log/event.ts"
import type { Peer } from "../store/queries/members.ts"
import { markRefused, markSent, owedReceipts } from "./receipts.ts"

/** Everything that `peer` is owed of our statements. */
export async function sendReceipts(context: Context, peer: Peer): Promise<void> {
  let count: number = limits.receiptsPerBatch
  for (;;) {
    const owed = await owedReceipts(context, peer.member, count)
    if (owed === null) return
    try {
      await askPeer(context, peer, {
        method: "POST",
        path: "/frames",
        body: concat(framesHeader(), owed.frames),
        contentType: framesMediaType,
      })
      await markSent(context, owed.ids)
      count = limits.receiptsPerBatch
    } catch (cause) {
      if (!(cause instanceof PeerRefusal) || cause.theirs !== "receipt.invalid") throw cause
      // A peer that denies an order it sent: that receipt is found by halves and holds up no other.
      const [id] = owed.ids
      count = Math.ceil(owed.ids.length / 2)
      if (owed.ids.length > 1 || id === undefined) continue
      await markRefused(context, id)
      await noteEvent(context, context.db, "receipt.refused", peer.member, cause.theirs)
    }
  }
}
