import { withdrawalTag } from "../../protocol/log/entry.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import type { Context } from "../context.ts"
import { objectionTags } from "../order/objection.ts"
import { factsWithContent } from "../store/queries/contents.ts"
import { asFact } from "../store/queries/facts.ts"
import { insertTags } from "../store/queries/tags.ts"
import type { Db } from "../store/schema.ts"
import type { Admitted } from "./admit.ts"

/**
 * Tags: what tells every holder that reads our log that a record is withdrawn for everybody, though the
 * order be kept from it, one for each content key that was given out; or that we object. PROTOCOL.md §6,
 * docs/decisions/0064-silence.md
 */

/** Notes the tags that this order makes due, its facts being stored. @returns those that are new */
export async function noteTags(
  { self }: Context,
  trx: Db,
  { order, placed }: Pick<Admitted, "order" | "placed">,
): Promise<readonly Uint8Array[]> {
  if (order.payload.act === "consent")
    return insertTags(trx, await objectionTags(trx, order.payload))
  if (order.payload.act !== "withdraw") return []
  const tags: Uint8Array[] = []
  for (const id of new Set(placed.map(({ grant }) => grant.record.id))) {
    if (await isHeldByAnyone(trx, self.id, id)) continue
    const contents = await factsWithContent(trx)
      .select("content.content_key")
      .distinct()
      .where("content.origin", "=", self.id)
      .where("content.id", "=", id)
      .where("fact.act", "=", "release")
      .orderBy("content.version", "desc")
      .execute()
    tags.push(...contents.map(({ content_key }) => withdrawalTag(new Uint8Array(content_key))))
  }
  return insertTags(trx, tags)
}

async function isHeldByAnyone(trx: Db, origin: string, id: string): Promise<boolean> {
  const rows = await trx
    .selectFrom("fact")
    .selectAll()
    .where("record_origin", "=", origin)
    .where("record_id", "=", id)
    .where("order_origin", "=", origin)
    .execute()
  return [...Map.groupBy(rows, ({ recipient }) => recipient).values()].some((about) => {
    const facts = about.map(asFact)
    return facts.some((fact) => fact.act === "release" && endOf(fact, facts) === null)
  })
}
