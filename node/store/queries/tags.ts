import type { Db } from "../schema.ts"

/** Withdrawal tags of ours that no entry of our log holds yet, oldest first. */
export async function pendingTags(db: Db, limit: number): Promise<readonly Uint8Array[]> {
  const rows = await db
    .selectFrom("tag")
    .select("entry")
    .where("idx", "is", null)
    .orderBy("id")
    .limit(limit)
    .execute()
  return rows.map(({ entry }) => new Uint8Array(entry))
}

/** @returns those that are new: what is tagged once stays tagged */
export async function insertTags(
  db: Db,
  tags: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  const fresh: Uint8Array[] = []
  for (const entry of tags) {
    const { numInsertedOrUpdatedRows } = await db
      .insertInto("tag")
      .values({ entry, epoch: null, idx: null })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow()
    if (numInsertedOrUpdatedRows === 1n) fresh.push(entry)
  }
  return fresh
}

export async function placeTag(
  db: Db,
  entry: Uint8Array,
  place: { readonly epoch: number; readonly idx: number },
): Promise<void> {
  await db.updateTable("tag").set(place).where("entry", "=", entry).execute()
}
