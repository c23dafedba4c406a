import type { CompiledQuery, Insertable, Selectable } from "kysely"
import type { Db, Schema } from "../schema.ts"

/**
 * Statements for many rows, for hot paths: Kysely takes longer to build one than SQLite to run it, so
 * they come in few sizes, and each is built once.
 */

const rowsAtOnce = [64, 8, 1] as const

type Inserting<T extends keyof Schema> = {
  /** what becomes of a row whose key is there already */
  readonly whenThere?: "fails" | "stays"
  /** columns of what was inserted, in no order */
  readonly returning?: readonly (keyof Schema[T] & string)[]
}

/** Inserts rows that all have the same columns, named in the same order. */
export async function insertRows<T extends keyof Schema>(
  db: Db,
  table: T,
  rows: readonly Insertable<Schema[T]>[],
  options: Inserting<T> = {},
): Promise<readonly Selectable<Schema[T]>[]> {
  const [first] = rows
  if (first === undefined) return []
  const columns = Object.keys(first) as (keyof typeof first)[]
  const found: Selectable<Schema[T]>[] = []
  for (let at = 0; at < rows.length; ) {
    const size = rowsAtOnce.find((one) => one <= rows.length - at)!
    const some = rows.slice(at, at + size)
    const parameters = some.flatMap((row) => columns.map((column) => row[column]))
    const statement = insertOf(db, table, columns, some, options)
    const done = await db.executeQuery({ ...statement, parameters })
    found.push(...(done.rows as Selectable<Schema[T]>[]))
    at += size
  }
  return found
}

/** by what compiles them: the same statement is another text in another engine */
const built = new WeakMap<object, Map<string, CompiledQuery>>()

function insertOf<T extends keyof Schema>(
  db: Db,
  table: T,
  columns: readonly PropertyKey[],
  rows: readonly Insertable<Schema[T]>[],
  { whenThere = "fails", returning = [] }: Inserting<T>,
): CompiledQuery {
  const { adapter } = db.getExecutor()
  const kept = built.get(adapter) ?? new Map<string, CompiledQuery>()
  built.set(adapter, kept)
  const name = [table, rows.length, columns, whenThere, returning].join(" ")
  let statement = kept.get(name)
  if (statement === undefined) {
    let insert = db.insertInto(table).values(rows)
    if (whenThere === "stays") insert = insert.onConflict((conflict) => conflict.doNothing())
    statement = (returning.length > 0 ? insert.returning(returning as never) : insert).compile()
    kept.set(name, statement)
  }
  return statement
}

const idsAtOnce = [1, 4, 16, 64, 256] as const

/** What `select` finds for all these ids, which it takes in lists of few lengths. */
export async function selectIn<I, R>(
  ids: readonly I[],
  select: (some: readonly I[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const found: R[] = []
  const largest = idsAtOnce.at(-1)!
  for (let at = 0; at < ids.length; at += largest) {
    const some = ids.slice(at, at + largest)
    const size = idsAtOnce.find((one) => one >= some.length)!
    // An id that stands there again finds nothing more.
    while (some.length < size) some.push(some[0]!)
    found.push(...(await select(some)))
  }
  return found
}
