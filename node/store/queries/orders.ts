import { sql } from "kysely"
import type { Claim, Standing } from "../../../protocol/verify.ts"
import { NodeError } from "../../errors.ts"
import type { Db, Schema } from "../schema.ts"
import { lapsedKids } from "./officers.ts"
import { prepared } from "./prepared.ts"
import { remembered } from "./remembered.ts"
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
      hint: "comity order list shows them.",
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

const signaturesOf = prepared((db, orderId: string) =>
  db.selectFrom("order_signature").selectAll().where("order_id", "=", orderId).orderBy("person"),
)

/** Those that our own node takes on `day`: not of a deputy whose days are over or have not come. */
export async function countingSignatures(
  db: Db,
  orderId: string,
  day: string,
): Promise<Schema["order_signature"][]> {
  const lapsed = await lapsedKids(db, day)
  const rows = await signaturesOf(db, orderId)
  return rows.filter(({ kid }) => !lapsed.has(kid))
}

/** @returns whether it could be logged until now */
export async function markLogged(db: Db, id: string): Promise<boolean> {
  return (await moveToLogged(db, id)).length === 1
}

const moveToLogged = prepared((db, id: string) =>
  db
    .updateTable("release_order")
    .set({ state: "logged" })
    .where("id", "=", id)
    .where("state", "in", ["open", "scheduled"])
    .returning("id"),
)

type Logging = Pick<Claim, "order" | "entry"> & {
  readonly standing: Pick<Standing, "index" | "root">
  /** size of the checkpoint that is its proof; null while it has none */
  readonly proof: number | null
}

/** Orders as their origin's log has them; one that is there already stays as it is. */
export async function insertLoggedOrders(
  db: Db,
  logged: readonly Logging[],
  now: number,
): Promise<void> {
  const rows = logged.map(({ order, entry, standing, proof }) => {
    const { act, base, id, origin, rule } = order.payload
    const { index, root } = standing
    return {
      origin,
      id,
      digest: order.digest,
      document: order.bytes,
      // An order counts in the log of its base alone.
      epoch: base.epoch,
      idx: index,
      salt: entry.salt,
      root_version: root.version,
      quorum: root.quorum,
      proof,
      act,
      rule_profile: rule.profile,
      rule_kind: rule.kind,
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
export const loggedFacts = remembered(
  ["logged_order"],
  prepared((db, origin: string, orderIds: readonly string[]) =>
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
        "epoch",
        "base_size",
        "repudiated",
      ])
      .where("origin", "=", origin)
      .where("id", "in", orderIds),
  ),
)
export type LoggedFacts = Omit<
  LoggedOrder,
  "document" | "salt" | "root_version" | "quorum" | "proof" | "at"
>

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
