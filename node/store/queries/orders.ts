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
      hint: "comity order list",
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
