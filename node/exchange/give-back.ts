import { type Json, jsonOf } from "../../protocol/canonical.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { encodeFrame } from "../../protocol/exchange/frames.ts"
import { sealParcel } from "../../protocol/exchange/parcel.ts"
import { encodeReturned } from "../../protocol/exchange/returned.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import type { Context } from "../context.ts"
import { consentsOf } from "../store/queries/consents.ts"
import { placedGrants } from "../store/queries/grants.ts"
import type { Db, Schema } from "../store/schema.ts"
import { epochFor } from "./deliver.ts"
import { statedFrames } from "./receipts.ts"

/**
 * What a member that comes back from a backup is given by its peers: the orders it made and they got, with
 * what they still hold of them, sealed to its present key. PROTOCOL.md §8
 */

/** @param from index in the owner's log of `epoch` from which on it has lost its orders */
export async function* returnedFrames(
  context: Context,
  owner: string,
  epoch: number,
  from: number,
): AsyncGenerator<Uint8Array> {
  const { db, env } = context
  const rows = await db
    .selectFrom("logged_order")
    .selectAll()
    .where("origin", "=", owner)
    .where("idx", ">=", from)
    .orderBy("idx")
    .execute()
  for (const row of rows) {
    const order = decodeOrder(new Uint8Array(row.document))
    if (order.payload.base.epoch !== epoch) continue
    const facts = await db
      .selectFrom("fact")
      .selectAll()
      .where("order_origin", "=", owner)
      .where("order_id", "=", row.id)
      .orderBy("position")
      .execute()
    if (facts.length === 0) continue
    const consents = await consentsOf(db, order.payload)
    const plaintext = encodeReturned({
      ...(consents.length === 0 ? {} : { consents: consents.map(({ bytes }) => jsonOf(bytes)) }),
      contents: order.payload.act === "release" ? await contentsOf(db, facts) : [],
      entry: { index: row.idx, salt: encodeHex(new Uint8Array(row.salt)) },
      grants: (await placedGrants(db, facts)).map(({ bytes, path, position }) => ({
        grant: jsonOf(bytes),
        path: path.map(encodeHex),
        position,
      })),
      order: jsonOf(order.bytes),
    })
    const shared = await epochFor(context, owner)
    yield encodeFrame("parcel", sealParcel(shared, env.random(24), plaintext))
  }
  yield* statedFrames(context, owner)
}

async function contentsOf(db: Db, facts: readonly Schema["fact"][]) {
  const contents: { key: string; record: Json }[] = []
  for (const { record_origin, record_id, version } of facts) {
    const row = await db
      .selectFrom("content")
      .select(["bytes", "content_key"])
      .where("origin", "=", record_origin)
      .where("id", "=", record_id)
      .where("version", "=", version)
      .executeTakeFirst()
    if (row === undefined) continue
    contents.push({
      key: encodeHex(new Uint8Array(row.content_key)),
      record: jsonOf(new Uint8Array(row.bytes)),
    })
  }
  return contents
}
