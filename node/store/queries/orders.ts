import { NodeError } from "../../errors.ts"
import type { Db, Schema } from "../schema.ts"
import { lapsedKids } from "./officers.ts"

export type OrderRow = Schema["release_order"]

/** By id or unique prefix. @throws `order.unknown`, `order.ambiguous` */
export async function orderById(db: Db, prefix: string): Promise<OrderRow> {
  const rows = /^[0-9a-f]{1,32}$/.test(prefix)
    ? await db
        .selectFrom("release_order")
        .selectAll()
        .where("id", ">=", prefix)
        .where("id", "<=", `${prefix}g`)
        .limit(2)
        .execute()
    : []
  const [row, other] = rows
  if (row === undefined)
    throw new NodeError("order.unknown", `No order has the id ${JSON.stringify(prefix)}.`, {
      hint: "comity order list shows them.",
    })
  if (other !== undefined)
    throw new NodeError("order.ambiguous", "Several orders begin like that: give more of the id.")
  return row
}

/** Those that our own node takes on `day`: not of a deputy whose days are over or have not come. */
export async function countingSignatures(
  db: Db,
  orderId: string,
  day: string,
): Promise<Schema["order_signature"][]> {
  const lapsed = await lapsedKids(db, day)
  const rows = await db
    .selectFrom("order_signature")
    .selectAll()
    .where("order_id", "=", orderId)
    .orderBy("person")
    .execute()
  return rows.filter(({ kid }) => !lapsed.has(kid))
}

/** @throws `order.closed`, `order.expired` */
export function assertOpen({ id, state, not_after }: OrderRow, today: string): void {
  if (state === "logged")
    throw new NodeError("order.closed", `Order ${id} is published already.`, {
      hint: `comity order show ${id.slice(0, 12)}, and for what became of it: comity receipts RECORD.`,
    })
  if (state === "scheduled")
    throw new NodeError("order.closed", `Order ${id} is in line for the log's next slot.`, {
      hint: `Until then it can be ended: comity order cancel ${id.slice(0, 12)}`,
    })
  if (state !== "open")
    throw new NodeError("order.closed", `Order ${id} was ${state}.`, { hint: requestAgain })
  if (not_after < today)
    throw new NodeError("order.expired", `Order ${id} had to be published by ${not_after}.`, {
      hint: requestAgain,
    })
}

export const requestAgain = "Make a new order: comity release request. Officers sign it anew."
