import { chmodSync, closeSync, openSync } from "node:fs"
import { dirname } from "node:path"
import SQLite, { type Database, type Statement } from "better-sqlite3"
import type { SqliteDatabase } from "kysely"
import { NodeError } from "../errors.ts"
import { syncDirectory } from "../files.ts"

/** `aegis` (AEGIS-256) needs the processor's AES instructions to be fast; `chacha20` needs nothing. */
export type Cipher = "aegis" | "chacha20"

/** What the package adds to better-sqlite3. */
type Encrypted = Database & { key(key: Buffer): number }

const inMemory = ":memory:"

/**
 * The encrypted database of a home: 32 raw key bytes, every page with its tag, full syncs.
 * `temp_store=MEMORY` and an encrypted WAL leave no plaintext anywhere on the disk. A database in
 * memory takes no key. `trusted_schema=OFF` lets no trigger or view use FTS5: write to it directly.
 *
 * @throws `key.unavailable` `store.corrupt` `store.full` `store.failed`
 */
export function openSqlite(
  path: string,
  key: Uint8Array,
  options: { cipher?: Cipher } = {},
): Database {
  if (key.length !== 32) throw new RangeError("database key: 32 bytes")
  try {
    if (path !== inMemory) ownerOnly(path)
    const database = new SQLite(path)
    try {
      if (path === inMemory) return prepare(database)
      unlock(database as Encrypted, key, options.cipher ?? "aegis")
      prepare(database)
      // SQLite does this itself when the WAL is first synced, and takes no notice when it fails.
      syncDirectory(dirname(path))
      return database
    } catch (error) {
      database.close()
      throw error
    }
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "SQLITE_NOTADB") throw storeFailure(cause)
    throw new NodeError("key.unavailable", "The database does not open with this key.", {
      hint: "The key belongs to another home, or the first page of the file is damaged: comity restore brings a backup back.",
      cause,
    })
  }
}

/** A database in memory, empty or from what `serialize` gave: what is in it survives a restart in a test. */
export function memoryDatabase(image?: Uint8Array): Database {
  return prepare(image === undefined ? new SQLite(inMemory) : new SQLite(Buffer.from(image)))
}

/** SQLite would create it for everyone to read, and gives the WAL the mode of the database. */
function ownerOnly(path: string): void {
  closeSync(openSync(path, "a", 0o600))
  if (process.platform !== "win32") chmodSync(path, 0o600)
}

const rawPrefix = "raw:"
const hexDigit = Buffer.from("0123456789abcdef")

/** A raw key spares the derivation at each opening. It never becomes a string: those can't be wiped. */
function unlock(database: Encrypted, key: Uint8Array, cipher: Cipher): void {
  database.pragma(`cipher='${cipher}'`)
  const text = Buffer.alloc(rawPrefix.length + 2 * key.length)
  text.write(rawPrefix)
  key.forEach((byte, i) => {
    text[rawPrefix.length + 2 * i] = hexDigit[byte >> 4]!
    text[rawPrefix.length + 2 * i + 1] = hexDigit[byte & 15]!
  })
  database.key(text)
  text.fill(0)
}

/** `synchronous` must be said: better-sqlite3 is compiled with NORMAL for WAL, which loses commits. */
function prepare(database: Database): Database {
  database.pragma("busy_timeout=5000")
  database.pragma("trusted_schema=OFF")
  database.pragma("cell_size_check=ON")
  database.pragma("temp_store=MEMORY")
  database.pragma("page_size=16384")
  // KiB. What has to be read again is decrypted again: SQLite's own 2 MiB are 125 of these pages.
  database.pragma("cache_size=-16384")
  database.pragma("secure_delete=ON")
  database.pragma("foreign_keys=ON")
  // One process has the home: asking for the file's locks anew took longer than most reads.
  database.pragma("locking_mode=EXCLUSIVE")
  // The first statement that reads the file: a wrong key shows here.
  database.pragma("journal_mode=WAL")
  database.pragma("synchronous=FULL")
  // macOS: fsync alone leaves the bytes in the drive's cache. Elsewhere it changes nothing.
  database.pragma("fullfsync=ON")
  return database
}

const statementsKept = 256

/** For Kysely, which prepares each query anew: that takes longer than most of them run. */
export function keepingStatements(database: Database): SqliteDatabase {
  const kept = new Map<string, Statement>()
  const prepare = (query: string): Statement => {
    // Some pragmas take effect when they are prepared, and only then.
    if (/^pragma/i.test(query)) return database.prepare(query)
    const statement = kept.get(query) ?? database.prepare(query)
    // Last, so that the first is the one whose use is longest ago.
    kept.delete(query)
    kept.set(query, statement)
    if (kept.size > statementsKept) kept.delete(kept.keys().next().value!)
    return statement
  }
  return { prepare, close: () => database.close() }
}

/** SQLite's own errors as NodeErrors; anything else unchanged. */
export function storeFailure(cause: unknown): unknown {
  if (cause instanceof NodeError || cause instanceof RangeError) return cause
  const { code } = cause as { code?: unknown }
  if (typeof code !== "string") return cause
  // A page that could not be read, even once, deciphers to nothing that SQLite knows.
  if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(code))
    return new NodeError("store.corrupt", "The database is damaged, or could not be read.", {
      hint: "Stop the node and run comity doctor. If that says so too, keep a copy of the home, and bring a backup back with comity restore.",
      cause,
    })
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT")
    return new NodeError("store.full", "There is no room left for the database.", {
      hint: "Free some space and repeat the command; nothing was lost.",
      cause,
    })
  if (/^(?:SQLITE_\w+|E[A-Z0-9]+)$/.test(code))
    return new NodeError("store.failed", `The database failed (${code}).`, {
      hint: "Check the disk and who owns the home, then run comity doctor.",
      cause,
    })
  return cause
}
