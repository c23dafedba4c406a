import { expect, test } from "vitest"
import { reviewExport } from "../../node/authority/officer.ts"
import { holdingOf } from "../../node/exchange/pass-on.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { acceptGroup, addToGroup, createGroup, inviteToGroup } from "../../node/order/convene.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { exportOrder } from "../../node/order/orders.ts"
import { type Requested, requestRelease } from "../../node/order/release.ts"
import { findRecord, inbox, show } from "../../node/reading/records.ts"
import { ingest } from "../../protocol/canonical.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import {
  ForgedFeed,
  forgeOrder,
  logForged,
  practiceText,
  releaseGrant,
  serveForged,
} from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

type Names = "xa" | "xb" | "xc" | "xd" | "xe"
type Nodes = Record<Names, TestNode>
const inside = "inside:@harbours"

async function release(node: TestNode, requested: Promise<Requested>): Promise<void> {
  await authoriseAndPublish(node, (await requested).orders)
}

async function syncAll(nodes: Nodes): Promise<void> {
  for (const node of Object.values(nodes)) await sync(node.context)
}

const titles = async (node: TestNode) =>
  (await inbox(node.context)).records.filter(({ withdrawn }) => !withdrawn).map((one) => one.title)

/** XA convenes @harbours, with XB, XC and XD; XE is known to all and on no list. */
async function harbours(): Promise<{ readonly net: TestNetwork; readonly nodes: Nodes }> {
  const net = await network(["xa", "xb", "xc", "xd", "xe"])
  const nodes = net.nodes as Nodes
  const { xa } = nodes
  const invite = ["xb", "xc", "xd"]
  await release(xa, createGroup(xa.context, { name: "harbours", purpose: "Ports.", invite }))
  await syncAll(nodes)
  for (const name of ["xb", "xc", "xd"] as const)
    await release(nodes[name], acceptGroup(nodes[name].context, "@harbours"))
  await sync(xa.context)
  await release(xa, addToGroup(xa.context, "@harbours", invite))
  await syncAll(nodes)
  return { net, nodes }
}

async function released({ xa, xb }: Nodes, title: string): Promise<string> {
  const { record } = await addDraft(xa.context, practiceText(title))
  await release(xa, requestRelease(xa.context, { records: [record], to: ["xb"], onward: inside }))
  await sync(xb.context, "xa")
  return record
}

test("a record goes round inside the list it names, over three holders, and each proves it", async () => {
  const { net, nodes } = await harbours()
  await using _ = net
  const { xa, xb, xc, xd, xe } = nodes
  const record = await released(nodes, "Gates are watched in pairs")
  expect((await show(xb.context, record)).inside).toEqual({
    group: "@harbours",
    members: expect.arrayContaining(["xa", "xb", "xc", "xd"]),
  })
  const to = (name: Names) => ({ records: [record], to: [name] })
  await release(xb, requestRelease(xb.context, { ...to("xc"), onward: inside }))
  await sync(xc.context, "xb")
  await release(xc, requestRelease(xc.context, to("xd")))
  await sync(xd.context, "xc")
  expect(await titles(xd)).toContain("Gates are watched in pairs")
  const { provenance, terms } = await show(xd.context, record)
  expect(provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
  expect(terms?.onward).toBe("no")
  const { file } = await exportEvidence(xd.context, record)
  expect(verifyEvidence(file, [parsePin(xa.context.self.id)]).verdict).toBe("verified")

  for (const [node, more] of [
    [xb, {}],
    [xc, { onward: inside }],
  ] as const)
    expect(await codeOf(requestRelease(node.context, { ...to("xe"), ...more }))).toBe(
      "onward.refused",
    )
  expect(await codeOf(requestRelease(xd.context, to("xc")))).toBe("onward.refused")
  expect(await codeOf(requestRelease(xc.context, { ...to("xd"), onward: "free" }))).toBe(
    "terms.invalid",
  )
  expect(await titles(xe)).toEqual([])
})

test("before anybody signs, both the dry run and the officer see the list that it discloses", async () => {
  const { net, nodes } = await harbours()
  await using _ = net
  const { xa, xb, xe } = nodes
  const { record } = await addDraft(xa.context, practiceText("For the harbours"))
  const request = { records: [record], to: ["xe"], onward: inside } as const
  const dry = await requestRelease(xa.context, { ...request, dryRun: true })
  const said = dry.preview[0]!.knows.find((clause) => clause.includes("@harbours"))
  for (const name of ["xa", "xb", "xc", "xd"]) expect(said).toContain(name)
  expect(await xa.context.db.selectFrom("inside_list").select("digest").execute()).toEqual([])

  const { order } = await requestRelease(xa.context, request)
  const exported = await exportOrder(xa.context, order)
  const pins = new Map([[xb.context.self.id, "harbour friends"]])
  const { lines } = reviewExport(exported, pins, null)
  expect(lines[0]!.inside).toMatchObject({ name: "harbours" })
  expect(lines[0]!.inside!.known).toContain("harbour friends")
  expect(lines[0]!.inside!.known).toHaveLength(4)
  // A server that shows the officer another list, or none.
  const { groups, ...bare } = ingest(exported, exported.length) as { readonly groups: object[] }
  const another = [{ ...groups[0], title: "Group of others" }]
  for (const shown of [bare, { ...bare, groups: another }]) {
    const bytes = utf8(JSON.stringify(Object.fromEntries(Object.entries(shown).sort())))
    await expect(async () => reviewExport(bytes, pins, null)).rejects.toMatchObject({
      code: "custody.malformed",
    })
  }

  // XE is on no list: it gets the record and the list, and passes the one on inside the other.
  await authoriseAndPublish(xa, [order])
  await sync(xe.context, "xa")
  await release(xe, requestRelease(xe.context, { records: [record], to: ["xb"] }))
  await sync(xb.context, "xe")
  expect(await titles(xb)).toContain("For the harbours")
})

test("whoever is only on a newer list gets nothing: not by request, nor by a node that is made to lie", async () => {
  const { net, nodes } = await harbours()
  await using _ = net
  const { xa, xb, xe } = nodes
  const record = await released(nodes, "By the list of that day")
  await release(xa, inviteToGroup(xa.context, "@harbours", ["xe"]))
  await sync(xe.context, "xa")
  await release(xe, acceptGroup(xe.context, "@harbours"))
  await sync(xa.context, "xe")
  await release(xa, addToGroup(xa.context, "@harbours", ["xe"]))
  await syncAll(nodes)
  const to = { records: [record], to: ["xe"] }
  for (const more of [{}, { onward: inside }] as const)
    expect(await codeOf(requestRelease(xb.context, { ...to, ...more }))).toBe("onward.refused")

  const before = await titles(xe)
  const reference = await findRecord(xb.context, record)
  const { custody, sealed, terms } = await holdingOf(xb.context, reference)
  const grant = await releaseGrant(xb, record, xe.context.self.id, {
    custody,
    sealed,
    terms: { ...terms, onward: "no" },
  })
  const order = await forgeOrder(xb, [grant])
  const entry = await logForged(xb, order.order)
  const feed = new ForgedFeed("ab".repeat(16)).add({ ...order, entry })
  using hostile = serveForged(net, xb, xe, feed)
  expect((await sync(xe.context, "xb")).peers).toMatchObject([{ received: 0, refused: 1 }])
  expect(hostile.receipts()).toMatchObject([{ state: "refused", code: "custody.unpermitted" }])
  expect(await titles(xe)).toEqual(before)
})
