import { expect, test } from "vitest"
import { makeOfficerKey } from "../../node/authority/found.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { cancelOrder, listOrders, showOrder } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { rangeRoot } from "../../protocol/log/compact-range.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { amend, keySet, knownVersion, release } from "../support/ceremony.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, signAs, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

test("a new version is logged, and peers take it over with the log", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const first = await release(xa, "Before", "xb")
  expect(await amend(xa, { fields: { name: "Authority of XA" } })).toMatchObject({ version: 2 })
  const second = await release(xa, "After", "xb")
  const { peers } = await sync(xb.context)
  expect(peers[0]).toMatchObject({ received: 2, refused: 0, failed: 0 })
  expect(await knownVersion(xb, xa)).toBe(2)
  for (const { record } of [first, second])
    expect((await show(xb.context, record)).provenance.every(({ ok }) => ok)).toBe(true)
})

test("an order made under the version before has to be signed again", async () => {
  await using net = await network(["xa", "xb"])
  const { xa } = net.nodes as Record<"xa" | "xb", TestNode>
  const { record } = await addDraft(xa.context, practiceText("Waiting"))
  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  for (const person of ["p1", "p2"]) await signAs(xa, order, person)
  await amend(xa, {})
  expect(await codeOf(publish(xa.context, order))).toBe("order.stale")
})

test("an order that a dismissed officer has signed can still be looked at and cancelled", async () => {
  await using net = await network(["xa", "xb"])
  const { xa } = net.nodes as Record<"xa" | "xb", TestNode>
  const { record } = await addDraft(xa.context, practiceText("Waiting"))
  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  for (const person of ["p1", "p2"]) await signAs(xa, order, person)
  await release(xa, "Logged", "xb")
  await amend(xa, { dismiss: ["p2"] })
  const { orders } = await listOrders(xa.context)
  for (const one of orders)
    expect(await showOrder(xa.context, one.order)).toMatchObject({ satisfied: true, signed: 2 })
  expect(await cancelOrder(xa.context, order)).toMatchObject({ state: "cancelled" })
})

test("root keys are rotated to the set that was committed to, and to no other", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const { rootPairs, nextPairs } = xa.founded
  const other = [{ ed25519: xa.env.random(32), mldsa65: xa.env.random(32) }]
  expect(
    await codeOf(
      amend(xa, { rotate: { now: keySet(other), next: keySet(nextPairs) } }, [
        ...rootPairs,
        ...other,
      ]),
    ),
  ).toBe("root.chain")
  const rotate = { now: keySet(nextPairs), next: keySet(other) }
  expect(await codeOf(amend(xa, { rotate }))).toBe("root.threshold")
  expect(await codeOf(amend(xa, { rotate }, nextPairs))).toBe("root.threshold")
  await amend(xa, { rotate }, [...rootPairs, ...nextPairs])
  expect(await codeOf(amend(xa, {}, rootPairs))).toBe("signed.unknown-key")
  expect(await amend(xa, {}, nextPairs)).toMatchObject({ version: 3 })
  await sync(xb.context)
  expect(await knownVersion(xb, xa)).toBe(3)
})

test("an officer's key revoked from index n: n − 1 stands, n is repudiated at whoever held it", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const honest = await release(xa, "By the officer", "xb")
  const stolen = await release(xa, "By the thief", "xb")
  await sync(xb.context)
  const thief = kidOf(xa.founded.officers[1]!.officer.key)
  await amend(xa, { revoke: [{ kid: thief, from: { epoch: 1, size: stolen.index } }] })
  await sync(xb.context)
  const { records } = await inbox(xb.context)
  const verdictOf = (record: string) => records.find((row) => row.record === record)?.verdict
  expect(verdictOf(honest.record)).toBe("verified")
  expect(verdictOf(stolen.record)).toBe("repudiated")
  const shown = await show(xb.context, stolen.record)
  expect(shown.provenance.at(-1)).toMatchObject({ ok: false, code: "order.unauthorised" })
  expect(shown.notes).toContain(`repudiated by its origin from index ${stolen.index}`)
  // It is also not served any more, to anyone who had not fetched it.
  expect((await sync(xc.context)).peers[0]).toMatchObject({ received: 0 })
})

test("a new officer's key counts from the version that lists it on", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const p3 = makeOfficerKey(xa.env, { person: "p3", organisation: "Security", roles: ["operator"] })
  await amend(xa, { enrol: [{ officer: p3.officer }], dismiss: ["p2"] })
  const node: TestNode = {
    ...xa,
    founded: { ...xa.founded, officers: [xa.founded.officers[0]!, p3] },
  }
  const { record } = await release(node, "By the new officer", "xb")
  await sync(xb.context)
  expect((await show(xb.context, record)).provenance.every(({ ok }) => ok)).toBe(true)
})

test("a node key made anew is taken over from the open pages, and the old one announces nothing", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  await release(xa, "Before", "xb")
  await sync(xb.context)
  await amend(xa, { renew: ["node", "witness"] })
  await release(xa, "After", "xb")
  expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
  // The other way too: what XB releases now reaches XA, which signs with its new key.
  await release(xb, "Back", "xa")
  expect((await sync(xa.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
})

test("a new epoch leaves the log behind where its root says: what survives stands, the rest is repudiated", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const kept = await release(xa, "Kept", "xb")
  const log = (await logOf(xa.context.db, xa.context.self.id))!
  const survives = {
    epoch: 1,
    root: encodeHex(rangeRoot(log.range)),
    size: log.range.size,
  }
  const left = await release(xa, "Left behind", "xb")
  await sync(xb.context)
  await amend(xa, { survives })
  const later = await release(xa, "Later", "xb")
  expect(later.index).toBe(2)
  expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
  const { records } = await inbox(xb.context)
  expect(Object.fromEntries(records.map(({ title, verdict }) => [title, verdict]))).toEqual({
    Kept: "verified",
    "Left behind": "repudiated",
    Later: "verified",
  })
  // Who comes later sees the surviving part of the old log, and the new one.
  await sync(xc.context)
  const old = (await logOf(xc.context.db, xa.context.self.id, 1))!
  expect(old.range.size).toBe(survives.size)
  expect((await logOf(xc.context.db, xa.context.self.id))!.epoch).toBe(2)
  // A withdrawal in the new epoch ends a release of the old one.
  const { orders } = await requestWithdrawal(xa.context, { record: kept.record, reason: "over" })
  await authoriseAndPublish(xa, orders)
  await sync(xb.context)
  const after = (await inbox(xb.context)).records.find((row) => row.record === kept.record)
  expect(after).toMatchObject({ withdrawn: true })
  expect(left.index).toBeGreaterThanOrEqual(survives.size)
})
