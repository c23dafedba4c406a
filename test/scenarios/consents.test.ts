import { describe, expect, test } from "vitest"
import { sealedFor } from "../../node/exchange/deliver.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { publish } from "../../node/log/sequencer.ts"
import { giveConsent, makeConsent, takeConsent, takeConsentBack } from "../../node/order/consent.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { exportOrder, showOrder } from "../../node/order/orders.ts"
import { type ReleaseRequest, requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import { allowPublic } from "../support/ceremony.ts"
import {
  authorise,
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { comeWithReviewProfile } from "../support/review-profile.ts"

comeWithReviewProfile()

function report(reviewers: readonly TestNode[], kind = "report", field = "reviewers"): string {
  const ids = reviewers.map(({ context }) => context.self.id).toSorted()
  return `---
title: What the review of asset recovery found
profile: review
kind: ${kind}
language: en
${field}: "${ids.join(" ")}"
---
The reviewers found the tracing of assets to be in one hand.
`
}

async function members(names: readonly string[]): Promise<TestNetwork & Record<string, TestNode>> {
  const net = await network(names)
  return { ...net.nodes, ...net } as TestNetwork & Record<string, TestNode>
}

/** A report of XA's about which XB and XC are to agree, requested for XD and signed. */
async function asked(net: TestNetwork, to: readonly string[] = ["xd"]) {
  const { xa, xb, xc } = net.nodes as Record<string, TestNode>
  const { record } = await addDraft(xa!.context, report([xb!, xc!]))
  const { order } = await requestRelease(xa!.context, { records: [record], to })
  await authorise(xa!, order)
  return { record, order }
}

/** A member's officers look at the order as it was exported to them, sign, and the node logs it. */
async function consent(node: TestNode, exported: Uint8Array): Promise<string> {
  const { order } = await makeConsent(node.context, exported)
  await authoriseAndPublish(node, [order])
  return order
}

describe("a release that others agree to", () => {
  test("waits for each of them, goes out with their consents, and proves them offline", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc, xd } = net as Required<typeof net>
    const { record, order } = await asked(net)
    expect(await showOrder(xa!.context, order)).toMatchObject({
      satisfied: false,
      missing: expect.arrayContaining(["the consent of xb", "the consent of xc"]),
      rule: { conditions: ["consent"] },
    })
    const exported = await exportOrder(xa!.context, order)
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })

    // One comes with what XA reads of XB's log, the other as a file.
    const first = await consent(xb!, exported)
    expect(await showOrder(xb!.context, first)).toMatchObject({ act: "consent", consentTo: "xa" })
    await sync(xa!.context, "xb")
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
    const file = await giveConsent(xc!.context, await consent(xc!, exported))
    expect(await takeConsent(xa!.context, file, null)).toMatchObject({ name: "xc" })
    expect(await showOrder(xa!.context, order)).toMatchObject({ satisfied: true, missing: [] })
    await publish(xa!.context, order)

    await sync(xd!.context, "xa")
    expect((await inbox(xd!.context)).records).toHaveLength(1)
    const { provenance } = await show(xd!.context, record)
    expect(provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
    for (const { context } of [xb!, xc!])
      expect(provenance[4]!.text).toContain(`explicit consent of ${context.self.id}`)

    const evidence = await exportEvidence(xd!.context, record)
    const ids = [xa!, xb!].map(({ context }) => parsePin(context.self.id))
    const { verdict, ground } = verifyEvidence(evidence.file, ids)
    expect(verdict).toBe("verified")
    const said = (node: TestNode) => ground.filter((line) => line.includes(node.context.self.id))
    expect(said(xb!)).toEqual([expect.stringMatching(/^consented to by .* pinned by you;/)])
    expect(said(xc!)).toEqual([expect.stringMatching(/^consented to by .* this file only;/)])
  })

  test("needs nobody's consent to reach those whom it names", async () => {
    await using net = await members(["xa", "xb", "xc"])
    const { xa, xb } = net as Required<typeof net>
    const { order } = await asked(net, ["xb"])
    await publish(xa!.context, order)
    await sync(xb!.context, "xa")
    expect((await inbox(xb!.context)).records).toHaveLength(1)
  })

  test("is asked for by one order for those named and one for all others", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc } = net as Required<typeof net>
    const { record } = await addDraft(xa!.context, report([xb!, xc!]))
    const other = await addDraft(xa!.context, report([xb!]))
    const { orders } = await requestRelease(xa!.context, {
      records: [record, other.record],
      to: ["xb", "xd"],
    })
    const missing: string[] = []
    for (const order of orders) {
      await authorise(xa!, order)
      missing.push((await showOrder(xa!.context, order)).missing.join())
    }
    const both = [xb!, xc!]
      .toSorted((a, b) => (a.context.self.id < b.context.self.id ? -1 : 1))
      .map(({ name }) => `the consent of ${name}`)
    expect(missing.toSorted()).toEqual(["", both.join(), "the consent of xb"].toSorted())
  })

  test("the records that officers looked at are not kept by the member that consents", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb } = net as Required<typeof net>
    const { order } = await asked(net)
    const exported = await exportOrder(xa!.context, order)
    const kept = () => xb!.context.db.selectFrom("consent_asked").select("export").execute()
    const { order: own } = await makeConsent(xb!.context, exported)
    expect(await kept()).toEqual([{ export: expect.anything() }])
    await authoriseAndPublish(xb!, [own])
    expect(await kept()).toEqual([{ export: null }])
  })
})

describe("what is no consent", () => {
  test("one to another order of the same record, shown again", async () => {
    await using net = await members(["xa", "xb", "xc", "xd", "xe"])
    const { xa, xb, xc } = net as Required<typeof net>
    const { record, order } = await asked(net)
    const exported = await exportOrder(xa!.context, order)
    for (const node of [xb!, xc!]) {
      await consent(node, exported)
      await sync(xa!.context, node.name)
    }
    const again = await requestRelease(xa!.context, { records: [record], to: ["xe"] })
    await authorise(xa!, again.order)
    await expect(publish(xa!.context, again.order)).rejects.toMatchObject({
      code: "order.unconsented",
    })
    // The same file under the subject of the new order: the store is not what a recipient believes.
    const { consentSubject } = await import("../../protocol/release/consent.ts")
    const { decodeShape } = await import("../../protocol/shape.ts")
    const { orderShape } = await import("../../protocol/release/order.ts")
    const { jsonOf } = await import("../../protocol/canonical.ts")
    const row = await xa!.context.db
      .selectFrom("release_order")
      .select("payload")
      .where("id", "=", again.order)
      .executeTakeFirstOrThrow()
    const payload = jsonOf(new Uint8Array(row.payload))
    const subject = consentSubject(decodeShape(orderShape, payload, "order.malformed"))
    await xa!.context.db.updateTable("consent").set({ subject }).execute()
    await expect(publish(xa!.context, again.order)).rejects.toMatchObject({
      code: "order.unconsented",
    })
  })

  test("one taken back before the release was logged: at the origin, and at whoever was told", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc, xd } = net as Required<typeof net>
    const { order } = await asked(net)
    const exported = await exportOrder(xa!.context, order)
    const given = await consent(xb!, exported)
    await consent(xc!, exported)
    await sync(xa!.context)
    expect(await showOrder(xa!.context, order)).toMatchObject({ satisfied: true })

    const back = await takeConsentBack(xb!.context, given, "the text names a case")
    await authoriseAndPublish(xb!, [back.order])
    await sync(xa!.context, "xb")
    expect(await showOrder(xa!.context, order)).toMatchObject({
      satisfied: false,
      missing: ["the consent of xb"],
    })
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })

    // An origin that forgets what it was told finds no reader among those that XB told as well.
    await xa!.context.db.deleteFrom("consent").where("subject", "=", back.subject).execute()
    await publish(xa!.context, order)
    await sync(xd!.context, "xb")
    const { peers } = await sync(xd!.context, "xa")
    expect(peers).toEqual([expect.objectContaining({ received: 0, refused: 1 })])
    expect((await inbox(xd!.context)).records).toEqual([])
  })

  test("one taken back that was to a release to everybody: no peer takes it, and nothing stays served", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc, xd } = net as Required<typeof net>
    await allowPublic(xa!)
    const clear = report([xb!, xc!]).replace("language:", "marking: TLP:CLEAR\nlanguage:")
    const { record } = await addDraft(xa!.context, clear)
    const { order } = await requestRelease(xa!.context, { records: [record], to: ["public"] })
    await authorise(xa!, order, [record])
    const exported = await exportOrder(xa!.context, order)
    const given = await makeConsent(xb!.context, exported)
    await authoriseAndPublish(xb!, [given.order], [record])
    const other = await makeConsent(xc!.context, exported)
    await authoriseAndPublish(xc!, [other.order], [record])
    await sync(xa!.context)
    expect(await showOrder(xa!.context, order)).toMatchObject({ satisfied: true })

    const back = await takeConsentBack(xb!.context, given.order, "the text names a case")
    await authoriseAndPublish(xb!, [back.order])
    for (const node of [xa, xc, xd]) await sync(node!.context, "xb")
    const { sealed_digest: digest } = await xa!.context.db
      .selectFrom("record")
      .select("sealed_digest")
      .where("id", "=", record)
      .executeTakeFirstOrThrow()
    const isServed = async () => {
      const ids = [xb, xc, xd].map((node) => node!.context.self.id)
      const found = await Promise.all(ids.map((id) => sealedFor(xa!.context, id, digest)))
      return found.some((object) => object !== null)
    }
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
    expect(await isServed()).toBe(false)
    expect(await xa!.context.db.selectFrom("delivery").selectAll().execute()).toEqual([])

    // An origin that forgets it: every peer refuses by itself, also the one that did consent.
    await xa!.context.db.deleteFrom("consent").where("subject", "=", back.subject).execute()
    await publish(xa!.context, order)
    expect(await isServed()).toBe(true)
    for (const node of [xb, xc, xd]) {
      expect((await sync(node!.context, "xa")).peers).toMatchObject([{ received: 0, refused: 1 }])
      expect((await inbox(node!.context)).records).toEqual([])
    }
    const { receipts } = await receiptsOf(xa!.context, record)
    expect(receipts.map(({ state, code }) => [state, code])).toEqual(
      Array(3).fill(["refused", "order.unconsented"]),
    )
    const { orders } = await requestWithdrawal(xa!.context, { record, reason: "not agreed to" })
    await authoriseAndPublish(xa!, orders)
    expect(await isServed()).toBe(false)
  })

  test("one of a member that is not asked, or of another member's", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xd } = net as Required<typeof net>
    const { order } = await asked(net)
    const exported = await exportOrder(xa!.context, order)
    await expect(makeConsent(xd!.context, exported)).rejects.toMatchObject({
      code: "consent.unasked",
    })
    const file = await giveConsent(xb!.context, await consent(xb!, exported))
    // A peer brings its own words only.
    await expect(takeConsent(xa!.context, file, xd!.context.self.id)).rejects.toMatchObject({
      code: "consent.malformed",
    })
  })

  test("a second one to the same: taken back once is taken back", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb } = net as Required<typeof net>
    const { order } = await asked(net)
    const exported = await exportOrder(xa!.context, order)
    await consent(xb!, exported)
    const { order: second } = await makeConsent(xb!.context, exported)
    await authorise(xb!, second)
    await expect(publish(xb!.context, second)).rejects.toMatchObject({ code: "order.closed" })
  })
})

describe("consensus of a group", () => {
  test("every other member of it consents to the same order, and silence is none", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc, xd } = net as Required<typeof net>
    const source = report([xa!, xb!, xc!], "group-report", "group")
    const { record } = await addDraft(xa!.context, source)
    const { order } = await requestRelease(xa!.context, { records: [record], to: ["xd"] })
    await authorise(xa!, order)
    const exported = await exportOrder(xa!.context, order)
    await consent(xb!, exported)
    await sync(xa!.context)
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
    await consent(xc!, exported)
    await sync(xa!.context)
    await publish(xa!.context, order)
    await sync(xd!.context, "xa")
    expect((await inbox(xd!.context)).records).toHaveLength(1)
  })

  test("a member outside the group releases nothing in its name", async () => {
    await using net = await members(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc } = net as Required<typeof net>
    const source = report([xb!, xc!], "group-report", "group")
    const { record } = await addDraft(xa!.context, source)
    const { order } = await requestRelease(xa!.context, { records: [record], to: ["xd"] })
    await authorise(xa!, order)
    const exported = await exportOrder(xa!.context, order)
    for (const node of [xb!, xc!]) await consent(node, exported)
    await sync(xa!.context)
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
  })
})

describe("a memorandum", () => {
  /** XB's memorandum to XA, and what XA's audit found of it, requested for XD and signed. */
  async function audited(net: TestNetwork, terms: Partial<ReleaseRequest> = {}) {
    const { xa, xb } = net.nodes as Record<string, TestNode>
    const source = "title: Memorandum\nprofile: review\nkind: memorandum\nlanguage: en"
    const memorandum = await addDraft(xb!.context, `---\n${source}\n---\nAudits are shown.\n`)
    const given = await requestRelease(xb!.context, {
      records: [memorandum.record],
      to: ["xa"],
      ...terms,
    })
    await authoriseAndPublish(xb!, given.orders)
    await sync(xa!.context, "xb")
    const { digest } = await xa!.context.db
      .selectFrom("record")
      .select("digest")
      .where("id", "=", memorandum.record)
      .executeTakeFirstOrThrow()
    const found = report([xb!], "audit-report").replace(
      "---\nThe",
      `memorandum: ${digest}\n---\nThe`,
    )
    const { record } = await addDraft(xa!.context, found)
    const { order } = await requestRelease(xa!.context, { records: [record], to: ["xd"] })
    await authorise(xa!, order)
    return { memorandum: memorandum.record, record, order }
  }

  test("is the consent of the member that gave it, and proves it offline", async () => {
    await using net = await members(["xa", "xb", "xd"])
    const { xa, xb, xd } = net as Required<typeof net>
    const { order, record } = await audited(net)
    expect(await showOrder(xa!.context, order)).toMatchObject({ satisfied: true, missing: [] })
    await publish(xa!.context, order)
    await sync(xd!.context, "xa")
    const { provenance } = await show(xd!.context, record)
    expect(provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
    expect(provenance[4]!.text).toContain(`standing consent of ${xb!.context.self.id}`)
    const { file } = await exportEvidence(xd!.context, record)
    const { verdict, ground } = verifyEvidence(file, [parsePin(xa!.context.self.id)])
    expect(verdict).toBe("verified")
    expect(ground).toContainEqual(expect.stringMatching(/^consented to by memorandum by .*XB/))
  })

  test("does for nothing from when its withdrawal has arrived", async () => {
    await using net = await members(["xa", "xb", "xd"])
    const { xa, xb } = net as Required<typeof net>
    const { memorandum, order } = await audited(net)
    const ending = await requestWithdrawal(xb!.context, { record: memorandum, reason: "denounced" })
    await authoriseAndPublish(xb!, [ending.order])
    await sync(xa!.context, "xb")
    expect(await showOrder(xa!.context, order)).toMatchObject({ missing: ["the consent of xb"] })
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
  })

  test("does for nothing once the log tells of a withdrawal whose order is kept back", async () => {
    await using net = await members(["xa", "xb", "xd"])
    const { xa, xb } = net as Required<typeof net>
    const { memorandum, order } = await audited(net)
    const ending = await requestWithdrawal(xb!.context, { record: memorandum, reason: "denounced" })
    await authoriseAndPublish(xb!, [ending.order])
    const { db } = xb!.context
    const { n } = await db.selectFrom("feed").select("n").executeTakeFirstOrThrow()
    await db.deleteFrom("delivery").where("n", "=", n).execute()
    await db
      .updateTable("feed")
      .set({ n: n - 1 })
      .execute()
    await sync(xa!.context, "xb")
    expect((await inbox(xa!.context)).records).toMatchObject([{ verdict: "suspended" }])
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
  })

  test("does not speak for a member that has taken back what it said to this very order", async () => {
    await using net = await members(["xa", "xb", "xd"])
    const { xa, xb } = net as Required<typeof net>
    const { order } = await audited(net)
    const given = await consent(xb!, await exportOrder(xa!.context, order))
    const back = await takeConsentBack(xb!.context, given, "the text names a case")
    await authoriseAndPublish(xb!, [back.order])
    await sync(xa!.context, "xb")
    await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
  })

  test("that may not be shown, or ends too soon, is none", async () => {
    const terms: readonly Partial<ReleaseRequest>[] = [
      { evidence: "recipient" },
      { until: "2026-11-26" },
    ]
    for (const one of terms) {
      await using net = await members(["xa", "xb", "xd"])
      const { xa } = net as Required<typeof net>
      const { order } = await audited(net, one)
      await expect(publish(xa!.context, order)).rejects.toMatchObject({ code: "order.unconsented" })
    }
  })
})
