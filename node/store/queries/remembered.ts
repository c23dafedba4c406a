import { writesTo } from "../dialect.ts"
import type { Db, Schema } from "../schema.ts"

type Kept = { readonly writes: number; readonly answer: unknown }
const most = 512

/** Asks no more whether there is anything at all than the table is written. */
export function isAny(table: keyof Schema, read: (db: Db) => Promise<readonly unknown[]>) {
  return remembered([table], async (db) => (await read(db)).length > 0)
}

/**
 * For what is asked again and again and seldom changes: an answer holds until one of `tables` is written.
 * What a transaction sees is not kept, as it may be undone yet. Answers are shared: nobody changes one.
 */
export function remembered<V extends readonly (string | readonly string[])[], R>(
  tables: readonly (keyof Schema)[],
  read: (db: Db, ...values: V) => Promise<R>,
): (db: Db, ...values: V) => Promise<R> {
  const ofStore = new WeakMap<object, Map<string, Kept>>()
  return async (db, ...values) => {
    const { adapter } = db.getExecutor()
    const kept = ofStore.get(adapter) ?? new Map<string, Kept>()
    ofStore.set(adapter, kept)
    const name = values.join(" ")
    const writes = writesTo(db, tables)
    const known = kept.get(name)
    if (known?.writes === writes) return known.answer as R
    const answer = await read(db, ...values)
    if (db.isTransaction) return answer
    // As the newest: the oldest makes room.
    kept.delete(name)
    kept.set(name, { writes, answer })
    if (kept.size > most) kept.delete(kept.keys().next().value!)
    return answer
  }
}
