import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { fillSlot, nextSlot, publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { cancelOrder, showOrder } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { practiceText } from "../support/hostile.ts"
import { authorise, authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

async function draftOf(node: TestNode, title: string) {
  const { record } = await addDraft(node.context, practiceText(title))
  return record
}

async function release(node: TestNode, record: string, to: readonly string[]) {
  const { orders } = await requestRelease(node.context, { records: [record], to })
  return authoriseAndPublish(node, orders)
}

async function withdraw(node: TestNode, record: string, from?: readonly string[]) {
  const only = from === undefined ? {} : { from }
  const { orders } = await requestWithdrawal(node.context, { record, reason: "over", ...only })
  return authoriseAndPublish(node, orders)
}

/** The sender's server keeps its last delivery to `peer` to itself. */
async function withhold(node: TestNode, peer: TestNode): Promise<() => Promise<void>> {
  const { db } = node.context
  const id = peer.context.self.id
  const feed = await db
    .selectFrom("feed")
    .selectAll()
    .where("peer", "=", id)
    .executeTakeFirstOrThrow()
  const last = await db
    .selectFrom("delivery")
    .selectAll()
    .where("peer", "=", id)
    .where("n", "=", feed.n)
    .executeTakeFirstOrThrow()
  await db.deleteFrom("delivery").where("peer", "=", id).where("n", "=", feed.n).execute()
  await db
    .updateTable("feed")
    .set({ n: feed.n - 1 })
    .where("peer", "=", id)
    .execute()
  return async () => {
    await db.insertInto("delivery").values(last).execute()
    await db.updateTable("feed").set({ n: feed.n }).where("peer", "=", id).execute()
  }
}

test("a withdrawal that the sender withholds suspends the record wherever its log is read", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const record = await draftOf(xa, "Taken back for everybody")
  const other = await draftOf(xa, "Staying")
  await release(xa, record, ["xb", "xc"])
  await release(xa, other, ["xb"])
  for (const node of [xb, xc]) await sync(node.context)

  await withdraw(xa, record)
  const giveOut = await withhold(xa, xb)
  await sync(xb.context)
  const rowOf = async (node: TestNode) =>
    (await inbox(node.context)).records.find((row) => row.record === record)
  expect(await rowOf(xb)).toMatchObject({ verdict: "suspended", title: "", withdrawn: false })
  expect((await search(xb.context, "taken")).records).toEqual([])
  expect(await codeOf(show(xb.context, record))).toBe("record.suspended")
  expect(await codeOf(exportEvidence(xb.context, record))).toBe("record.suspended")
  expect((await search(xb.context, "staying")).records).toHaveLength(1)
  // Hidden, not destroyed: only officers withdraw.
  expect(await xb.context.db.selectFrom("content").selectAll().execute()).toHaveLength(2)

  await giveOut()
  await sync(xb.context)
  expect(await rowOf(xb)).toMatchObject({ withdrawn: true })
})

test("a withdrawal from one of two suspends nothing at the other", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const record = await draftOf(xa, "Taken back from one")
  await release(xa, record, ["xb", "xc"])
  for (const node of [xb, xc]) await sync(node.context)
  await withdraw(xa, record, ["xb"])
  for (const node of [xb, xc]) await sync(node.context)
  expect((await inbox(xc.context)).records[0]).toMatchObject({ verdict: "verified" })
})

test("what officers release anew after its tag is seen again", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await draftOf(xa, "Back again")
  await release(xa, record, ["xb"])
  await withdraw(xa, record)
  await release(xa, record, ["xb"])
  await sync(xb.context)
  expect((await inbox(xb.context)).records[0]).toMatchObject({ verdict: "verified" })
  expect((await show(xb.context, record)).provenance.every(({ ok }) => ok)).toBe(true)
})

test("a tag of one record, entered by whoever holds the log key, hides that record and no other", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const one = await draftOf(xa, "First")
  const two = await draftOf(xa, "Second")
  for (const record of [one, two]) await release(xa, record, ["xb"])
  await sync(xb.context)
  await withdraw(xa, one)
  await withhold(xa, xb)
  await sync(xb.context)
  const verdicts = Object.fromEntries(
    (await inbox(xb.context)).records.map(({ record, verdict }) => [record, verdict]),
  )
  expect(verdicts).toEqual({ [one]: "suspended", [two]: "verified" })
})

test("a log with a cadence grows by exactly so many entries a slot, whatever there is to say", async () => {
  await using net = await network(["xa", "xb"], {
    config: { cadence: { everySeconds: 3600, entries: 6 } },
  })
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const size = async () => (await logOf(xa.context.db, xa.context.self.id))!.range.size
  const start = await size()
  const orders: string[] = []
  for (let i = 0; i < 5; i++) {
    const record = await draftOf(xa, `Practice ${i}`)
    const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authorise(xa, order)
    expect(await publish(xa.context, order)).toEqual({
      order,
      slotAt: nextSlot(xa.context, net.clock.now),
    })
    orders.push(order)
  }
  expect(await size()).toBe(start)
  expect((await showOrder(xa.context, orders[4]!)).state).toBe("scheduled")
  // One is thought better of while it waits.
  await cancelOrder(xa.context, orders[4]!)
  const received = async () => (await sync(xb.context)).peers[0]!.received
  await fillSlot(xa.context)
  expect([await size(), await received()]).toEqual([start + 6, 3])
  await fillSlot(xa.context)
  expect([await size(), await received()]).toEqual([start + 12, 1])
  await fillSlot(xa.context)
  expect([await size(), await received()]).toEqual([start + 18, 0])
})

test("every tag of a record with several versions is entered in the end", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await draftOf(xa, "One")
  await release(xa, record, ["xb"])
  const { editDraft } = await import("../../node/order/drafts.ts")
  await editDraft(xa.context, record, practiceText("Two"))
  await release(xa, record, ["xb"])
  await withdraw(xa, record)
  const places = () => xa.context.db.selectFrom("tag").selectAll().orderBy("id").execute()
  expect((await places()).map(({ idx }) => idx !== null)).toEqual([true, false])
  await release(xa, await draftOf(xa, "Another"), ["xb"])
  expect((await places()).map(({ idx }) => idx !== null)).toEqual([true, true])
  await sync(xb.context)
})
