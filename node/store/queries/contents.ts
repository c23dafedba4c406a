import type { Db, Schema } from "../schema.ts"
import { prepared } from "./prepared.ts"
import { insertRows } from "./rows.ts"

type Version = { readonly origin: string; readonly id: string; readonly version: number }

/** One name for each version of a record. */
export function versionName({ origin, id, version }: Version): string {
  return `${origin} ${id} ${version}`
}

/** The versions that are or were held, each with its content, null where that is gone. */
export function recordsWithContent(db: Db) {
  return db
    .selectFrom("record")
    .leftJoin("content", (join) =>
      join
        .onRef("content.origin", "=", "record.origin")
        .onRef("content.id", "=", "record.id")
        .onRef("content.version", "=", "record.version"),
    )
}

/** The same of those alone whose content is here. */
export function heldContents(db: Db) {
  return db
    .selectFrom("record")
    .innerJoin("content", (join) =>
      join
        .onRef("content.origin", "=", "record.origin")
        .onRef("content.id", "=", "record.id")
        .onRef("content.version", "=", "record.version"),
    )
}

/** What was granted, each with the content of the version that it is about, where that is here. */
export function factsWithContent(db: Db) {
  return db
    .selectFrom("fact")
    .innerJoin("content", (join) =>
      join
        .onRef("content.origin", "=", "fact.record_origin")
        .onRef("content.id", "=", "fact.record_id")
        .onRef("content.version", "=", "fact.version"),
    )
}

/** The same with what is kept of the version when its content is gone. */
export function factsWithRecord(db: Db) {
  return db
    .selectFrom("fact")
    .innerJoin("record", (join) =>
      join
        .onRef("record.origin", "=", "fact.record_origin")
        .onRef("record.id", "=", "fact.record_id")
        .onRef("record.version", "=", "fact.version"),
    )
}

/** What a version says, while it may be read: null where it is not here, or locked away. */
export async function readableBytes(
  db: Db,
  { origin, id, version }: Version,
): Promise<Uint8Array | null> {
  const row = await db
    .selectFrom("content")
    .select("bytes")
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .where("locked", "=", 0)
    .executeTakeFirst()
  return row === undefined ? null : new Uint8Array(row.bytes)
}

export type NewContent = Omit<Schema["content"], "rid" | "locked">

/** @returns row ids, by `versionName` */
export async function insertContents(
  db: Db,
  contents: readonly NewContent[],
): Promise<ReadonlyMap<string, number>> {
  const returning = ["rid", "origin", "id", "version"] as const
  const rows = await insertRows(db, "content", contents, { returning })
  return new Map(rows.map((row) => [versionName(row), row.rid]))
}

export type HeldVersion = {
  readonly digest: string
  readonly hasContent: boolean
  /** taken back, and kept by law */
  readonly isLocked: boolean
}

/** The versions of these records of `origin` that are or were held, by `versionName`. */
export async function heldVersions(
  db: Db,
  origin: string,
  recordIds: readonly string[],
): Promise<Map<string, HeldVersion>> {
  const rows = await versionRows(db, origin, recordIds)
  return new Map(
    rows.map(({ id, version, digest, rid, locked }) => [
      versionName({ origin, id, version }),
      { digest, hasContent: rid !== null, isLocked: locked === 1 },
    ]),
  )
}

const versionRows = prepared((db, origin: string, recordIds: readonly string[]) =>
  recordsWithContent(db)
    .select(["record.id", "record.version", "record.digest", "content.rid", "content.locked"])
    .where("record.origin", "=", origin)
    .where("record.id", "in", recordIds),
)

/** The contents held of the versions of these records of `origin`: their content keys, in hex. */
export const contentKeys = prepared((db, origin: string, recordIds: readonly string[]) =>
  db
    .selectFrom("content")
    .select((eb) => [
      "rid",
      "id",
      "version",
      // As text: it is sent in hex, and a driver makes a text sooner than a buffer.
      eb.fn<string>("hex", ["content_key"]).as("key"),
    ])
    .where("origin", "=", origin)
    .where("id", "in", recordIds),
)

export const contentsByRow = prepared((db, rids: readonly number[]) =>
  db.selectFrom("content").select(["rid", "bytes", "content_key"]).where("rid", "in", rids),
)
