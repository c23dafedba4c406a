import { sql } from "kysely"
import { hasSealedRating } from "../../protocol/profiles/rating.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import type { Context } from "../context.ts"
import { deleteLinks, insertLinks } from "../order/links.ts"
import { insertRows } from "../store/queries/rows.ts"
import type { Db } from "../store/schema.ts"
import { searchQuery, searchTerms } from "./search-text.ts"

/**
 * What is found by: title, and text with the profile's fields and areas, these in the words of other
 * mechanisms too. Of a record with a sealed rating the title and the areas are all. DESIGN.md §6
 */
function termsOf(record: ComityRecord): { readonly title: string; readonly body: string } {
  const profile = findProfile(record.profile.digest)?.profile
  const areas = record.areas.flatMap((area) => [area, ...(profile?.crossWalk?.[area] ?? [])])
  const isSealed = profile !== undefined && hasSealedRating(profile, record)
  const words = isSealed ? [] : [record.body, ...Object.values(record.fields)]
  const text = [...words, ...areas].join("\n")
  return { title: searchTerms(record.title), body: searchTerms(text) }
}

export async function indexRecords(
  db: Db,
  records: readonly { readonly rid: number; readonly record: ComityRecord }[],
): Promise<void> {
  const rows = records.map(({ rid, record }) => ({ rowid: rid, ...termsOf(record) }))
  await insertRows(db, "search", rows)
  for (const { rid, record } of records) await insertLinks(db, rid, record)
}

/** The index keeps no text, so what is taken out must be said again, exactly. FTS5 §4.4.3 */
export async function unindexRecord(db: Db, rid: number, bytes: Uint8Array): Promise<void> {
  const { title, body } = termsOf(decodeRecord(bytes))
  await sql`INSERT INTO search (search, rowid, title, body)
    VALUES ('delete', ${rid}, ${title}, ${body})`.execute(db)
  await deleteLinks(db, rid)
}

/** Matches ranked at most: common words are cut to the newest, and the answer says so. */
export const rankedMatches = 1000

/** Row ids of `content`, best first. @throws `query.malformed` */
export async function searchContent(
  context: Context,
  query: string,
  limit: number,
): Promise<{ readonly rids: readonly number[]; readonly isCut: boolean }> {
  const match = searchQuery(query)
  const { rows } = await sql<{ rid: number }>`
    SELECT rowid AS rid FROM search WHERE search MATCH ${match}
    ORDER BY rowid DESC LIMIT ${rankedMatches + 1}`.execute(context.db)
  const isCut = rows.length > rankedMatches
  if (isCut) return { rids: rows.slice(0, limit).map(({ rid }) => rid), isCut }
  const ranked = await sql<{ rid: number }>`
    SELECT rowid AS rid FROM search WHERE search MATCH ${match}
    ORDER BY bm25(search, 4.0, 1.0), rowid DESC LIMIT ${limit}`.execute(context.db)
  return { rids: ranked.rows.map(({ rid }) => rid), isCut }
}
