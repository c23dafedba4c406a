import { ProtocolError } from "../../protocol/errors.ts"
import { endOfEpoch, type Member, newestRoot } from "../../protocol/member/root.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import { verifyOrder } from "../../protocol/verify.ts"
import type { Context } from "../context.ts"
import { ownHolder } from "../exchange/holder.ts"
import { consentsOf, knowingOf } from "../store/queries/consents.ts"
import type { FactRow } from "../store/queries/facts.ts"
import { placedGrants } from "../store/queries/grants.ts"
import { releasing } from "../store/queries/partial.ts"
import type { Db } from "../store/schema.ts"
import { loggedOf } from "./logged.ts"

/**
 * A newer root document may annul releases that stood under an older one: by revoking a key from an
 * earlier index, or by leaving a part of the log behind. They are marked, and shown as repudiated by
 * their origin; what a withdrawal has ended stays ended. PROTOCOL.md §1
 */
export async function rejudge(context: Context, trx: Db, origin: Member): Promise<void> {
  const cut = earliestCut(origin)
  if (cut === null) return
  const rows = await trx
    .selectFrom("fact")
    .selectAll()
    .where("order_origin", "=", origin.id)
    .where(releasing)
    .where("repudiated", "=", 0)
    .where((eb) =>
      eb.or([
        eb("epoch", ">", cut.epoch),
        eb.and([eb("epoch", "=", cut.epoch), eb("idx", ">=", cut.size)]),
      ]),
    )
    .execute()
  for (const [order, facts] of Map.groupBy(rows, (row) => row.order_id)) {
    if (await stands(context, trx, origin.id, facts)) continue
    await trx
      .updateTable("logged_order")
      .set({ repudiated: 1 })
      .where("origin", "=", origin.id)
      .where("id", "=", order)
      .execute()
    context.env.log.warn("release.repudiated", { origin: origin.id, order })
  }
}

/** Before it, nothing that the newest root says can annul anything; null when it says nothing. */
function earliestCut(origin: Member): { readonly epoch: number; readonly size: number } | null {
  const { revoked, epoch } = newestRoot(origin).payload
  const cuts: { readonly epoch: number; readonly size: number }[] = revoked.map(({ from }) => from)
  for (let ended = 1; ended <= epoch; ended++) {
    const end = endOfEpoch(origin, ended)
    if (end !== null) cuts.push(end)
  }
  if (cuts.length === 0) return null
  return cuts.reduce((a, b) => ((b.epoch - a.epoch || b.size - a.size) < 0 ? b : a))
}

async function stands(
  context: Context,
  trx: Db,
  origin: string,
  facts: readonly FactRow[],
): Promise<boolean> {
  const [fact] = facts
  const row = await trx
    .selectFrom("logged_order")
    .selectAll()
    .where("origin", "=", origin)
    .where("id", "=", fact!.order_id)
    .executeTakeFirstOrThrow()
  const order = decodeOrder(new Uint8Array(row.document))
  const entry = { index: row.idx, salt: new Uint8Array(row.salt) }
  const consents = await consentsOf(trx, order.payload)
  const claim = { order, entry, grants: await placedGrants(trx, facts), consents }
  const { logged } = await loggedOf(trx, origin, claim)
  // The sign-off alone is judged again: markings and recipients are as they were.
  const { members } = await knowingOf(trx, consents)
  const holder = { ...ownHolder(context), recipient: null, mapMarking: null, members }
  try {
    verifyOrder(claim, logged, holder)
    return true
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}
