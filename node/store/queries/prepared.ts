import type { Compilable, CompiledQuery } from "kysely"
import { execute } from "../dialect.ts"
import type { Db } from "../schema.ts"

/**
 * Queries for hot paths: Kysely takes longer to build a statement than SQLite to run it, so each is built
 * once, and takes its values anew. Lists come in few lengths, each a statement of its own. A limit stands
 * in the statement (`sql.lit`): SQLite plans by it, and would prepare the statement again for each value.
 */

/** Stands for a value while the statement is built: of which argument, and where in its list. */
class StandIn {
  readonly argument: number
  readonly at: number | null

  constructor(argument: number, at: number | null) {
    this.argument = argument
    this.at = at
  }
}

const lengths = [1, 2, 4, 8, 16, 32, 64, 128, 256] as const
const longest = lengths.at(-1)!

/**
 * A query over scalar values and at most one list, which must stand in an `in (…)`: the rows found for
 * longer lists are those of its parts, one part after the other.
 *
 * @param build is given stand-ins: it must pass each value on to the query as it is
 */
export function prepared<V extends readonly unknown[], R>(
  build: (db: Db, ...values: V) => Compilable<R>,
): (db: Db, ...values: V) => Promise<R[]> {
  // By what compiles it: the same statement is another text in another engine.
  const kept = new WeakMap<object, Map<number, CompiledQuery<R>>>()

  function statement(db: Db, values: readonly unknown[], length: number): CompiledQuery<R> {
    const { adapter } = db.getExecutor()
    const ofEngine = kept.get(adapter) ?? new Map<number, CompiledQuery<R>>()
    kept.set(adapter, ofEngine)
    let built = ofEngine.get(length)
    if (built === undefined) {
      built = build(db, ...(values.map((value, i) => standIn(value, i, length)) as never)).compile()
      ofEngine.set(length, built)
    }
    return built
  }

  async function run(db: Db, values: readonly unknown[], list: readonly unknown[]): Promise<R[]> {
    const length = lengths.find((one) => one >= list.length) ?? longest
    const query = statement(db, values, length)
    const parameters = query.parameters.map((place) => {
      if (!(place instanceof StandIn)) return place
      // A value that stands in a list again finds nothing more.
      return place.at === null ? values[place.argument] : (list[place.at] ?? list[0])
    })
    return execute<R>(db, { ...query, parameters })
  }

  return async (db, ...values) => {
    const list = values.find((value) => Array.isArray(value)) as readonly unknown[] | undefined
    if (list === undefined) return run(db, values, [])
    const rows: R[] = []
    for (let at = 0; at < list.length; at += longest)
      rows.push(...(await run(db, values, list.slice(at, at + longest))))
    return rows
  }
}

function standIn(value: unknown, argument: number, length: number): unknown {
  if (!Array.isArray(value)) return new StandIn(argument, null)
  return Array.from({ length }, (_, at) => new StandIn(argument, at))
}
