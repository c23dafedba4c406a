import type { ReceiptView } from "../../../node/receipts.ts"
import type { Why } from "../../../node/records.ts"
import type { Actor } from "../actor.ts"
import type { World } from "../world.ts"

/** What is said of a record's fate at an honest member is what that member did, and its last word. */
export function truthOfReceipts(
  world: World,
  actor: Actor,
  record: string,
  receipts: readonly ReceiptView[],
  asked: Actor,
  why: Why,
): void {
  for (const { member, order, state, version } of receipts) {
    const peer = world.byId(member)
    if (!peer?.isHonest || peer.isRestored || peer.disk.isInTransaction || state === "queued")
      continue
    const said = peer.disk.read(
      "SELECT 1 FROM receipt_out WHERE peer = ? AND order_id = ? AND state = ?",
      actor.id,
      order,
      state,
    )
    if (said.length === 0)
      world.violate(
        "S18 a receipt is what its member said",
        `${peer.name} never said ${state} of ${record} version ${version} to ${actor.name}`,
      )
  }
  const latest = actor.disk.read(
    `SELECT f.order_id, f.act, i.state FROM fact f LEFT JOIN receipt_in i
       ON i.peer = f.recipient AND i.order_id = f.order_id AND i.leaf = f.leaf
     WHERE f.record_id = ? AND f.recipient = ? AND f.order_origin = ? ORDER BY f.idx DESC LIMIT 1`,
    record,
    asked.id,
    actor.id,
  ) as { act: string; state: string | null }[]
  const [last] = latest
  if (last?.act === "withdraw" && last.state === "purged" && why.have)
    world.violate(
      "S18 the last word counts",
      `${actor.name} believes that ${asked.name} still has ${record}`,
    )
}
