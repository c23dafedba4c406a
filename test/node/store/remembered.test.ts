import { expect, test, vi } from "vitest"
import { peerById } from "../../../node/store/queries/members.ts"
import { prepared } from "../../../node/store/queries/prepared.ts"
import { remembered } from "../../../node/store/queries/remembered.ts"
import type { Db } from "../../../node/store/schema.ts"
import { network, type TestNode } from "../../support/network.ts"

async function setUp() {
  const net = await network(["xa", "xb"])
  const { db } = (net.nodes as { xa: TestNode }).xa.context
  const read = vi.fn((from: Db, name: string) =>
    from
      .selectFrom("meta")
      .select("value")
      .where("name", "=", name)
      .executeTakeFirst()
      .then((row) => (row === undefined ? null : row.value[0])),
  )
  const write = (to: Db, byte: number) =>
    to
      .insertInto("meta")
      .values({ name: "x", value: Uint8Array.of(byte) })
      .onConflict((conflict) => conflict.doUpdateSet({ value: Uint8Array.of(byte) }))
      .execute()
  return { net, db, read, write, value: remembered(["meta"], read) }
}

test("an answer is given again until its table is written, whoever writes how", async () => {
  const { net, db, read, write, value } = await setUp()
  await using _ = net
  expect(await value(db, "x")).toBeNull()
  await write(db, 1)
  expect([await value(db, "x"), await value(db, "x"), await value(db, "y")]).toEqual([1, 1, null])
  expect(read).toHaveBeenCalledTimes(3)
  await db.insertInto("event").values({ at: 0, kind: "a", subject: "b", detail: "" }).execute()
  expect(await value(db, "x")).toBe(1)
  expect(read).toHaveBeenCalledTimes(3)
  await db
    .updateTable("meta")
    .set({ value: Uint8Array.of(2) })
    .where("name", "=", "x")
    .execute()
  expect(await value(db, "x")).toBe(2)
  await db.deleteFrom("meta").where("name", "=", "x").execute()
  expect(await value(db, "x")).toBeNull()
})

test("what a transaction writes is seen in it, and by others once it is committed", async () => {
  const { net, db, write, value } = await setUp()
  await using _ = net
  await write(db, 1)
  expect(await value(db, "x")).toBe(1)
  let outside: Promise<unknown> = Promise.resolve()
  await db.transaction().execute(async (trx) => {
    expect(await value(trx, "x")).toBe(1)
    await write(trx, 2)
    expect(await value(trx, "x")).toBe(2)
    outside = value(db, "x")
    expect(
      await Promise.race([outside, new Promise((resolve) => setTimeout(resolve, 20, "waits"))]),
    ).toBe("waits")
    await write(trx, 3)
  })
  expect(await outside).toBe(3)
  expect(await value(db, "x")).toBe(3)
})

test("what is undone was never seen by others", async () => {
  const { net, db, write, value } = await setUp()
  await using _ = net
  await write(db, 1)
  const undone = db.transaction().execute(async (trx) => {
    await write(trx, 2)
    expect(await value(trx, "x")).toBe(2)
    throw new Error("no")
  })
  await expect(undone).rejects.toThrow("no")
  expect(await value(db, "x")).toBe(1)
})

test("two stores remember each for itself", async () => {
  const { net } = await setUp()
  await using _ = net
  const { xa, xb } = net.nodes as { xa: TestNode; xb: TestNode }
  const of = (node: TestNode) => peerById(node.context.db, xb.context.self.id)
  expect((await of(xa))?.name).toBe("xb")
  expect(await of(xb)).toBeUndefined()
})

test("a prepared read does not look into a transaction that others are in", async () => {
  const { net, db, write } = await setUp()
  await using _ = net
  const valueUnder = prepared((from, name: string) =>
    from.selectFrom("meta").select("value").where("name", "=", name),
  )
  await write(db, 1)
  let outside: Promise<readonly { value: Uint8Array }[]> = Promise.resolve([])
  const undone = db.transaction().execute(async (trx) => {
    await write(trx, 2)
    expect((await valueUnder(trx, "x"))[0]?.value[0]).toBe(2)
    outside = valueUnder(db, "x")
    await new Promise((resolve) => setTimeout(resolve, 20))
    await write(trx, 3)
    throw new Error("no")
  })
  await expect(undone).rejects.toThrow("no")
  expect((await outside)[0]?.value[0]).toBe(1)
})
