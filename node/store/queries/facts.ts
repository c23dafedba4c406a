import { sql } from "kysely"
import { encodeHex } from "../../../protocol/encoding.ts"
import type { Grant } from "../../../protocol/release/grant.ts"
import type { PlacedGrant } from "../../../protocol/release/placed-grant.ts"
import type { Fact, FactLink } from "../../../protocol/release/precedence.ts"
import type { Db, Schema } from "../schema.ts"
import type { LoggedFacts } from "./orders.ts"
import { withdrawing } from "./partial.ts"
import { prepared } from "./prepared.ts"
import { isAny, remembered } from "./remembered.ts"

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
  "chain",
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
    ...(row.chain === null || row.chain === ""
      ? {}
      : { chain: JSON.parse(row.chain) as readonly FactLink[] }),
  }
}

/** The fact that a grant of a logged order states. */
export function factOfGrant(
  order: LoggedFacts,
  { act, after = [], record, recipient }: Pick<Grant, "act" | "after" | "record" | "recipient">,
  chain: readonly FactLink[] = [],
): Fact {
  return asFact({
    ...order,
    act,
    chain: chain.length === 0 ? "" : JSON.stringify(chain),
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

export type Granted = Pick<PlacedGrant, "grant" | "leaf" | "position"> & {
  /** came without its content key */
  readonly isUnread?: boolean
}

/** A grant of an order as it is found by; once that is logged, it is a fact. */
export function grantRow(
  order: { readonly origin: string; readonly id: string },
  { grant, leaf, position, isUnread = false }: Granted,
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
    custody: grant.custody ?? "",
    unread: isUnread ? 1 : 0,
  }
}

/** Everything known about one record of one member that concerns one recipient. */
export async function factsAbout(
  db: Db,
  record: { readonly origin: string; readonly id: string },
  recipient: string,
): Promise<readonly Fact[]> {
  const rows = await db
    .selectFrom("fact")
    .select(placeColumns)
    .where("record_id", "=", record.id)
    .where("record_origin", "=", record.origin)
    .where((eb) => eb.or([eb("recipient", "=", recipient), withdrawing]))
    .orderBy("idx")
    .execute()
  return factsTowards(rows, record, recipient)
}

/**
 * Not of a release that was withdrawn before it was read. It came without its content key and its chain:
 * nobody compared its terms with the record, or could say what else ends it.
 */
export function wasRead({ chain }: Pick<PlaceRow, "chain">): boolean {
  return chain !== null
}

/**
 * Of these, the facts about this record that concern this recipient: a withdrawal from somebody else ends
 * what rests on what it was given.
 */
export function factsTowards(
  rows: readonly PlaceRow[],
  record: { readonly origin: string; readonly id: string },
  recipient: string,
): readonly Fact[] {
  return rows
    .filter((row) => row.record_id === record.id && row.record_origin === record.origin)
    .filter((row) => row.recipient === recipient || row.act === "withdraw")
    .filter(wasRead)
    .map((row) =>
      row.recipient === recipient ? asFact(row) : { ...asFact(row), names: row.recipient },
    )
}

/** Facts that may end a release of one of these records, whosever they are, to any recipient. */
export const withdrawalsOf = remembered(
  ["order_grant", "logged_order", "custody_link"],
  prepared((db, recordIds: readonly string[]) =>
    db
      .selectFrom("fact")
      .select(placeColumns)
      .where(withdrawing)
      .where("record_id", "in", recordIds),
  ),
)

/** By record, below which base a release to this peer is in doubt. */
export async function doubtsOf(
  db: Db,
  peer: string,
  recordIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (!(await isInDoubt(db))) return none
  const rows = await doubtRows(db, peer, recordIds)
  return new Map(rows.map(({ record_id, size }) => [record_id, size]))
}

const none: ReadonlyMap<string, number> = new Map()

const isInDoubt = isAny(
  "doubt",
  prepared((db) => db.selectFrom("doubt").select("record_id").limit(sql.lit(1))),
)

const doubtRows = prepared((db, peer: string, recordIds: readonly string[]) =>
  db
    .selectFrom("doubt")
    .selectAll()
    .where("record_id", "in", recordIds)
    .where("recipient", "=", peer),
)
