import type { Database } from "better-sqlite3"
import {
  type CompiledQuery,
  type DatabaseConnection,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
  sql,
} from "kysely"
import { type NodeError, signerStopped } from "../errors.ts"
import type { Db } from "./schema.ts"
import { storeFailure } from "./sqlite.ts"

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

  constructor(options: StoreDialectOptions) {
    super(options)
    this.#options = options
  }

  override createDriver(): SqliteDriver {
    return new StoreDriver(this.#options)
  }

  override createAdapter(): SqliteAdapter {
    return new StoreAdapter()
  }
}

class StoreAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class StoreDriver extends SqliteDriver {
  readonly #options: StoreDialectOptions
  #connection: DatabaseConnection | null = null

  constructor(options: StoreDialectOptions) {
    super(options)
    this.#options = options
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    this.#connection ??= checked(await super.acquireConnection(), this.#options)
    return this.#connection
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full or failing disk has rolled back already; to do it twice would hide why.
    if (this.#options.database.inTransaction) await super.rollbackTransaction(connection)
  }
}

function checked(
  inner: DatabaseConnection,
  { database, onDoubt }: StoreDialectOptions,
): DatabaseConnection {
  const failureOf = (cause: unknown): unknown => {
    const { code } = cause as { code?: unknown }
    if (code === "SQLITE_READONLY" && database.pragma("query_only", { simple: true }) === 1)
      return signerStopped(cause)
    const failure = storeFailure(cause)
    if (typeof code === "string" && inDoubt.test(code)) onDoubt(failure as NodeError)
    return failure
  }
  return {
    executeQuery: async <R>(query: CompiledQuery) => {
      try {
        return await inner.executeQuery<R>(query)
      } catch (cause) {
        throw failureOf(cause)
      }
    },
    streamQuery: () => {
      throw new TypeError("the store reads pages, not streams")
    },
  }
}

const inDoubt = /^SQLITE_(?:IOERR|CORRUPT|NOTADB)/

/** From the next statement on; what is open already is read on. */
export async function makeReadOnly(db: Db): Promise<void> {
  await sql`PRAGMA query_only=ON`.execute(db)
}
