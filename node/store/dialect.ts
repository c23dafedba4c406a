import type { Database } from "better-sqlite3"
import {
  type CompiledQuery,
  type DatabaseConnection,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  sql,
} from "kysely"
import { type NodeError, signerStopped } from "../errors.ts"
import type { Db } from "./schema.ts"
import { keepingStatements, storeFailure } from "./sqlite.ts"

export type StoreDialectOptions = {
  readonly database: Database
  /** called when nobody knows any more what is on the disk */
  readonly onDoubt: (failure: NodeError) => void
}

/**
 * Kysely's SQLite, except that its errors come as ours, that a migration is one transaction, and that an
 * error of the disk is told to whoever has to stop by it.
 */
export class StoreDialect extends SqliteDialect {
  readonly #options: StoreDialectOptions
  readonly #store: Store

  constructor(options: StoreDialectOptions) {
    super(options)
    this.#options = options
    this.#store = new Store(options)
  }

  override createDriver(): SqliteDriver {
    return new StoreDriver(this.#options, this.#store)
  }

  override createAdapter(): SqliteAdapter {
    return new StoreAdapter(this.#store)
  }
}

/** How often each table was written: as the lease keeps others out, an answer is as good as it was until then. */
class Writes {
  #ofAll = 0
  readonly #of = new Map<string, number>()
  readonly #tables = new Map<string, string | null>()

  /** Before it runs: nobody looks between the two. */
  note(text: string): void {
    let table = this.#tables.get(text)
    if (table === undefined) {
      table = tableWrittenBy(text)
      this.#tables.set(text, table)
    }
    if (table === null) return
    if (table === everyTable) this.#ofAll++
    else this.#of.set(table, (this.#of.get(table) ?? 0) + 1)
  }

  /** Grows with every write to one of these tables. */
  to(tables: readonly string[]): number {
    let count = this.#ofAll
    for (const table of tables) count += this.#of.get(table) ?? 0
    return count
  }
}

const everyTable = "*"
const writing = /^\s*(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from)\s+"?(\w+)"?/i

/** Null for one that only reads. What is undone, or is of no form that is known, may have been of any table. */
function tableWrittenBy(text: string): string | null {
  if (/^\s*(?:select|begin|commit|savepoint|release|pragma)\b/i.test(text)) return null
  return writing.exec(text)?.[1] ?? everyTable
}

/** The one place where statements run. */
class Store {
  readonly writes = new Writes()
  /** whether somebody has the connection, for a transaction or one statement */
  isHeld = false
  isFull = false
  readonly #options: StoreDialectOptions
  readonly #prepare: ReturnType<typeof keepingStatements>["prepare"]

  constructor(options: StoreDialectOptions) {
    this.#options = options
    this.#prepare = keepingStatements(options.database).prepare
  }

  run<R>({ sql: text, parameters }: CompiledQuery): QueryResult<R> {
    this.writes.note(text)
    try {
      const statement = this.#prepare(text)
      if (statement.reader) return { rows: statement.all(parameters) as R[] }
      const { changes } = statement.run(parameters)
      return { numAffectedRows: BigInt(changes), rows: [] }
    } catch (cause) {
      throw this.#failureOf(cause)
    }
  }

  #failureOf(cause: unknown): unknown {
    const { database, onDoubt } = this.#options
    const { code } = cause as { code?: unknown }
    if (code === "SQLITE_READONLY" && database.pragma("query_only", { simple: true }) === 1)
      return signerStopped(cause)
    const failure = storeFailure(cause)
    if (code === "SQLITE_FULL") this.isFull = true
    if (typeof code === "string" && inDoubt.test(code)) onDoubt(failure as NodeError)
    return failure
  }
}

function storeOf(db: Db): Store {
  const { adapter } = db.getExecutor()
  if (!(adapter instanceof StoreAdapter)) throw new TypeError("not a store")
  return adapter.store
}

/** See `remembered`. */
export function writesTo(db: Db, tables: readonly string[]): number {
  return storeOf(db).writes.to(tables)
}

/**
 * At once, where nobody else is in a transaction: what Kysely does around a statement takes longer than most
 * statements. Otherwise it has its turn.
 */
export async function execute<R>(db: Db, query: CompiledQuery<R>): Promise<R[]> {
  const store = storeOf(db)
  const mayRun = db.isTransaction ? store.isHeld : !store.isHeld
  return (mayRun ? store.run<R>(query) : await db.executeQuery(query)).rows
}

class StoreAdapter extends SqliteAdapter {
  readonly store: Store

  constructor(store: Store) {
    super()
    this.store = store
  }

  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class StoreDriver extends SqliteDriver {
  readonly #options: StoreDialectOptions
  readonly #store: Store
  readonly #connection: DatabaseConnection

  constructor(options: StoreDialectOptions, store: Store) {
    super(options)
    this.#options = options
    this.#store = store
    this.#connection = {
      executeQuery: async <R>(query: CompiledQuery) => store.run<R>(query),
      streamQuery: () => {
        throw new TypeError("the store reads pages, not streams")
      },
    }
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    this.#store.isHeld = true
    return this.#connection
  }

  override async releaseConnection(): Promise<void> {
    this.#store.isHeld = false
    if (!this.#store.isFull || this.#options.database.inTransaction) return
    this.#store.isFull = false
    try {
      // What the journal holds twice may be all the room there is.
      this.#options.database.pragma("wal_checkpoint(TRUNCATE)")
    } catch {
      // There was none: whoever needed it has been told.
    }
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full or failing disk has rolled back already; to do it twice would hide why.
    if (this.#options.database.inTransaction) await super.rollbackTransaction(connection)
    else this.#store.writes.note("rollback")
  }
}

const inDoubt = /^SQLITE_(?:IOERR|CORRUPT|NOTADB)/

/** From the next statement on; what is open already is read on. */
export async function makeReadOnly(db: Db): Promise<void> {
  await sql`PRAGMA query_only=ON`.execute(db)
}
