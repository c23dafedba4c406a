import SQLite from "better-sqlite3"
import { sql } from "kysely"
import { expect, test, vi } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { search } from "../../../node/reading/records.ts"
import type { Db } from "../../../node/store/schema.ts"
import { network, type TestNode } from "../../support/network.ts"
import { release } from "../../support/witnessing.ts"

/** What grows with every record, order or entry: nothing that is done daily may read it all. */
const grown =
  /^SCAN (?:record|content|release_order|logged_order|order_grant|grant_list|log_entry|delivery)\b/

test("to publish, to be polled, to take over and to search, nothing that grows is read whole", async () => {
  const prepare = vi.spyOn(SQLite.prototype, "prepare")
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as { xa: TestNode; xb: TestNode }
  prepare.mockClear()
  const { record } = await release(xa, "Independent follow-up", "xb")
  await sync(xb.context, "xa")
  const { records } = await search(xb.context, "independent")
  expect(records.map((found) => found.record)).toEqual([record])
  const asked = new Set(prepare.mock.calls.map(([text]) => text))
  prepare.mockRestore()
  const whole: string[] = []
  for (const text of asked) {
    if (!/^\s*(?:select|update|delete)\b/i.test(text)) continue
    // The first that there is, in no order, is one row of whatever is read.
    if (/ limit 1$/.test(text) && !/ order by /.test(text)) continue
    const bound = text.replaceAll("?", "'1'")
    const { rows } = await sql.raw(`EXPLAIN QUERY PLAN ${bound}`).execute(xb.context.db)
    for (const { detail } of rows as { readonly detail: string }[])
      if (grown.test(detail)) whole.push(`${detail}: ${text}`)
  }
  expect(asked.size).toBeGreaterThan(50)
  expect(whole).toEqual([])
  const planned = await columnsOfConditions(xb.context.db)
  expect(planned.length).toBeGreaterThan(2)
  expect(
    [...asked].filter((text) => planned.some((column) => text.includes(`"${column}" = ?`))),
  ).toEqual([])
})

/** What a partial index compares with a value of its own: bound to another, a statement is planned anew. */
async function columnsOfConditions(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ readonly sql: string }>`
    SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'`.execute(db)
  return rows.flatMap((row) => /\sWHERE (\w+) (?:=|<>) /.exec(row.sql)?.[1] ?? [])
}
