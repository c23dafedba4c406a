import { decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { writeMeta } from "../store/queries/members.ts"
import { type RecordView, search } from "./records.ts"
import { searchQuery } from "./search-text.ts"

/** Searches that are asked again and again, kept here alone: no peer learns of one. */

export type SavedSearch = { readonly name: string; readonly query: string }

const prefix = "search "

/** @throws `query.malformed`, `search.name` */
export async function saveSearch(context: Context, saved: SavedSearch): Promise<SavedSearch> {
  const { name, query } = saved
  searchQuery(query)
  if (!/^[\p{L}\p{N}][\p{L}\p{N}\p{M}._-]{0,63}$/u.test(name))
    throw new NodeError("search.name", `${JSON.stringify(name)} is no name for a search.`, {
      hint: "One word of at most 64 letters, digits, dots and hyphens.",
    })
  await writeMeta(context.db, prefix + name, utf8(query))
  return { name, query }
}

export async function savedSearches(context: Context): Promise<readonly SavedSearch[]> {
  const rows = await context.db
    .selectFrom("meta")
    .select(["name", "value"])
    .where("name", ">=", prefix)
    .where("name", "<", "search!")
    .orderBy("name")
    .execute()
  return rows.map(({ name, value }) => ({
    name: name.slice(prefix.length),
    query: decodeUtf8(new Uint8Array(value)),
  }))
}

/** @throws `search.unknown` */
export async function runSaved(
  context: Context,
  name: string,
): Promise<SavedSearch & { readonly records: readonly RecordView[]; readonly cut: boolean }> {
  const saved = await savedSearch(context, name)
  return { ...saved, ...(await search(context, saved.query)) }
}

/** @throws `search.unknown` */
export async function forgetSearch(context: Context, name: string): Promise<SavedSearch> {
  const saved = await savedSearch(context, name)
  await context.db
    .deleteFrom("meta")
    .where("name", "=", prefix + name)
    .execute()
  return saved
}

async function savedSearch(context: Context, name: string): Promise<SavedSearch> {
  const found = (await savedSearches(context)).find((one) => one.name === name)
  if (found === undefined)
    throw new NodeError("search.unknown", `No search is saved as ${JSON.stringify(name)}.`, {
      hint: "comity saved list shows those that are.",
    })
  return found
}
