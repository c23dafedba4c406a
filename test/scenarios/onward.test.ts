import { describe, expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import {
  acquaint,
  authorise,
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"

const practice = `---
title: Two persons take the inventory
language: en
---
The inventory is taken by two persons, one of them from another section.
`

type Chain = TestNetwork & { readonly [name in "xa" | "xb" | "xc" | "xd"]: TestNode }

/** A line of members: each knows its neighbours alone. */
async function line(names = ["xa", "xb", "xc", "xd"]): Promise<Chain> {
  const net = await network(names, { acquainted: false })
  const nodes = Object.values(net.nodes)
  for (const [i, node] of nodes.entries()) {
    const next = nodes[i + 1]
    if (next === undefined) break
    await acquaint(node, next)
    await acquaint(next, node)
  }
  return { ...net.nodes, ...net } as unknown as Chain
}

/** XA's practice goes to XB, which may pass it on freely. */
async function released(net: Chain, onward: "no" | "consent" | "free" = "free"): Promise<string> {
  const { record } = await addDraft(net.xa.context, practice)
  const { orders } = await requestRelease(net.xa.context, { records: [record], to: ["xb"], onward })
  await authoriseAndPublish(net.xa, orders)
  await sync(net.xb.context, "xa")
  return record
}

async function passOn(from: TestNode, record: string, to: string, onward: "no" | "free" = "no") {
  const { orders } = await requestRelease(from.context, { records: [record], to: [to], onward })
  return authoriseAndPublish(from, orders)
}

const held = async ({ context }: TestNode) =>
  (await inbox(context)).records.filter(({ withdrawn, title }) => !withdrawn && title !== "")

async function withdraw(node: TestNode, record: string): Promise<void> {
  const { orders } = await requestWithdrawal(node.context, { record, reason: "superseded" })
  await authoriseAndPublish(node, orders)
}

describe("a record that may travel on", () => {
  test("goes down a line of members, and its last holder proves the way from its origin", async () => {
    await using net = await line()
    const record = await released(net)
    await passOn(net.xb, record, "xc", "free")
    expect((await sync(net.xc.context, "xb")).peers).toEqual([
      expect.objectContaining({ received: 1, refused: 0 }),
    ])
    await passOn(net.xc, record, "xd")
    await sync(net.xd.context, "xc")
    expect(await held(net.xd)).toEqual([
      expect.objectContaining({ record, origin: net.xa.context.self.id, verdict: "verified" }),
    ])
    const { provenance } = await show(net.xd.context, record)
    expect(provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
    for (const { context } of [net.xb, net.xc])
      expect(provenance[7]!.text).toContain(`passed on by ${context.self.id}`)

    const { file } = await exportEvidence(net.xd.context, record)
    const byOrigin = verifyEvidence(file, [parsePin(net.xa.context.self.id)])
    expect(byOrigin).toMatchObject({ verdict: "verified", origin: net.xa.context.self.id })
    expect(byOrigin.ground.filter((said) => said.startsWith("released by"))).toHaveLength(2)
    // Whoever passed it on is no ground to believe what XA said.
    expect(verifyEvidence(file, [parsePin(net.xc.context.self.id)])).toMatchObject({
      verdict: "failed",
      code: "evidence.pin",
    })
  })

  test("keeps its terms: narrower ones are taken, no wider", async () => {
    await using net = await line()
    const { record } = await addDraft(net.xa.context, practice)
    const { orders } = await requestRelease(net.xa.context, {
      records: [record],
      to: ["xb"],
      onward: "free",
      caveats: ["not for the press"],
      until: "2027-06-30",
    })
    await authoriseAndPublish(net.xa, orders)
    await sync(net.xb.context, "xa")
    const ask = (more: object) =>
      requestRelease(net.xb.context, { records: [record], to: ["xc"], dryRun: true, ...more })
    for (const wider of [
      { until: "2027-12-31" },
      { purpose: "publication" },
      { evidence: "public" as const },
    ])
      await expect(ask(wider)).rejects.toMatchObject({ code: "terms.invalid" })
    const narrower = await ask({ caveats: ["for the inspectorate"], until: "2027-01-31" })
    expect(narrower.preview[0]!.terms).toMatchObject({
      caveats: ["not for the press", "for the inspectorate"],
      expires: "2027-01-31",
      onward: "no",
    })
    const { preview } = await ask({})
    expect(preview[0]!.terms).toMatchObject({
      caveats: ["not for the press"],
      expires: "2027-06-30",
    })
  })

  test.each(["no", "consent"] as const)("does not, under onward %s", async (onward) => {
    await using net = await line()
    const record = await released(net, onward)
    await expect(
      requestRelease(net.xb.context, { records: [record], to: ["xc"] }),
    ).rejects.toMatchObject({ code: "onward.refused" })
  })

  test("is not given back to the member that wrote it", async () => {
    await using net = await line()
    const record = await released(net)
    await expect(
      requestRelease(net.xb.context, { records: [record], to: ["xa"] }),
    ).rejects.toMatchObject({ code: "recipient.self" })
  })
})

describe("what ends it", () => {
  test("its origin's withdrawal reaches the last holder, who never speaks to the origin", async () => {
    await using net = await line()
    const record = await released(net)
    await passOn(net.xb, record, "xc", "free")
    await sync(net.xc.context, "xb")
    await passOn(net.xc, record, "xd")
    await sync(net.xd.context, "xc")
    expect(await held(net.xd)).toHaveLength(1)
    await withdraw(net.xa, record)
    for (const [node, from] of [
      [net.xb, "xa"],
      [net.xc, "xb"],
      [net.xd, "xc"],
    ] as const) {
      await sync(node.context, from)
      expect(await held(node)).toEqual([])
      const contents = await node.context.db.selectFrom("content").select("rid").execute()
      expect(contents).toEqual([])
    }
  })

  test("a holder on the way takes back what it gave, and all beneath it", async () => {
    await using net = await line()
    const record = await released(net)
    await passOn(net.xb, record, "xc", "free")
    await sync(net.xc.context, "xb")
    await passOn(net.xc, record, "xd")
    await sync(net.xd.context, "xc")
    await withdraw(net.xb, record)
    await sync(net.xc.context, "xb")
    await sync(net.xd.context, "xc")
    expect(await held(net.xc)).toEqual([])
    expect(await held(net.xd)).toEqual([])
    // Its own holding is the origin's to end.
    expect(await held(net.xb)).toHaveLength(1)
  })

  test("a giver that hides the withdrawal is not believed: the origin's log has its tag", async () => {
    await using net = await line(["xa", "xb", "xc"])
    const record = await released(net)
    await passOn(net.xb, record, "xc")
    await sync(net.xc.context, "xb")
    await withdraw(net.xa, record)
    await sync(net.xb.context, "xa")
    // XB's software serves everything but what would end its own giving.
    const { id } = net.xc.context.self
    const withdrawals = await net.xb.context.db
      .selectFrom("fact")
      .select(["order_id", "leaf"])
      .where("act", "=", "withdraw")
      .execute()
    for (const { order_id, leaf } of withdrawals)
      await net.xb.context.db
        .insertInto("told")
        .values({ peer: id, subject: `${order_id} ${leaf}`, state: "1" })
        .execute()
    await sync(net.xc.context, "xb")
    expect(await held(net.xc)).toEqual([])
    await expect(show(net.xc.context, record)).rejects.toMatchObject({ code: "record.suspended" })
  })

  test("once withdrawn it is passed on no more, by an order made before either", async () => {
    await using net = await line(["xa", "xb", "xc"])
    const record = await released(net)
    const ask = () => requestRelease(net.xb.context, { records: [record], to: ["xc"] })
    const [signed, unsigned] = [await ask(), await ask()]
    await authorise(net.xb, signed.order)
    await withdraw(net.xa, record)
    await sync(net.xb.context, "xa")
    await expect(publish(net.xb.context, signed.order)).rejects.toMatchObject({
      code: "order.ended-here",
    })
    await expect(authorise(net.xb, unsigned.order)).rejects.toMatchObject({
      code: "record.withdrawn",
    })
    await expect(
      requestRelease(net.xb.context, { records: [record], to: ["xc"] }),
    ).rejects.toMatchObject({ code: "record.withdrawn" })
  })

  test("a withdrawal from another holder does not end what the origin itself released", async () => {
    await using net = (await network(["xa", "xb", "xc"])) as Chain
    const { xa, xb, xc } = net.nodes as unknown as Chain
    const { record } = await addDraft(xa.context, practice)
    const { orders } = await requestRelease(xa.context, {
      records: [record],
      to: ["xb", "xc"],
      onward: "free",
    })
    await authoriseAndPublish(xa, orders)
    await sync(xb.context, "xa")
    await sync(xc.context, "xa")
    await passOn(xb, record, "xc")
    await sync(xc.context, "xb")
    const back = await requestWithdrawal(xa.context, { record, reason: "moved", from: ["xb"] })
    await authoriseAndPublish(xa, back.orders)
    await sync(xb.context, "xa")
    await sync(xc.context, "xb")
    expect(await held(xb)).toEqual([])
    expect(await held(xc)).toHaveLength(1)
  })
})
