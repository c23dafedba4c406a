import { expect, test } from "vitest"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import {
  acceptGroup,
  addToGroup,
  createGroup,
  inviteToGroup,
  leaveGroup,
  passGroup,
  removeFromGroup,
  showGroup,
} from "../../node/order/convene.ts"
import { addDraft, draftById, freezeDraft } from "../../node/order/drafts.ts"
import { type Requested, requestRelease } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { groupFields } from "../../protocol/record/group.ts"
import {
  ForgedFeed,
  forgeOrder,
  logForged,
  practiceText,
  releaseGrant,
  serveForged,
} from "../support/hostile.ts"
import { authorise, authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

type Nodes = Record<"xa" | "xb" | "xc" | "xd", TestNode>

async function release(node: TestNode, requested: Promise<Requested>): Promise<Requested> {
  const made = await requested
  await authoriseAndPublish(node, made.orders)
  return made
}

async function syncAll(nodes: Nodes): Promise<void> {
  for (const node of Object.values(nodes)) await sync(node.context)
}

/** XA convenes; XB and XC have accepted and are listed. */
async function harbours(nodes: Nodes): Promise<void> {
  const { xa, xb, xc } = nodes
  const invite = ["xb", "xc"]
  await release(xa, createGroup(xa.context, { name: "harbours", purpose: "Ports.", invite }))
  await syncAll(nodes)
  await release(xb, acceptGroup(xb.context, "@harbours"))
  await release(xc, acceptGroup(xc.context, "@harbours"))
  await syncAll(nodes)
  await release(xa, addToGroup(xa.context, "@harbours", invite))
  await syncAll(nodes)
}

const membersAt = async (node: TestNode) => (await showGroup(node.context, "@harbours")).members
const titles = async (node: TestNode) =>
  (await inbox(node.context)).records.filter(({ withdrawn }) => !withdrawn).map((one) => one.title)

test("whoever accepted is listed, a release to the group reaches its members, and a later member with a small order", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const nodes = net.nodes as Nodes
  const { xa, xb, xc, xd } = nodes
  await harbours(nodes)
  for (const node of [xa, xb, xc])
    expect(await membersAt(node)).toEqual(expect.arrayContaining(["xa", "xb", "xc"]))
  expect(await codeOf(showGroup(xd.context, "@harbours"))).toBe("group.unknown")

  const { record } = await addDraft(xa.context, practiceText("Gates are watched in pairs"))
  const to = { records: [record], to: ["@harbours"] }
  const foreseen = await requestRelease(xa.context, { ...to, dryRun: true })
  expect(foreseen.preview.map(({ recipient }) => recipient).toSorted()).toEqual(["xb", "xc"])
  await release(xa, requestRelease(xa.context, to))
  await syncAll(nodes)
  expect(await titles(xb)).toContain("Gates are watched in pairs")
  expect(await titles(xc)).toContain("Gates are watched in pairs")
  expect(await titles(xd)).toEqual([])

  const sealedBefore = await xa.context.db.selectFrom("record").selectAll().execute()
  const later = await release(xa, requestRelease(xa.context, { records: [record], to: ["xd"] }))
  expect(later.grants).toBe(1)
  // The same content under the same key: nothing was sealed anew.
  expect(await xa.context.db.selectFrom("record").selectAll().execute()).toEqual(sealedBefore)
  await syncAll(nodes)
  expect(await titles(xd)).toEqual(["Gates are watched in pairs"])
  expect((await receiptsOf(xa.context, record)).receipts.map(({ state }) => state)).toEqual([
    "delivered",
    "delivered",
    "delivered",
  ])
})

test("nobody is listed without its word: not by the request, not by the log, not by the one who is named", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const nodes = net.nodes as Nodes
  const { xa, xb, xd } = nodes
  await harbours(nodes)
  await release(xa, inviteToGroup(xa.context, "@harbours", ["xd"]))
  expect(await codeOf(addToGroup(xa.context, "@harbours", ["xd"]))).toBe("group.unaccepted")

  // Asked for while it stood, and taken back before it was logged.
  await syncAll(nodes)
  await release(xd, acceptGroup(xd.context, "@harbours"))
  await sync(xa.context)
  const { order } = await addToGroup(xa.context, "@harbours", ["xd"])
  await authorise(xa, order)
  await release(xd, leaveGroup(xd.context, "@harbours"))
  await sync(xa.context)
  expect(await codeOf(publish(xa.context, order))).toBe("group.unaccepted")

  expect(await membersAt(xb)).toHaveLength(3)
})

test("a member refuses to be listed by a convener that never asked it", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  const members = [xa, xb].map((one) => one.context.self.id)
  const forged = { name: "forged", convener: xa.context.self.id, previous: null, members }
  const { record } = await addDraft(xa.context, groupText(groupFields(forged)))
  expect(await codeOf(requestRelease(xa.context, { records: [record], to: ["xb"] }))).toBe(
    "group.unaccepted",
  )
  await xa.context.db.transaction().execute(async (trx) => {
    await freezeDraft(xa.context, trx, await draftById(xa.context, record, trx))
  })
  const grant = await releaseGrant(xa, record, xb.context.self.id)
  const order = await forgeOrder(xa, [grant])
  const entry = await logForged(xa, order.order)
  const feed = new ForgedFeed("ab".repeat(16)).add({ ...order, entry })
  using hostile = serveForged(net, xa, xb, feed)
  expect((await sync(xb.context, "xa")).peers).toMatchObject([{ received: 0, refused: 1 }])
  expect(hostile.receipts()).toMatchObject([{ state: "refused", code: "group.unaccepted" }])
  expect((await inbox(xb.context)).records).toEqual([])
})

test("a member that leaves is listed no more, and the list is taken back from it", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const nodes = net.nodes as Nodes
  const { xa, xb, xc } = nodes
  await harbours(nodes)
  await release(xc, leaveGroup(xc.context, "@harbours"))
  await sync(xa.context)
  expect(await showGroup(xa.context, "@harbours")).toMatchObject({ left: ["xc"] })
  const { record } = await addDraft(xa.context, practiceText("For those who stayed"))
  await release(xa, removeFromGroup(xa.context, "@harbours", ["xc"]))
  await release(xa, requestRelease(xa.context, { records: [record], to: ["@harbours"] }))
  await syncAll(nodes)
  expect(await membersAt(xb)).toEqual(expect.arrayContaining(["xa", "xb"]))
  expect(await membersAt(xb)).toHaveLength(2)
  expect(await codeOf(showGroup(xc.context, "@harbours"))).toBe("group.unknown")
  expect(await titles(xb)).toContain("For those who stayed")
  expect(await titles(xc)).toEqual([])
})

test("a release asked for an earlier list is not published to whoever is not on it any more", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const nodes = net.nodes as Nodes
  const { xa, xc, xd } = nodes
  await harbours(nodes)
  const asked = async (to: readonly string[]) => {
    const { record } = await addDraft(xa.context, practiceText(`To ${to.join(" and ")}`))
    const { order } = await requestRelease(xa.context, { records: [record], to })
    await authorise(xa, order)
    return order
  }
  const orders = {
    byList: await asked(["@harbours"]),
    byName: await asked(["@harbours", "xc"]),
    again: await asked(["xc", "@harbours"]),
  }
  // Who joins later changes nothing for those who were listed.
  await release(xa, inviteToGroup(xa.context, "@harbours", ["xd"]))
  await syncAll(nodes)
  await release(xd, acceptGroup(xd.context, "@harbours"))
  await sync(xa.context)
  await release(xa, addToGroup(xa.context, "@harbours", ["xd"]))
  const early = await asked(["@harbours"])
  expect(await codeOf(publish(xa.context, early))).toBeNull()

  await release(xa, removeFromGroup(xa.context, "@harbours", ["xc"]))
  await syncAll(nodes)
  expect(await codeOf(publish(xa.context, orders.byList))).toBe("recipient.left")
  for (const order of [orders.byName, orders.again])
    expect(await codeOf(publish(xa.context, order))).toBeNull()
  await syncAll(nodes)
  expect(await titles(xc)).toEqual(
    expect.arrayContaining(["To @harbours and xc", "To xc and @harbours"]),
  )
})

test("convening passes to a member, and whoever passed it on convenes no more", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const nodes = net.nodes as Nodes
  const { xa, xb, xc, xd } = nodes
  await harbours(nodes)
  await release(xa, passGroup(xa.context, "@harbours", "xb"))
  await syncAll(nodes)
  expect(await codeOf(inviteToGroup(xa.context, "@harbours", ["xd"]))).toBe("group.not-ours")
  await release(xb, acceptGroup(xb.context, "@harbours"))
  await syncAll(nodes)
  for (const node of [xa, xb, xc])
    expect(await showGroup(node.context, "@harbours")).toMatchObject({ convener: "xb", version: 1 })

  await release(xb, inviteToGroup(xb.context, "@harbours", ["xd"]))
  await syncAll(nodes)
  await release(xd, acceptGroup(xd.context, "@harbours"))
  await syncAll(nodes)
  await release(xb, addToGroup(xb.context, "@harbours", ["xd"]))
  await syncAll(nodes)
  for (const node of [xa, xb, xc, xd]) expect(await membersAt(node)).toHaveLength(4)
})

function groupText(fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
  return [
    "---",
    "title: Group",
    "profile: liaison",
    "kind: group",
    ...lines,
    "---",
    "Words.",
    "",
  ].join("\n")
}
