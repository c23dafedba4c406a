import { introduction } from "../../protocol/profiles/introduction.ts"
import { decodeRecord } from "../../protocol/record/record.ts"
import { heldContents } from "../store/queries/contents.ts"
import type { Db } from "../store/schema.ts"

export type Introduction = {
  /** local name of the verified peer that says so */
  readonly by: string
  readonly member: string
  readonly replaces?: string
}

/**
 * What verified peers say of others' ids: that they have compared their words. It stands as long as the
 * record is here and its release is neither withdrawn nor disowned.
 */
export async function introductions(db: Db): Promise<readonly Introduction[]> {
  const rows = await heldContents(db)
    .innerJoin("fact", (join) =>
      join
        .onRef("fact.record_origin", "=", "record.origin")
        .onRef("fact.record_id", "=", "record.id")
        .onRef("fact.version", "=", "record.version"),
    )
    .innerJoin("peer", "peer.member", "record.origin")
    .select(["peer.name", "content.bytes"])
    .distinct()
    .where("record.profile_id", "=", introduction.id)
    .where("fact.act", "=", "release")
    .where("fact.repudiated", "=", 0)
    .where("peer.verified_on", "is not", null)
    .where("peer.blocked", "=", 0)
    .orderBy("peer.name")
    .execute()
  return rows.map(({ name, bytes }) => {
    const { member = "", replaces } = decodeRecord(new Uint8Array(bytes)).fields
    return { by: name, member, ...(replaces === undefined ? {} : { replaces }) }
  })
}
