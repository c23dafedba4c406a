import type { Database } from "better-sqlite3"
import {
  type CompiledQuery,
  type DatabaseConnection,
  SqliteAdapter,
  SqliteDialect,
  SqliteDriver,
} from "kysely"
import { type NodeError, signerStopped } from "../errors.ts"
import { storeFailure } from "./sqlite.ts"

export type StoreDialectOptions = {
  readonly database: Database
  /** Told once, when nobody knows any more what is on the disk: nothing is written after it. */
  readonly onDoubt: (failure: NodeError) => void
}

/**
 * Kysely's SQLite, except that its errors come as ours, that a migration is one transaction, and that
 * after an error of the disk the database can be read and not written: a second try may succeed and
 * leave a gap behind, because the system has forgotten what it could not write.
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
  let isInDoubt = false
  const failureOf = (cause: unknown): unknown => {
    const { code } = cause as { code?: unknown }
    if (isInDoubt && code === "SQLITE_READONLY") return signerStopped(cause)
    const failure = storeFailure(cause)
    if (!isInDoubt && typeof code === "string" && inDoubt.test(code)) {
      isInDoubt = true
      database.pragma("query_only=ON")
      onDoubt(failure as NodeError)
    }
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
