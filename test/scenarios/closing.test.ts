import { expect, test } from "vitest"
import { proposeRoot, publishRoot, type RootChanges } from "../../node/authority/amend.ts"
import { readProposal, signProposal } from "../../node/authority/ceremony.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import {
  acceptGroup,
  addToGroup,
  createGroup,
  inviteToGroup,
  passGroup,
  showGroup,
} from "../../node/order/convene.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { cancelOrder } from "../../node/order/orders.ts"
import { type Requested, requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { practiceText } from "../support/hostile.ts"
import { authorise, authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

async function amend(node: TestNode, changes: RootChanges): Promise<void> {
  const proposal = await proposeRoot(node.context, changes)
  const read = readProposal(proposal)
  const lines = await Promise.all(node.founded.rootPairs.map((pair) => signProposal(read, pair)))
  await publishRoot(node.context, proposal, lines.flat())
}

const closing = { answers: "The ministry", day: "2027-01-01", keep: false }

test("a member that has closed releases nothing more, and still takes back what it gave", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const draft = async (title: string) => (await addDraft(xa.context, practiceText(title))).record
  const held = await draft("Before the end")
  const request = { records: [held], to: ["xb"] }
  await authoriseAndPublish(xa, (await requestRelease(xa.context, request)).orders)
  await sync(xb.context)
  expect((await inbox(xb.context)).records).toHaveLength(1)

  await amend(xa, { fields: { closing } })
  const late = { records: [await draft("Too late")], to: ["xb"] }
  expect(await codeOf(requestRelease(xa.context, late))).toBe("root.closed")

  const withdrawal = await requestWithdrawal(xa.context, { record: held, reason: "closing" })
  await authoriseAndPublish(xa, withdrawal.orders)
  await sync(xb.context)
  const left = (await inbox(xb.context)).records.filter(({ withdrawn }) => !withdrawn)
  expect(left).toEqual([])
})

test("a member that closes has left all its groups by that, for the convener and for whoever else is listed", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const { xa, xb, xc, xd } = net.nodes as Record<"xa" | "xb" | "xc" | "xd", TestNode>
  const syncAll = async () => {
    for (const node of Object.values(net.nodes)) await sync(node.context)
  }
  const release = async (node: TestNode, requested: Promise<Requested>) => {
    await authoriseAndPublish(node, (await requested).orders)
    await syncAll()
  }
  const groups = ["harbours", "airports"]
  const invite = ["xb", "xc"]
  for (const name of groups) {
    await release(xa, createGroup(xa.context, { name, purpose: "Gates.", invite }))
    for (const node of [xb, xc]) await release(node, acceptGroup(node.context, `@${name}`))
    await release(xa, addToGroup(xa.context, `@${name}`, invite))
  }
  await release(xa, inviteToGroup(xa.context, "@harbours", ["xd"]))
  await release(xd, acceptGroup(xd.context, "@harbours"))
  // Asked for while all was well, and not logged yet.
  const { order } = await addToGroup(xa.context, "@harbours", ["xd"])
  await authorise(xa, order)
  const { record: early } = await addDraft(xa.context, practiceText("Asked for in time"))
  const toAll = await requestRelease(xa.context, { records: [early], to: ["@airports"] })
  await authorise(xa, toAll.order)

  await amend(xc, { fields: { closing } })
  await syncAll()
  for (const node of [xa, xb])
    for (const name of groups) {
      const { members, closed } = await showGroup(node.context, `@${name}`)
      expect(members.toSorted()).toEqual(["xa", "xb"])
      expect(closed).toEqual(["xc"])
    }
  expect(await showGroup(xc.context, "@harbours")).toMatchObject({ listed: false, closed: ["xc"] })

  for (const node of [xa, xb]) {
    const { record } = await addDraft(
      node.context,
      practiceText(`For those who stay, ${node.name}`),
    )
    const to = { records: [record], to: ["@airports"] }
    const foreseen = await requestRelease(node.context, { ...to, dryRun: true })
    expect(foreseen.preview.map(({ recipient }) => recipient)).toEqual([node === xa ? "xb" : "xa"])
    expect(foreseen.leftOut).toEqual([{ group: "@airports", peer: "xc" }])
    await release(node, requestRelease(node.context, to))
  }
  expect((await inbox(xc.context)).records.map(({ title }) => title)).not.toContainEqual(
    expect.stringMatching(/stay/),
  )

  expect(await codeOf(publish(xa.context, toAll.order))).toBe("recipient.left")
  expect(await codeOf(publish(xa.context, order))).toBe("group.unaccepted")
  await cancelOrder(xa.context, order)
  expect(await codeOf(addToGroup(xa.context, "@harbours", ["xc", "xd"]))).toBe("group.unaccepted")
  expect(await codeOf(passGroup(xa.context, "@harbours", "xc"))).toBe("group.unknown")
  await release(xa, addToGroup(xa.context, "@harbours", ["xd"]))
  for (const node of [xa, xb, xd]) {
    const { members, closed } = await showGroup(node.context, "@harbours")
    expect(members.toSorted()).toEqual(["xa", "xb", "xd"])
    expect(closed).toEqual([])
  }

  // Inviting makes the next version where somebody has closed, and tells all of it.
  await release(xa, inviteToGroup(xa.context, "@airports", ["xd"]))
  for (const node of [xa, xb, xd])
    expect(await showGroup(node.context, "@airports")).toMatchObject({ version: 3, closed: [] })
})
