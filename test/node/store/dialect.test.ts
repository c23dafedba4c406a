import type { Database } from "better-sqlite3"
import { Kysely } from "kysely"
import { describe, expect, test } from "vitest"
import type { NodeError } from "../../../node/errors.ts"
import { makeReadOnly, StoreDialect } from "../../../node/store/dialect.ts"
import { migrate } from "../../../node/store/migrations.ts"
import type { Schema } from "../../../node/store/schema.ts"
import { memoryDatabase } from "../../../node/store/sqlite.ts"
import { failure } from "../../support/scratch.ts"

async function opened() {
  const fault: Fault = { start: "", code: "" }
  const database = failing(memoryDatabase(), fault)
  const doubts: NodeError[] = []
  const dialect = new StoreDialect({ database, onDoubt: (one) => doubts.push(one) })
  const db = new Kysely<Schema>({ dialect })
  await migrate(db)
  const write = (bytes: number) =>
    db.transaction().execute(async (trx) => {
      const value = new Uint8Array(bytes)
      await trx.insertInto("meta").values({ name: "first", value }).execute()
      await trx.insertInto("meta").values({ name: "second", value }).execute()
    })
  const names = async () =>
    (await db.selectFrom("meta").select("name").execute()).map(({ name }) => name)
  const failAt = (start: string, code: string) => void Object.assign(fault, { start, code })
  return { database, db, doubts, failAt, write, names }
}

/** What SQLite says of the disk, at statements that begin so. */
type Fault = { start: string; code: string }

/** Also at statements that were prepared before the fault began. */
function failing(database: Database, fault: Fault): Database {
  const prepare = database.prepare.bind(database)
  database.prepare = ((source: string) => {
    const statement = prepare(source)
    const run = statement.run.bind(statement)
    statement.run = (...parameters) => {
      if (fault.start === "" || !source.startsWith(fault.start)) return run(...parameters)
      throw Object.assign(new Error("disk"), { code: fault.code })
    }
    return statement
  }) as never
  return database
}

test("a full disk is said to be one, is no doubt, and is over when there is room", async () => {
  const { database, doubts, write, names } = await opened()
  const pages = database.pragma("page_count", { simple: true }) as number
  database.pragma(`max_page_count=${pages + 2}`)
  // SQLite has rolled back by itself: a second time would hide why.
  await expect(write(100_000)).rejects.toThrow(failure("store.full"))
  expect(await names()).toEqual([])
  database.pragma("max_page_count=100000")
  await write(100_000)
  expect(await names()).toEqual(["first", "second"])
  expect(doubts).toEqual([])
})

describe("an error of the disk", () => {
  test.each(["SQLITE_IOERR_FSYNC", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_READ", "SQLITE_CORRUPT"])(
    "%s leaves a doubt",
    async (code) => {
      const { doubts, failAt, write } = await opened()
      failAt("commit", code)
      await expect(write(10)).rejects.toThrow(
        failure(code === "SQLITE_CORRUPT" ? "store.corrupt" : "store.failed"),
      )
      expect(doubts).toHaveLength(1)
    },
  )

  test.each(["SQLITE_BUSY", "SQLITE_CONSTRAINT_PRIMARYKEY"])("%s is none", async (code) => {
    const { doubts, failAt, write } = await opened()
    failAt("commit", code)
    await expect(write(10)).rejects.toThrow(failure("store.failed"))
    expect(doubts).toEqual([])
  })
})

test("what has stopped can be read and not written, and says so", async () => {
  const { db, write, names } = await opened()
  await write(10)
  await makeReadOnly(db)
  await expect(db.deleteFrom("meta").execute()).rejects.toThrow(failure("signer.stopped"))
  await expect(write(10)).rejects.toThrow(failure("signer.stopped"))
  expect(await names()).toEqual(["first", "second"])
})

test.each(["SQLITE_CORRUPT_VTAB", "SQLITE_NOTADB"])(
  "%s of a database that was open is damage, not a wrong key, and a doubt",
  async (code) => {
    const { doubts, failAt, write } = await opened()
    failAt("insert", code)
    await expect(write(10)).rejects.toThrow(failure("store.corrupt"))
    expect(doubts.map((one) => one.code)).toEqual(["store.corrupt"])
  },
)
