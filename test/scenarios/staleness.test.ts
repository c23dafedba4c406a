import { expect, test } from "vitest"
import { addDraft } from "../../node/drafts.ts"
import { inbox, show } from "../../node/records.ts"
import { requestRelease } from "../../node/release.ts"
import { sync } from "../../node/subscribe.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { answerFrom, imageOf, startFrom } from "../support/restart.ts"

const day = 86_400_000

async function release(node: TestNode, title: string, to: readonly string[]) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { orders } = await requestRelease(node.context, { records: [record], to })
  await authoriseAndPublish(node, orders)
  return record
}

test("silence, a step back and a gap are shown on the verdict, and gone when the feed is whole", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const old = imageOf(xa)
  const record = await release(xa, "Practice", ["xb"])
  await sync(xb.context)
  const stale = async () => (await inbox(xb.context)).records[0]?.stale ?? null
  expect(await stale()).toBeNull()

  // Silence: nothing heard for longer than three days.
  net.clock.now += 4 * day
  expect(await stale()).toBe("2026-11-23")
  expect((await show(xb.context, record)).notes).toContain(
    "stale since 2026-11-23: nothing was heard of it since",
  )
  await sync(xb.context)
  expect(await stale()).toBeNull()

  // A step back: an old copy of the node answers.
  answerFrom(net, await startFrom(xa, old))
  await sync(xb.context)
  expect((await show(xb.context, record)).notes).toContainEqual(
    expect.stringContaining("stale since 2026-11-27: its log went back"),
  )
  net.clock.now += day
  await sync(xb.context)
  expect(await stale()).toBe("2026-11-27")
  answerFrom(net, xa)
  await sync(xb.context)
  expect(await stale()).toBeNull()

  // A gap: a delivery is left out.
  await release(xa, "Left out", ["xb"])
  await release(xa, "After it", ["xb"])
  const { db } = xa.context
  const lost = await db
    .selectFrom("delivery")
    .selectAll()
    .where("n", "=", 2)
    .executeTakeFirstOrThrow()
  await db.deleteFrom("delivery").where("n", "=", 2).execute()
  await sync(xb.context)
  expect((await show(xb.context, record)).notes).toContainEqual(
    expect.stringContaining("its feed has a gap"),
  )
  await db.insertInto("delivery").values(lost).execute()
  await sync(xb.context)
  expect(await stale()).toBeNull()
  expect((await inbox(xb.context)).records).toHaveLength(3)
})

test("a log that shows others more than us is stale, as they tell", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  await release(xa, "Practice", ["xb"])
  await sync(xb.context)
  await release(xa, "For XC", ["xc"])
  await sync(xc.context, "xa")
  net.down.add("xa.example")
  await sync(xb.context, "xc")
  net.clock.now += 4 * day
  const { records } = await inbox(xb.context)
  expect(records[0]?.stale).toBeDefined()
  net.down.delete("xa.example")
  await sync(xb.context, "xa")
  expect((await inbox(xb.context)).records[0]?.stale).toBeUndefined()
})
