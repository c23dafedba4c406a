import { cpSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import type { Database } from "better-sqlite3"
import { Kysely, sql } from "kysely"
import { describe, expect, test } from "vitest"
import { foundMember } from "../../node/authority/found.ts"
import { createNode, prepareCrypto, storeFounded } from "../../node/node.ts"
import { realEnv } from "../../node/real-env.ts"
import { StoreDialect } from "../../node/store/dialect.ts"
import { type Migrations, migrate, migrations } from "../../node/store/migrations.ts"
import type { Schema } from "../../node/store/schema.ts"
import { openSqlite } from "../../node/store/sqlite.ts"
import { failure, inMemory, scratch } from "../support/scratch.ts"
import { foundingOf } from "./real-node.ts"

const key = new Uint8Array(32).map((_, i) => i)

/** What a later version might do: a table, a column, rows moved from one form to another. */
const later: Migrations = {
  ...migrations,
  "0900-later": {
    async up(db: Kysely<unknown>) {
      await sql`ALTER TABLE meta ADD COLUMN note TEXT`.execute(db)
      await sql`UPDATE meta SET note = name || ' as it was'`.execute(db)
      await sql`CREATE TABLE afterwards (name TEXT PRIMARY KEY, value BLOB) STRICT`.execute(db)
    },
  },
  "0901-last": {
    async up(db: Kysely<unknown>) {
      await sql`INSERT INTO afterwards SELECT name, value FROM meta`.execute(db)
      await sql`DELETE FROM meta`.execute(db)
      await sql`ALTER TABLE meta DROP COLUMN note`.execute(db)
    },
  },
}

function open(home: string) {
  const database = openSqlite(join(home, "comity.db"), key)
  const dialect = new StoreDialect({ database, onDoubt: () => {} })
  return { database, db: new Kysely<Schema>({ dialect }) }
}

/** Every statement runs between two copies of the home: what a kill there would leave. */
function withCopies(database: Database, home: string, copies: string): { count: number } {
  const taken = { count: 0 }
  const copy = () => {
    cpSync(home, join(copies, String(taken.count++)), { recursive: true })
  }
  const prepare = database.prepare.bind(database)
  database.prepare = ((source: string) => {
    const statement = prepare(source)
    for (const verb of ["run", "all"] as const) {
      const execute = statement[verb].bind(statement)
      statement[verb] = ((...values: unknown[]) => {
        copy()
        const result = execute(...values)
        copy()
        return result
      }) as never
    }
    return statement
  }) as never
  return taken
}

function tables(database: Database): string {
  const rows = database
    .prepare("SELECT sql FROM sqlite_schema WHERE tbl_name NOT LIKE 'kysely%' ORDER BY name")
    .pluck()
    .all()
  return rows.join("\n")
}

function values(database: Database, table: "meta" | "afterwards"): unknown {
  return database.prepare(`SELECT name, hex(value) FROM ${table} ORDER BY name`).raw().all()
}

const places = (count: number) => Array.from({ length: count }, (_, i) => i)

describe("a process that is killed at any statement", () => {
  test("of the first migration leaves nothing, or all of it", async () => {
    const [home, copies] = [join(scratch(inMemory), "home"), scratch(inMemory)]
    mkdirSync(home)
    const { database, db } = open(home)
    const taken = withCopies(database, home, copies)
    await migrate(db)
    const whole = tables(database)
    await db.destroy()
    expect(taken.count).toBeGreaterThan(50)
    const found = new Set<string>()
    for (const place of places(taken.count)) {
      const copy = open(join(copies, String(place)))
      const left = tables(copy.database)
      found.add(left === "" ? "nothing" : left === whole ? "all" : `part of it at ${place}`)
      await migrate(copy.db)
      expect(tables(copy.database)).toBe(whole)
      await copy.db.destroy()
    }
    expect([...found].sort()).toEqual(["all", "nothing"])
  })

  test("of later ones leaves the old or the new, with every row", async () => {
    const [home, copies] = [join(scratch(inMemory), "home"), scratch(inMemory)]
    mkdirSync(home)
    const { database, db } = open(home)
    await migrate(db)
    const insert = database.prepare("INSERT INTO meta VALUES (?, ?)")
    for (let i = 0; i < 50; i++) insert.run(`name ${i}`, Buffer.alloc(2000, i))
    const [old, rows] = [tables(database), values(database, "meta")]
    const taken = withCopies(database, home, copies)
    await migrate(db, later)
    const whole = tables(database)
    await db.destroy()
    const found = new Set<string>()
    for (const place of places(taken.count)) {
      const copy = open(join(copies, String(place)))
      const left = tables(copy.database)
      found.add(left === old ? "old" : left === whole ? "new" : `something else at ${place}`)
      expect(values(copy.database, left === old ? "meta" : "afterwards")).toEqual(rows)
      await migrate(copy.db, later)
      expect(tables(copy.database)).toBe(whole)
      expect(values(copy.database, "afterwards")).toEqual(rows)
      await copy.db.destroy()
    }
    expect([...found].sort()).toEqual(["new", "old"])
  })
})

test("a home that a newer version has changed is refused in words, and stays as it is", async () => {
  prepareCrypto()
  const home = scratch()
  const env = realEnv({ home })
  const founded = await foundMember(env, foundingOf("XA", "http://127.0.0.1:1"))
  await storeFounded(env, founded)
  const database = openSqlite(join(home, "comity.db"), founded.keys.database)
  const db = new Kysely<Schema>({ dialect: new StoreDialect({ database, onDoubt: () => {} }) })
  await migrate(db, later)
  const before = tables(database)
  await db.destroy()
  await expect(createNode(env, founded.keys)).rejects.toThrow(failure("home.newer"))
  const again = openSqlite(join(home, "comity.db"), founded.keys.database)
  expect(tables(again)).toBe(before)
  again.close()
  env.close()
})
