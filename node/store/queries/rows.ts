import type { CompiledQuery, Insertable, Selectable } from "kysely"
import { execute } from "../dialect.ts"
import type { Db, Schema } from "../schema.ts"

/** Few sizes, so that each is built once: Kysely takes longer to build a statement than SQLite to run it. */
const rowsAtOnce = [256, 64, 16, 4, 1] as const

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
    const end = at + size
    const statement = insertOf(db, table, columns, rows.slice(at, end), options)
    const parameters: unknown[] = []
    for (; at < end; at++) for (const column of columns) parameters.push(rows[at]![column])
    found.push(...(await execute<Selectable<Schema[T]>>(db, { ...statement, parameters })))
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
