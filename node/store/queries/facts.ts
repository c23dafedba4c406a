import { concat } from "../../../protocol/encoding.ts"
import type { PlacedGrant } from "../../../protocol/exchange/delivery.ts"
import { decodeGrant, grantLeaf } from "../../../protocol/release/grant.ts"
import type { Fact, FactLink } from "../../../protocol/release/precedence.ts"
import type { Db, Schema } from "../schema.ts"

export type FactRow = Schema["fact"]

export function asFact(row: FactRow): Fact {
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
    ...(row.chain === "" ? {} : { chain: JSON.parse(row.chain) as readonly FactLink[] }),
    ...(row.names === "" ? {} : { names: row.names }),
  }
}

export function asPlacedGrant(row: FactRow): PlacedGrant {
  const bytes = new Uint8Array(row.grant_bytes)
  const path = new Uint8Array(row.path)
  return {
    grant: decodeGrant(bytes),
    bytes,
    leaf: grantLeaf(bytes),
    position: row.position,
    path: Array.from({ length: path.length / 32 }, (_, i) => path.slice(32 * i, 32 * i + 32)),
  }
}

export function factRow(fact: Fact, placed: PlacedGrant, leaf: string, at: number): FactRow {
  const { grant } = placed
  return {
    order_origin: fact.orderOrigin,
    order_id: fact.orderId,
    leaf,
    act: fact.act,
    record_origin: fact.recordOrigin,
    record_id: grant.record.id,
    version: fact.version,
    recipient: grant.recipient,
    rule_profile: fact.rule.profile,
    rule_kind: fact.rule.kind,
    epoch: fact.epoch,
    idx: fact.index,
    base_epoch: fact.baseEpoch,
    base_size: fact.baseSize,
    after: fact.after.join(" "),
    grant_bytes: placed.bytes,
    position: placed.position,
    path: concat(...placed.path),
    repudiated: 0,
    at,
    chain: fact.chain === undefined ? "" : JSON.stringify(fact.chain),
    names: fact.names ?? "",
  }
}

/** Everything known about one record of one member towards one recipient. */
export function factsAbout(
  db: Db,
  record: { readonly origin: string; readonly id: string },
  recipient: string,
): Promise<FactRow[]> {
  return db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "=", record.id)
    .where("record_origin", "=", record.origin)
    .where("recipient", "=", recipient)
    .orderBy("idx")
    .execute()
}

export async function insertFacts(db: Db, rows: readonly FactRow[]): Promise<void> {
  const rowsPerInsert = 100
  for (let i = 0; i < rows.length; i += rowsPerInsert)
    await db
      .insertInto("fact")
      .values(rows.slice(i, i + rowsPerInsert))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
}

/** Withdrawals from us, as they end what we passed on: they name the holder that each link names. */
export async function withdrawalsFrom(
  db: Db,
  self: string,
  ids: readonly string[],
): Promise<readonly { readonly row: FactRow; readonly fact: Fact }[]> {
  const rows = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "in", ids)
    .where("recipient", "=", self)
    .where("act", "=", "withdraw")
    .orderBy("idx")
    .execute()
  return rows.map((row) => ({ row, fact: { ...asFact(row), names: row.names || self } }))
}
