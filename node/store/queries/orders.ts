import { sql } from "kysely"
import type { Claim } from "../../../protocol/verify.ts"
import { NodeError } from "../../errors.ts"
import type { Db, Schema } from "../schema.ts"
import { prepared } from "./prepared.ts"
import { insertRows } from "./rows.ts"

export type OrderRow = Schema["release_order"]

/** By id or unique prefix. @throws `order.unknown`, `order.ambiguous` */
export async function orderById(db: Db, prefix: string): Promise<OrderRow> {
  const rows = /^[0-9a-f]{32}$/.test(prefix)
    ? await ordersNamed(db, prefix)
    : /^[0-9a-f]{1,31}$/.test(prefix)
      ? await ordersBetween(db, prefix, `${prefix}g`)
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

const ordersNamed = prepared((db, id: string) =>
  db.selectFrom("release_order").selectAll().where("id", "=", id),
)

const ordersBetween = prepared((db, first: string, last: string) =>
  db
    .selectFrom("release_order")
    .selectAll()
    .where("id", ">=", first)
    .where("id", "<=", last)
    .limit(sql.lit(2)),
)

export const signaturesOf = prepared((db, orderId: string) =>
  db.selectFrom("order_signature").selectAll().where("order_id", "=", orderId).orderBy("person"),
)

/** Orders as their origin's log has them; one that is there already stays as it is. */
export async function insertLoggedOrders(
  db: Db,
  logged: readonly Pick<Claim, "order" | "entry">[],
  now: number,
): Promise<void> {
  const rows = logged.map(({ order, entry }) => {
    const { act, base, id, origin, rule } = order.payload
    if (act === "consent") throw new TypeError("a consent grants nothing")
    return {
      origin,
      id,
      digest: order.digest,
      document: order.bytes,
      idx: entry.index,
      salt: entry.salt,
      act,
      rule_profile: rule.profile,
      rule_kind: rule.kind,
      base_epoch: base.epoch,
      base_size: base.size,
      repudiated: 0,
      at: now,
    }
  })
  await insertRows(db, "logged_order", rows, { whenThere: "stays" })
}

export type LoggedOrder = Schema["logged_order"]

/** Those of `origin` that are logged, of these. */
export const loggedOrders = prepared((db, origin: string, orderIds: readonly string[]) =>
  db
    .selectFrom("logged_order")
    .selectAll()
    .where("origin", "=", origin)
    .where("id", "in", orderIds),
)

/** The same without their bytes. */
export const loggedFacts = prepared((db, origin: string, orderIds: readonly string[]) =>
  db
    .selectFrom("logged_order")
    .select([
      "origin",
      "id",
      "digest",
      "idx",
      "act",
      "rule_profile",
      "rule_kind",
      "base_epoch",
      "base_size",
      "repudiated",
    ])
    .where("origin", "=", origin)
    .where("id", "in", orderIds),
)
export type LoggedFacts = Omit<LoggedOrder, "document" | "salt" | "at">
