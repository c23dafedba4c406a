import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { Kysely, sql } from "kysely"
import { describe, expect, test } from "vitest"
import { realClock } from "../../../node/real-env.ts"
import { chooseCipher } from "../../../node/store/cipher-choice.ts"
import { StoreDialect } from "../../../node/store/dialect.ts"
import { memoryDatabase, openSqlite } from "../../../node/store/sqlite.ts"
import { failure, scratch } from "../../support/scratch.ts"

const key = new Uint8Array(32).map((_, i) => i)
const other = new Uint8Array(32).fill(9)
const canary = "canary of two vault doors"

/** Rows enough for several pages, the first of them a table's, then those of a full-text index. */
function fill(path: string, cipher?: "aegis" | "chacha20") {
  const database = openSqlite(path, key, cipher === undefined ? {} : { cipher })
  const insertInto = (table: string) => {
    const insert = database.prepare(`INSERT INTO ${table} VALUES (?)`)
    for (let i = 0; i < 100; i++) insert.run(`${canary} ${i} ${"x".repeat(900)}`)
  }
  database.exec("CREATE TABLE record (text TEXT) STRICT")
  insertInto("record")
  database.exec("CREATE VIRTUAL TABLE search USING fts5(text)")
  insertInto("search")
  return database
}

const sumOfRecords = "SELECT sum(length(text)) FROM record"

describe.each(["aegis", "chacha20"] as const)("a database under %s", (cipher) => {
  test("no plaintext is on the disk, neither in the database nor in its journal", () => {
    const home = scratch()
    const database = fill(join(home, "db"), cipher)
    database.pragma("wal_checkpoint(PASSIVE)")
    database.prepare("INSERT INTO record VALUES (?)").run(canary)
    const names = readdirSync(home)
    expect(names.sort()).toEqual(["db", "db-wal"])
    for (const name of names) {
      const bytes = readFileSync(join(home, name))
      // FTS5 keeps its terms in a column of its own: `doors` would show there.
      for (const text of [canary, "canary", "doors", "SQLite format", "CREATE TABLE", "record"])
        expect(bytes.includes(text), `${text} in ${name}`).toBe(false)
    }
    database.close()
  })

  test("it opens again with its key", () => {
    const path = join(scratch(), "db")
    fill(path, cipher).close()
    const database = openSqlite(path, key, { cipher })
    expect(database.prepare("SELECT count(*) FROM record").pluck().get()).toBe(100)
    database.close()
  })

  test("another key is refused in words, and changes nothing", () => {
    const path = join(scratch(), "db")
    fill(path, cipher).close()
    const before = readFileSync(path)
    expect(() => openSqlite(path, other, { cipher })).toThrow(failure("key.unavailable"))
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test("a flipped bit is found when its page is read", () => {
    const path = join(scratch(), "db")
    fill(path, cipher).close()
    const bytes = readFileSync(path)
    const at = 16384 * 3 + 5000
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    writeFileSync(path, bytes)
    const database = openSqlite(path, key, { cipher })
    expect(() => database.prepare(sumOfRecords).get()).toThrow(failure("SQLITE_CORRUPT"))
    database.close()
  })
})

test("AEGIS is the default, and a database does not open under the other cipher", () => {
  const path = join(scratch(), "db")
  fill(path).close()
  openSqlite(path, key, { cipher: "aegis" }).close()
  expect(() => openSqlite(path, key, { cipher: "chacha20" })).toThrow(failure("key.unavailable"))
})

test("a page brought from elsewhere in the file does not pass for another", () => {
  const path = join(scratch(), "db")
  fill(path).close()
  const bytes = readFileSync(path)
  bytes.copy(bytes, 16384 * 4, 16384 * 3, 16384 * 4)
  writeFileSync(path, bytes)
  const database = openSqlite(path, key)
  expect(() => database.prepare(sumOfRecords).get()).toThrow(failure("SQLITE_CORRUPT"))
  database.close()
})

test("a file that is no database is not overwritten", () => {
  const path = join(scratch(), "db")
  writeFileSync(path, "x".repeat(20_000))
  expect(() => openSqlite(path, key)).toThrow(failure("key.unavailable"))
  expect(readFileSync(path, "latin1")).toBe("x".repeat(20_000))
})

test("acknowledged means on the disk: a copy of the files has every commit", () => {
  const home = scratch()
  const database = fill(join(home, "db"))
  const copies = scratch()
  for (const name of ["db", "db-wal"]) copyFileSync(join(home, name), join(copies, name))
  const copy = openSqlite(join(copies, "db"), key)
  expect(copy.prepare("SELECT count(*) FROM record").pluck().get()).toBe(100)
  copy.close()
  database.close()
})

test("the settings that durability and secrecy rest on are those in force", () => {
  const database = openSqlite(join(scratch(), "db"), key)
  const inForce = (name: string) => database.pragma(name, { simple: true })
  expect(inForce("synchronous")).toBe(2)
  expect(inForce("journal_mode")).toBe("wal")
  expect(inForce("temp_store")).toBe(2)
  expect(inForce("secure_delete")).toBe(1)
  expect(inForce("foreign_keys")).toBe(1)
  expect(inForce("page_size")).toBe(16384)
  expect(inForce("trusted_schema")).toBe(0)
  expect(inForce("cell_size_check")).toBe(1)
  database.close()
})

test("a directory that is not there is a failure of the store, with a hint", () => {
  const path = join(scratch(), "missing", "db")
  expect(() => openSqlite(path, key)).toThrow(failure("store.failed"))
})

test("a database in memory survives a restart as its image", () => {
  const database = openSqlite(":memory:", key)
  database.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
  const restarted = memoryDatabase(database.serialize())
  database.exec("INSERT INTO t VALUES (2)")
  expect(restarted.prepare("SELECT count(*) FROM t").pluck().get()).toBe(1)
  restarted.exec("INSERT INTO t VALUES (3)")
  expect(restarted.pragma("foreign_keys", { simple: true })).toBe(1)
})

test("the cipher follows what the processor does faster", () => {
  let at = 0
  const ticking = (first: number, then: number) => ({
    monotonic: () => (at += ++calls % 2 === 1 ? 1 : calls <= 12 ? first : then),
  })
  let calls = 0
  expect(chooseCipher(ticking(1, 5))).toBe("aegis")
  calls = 0
  expect(chooseCipher(ticking(5, 1))).toBe("chacha20")
  expect(["aegis", "chacha20"]).toContain(chooseCipher(realClock))
})

test("a query is prepared once, and of very many those used last are kept", async () => {
  const database = memoryDatabase()
  const prepare = database.prepare.bind(database)
  const prepared: string[] = []
  database.prepare = ((text: string) => {
    prepared.push(text)
    return prepare(text)
  }) as typeof database.prepare
  const db = new Kysely<unknown>({ dialect: new StoreDialect({ database, onDoubt: () => {} }) })
  const select = async (n: number) => {
    const { rows } = await sql<{ n: number }>`SELECT ${sql.lit(n)} AS n`.execute(db)
    return rows[0]?.n
  }
  for (let n = 0; n < 300; n++) {
    expect(await select(n)).toBe(n)
    expect(await select(0)).toBe(0)
  }
  expect(prepared.length).toBe(300)
  expect(await select(299)).toBe(299)
  expect(prepared.length).toBe(300)
  expect(await select(1)).toBe(1)
  expect(prepared.length).toBe(301)
})

test("a kept query sees the table as it is by now", async () => {
  const db = new Kysely<unknown>({
    dialect: new StoreDialect({ database: memoryDatabase(), onDoubt: () => {} }),
  })
  const rows = async () => (await sql`SELECT * FROM record`.execute(db)).rows
  await sql`CREATE TABLE record (title TEXT)`.execute(db)
  await sql`INSERT INTO record VALUES ('before')`.execute(db)
  expect(await rows()).toEqual([{ title: "before" }])
  await sql`ALTER TABLE record ADD COLUMN body TEXT DEFAULT 'after'`.execute(db)
  expect(await rows()).toEqual([{ title: "before", body: "after" }])
})
