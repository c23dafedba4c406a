import { sql } from "kysely"
import { expect, test } from "vitest"
import type { Db } from "../../../node/store/schema.ts"
import { commitSoon } from "../../../node/store/soon.ts"
import { network, type TestNode } from "../../support/network.ts"

const [normal, full] = [1, 2]

async function levelOf(db: Db): Promise<number> {
  const { rows } = await sql<{ synchronous: number }>`PRAGMA synchronous`.execute(db)
  return rows[0]!.synchronous
}

test("only its own commit is not synced, each time, and also after one that failed", async () => {
  await using net = await network(["xa"])
  const { db } = (net.nodes as { xa: TestNode }).xa.context
  for (let again = 0; again < 2; again++) {
    const soon = commitSoon(db, levelOf)
    // In line behind it.
    const next = db.transaction().execute(levelOf)
    expect([await soon, await next, await levelOf(db)]).toEqual([normal, full, full])
    const failing = commitSoon(db, async () => {
      throw new Error("no")
    })
    await expect(failing).rejects.toThrow("no")
    expect(await levelOf(db)).toBe(full)
  }
})
