import { type Officer, officerDigest } from "../../../protocol/member/officer.ts"
import type { Db, Schema } from "../schema.ts"

export type OfficerRow = Schema["officer"]

/** What our root documents list by digest alone: who it is, known here only. */
export async function insertOfficers(
  db: Db,
  officers: readonly Officer[],
  now: number,
): Promise<void> {
  if (officers.length === 0) return
  const rows = officers.map((officer) => ({
    digest: officerDigest(officer),
    person: officer.person,
    opened: JSON.stringify(officer),
    added_at: now,
  }))
  await db
    .insertInto("officer")
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Every key that was ever enrolled for a pseudonym. */
export function officerByPerson(db: Db, person: string): Promise<OfficerRow[]> {
  return db.selectFrom("officer").selectAll().where("person", "=", person).execute()
}
