import type { ReceiptView } from "../../../node/exchange/receipts.ts"
import type { Why } from "../../../node/exchange/why.ts"
import type { Actor } from "../actor.ts"
import type { World } from "../world.ts"
import { Facts } from "./facts.ts"

/** S18: what is said of a record's fate at an honest member is what that member did, and its last word. */
export function judgeReceipts(
  world: World,
  actor: Actor,
  record: string,
  receipts: readonly ReceiptView[],
): void {
  for (const { member, order, state } of receipts) {
    const peer = world.byId(member)
    if (!peer?.isHonest || peer.isRestored || peer.disk.isInTransaction || state === "queued")
      continue
    const said = peer.books
      .receiptsTo(actor.id)
      .some((one) => one.order === order && one.state === state)
    if (!said)
      world.violate(
        "S18 a receipt is what its member said",
        `${peer.name} never said ${state} of ${record} to ${actor.name}`,
      )
  }
}

/** Clocks order nothing: what the log has last is the last word. */
export function judgeAnswer(
  world: World,
  actor: Actor,
  record: string,
  asked: Actor,
  why: Why,
): void {
  const facts = new Facts(actor)
  facts.read()
  const last = facts
    .about(actor.id, record, asked.id)
    .toSorted((a, b) => a.index - b.index)
    .at(-1)
  const isPurged = actor.books
    .receiptsFrom(asked.id)
    .some(({ order, state }) => order === last?.order && state === "purged")
  if (last?.act === "withdraw" && isPurged && why.have)
    world.violate(
      "S18 the last word counts",
      `${actor.name} believes that ${asked.name} still has ${record}`,
    )
}
