import { firstPrev } from "../../../protocol/exchange/delivery.ts"
import type { Db, Schema } from "../schema.ts"
import { prepared } from "./prepared.ts"

export type Source = Schema["source"]

/** How far the peer's feed has been read; nothing of it yet, when there is no row. */
export async function sourceOf(db: Db, peer: string): Promise<Source> {
  const [row] = await sourceRows(db, peer)
  if (row !== undefined) return row
  const nothing = { feed: "", n: 0, prev: firstPrev, seen_n: 0, at: 0 }
  return { peer, ...nothing, error: null, stale_at: null, stale_why: null, cosigned_at: null }
}

const sourceRows = prepared((db, peer: string) =>
  db.selectFrom("source").selectAll().where("peer", "=", peer),
)

export async function changeSource(
  db: Db,
  source: Source,
  changed: Partial<Omit<Source, "peer">>,
): Promise<void> {
  await db
    .insertInto("source")
    .values({ ...source, ...changed })
    .onConflict((conflict) => conflict.column("peer").doUpdateSet(changed))
    .execute()
}
