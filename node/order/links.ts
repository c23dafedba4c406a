import { ProtocolError } from "../../protocol/errors.ts"
import { checkLink } from "../../protocol/profiles/linked.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import type { LinkRelation } from "../../protocol/record/link.ts"
import { type ComityRecord, decodeRecord, recordDigest } from "../../protocol/record/record.ts"
import { heldContents } from "../store/queries/contents.ts"
import type { Db } from "../store/schema.ts"

/**
 * Which record speaks of which: kept beside the content, for what is linked is part of what is said, and
 * gone with it.
 */

export type Target = {
  readonly relation: LinkRelation
  readonly origin: string
  readonly id: string
  readonly version?: number
  readonly digest?: string
}

/** What a record speaks of: at most one record, and at most one that it translates. */
export function targetsOf({
  about,
  translationOf,
}: Pick<ComityRecord, "about" | "translationOf">): readonly Target[] {
  return [
    ...(about === undefined ? [] : [about]),
    ...(translationOf === undefined ? [] : [{ ...translationOf, relation: "translates" as const }]),
  ]
}

export async function insertLinks(db: Db, rid: number, record: ComityRecord): Promise<void> {
  const rows = targetsOf(record).map(({ relation, origin, id, version, digest }) => ({
    rid,
    relation,
    to_origin: origin,
    to_id: id,
    to_version: version ?? null,
    to_digest: digest ?? null,
  }))
  if (rows.length > 0) await db.insertInto("link").values(rows).execute()
}

export async function deleteLinks(db: Db, rid: number): Promise<void> {
  await db.deleteFrom("link").where("rid", "=", rid).execute()
}

/**
 * The record against each that it speaks of, where that is held here: the author's node and every
 * recipient ask the same. What arrives with it is held as soon as it is.
 *
 * @throws `profile.violated`, `record.mismatch` when the version named has another content here
 */
export async function checkHeldLinks(
  db: Db,
  record: ComityRecord,
  arriving: readonly Arriving[] = [],
): Promise<void> {
  const own = findProfile(record.profile.digest)
  if (own === null) throw new ProtocolError("profile.unknown")
  for (const target of targetsOf(record)) {
    const held = arrivingTarget(arriving, target) ?? (await heldTarget(db, target))
    if (held === null) continue
    if (target.digest !== undefined && held.digest !== target.digest)
      throw new ProtocolError("record.mismatch", { detail: `what it ${target.relation}` })
    checkLink({ record, profile: own.profile }, held)
  }
}

/** Taken in, and not stored yet. */
export type Arriving = {
  readonly record: ComityRecord
  readonly row: { readonly bytes: Uint8Array }
}

function arrivingTarget(
  arriving: readonly Arriving[],
  { origin, id, version }: Omit<Target, "relation">,
) {
  const found = arriving.findLast(
    ({ record }) =>
      record.origin === origin &&
      record.id === id &&
      (version === undefined || record.version === version),
  )
  const known = found === undefined ? null : findProfile(found.record.profile.digest)
  if (found === undefined || known === null) return null
  const { record, row } = found
  return { record, profile: known.profile, digest: recordDigest(row.bytes) }
}

/** The record that a link leads to, in the version it names or else the newest; null when it is not here. */
export async function heldTarget(db: Db, { origin, id, version }: Omit<Target, "relation">) {
  const row = await heldContents(db)
    .select(["record.digest", "record.version", "content.bytes"])
    .where("record.origin", "=", origin)
    .where("record.id", "=", id)
    .where("content.locked", "=", 0)
    .$if(version !== undefined, (query) => query.where("record.version", "=", version!))
    .orderBy("record.version", "desc")
    .limit(1)
    .executeTakeFirst()
  if (row === undefined) return null
  const record = decodeRecord(new Uint8Array(row.bytes))
  const known = findProfile(record.profile.digest)
  return known === null ? null : { record, profile: known.profile, digest: row.digest }
}
