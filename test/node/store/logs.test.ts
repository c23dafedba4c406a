import { Kysely, sql } from "kysely"
import { expect, test } from "vitest"
import { StoreDialect } from "../../../node/store/dialect.ts"
import { migrate } from "../../../node/store/migrations.ts"
import { createLog, fromNodes } from "../../../node/store/queries/logs.ts"
import type { Schema } from "../../../node/store/schema.ts"
import { memoryDatabase } from "../../../node/store/sqlite.ts"
import { proveInclusionFrom } from "../../../protocol/log/compact-range.ts"

/** A log of so many leaves, as far as its tree is concerned; the hashes are all alike. */
async function treeOf(leaves: number) {
  const database = memoryDatabase()
  const db = new Kysely<Schema>({ dialect: new StoreDialect({ database, onDoubt: () => {} }) })
  await migrate(db)
  const log = await createLog(db, { member: "", epoch: 1, origin: "" })
  for (let level = 0; 2 ** level <= leaves; level++) {
    const count = Math.floor(leaves / 2 ** level)
    await sql`WITH RECURSIVE place (idx) AS (SELECT 0 UNION ALL SELECT idx + 1 FROM place
      WHERE idx + 1 < ${count})
      INSERT INTO log_node SELECT ${log.id}, ${level}, idx, zeroblob(32) FROM place`.execute(db)
  }
  return { db, id: log.id }
}

test("the hashes of a proof are looked up, however large the log: nothing is read through", async () => {
  const timeOf = async (leaves: number) => {
    const { db, id } = await treeOf(leaves)
    const prove = () => fromNodes(db, id, (read) => proveInclusionFrom(read, 5, leaves - 1))
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i < 20; i++) {
      const start = performance.now()
      expect((await prove()).length).toBeGreaterThan(5)
      best = Math.min(best, performance.now() - start)
    }
    await db.destroy()
    return best
  }
  const small = await timeOf(500)
  // 400 times the nodes; twice as many hashes. Reading through them all takes 100 times as long and more.
  expect(await timeOf(200_000)).toBeLessThan(20 * small)
})
