import { sql } from "kysely"
import { expect, test, vi } from "vitest"
import { doctor } from "../../node/doctor.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { auditLogs, keepAuditing } from "../../node/log/audit.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"

test("one changed byte in a stored log, tree or checkpoint is found, ours or a mirror", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  for (let i = 0; i < 5; i++) {
    const { record } = await addDraft(xa.context, practiceText(`Practice ${i}`))
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authoriseAndPublish(xa, orders)
  }
  await sync(xb.context)
  const sound = async (node: TestNode) => (await auditLogs(node.context)).logs.every(({ ok }) => ok)
  for (const node of [xa, xb]) {
    expect(await sound(node)).toBe(true)
    const { db } = node.context
    const log = await db
      .selectFrom("log")
      .selectAll()
      .where("member", "=", xa.context.self.id)
      .executeTakeFirstOrThrow()
    const damages = [
      ["log_entry", "entry", sql`idx = 4`],
      ["log_node", "hash", sql`level = 0 AND idx = 3`],
      ["log_node", "hash", sql`level = 2 AND idx = 1`],
      ["log", "range", sql`TRUE`],
    ] as const
    for (const [table, column, where] of damages) {
      const key = table === "log" ? sql.ref("id") : sql.ref("log")
      const flip = (value: Uint8Array) => {
        const bytes = new Uint8Array(value)
        bytes[bytes.length - 1]! ^= 1
        return bytes
      }
      const { rows } = await sql<{ value: Uint8Array }>`
        SELECT ${sql.ref(column)} AS value FROM ${sql.table(table)}
        WHERE ${key} = ${log.id} AND ${where}`.execute(db)
      const before = new Uint8Array(rows[0]!.value)
      const set = (value: Uint8Array) =>
        sql`UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${value}
          WHERE ${key} = ${log.id} AND ${where}`.execute(db)
      await set(flip(before))
      expect(await sound(node), `${node.name} ${table}`).toBe(false)
      const checks = (await doctor(node.context)).checks.filter(({ ok }) => !ok)
      expect(checks.map(({ check }) => check)).toContain(node === xa ? "log" : "log of xa")
      await set(before)
      expect(await sound(node)).toBe(true)
    }
    const note = log.checkpoint ?? ""
    await db
      .updateTable("log")
      .set({ checkpoint: note.replace("\n", "x\n") })
      .where("id", "=", log.id)
      .execute()
    expect(await sound(node)).toBe(false)
    await db.updateTable("log").set({ checkpoint: note }).where("id", "=", log.id).execute()
  }
})

test("a log that the disk changed stops the signer, also where the disk refuses the note of it", async () => {
  await using net = await network(["xa", "xb"])
  const { xa } = net.nodes as Record<"xa" | "xb", TestNode>
  const { db } = xa.context
  await sql`UPDATE log_entry SET entry = randomblob(32) WHERE idx = 0`.execute(db)
  await sql`PRAGMA query_only = ON`.execute(db)
  const ended = new AbortController()
  const auditing = keepAuditing(xa.context, ended.signal)
  await vi.waitFor(() => expect(xa.context.stopped?.code).toBe("store.corrupt"))
  ended.abort()
  // A loop that rejects would end the process, and reading with it.
  await auditing
  await sql`PRAGMA query_only = OFF`.execute(db)
})
