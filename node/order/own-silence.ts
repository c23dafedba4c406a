import { consentRulesOf } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, recordDigest } from "../../protocol/record/record.ts"
import { daysOfSilence } from "../../protocol/release/consent.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import { objectionsTo, signableFrom } from "../../protocol/release/silence.ts"
import type { Context } from "../context.ts"
import { hasObjected } from "../store/queries/consents.ts"
import { factsWithRecord } from "../store/queries/contents.ts"
import { placedGrants } from "../store/queries/grants.ts"

/**
 * From which day on our silence about this record, as we agreed with its origin, may release it to others; null
 * where it never will. An agreement that is only withdrawn stops a sequencer, not recipients: an objection does.
 */
export async function ownSilence(
  { db, self }: Context,
  record: ComityRecord,
  bytes: Uint8Array,
): Promise<string | null> {
  const profile = findProfile(record.profile.digest)?.profile
  if (profile === undefined || record.origin === self.id) return null
  for (const { basis, members, mode } of consentRulesOf(profile, record.kind)) {
    if (mode !== "tacit" || basis === undefined) continue
    const isAsked = members.some((name) => record.fields[name]?.split(" ").includes(self.id))
    const received = isAsked ? await receivedOn(db, record) : undefined
    if (received === undefined) continue
    const rows = await factsWithRecord(db)
      .innerJoin("logged_order", (join) =>
        join
          .onRef("logged_order.origin", "=", "fact.order_origin")
          .onRef("logged_order.id", "=", "fact.order_id"),
      )
      .select(["fact.order_origin", "fact.order_id", "fact.position", "logged_order.document"])
      .where("fact.order_origin", "=", self.id)
      .where("fact.recipient", "=", record.origin)
      .where("fact.act", "=", "release")
      .where("record.kind", "=", basis.kind)
      .where("record.digest", "=", record.fields[basis.field] ?? "")
      .execute()
    const days = daysOfSilence(profile, record.kind, basis.kind)
    for (const row of rows) {
      const [placed] = await placedGrants(db, [row])
      if (placed === undefined) continue
      const objections = objectionsTo(placed, recordDigest(bytes))
      if (await hasObjected(db, self.id, objections)) return null
      return signableFrom(received, decodeOrder(new Uint8Array(row.document)), days)
    }
  }
  return null
}

/** The day of our receipt, which the origin has, or will have. */
async function receivedOn(db: Context["db"], { id, origin }: ComityRecord) {
  const row = await db
    .selectFrom("receipt_out")
    .select("day")
    .where("peer", "=", origin)
    .where("record_id", "=", id)
    .where("state", "=", "delivered")
    .orderBy("day")
    .executeTakeFirst()
  return row?.day
}
