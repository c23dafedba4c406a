import { kidOf } from "../../../protocol/member/key.ts"
import { type Officer, officerDigest } from "../../../protocol/member/officer.ts"
import type { Db, Schema } from "../schema.ts"
import { prepared } from "./prepared.ts"

export type OfficerRow = Schema["officer"]

/** What the node keeps of an officer beside the opening of a digest. */
export type Enrolled = {
  readonly officer: Officer
  readonly sealingKey?: Uint8Array
  /** the days of a deputy, both inclusive */
  readonly from?: string
  readonly until?: string
}

/** What our root documents list by digest alone: who it is, known here only. */
export async function insertOfficers(
  db: Db,
  enrolled: readonly Enrolled[],
  now: number,
): Promise<void> {
  if (enrolled.length === 0) return
  const rows = enrolled.map(({ officer, sealingKey, from, until }) => ({
    digest: officerDigest(officer),
    person: officer.person,
    opened: JSON.stringify(officer),
    added_at: now,
    sealing_key: sealingKey ?? null,
    not_before: from ?? null,
    not_after: until ?? null,
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

/** Those of `digests` that are known here, by person. */
export async function officersByDigest(
  db: Db,
  digests: readonly string[],
): Promise<readonly OfficerRow[]> {
  if (digests.length === 0) return []
  return db
    .selectFrom("officer")
    .selectAll()
    .where("digest", "in", digests)
    .orderBy("person")
    .execute()
}

export function opened(row: Pick<OfficerRow, "opened">): Officer {
  return JSON.parse(row.opened) as Officer
}

export function isInDays(row: OfficerRow, day: string): boolean {
  return (row.not_before ?? day) <= day && day <= (row.not_after ?? day)
}

/** Keys of deputies whose days have not come or are over: no verifier knows them, our own node does. */
export async function lapsedKids(db: Db, day: string): Promise<ReadonlySet<string>> {
  const rows = await lapsedOn(db, day)
  return new Set(rows.map((row) => kidOf(opened(row).key)))
}

const lapsedOn = prepared((db, day: string) =>
  db
    .selectFrom("officer")
    .selectAll()
    .where((eb) => eb.or([eb("not_before", ">", day), eb("not_after", "<", day)])),
)
