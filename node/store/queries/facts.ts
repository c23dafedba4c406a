import { sql } from "kysely"
import { encodeHex } from "../../../protocol/encoding.ts"
import type { PlacedGrant } from "../../../protocol/exchange/delivery.ts"
import type { Grant } from "../../../protocol/release/grant.ts"
import type { Fact } from "../../../protocol/release/precedence.ts"
import type { Db, Schema } from "../schema.ts"
import type { LoggedFacts } from "./orders.ts"
import { prepared } from "./prepared.ts"

export type FactRow = Schema["fact"]

/** What precedence is computed from: all of a fact but its proof. */
const placeColumns = [
  "act",
  "order_id",
  "order_origin",
  "record_id",
  "record_origin",
  "version",
  "recipient",
  "rule_profile",
  "rule_kind",
  "epoch",
  "idx",
  "base_epoch",
  "base_size",
  "after",
  "repudiated",
] as const
export type PlaceRow = Pick<FactRow, (typeof placeColumns)[number]>

export function asFact(row: PlaceRow): Fact {
  return {
    act: row.act,
    orderId: row.order_id,
    orderOrigin: row.order_origin,
    recordOrigin: row.record_origin,
    version: row.version,
    rule: { profile: row.rule_profile, kind: row.rule_kind },
    epoch: row.epoch,
    index: row.idx,
    baseEpoch: row.base_epoch,
    baseSize: row.base_size,
    after: row.after === "" ? [] : row.after.split(" "),
  }
}

/** The fact that a grant of a logged order states. */
export function factOfGrant(
  order: LoggedFacts,
  { act, after = [], record, recipient }: Pick<Grant, "act" | "after" | "record" | "recipient">,
): Fact {
  return asFact({
    ...order,
    act,
    after: after.join(" "),
    base_epoch: order.epoch,
    order_id: order.id,
    order_origin: order.origin,
    recipient,
    record_id: record.id,
    record_origin: record.origin,
    version: record.version,
  })
}

/** A grant of an order as it is found by; once that is logged, it is a fact. */
export function grantRow(
  order: { readonly origin: string; readonly id: string },
  { grant, leaf, position }: Pick<PlacedGrant, "grant" | "leaf" | "position">,
): Schema["order_grant"] {
  return {
    order_origin: order.origin,
    order_id: order.id,
    recipient: grant.recipient,
    position,
    act: grant.act,
    record_origin: grant.record.origin,
    record_id: grant.record.id,
    version: grant.record.version,
    after: (grant.after ?? []).join(" "),
    leaf: encodeHex(leaf),
  }
}

/** Everything known about one record of one member towards one recipient. */
export function factsAbout(
  db: Db,
  record: { readonly origin: string; readonly id: string },
  recipient: string,
): Promise<PlaceRow[]> {
  return db
    .selectFrom("fact")
    .select(placeColumns)
    .where("record_id", "=", record.id)
    .where("record_origin", "=", record.origin)
    .where("recipient", "=", recipient)
    .orderBy("idx")
    .execute()
}

/** Whether the fact is about this record towards this recipient: only such a one can end the other. */
export function isAbout(
  row: PlaceRow,
  record: { readonly origin: string; readonly id: string },
  recipient: string,
): boolean {
  return (
    row.record_id === record.id &&
    row.record_origin === record.origin &&
    row.recipient === recipient
  )
}

/** Facts that may end a release of one of these records, whosever they are, to any recipient. */
export const withdrawalsOf = prepared((db, recordIds: readonly string[]) =>
  db
    .selectFrom("fact")
    .select(placeColumns)
    // Said in the statement, so that the index of withdrawals alone answers.
    .where("act", "=", sql.lit("withdraw"))
    .where("record_id", "in", recordIds),
)

/** By record, below which base a release to this peer is in doubt. */
export async function doubtsOf(
  db: Db,
  peer: string,
  recordIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await doubtRows(db, peer, recordIds)
  return new Map(rows.map(({ record_id, size }) => [record_id, size]))
}

const doubtRows = prepared((db, peer: string, recordIds: readonly string[]) =>
  db
    .selectFrom("doubt")
    .selectAll()
    .where("record_id", "in", recordIds)
    .where("recipient", "=", peer),
)
