import type { Db, Schema } from "../schema.ts"
import { insertRows, selectIn } from "./rows.ts"

type Version = { readonly origin: string; readonly id: string; readonly version: number }

/** One name for each version of a record. */
export function versionName({ origin, id, version }: Version): string {
  return `${origin} ${id} ${version}`
}

export type NewContent = Omit<Schema["content"], "rid">

/** @returns row ids, by `versionName` */
export async function insertContents(
  db: Db,
  contents: readonly NewContent[],
): Promise<ReadonlyMap<string, number>> {
  const returning = ["rid", "origin", "id", "version"] as const
  const rows = await insertRows(db, "content", contents, { returning })
  return new Map(rows.map((row) => [versionName(row), row.rid]))
}

export type HeldVersion = { readonly digest: string; readonly hasContent: boolean }

/** The versions of these records of `origin` that are or were held, by `versionName`. */
export async function heldVersions(
  db: Db,
  origin: string,
  recordIds: readonly string[],
): Promise<Map<string, HeldVersion>> {
  const rows = await selectIn(recordIds, (ids) =>
    db
      .selectFrom("record")
      .leftJoin("content", (join) =>
        join
          .onRef("content.origin", "=", "record.origin")
          .onRef("content.id", "=", "record.id")
          .onRef("content.version", "=", "record.version"),
      )
      .select(["record.origin", "record.id", "record.version", "record.digest", "content.rid"])
      .where("record.origin", "=", origin)
      .where("record.id", "in", ids)
      .execute(),
  )
  return new Map(
    rows.map((row) => [versionName(row), { digest: row.digest, hasContent: row.rid !== null }]),
  )
}

export type ContentKey = Omit<Schema["content"], "rid" | "title" | "bytes"> & {
  readonly rid: number
}

/** The content keys of the versions of these records of `origin` that are held, by `versionName`. */
export async function contentKeys(
  db: Db,
  origin: string,
  recordIds: readonly string[],
): Promise<ReadonlyMap<string, ContentKey>> {
  const rows = await selectIn(recordIds, (ids) =>
    db
      .selectFrom("content")
      .select(["rid", "origin", "id", "version", "content_key"])
      .where("origin", "=", origin)
      .where("id", "in", ids)
      .execute(),
  )
  return new Map(rows.map((row) => [versionName(row), row]))
}

export function contentBytes(
  db: Db,
  rids: readonly number[],
): Promise<{ readonly rid: number; readonly bytes: Uint8Array }[]> {
  return selectIn(rids, (some) =>
    db.selectFrom("content").select(["rid", "bytes"]).where("rid", "in", some).execute(),
  )
}
