import { expect, test } from "vitest"
import { signDecision } from "../../node/authority/decision.ts"
import { decideLocalMark, markSubject } from "../../node/authority/local-marks.ts"
import { dayOf } from "../../node/context.ts"
import { endHold, holdRecord, holdSubject, listHolds, openHeld } from "../../node/exchange/hold.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { unanswered } from "../../node/exchange/unanswered.ts"
import { why } from "../../node/exchange/why.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { officerKey } from "../support/hostile.ts"
import { decided } from "../support/mechanism.ts"
import { acquaint, authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"
import { imageOf, startFrom } from "../support/restart.ts"
import { type Secret, tracesIn } from "../support/traces.ts"

const canaries: readonly Secret[] = ["Zanzibarquartz", "lapislazulitrellis"].map((value) => ({
  name: value,
  value,
}))

async function draft(node: TestNode): Promise<string> {
  const text = "---\ntitle: Practice of Zanzibarquartz\n---\nThe lapislazulitrellis is watched.\n"
  return (await addDraft(node.context, text)).record
}

async function release(node: TestNode, record: string, to: readonly string[]) {
  const { orders } = await requestRelease(node.context, { records: [record], to })
  await authoriseAndPublish(node, orders)
}

async function withdraw(node: TestNode, record: string) {
  const { orders } = await requestWithdrawal(node.context, { record, reason: "over" })
  await authoriseAndPublish(node, orders)
}

function decision(node: TestNode, act: "hold" | "unhold" | "open", subject: string) {
  const { id: member, network: name } = node.context.self
  const to = { member, network: name, day: dayOf(node.env.clock.now()) }
  return signDecision(officerKey(node, "p1"), to, { act, reason: "Archives Act, 5", subject })
}

const statesOf = async (node: TestNode, record: string) =>
  (await receiptsOf(node.context, record)).receipts.map(({ state }) => state)

test("a withdrawal reaches every holder, each says that it purged, and nothing of it is left in any store", async () => {
  const names = Array.from({ length: 11 }, (_, i) => `x${String.fromCharCode(98 + i)}`)
  await using net = await network(["xa", ...names], { acquainted: false })
  const xa = net.nodes.xa!
  const holders = names.map((name) => net.nodes[name]!)
  for (const holder of holders) {
    await acquaint(xa, holder)
    await acquaint(holder, xa)
  }
  const record = await draft(xa)
  await release(xa, record, names)
  await Promise.all(holders.map(({ context }) => sync(context)))
  expect(await statesOf(xa, record)).toEqual(names.map(() => "delivered"))
  // The search finds them where they are.
  for (const holder of holders)
    expect(tracesIn(imageOf(holder).database, canaries).length).toBeGreaterThan(1)

  await withdraw(xa, record)
  expect(await unanswered(xa.context)).toHaveLength(names.length)
  const [late, ...others] = holders
  await Promise.all(others.map(({ context }) => sync(context)))
  expect(await unanswered(xa.context)).toMatchObject([
    { peer: late!.name, state: "queued", overdue: false, record },
  ])
  net.clock.now += 25 * 3_600_000
  expect(await unanswered(xa.context)).toMatchObject([{ peer: late!.name, overdue: true }])
  await sync(late!.context)
  expect(await unanswered(xa.context)).toEqual([])
  for (const holder of holders) {
    expect(tracesIn(imageOf(holder).database, canaries)).toEqual([])
    expect(tracesIn(Buffer.from(holder.journal.join("\n")), canaries)).toEqual([])
  }
})

test("what a holder brings back from an older state is taken back again, unasked", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await draft(xa)
  await release(xa, record, ["xb"])
  await sync(xb.context)
  const before = imageOf(xb)
  await withdraw(xa, record)
  await sync(xb.context)
  const back = await startFrom(xb, before)
  expect(tracesIn(imageOf(back).database, canaries).length).toBeGreaterThan(1)
  await sync(back.context)
  expect((await inbox(back.context)).records).toMatchObject([{ withdrawn: true, title: "" }])
  expect(tracesIn(imageOf(back).database, canaries)).toEqual([])
  // The same again from the feed's beginning: the release comes without its key.
  await back.context.db.deleteFrom("source").execute()
  await sync(back.context)
  expect((await inbox(back.context)).records).toMatchObject([{ withdrawn: true }])

  await release(xa, record, ["xb"])
  await sync(back.context)
  expect((await inbox(back.context)).records).toMatchObject([{ withdrawn: false }])
})

test("what the law forbids to destroy is locked away, its origin is told until when, and an officer ends it", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await draft(xa)
  const named = { origin: xa.context.self.id, id: record }
  const review = "2027-06-30"
  await release(xa, record, ["xb"])
  await sync(xb.context)

  const other = await decision(xb, "hold", holdSubject(named, "2027-07-01"))
  expect(await codeOf(holdRecord(xb.context, record, review, other))).toBe("officer.unknown")
  const past = await decision(xb, "hold", holdSubject(named, "2026-01-01"))
  expect(await codeOf(holdRecord(xb.context, record, "2026-01-01", past))).toBe("terms.invalid")
  const placed = await decision(xb, "hold", holdSubject(named, review))
  await holdRecord(xb.context, record, review, placed)
  expect((await search(xb.context, "lapislazulitrellis")).records).toHaveLength(1)
  const open = await decision(xb, "open", `${named.origin} ${record}`)
  const wanted = { marking: "TLP:AMBER", mark: "XB RESTRICTED" } as const
  const subject = markSubject(wanted.marking, wanted.mark)
  const marked = { act: "map-marking", reason: "instruction 4/2026", subject } as const
  await decideLocalMark(xb.context, wanted, await decided(xb, "p2", marked))
  expect(await codeOf(openHeld(xb.context, record, open))).toBe("hold.unknown")

  await withdraw(xa, record)
  await sync(xb.context)
  expect((await receiptsOf(xa.context, record)).receipts).toContainEqual(
    expect.objectContaining({ peer: "xb", state: "held", until: review }),
  )
  expect(await unanswered(xa.context)).toMatchObject([
    { state: "held", until: review, overdue: false },
  ])
  expect(await why(xa.context, record, "xb")).toMatchObject({
    reason: "withdrawn",
    detail: expect.stringContaining("stated held"),
  })
  expect((await inbox(xb.context)).records).toMatchObject([{ withdrawn: true, title: "" }])
  expect((await search(xb.context, "lapislazulitrellis")).records).toEqual([])
  expect(await codeOf(show(xb.context, record))).toBe("record.held")
  expect(await listHolds(xb.context)).toMatchObject([{ record, review, locked: true, due: false }])
  expect(await openHeld(xb.context, record, open)).toMatchObject({
    content: { title: "Practice of Zanzibarquartz" },
    marking: "TLP:AMBER",
    localMark: "XB RESTRICTED",
  })

  net.clock.now = Date.parse("2027-07-01T09:00:00Z")
  expect(await unanswered(xa.context)).toMatchObject([{ state: "held", overdue: true }])
  expect(await listHolds(xb.context)).toMatchObject([{ due: true }])
  await endHold(xb.context, record, await decision(xb, "unhold", `${named.origin} ${record}`))
  expect(tracesIn(imageOf(xb).database, canaries)).toEqual([])
  expect(await listHolds(xb.context)).toEqual([])
})

test("a held record that is released anew is found and read again", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await draft(xa)
  const review = "2027-06-30"
  await release(xa, record, ["xb"])
  await sync(xb.context)
  const subject = holdSubject({ origin: xa.context.self.id, id: record }, review)
  await holdRecord(xb.context, record, review, await decision(xb, "hold", subject))
  await withdraw(xa, record)
  await sync(xb.context)
  await release(xa, record, ["xb"])
  await sync(xb.context)
  expect((await search(xb.context, "lapislazulitrellis")).records).toHaveLength(1)
  expect((await show(xb.context, record)).provenance.every(({ ok }) => ok)).toBe(true)
  await withdraw(xa, record)
  await sync(xb.context)
  expect((await search(xb.context, "lapislazulitrellis")).records).toEqual([])
})

test("the purge that follows a hold is stated to the origin", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await draft(xa)
  const named = { origin: xa.context.self.id, id: record }
  await release(xa, record, ["xb"])
  await sync(xb.context)
  const placed = await decision(xb, "hold", holdSubject(named, "2027-06-30"))
  await holdRecord(xb.context, record, "2027-06-30", placed)
  await withdraw(xa, record)
  await sync(xb.context)
  await endHold(xb.context, record, await decision(xb, "unhold", `${named.origin} ${record}`))
  await sync(xb.context)
  expect(await statesOf(xa, record)).toContain("purged")
  expect(await unanswered(xa.context)).toEqual([])
})
