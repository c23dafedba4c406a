import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDrafts } from "../../node/order/drafts.ts"
import { showOrder } from "../../node/order/orders.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network } from "../support/network.ts"

test("130 records for four recipients are 520 grants, in two orders, and all arrive", async () => {
  await using net = await network(["xa", "xb", "xc", "xd", "xe"])
  const { xa, xb, xe } = net.nodes
  const sources = Array.from({ length: 130 }, (_, i) => practiceText(`Practice ${i}`))
  const drafts = await addDrafts(xa!.context, sources)
  const again = await addDrafts(xa!.context, [...sources.slice(0, 3), practiceText("Another")])
  expect(again.map(({ isNew }) => isNew)).toEqual([false, false, false, true])
  const records = drafts.map(({ record }) => record)
  const to = ["xb", "xc", "xd", "xe"]
  const made = await requestRelease(xa!.context, { records, to })
  expect(made).toMatchObject({ grants: 520 })
  const sizes = []
  for (const order of made.orders) sizes.push((await showOrder(xa!.context, order)).grants.length)
  expect(sizes).toEqual([512, 8])
  await authoriseAndPublish(xa!, made.orders)
  for (const node of [xb!, xe!]) {
    expect((await sync(node.context)).peers).toMatchObject(
      expect.arrayContaining([expect.objectContaining({ received: 130, refused: 0, failed: 0 })]),
    )
    expect((await inbox(node.context)).records).toHaveLength(130)
  }
})
