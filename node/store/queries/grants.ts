import { decodeGrant, grantLeaf } from "../../../protocol/release/grant.ts"
import { grantTreeDepth } from "../../../protocol/release/grant-tree.ts"
import type { PlacedGrant } from "../../../protocol/release/placed-grant.ts"
import { StoreDamage } from "../damage.ts"
import type { Db, Schema } from "../schema.ts"
import { type Granted, grantRow } from "./facts.ts"
import { passedOn } from "./partial.ts"
import { prepared } from "./prepared.ts"
import { insertRows } from "./rows.ts"

/** A grant's signed bytes and its way to the order's root, one hash after the other. */
export type ListedGrant = {
  readonly bytes: Uint8Array
  readonly position: number
  readonly path: Uint8Array
}

const pathBytes = 32 * grantTreeDepth

/** For each grant `length u32be ‖ position u32be ‖ path ‖ bytes`: a store's own form, no wire format. */
export function encodeGrants(
  grants: readonly Pick<PlacedGrant, "bytes" | "position" | "path">[],
): Uint8Array {
  let length = 0
  for (const { bytes } of grants) length += 8 + pathBytes + bytes.length
  const list = new Uint8Array(length)
  const view = new DataView(list.buffer)
  let at = 0
  for (const { bytes, position, path } of grants) {
    view.setUint32(at, bytes.length)
    view.setUint32(at + 4, position)
    at += 8
    for (const hash of path) {
      list.set(hash, at)
      at += hash.length
    }
    list.set(bytes, at)
    at += bytes.length
  }
  return list
}

/** Nothing but the lengths is checked: what the bytes are, their leaves and paths have to show. */
export function decodeGrants(list: Uint8Array): readonly ListedGrant[] {
  const view = new DataView(list.buffer, list.byteOffset, list.length)
  const grants: ListedGrant[] = []
  for (let at = 0; at < list.length; ) {
    const pathAt = at + 8
    const bytesAt = pathAt + pathBytes
    const end = bytesAt > list.length ? Number.POSITIVE_INFINITY : bytesAt + view.getUint32(at)
    if (end > list.length) throw new StoreDamage("a list of grants")
    const position = view.getUint32(at + 4)
    const path = list.subarray(pathAt, bytesAt)
    grants.push({ bytes: list.subarray(bytesAt, end), position, path })
    at = end
  }
  return grants
}

export function pathOf({ path }: ListedGrant): readonly Uint8Array[] {
  return Array.from({ length: grantTreeDepth }, (_, level) =>
    path.subarray(32 * level, 32 * (level + 1)),
  )
}

type Granting = {
  readonly origin: string
  readonly id: string
  readonly grants: readonly (PlacedGrant & Granted)[]
}

/** The grants of these orders, none of which is stored yet: as they are found by, and as they were signed. */
export async function insertGrants(db: Db, orders: readonly Granting[]): Promise<void> {
  const rows = orders.flatMap((order) => order.grants.map((grant) => grantRow(order, grant)))
  const lists = orders.flatMap(({ origin, id, grants }) =>
    [...Map.groupBy(grants, ({ grant }) => grant.recipient)].map(([recipient, own]) => ({
      order_origin: origin,
      order_id: id,
      recipient,
      grants: encodeGrants([...own].sort((a, b) => a.position - b.position)),
    })),
  )
  await insertRows(db, "order_grant", rows)
  await insertRows(db, "grant_list", lists)
}

/** What an order of `origin` grants to all its recipients. */
export const grantListsOf = prepared((db, origin: string, orderId: string) =>
  db
    .selectFrom("grant_list")
    .select(["recipient", "grants"])
    .where("order_id", "=", orderId)
    .where("order_origin", "=", origin),
)

/** What these orders of `origin` grant to one recipient. */
export const grantListsTo = prepared(
  (db, origin: string, orderIds: readonly string[], recipient: string) =>
    db
      .selectFrom("grant_list")
      .select(["order_id", "grants"])
      .where("order_id", "in", orderIds)
      .where("order_origin", "=", origin)
      .where("recipient", "=", recipient),
)

/** The places of an order's grants that are stored here. */
export const placesGranted = prepared((db, origin: string, orderId: string) =>
  db
    .selectFrom("order_grant")
    .select(["position", "unread"])
    .where("order_id", "=", orderId)
    .where("order_origin", "=", origin),
)

/** A grant that came without its content key has come with it. */
export async function markRead(
  db: Db,
  origin: string,
  orderId: string,
  position: number,
): Promise<void> {
  await db
    .updateTable("order_grant")
    .set({ unread: 0 })
    .where("order_id", "=", orderId)
    .where("order_origin", "=", origin)
    .where("position", "=", position)
    .execute()
}

/** The grants behind facts of one order, decoded, in the order of the facts. */
export async function placedGrants(
  db: Db,
  facts: readonly Pick<Schema["fact"], "order_origin" | "order_id" | "position">[],
): Promise<readonly PlacedGrant[]> {
  const [first] = facts
  if (first === undefined) return []
  const lists = await grantListsOf(db, first.order_origin, first.order_id)
  const listed = lists.flatMap(({ grants }) => decodeGrants(grants))
  return facts.map(({ position }) => {
    const found = listed.find((one) => one.position === position)
    if (found === undefined) throw new StoreDamage("a grant is missing")
    return placedGrant(found)
  })
}

export function placedGrant(listed: ListedGrant): PlacedGrant {
  const { bytes, position } = listed
  const grant = decodeGrant(bytes)
  return { grant, bytes, leaf: grantLeaf(bytes), position, path: pathOf(listed) }
}

/** Of these records, those of other members that `giver` has passed on to somebody, as far as is stored. */
export async function givenBy(
  db: Db,
  giver: string,
  recordIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await passedOnBy(db, giver, recordIds)
  return new Set(rows.map(({ record_id }) => record_id))
}

const passedOnBy = prepared((db, giver: string, recordIds: readonly string[]) =>
  db
    .selectFrom("order_grant")
    .select("record_id")
    .where("record_id", "in", recordIds)
    .where("order_origin", "=", giver)
    .where(passedOn),
)
