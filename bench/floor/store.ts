import { randomBytes } from "node:crypto"
import { join } from "node:path"
import type { Database } from "better-sqlite3"
import { openSqlite } from "../../node/store/sqlite.ts"

/** The same encrypted store with the same pragmas and index, and nothing that the work can do without. */

export type FloorStore = ReturnType<typeof openFloorStore>

export function openFloorStore(directory: string) {
  const database: Database = openSqlite(join(directory, "floor.db"), randomBytes(32))
  for (const statement of tables) database.exec(statement)
  return {
    addContent: database.prepare("INSERT INTO content (rid, bytes, key) VALUES (?, ?, ?)"),
    content: database.prepare("SELECT bytes, key FROM content WHERE rid = ?"),
    addGrant: database.prepare("INSERT INTO placed (leaf, rid, recipient) VALUES (?, ?, ?)"),
    addOrder: database.prepare("INSERT INTO signed (root, signatures) VALUES (?, ?)"),
    addTerms: database.prepare("INSERT INTO search (rowid, title, body) VALUES (?, ?, ?)"),
    begin: database.prepare("BEGIN"),
    commit: database.prepare("COMMIT"),
    close: () => database.close(),
  }
}

const tables = [
  "CREATE TABLE content (rid INTEGER PRIMARY KEY, bytes BLOB NOT NULL, key BLOB NOT NULL) STRICT",
  "CREATE TABLE placed (leaf BLOB NOT NULL, rid INTEGER NOT NULL, recipient INTEGER NOT NULL) STRICT",
  "CREATE TABLE signed (root BLOB NOT NULL, signatures BLOB NOT NULL) STRICT",
  `CREATE VIRTUAL TABLE search USING fts5 (title, body, content = '',
    tokenize = "unicode61 remove_diacritics 2", prefix = '2 3')`,
  "INSERT INTO search (search, rank) VALUES ('secure-delete', 1)",
]
