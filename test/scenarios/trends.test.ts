import { expect, test } from "vitest"
import { formatTrends } from "../../cli/commands/trends.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { trends } from "../../node/reading/trends.ts"
import { acquaint, authoriseAndPublish, network, type TestNode } from "../support/network.ts"

const practice = (title: string, area: string, year: string) => `---
title: ${title}
profile: ippas
kind: good-practice
areas: [${area}]
basis: NSS 13
whyBetter: Two see more than one.
year: "${year}"
---
What is done, and by whom.
`

async function shared(from: TestNode, source: string, to: TestNode): Promise<void> {
  const { record } = await addDraft(from.context, source)
  const { orders } = await requestRelease(from.context, { records: [record], to: [to.name] })
  await authoriseAndPublish(from, orders)
  expect((await sync(to.context, from.name)).peers).toEqual([
    expect.objectContaining({ received: 1, refused: 0, failed: 0 }),
  ])
}

test("our own numbers over the years are ours to see; others' are not counted beside them", async () => {
  const names = ["xa", "xb", "xc", "xd", "xe", "xf"]
  await using net = await network(names, { acquainted: false })
  const { xa, xb } = net.nodes as { readonly [name: string]: TestNode }
  for (const node of Object.values(net.nodes))
    if (node !== xb) {
      await acquaint(node, xb!)
      await acquaint(xb!, node)
    }
  for (const { context } of Object.values(net.nodes))
    context.localMarks.set("TLP:AMBER+STRICT", "OURS")
  for (const [i, name] of names.entries()) {
    if (name === "xb") continue
    await shared(net.nodes[name]!, practice(`Practice ${i} of ports`, "M2", "2017"), xb!)
  }
  await shared(xa!, practice("Another of ours", "M3", "2013"), xb!)

  const own = await trends(xa!.context, { mechanism: "ippas" })
  const years = own.cells.filter(({ at }) => at[0] === null && at[1] === "good-practice")
  expect(years).toEqual([
    { at: [null, "good-practice", "2013"], count: 1 },
    { at: [null, "good-practice", "2017"], count: 1 },
    { at: [null, "good-practice", null], count: 2 },
  ])
  for (const of of [["xa"], ["xa", "xc"], ["xb", "xa"]])
    await expect(trends(xb!.context, { mechanism: "ippas", of })).rejects.toMatchObject({
      code: "comparison.forbidden",
      message: expect.stringContaining("comparison between States should not be attempted"),
    })

  const together = await trends(xb!.context, { mechanism: "ippas", together: true })
  // Six records of five members: the one of 2013 is of one member, so the year is not told, nor 2017.
  expect(together).toMatchObject({ of: null, k: 5 })
  expect(together.cells).toContainEqual({ at: [null, null, null], count: 6 })
  expect(together.cells.map(({ at }) => at[2])).not.toContain("2013")
  expect(together.cells).not.toContainEqual({ at: [null, null, "2017"], count: 5 })
  const csv = formatTrends(together)
  expect(csv.split("\r\n")[0]).toBe(
    '"The number of findings does not measure anyone\'s status; comparison between States should not be attempted."',
  )
  for (const { context } of Object.values(net.nodes)) expect(csv).not.toContain(context.self.id)
  await expect(
    trends(xb!.context, { mechanism: "ippas", together: true, k: 2 }),
  ).rejects.toMatchObject({ code: "terms.invalid" })
})
