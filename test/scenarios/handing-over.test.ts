import { expect, test } from "vitest"
import { blockPeer, pushToPeer } from "../../node/authority/peers.ts"
import { handOverAll, keepHandingOver, outbox } from "../../node/exchange/outbox.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { why } from "../../node/exchange/why.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import {
  ForgedFeed,
  forgeOrder,
  logForged,
  officerKey,
  releaseGrant,
  serveForged,
} from "../support/hostile.ts"
import { authoriseAndPublish, network, signAs, type TestNode } from "../support/network.ts"

type Nodes = Record<"xa" | "xb" | "xc", TestNode>

async function draft(node: TestNode, title: string, body = "What is done."): Promise<string> {
  const text = `---\ntitle: ${title}\n---\n${body}\n`
  return (await addDraft(node.context, text)).record
}

async function release(node: TestNode, record: string, to: readonly string[]) {
  const { orders } = await requestRelease(node.context, { records: [record], to })
  return authoriseAndPublish(node, orders)
}

const titles = async (node: TestNode) =>
  (await inbox(node.context)).records.map(({ title }) => title).toSorted()

const waitingFor = async (node: TestNode, peer: string) =>
  (await outbox(node.context)).peers.find((one) => one.peer === peer)

/** Until it holds: things that happen behind an answer. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200 && !(await holds()); i++)
    await new Promise((done) => setTimeout(done, 10))
  expect(await holds()).toBe(true)
}

const stated = (node: TestNode, record: string, state: string) => async () =>
  (await receiptsOf(node.context, record)).receipts.some((one) => one.state === state)

test("what is queued is handed over, receipts come back, and pull goes on from the same place", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  await pushToPeer(xa.context, "xb", true)
  const first = await draft(xa, "First")
  await release(xa, first, ["xb"])
  expect(await waitingFor(xa, "xb")).toMatchObject({ waiting: 1, mode: "push" })
  expect(await handOverAll(xa.context)).toEqual([{ peer: "xb", member: xb.context.self.id }])
  expect(await titles(xb)).toEqual(["First"])
  await until(stated(xa, first, "delivered"))
  expect(await waitingFor(xa, "xb")).toMatchObject({ waiting: 0, failures: 0, code: null })

  await release(xa, await draft(xa, "Second"), ["xb"])
  expect((await sync(xb.context)).peers).toMatchObject([{ received: 1, already: 0, failed: 0 }])
  await release(xa, await draft(xa, "Third"), ["xb"])
  await handOverAll(xa.context)
  expect((await sync(xb.context)).peers).toMatchObject([{ received: 0, already: 0, failed: 0 }])
  expect(await titles(xb)).toEqual(["First", "Second", "Third"])
})

test("a peer that was restored says itself where it stands", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  await pushToPeer(xa.context, "xb", true)
  await release(xa, await draft(xa, "First"), ["xb"])
  await handOverAll(xa.context)
  // As if its database had been lost with what came last.
  for (const table of [
    "content",
    "record",
    "order_grant",
    "grant_list",
    "logged_order",
    "source",
  ] as const)
    await xb.context.db.deleteFrom(table).execute()
  await release(xa, await draft(xa, "Second"), ["xb"])
  expect(await handOverAll(xa.context)).toMatchObject([{ peer: "xb" }])
  expect(await titles(xb)).toEqual(["First", "Second"])
})

test("large content goes over too, and several posts make one feed", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  await pushToPeer(xa.context, "xb", true)
  const records: string[] = []
  for (let i = 0; i < 18; i++)
    records.push(await draft(xa, `Number ${i}`, "long text ".repeat(i === 0 ? 20_000 : 10_000)))
  // Three orders over the same: 6 MiB of sealed objects.
  for (let i = 0; i < 3; i++) {
    const { orders } = await requestRelease(xa.context, { records, to: ["xb"] })
    await authoriseAndPublish(xa, orders)
  }
  const posts = net.hosts.get(xb.host)!
  let count = 0
  net.hosts.set(xb.host, (request) => {
    count++
    return posts(request)
  })
  expect(await handOverAll(xa.context)).toEqual([{ peer: "xb", member: xb.context.self.id }])
  expect(count).toBeGreaterThan(2)
  expect(await titles(xb)).toHaveLength(18)
})

test("a dead peer holds up nobody, is tried at growing intervals, and has it all once it is back", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Nodes
  for (const name of ["xb", "xc"]) await pushToPeer(xa.context, name, true)
  const record = await draft(xa, "For both")
  net.down.add(xb.host)
  await release(xa, record, ["xb", "xc"])
  // Nothing sleeps in this network: how long the node would have slept is what it says it will.
  const slept: number[] = []
  const stop = new AbortController()
  const env = {
    ...xa.context.env,
    clock: {
      ...xa.context.env.clock,
      sleep: (ms: number, signal?: AbortSignal) => {
        // To let others go first is no sleep.
        if (ms === 0) return xa.context.env.clock.sleep(0)
        slept.push(ms)
        net.clock.now += ms
        if (slept.length >= 8) stop.abort()
        return new Promise<void>((done) => setTimeout(done, signal?.aborted === true ? 0 : 20))
      },
    },
  }
  await keepHandingOver({ ...xa.context, env }, stop.signal)
  await until(async () => (await titles(xc)).length === 1)
  expect(await titles(xb)).toEqual([])
  const failing = await waitingFor(xa, "xb")
  expect(failing).toMatchObject({ waiting: 1, code: "peer.unreachable" })
  expect(failing!.failures).toBeGreaterThan(3)
  const waits = slept.filter((ms) => ms < 30_000)
  expect(waits.toSorted((a, b) => a - b)).toEqual(waits)
  expect(await why(xa.context, record, "xb")).toMatchObject({
    have: false,
    reason: "unsent",
    code: "peer.unreachable",
  })
  expect(await waitingFor(xa, "xc")).toMatchObject({ waiting: 0 })

  net.down.clear()
  await handOverAll(xa.context)
  await until(stated(xa, record, "delivered"))
  expect(await titles(xb)).toEqual(["For both"])
  expect(await waitingFor(xa, "xb")).toMatchObject({ waiting: 0, failures: 0, code: null })
})

test("a recipient that refuses all of a delivery is told apart from one that could not be reached", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  await pushToPeer(xa.context, "xb", true)
  await blockPeer(xb.context, "xa", true)
  const record = await draft(xa, "Not wanted")
  await release(xa, record, ["xb"])
  expect(await handOverAll(xa.context)).toMatchObject([{ code: "peer.refused" }])
  expect(await why(xa.context, record, "xb")).toMatchObject({
    reason: "unsent",
    code: "peer.refused",
  })
  expect(await titles(xb)).toEqual([])
})

test("why: each state of a release, on both sides, to the signature that is missing", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  const record = await draft(xa, "Asked about")
  expect(await why(xa.context, record, "xb")).toMatchObject({ reason: "not-released" })
  expect(await why(xb.context, record, "xa")).toMatchObject({ have: false, reason: "not-read" })

  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  await signAs(xa, order, "p1")
  expect(await why(xa.context, record, "xb")).toMatchObject({
    reason: "order-open",
    missing: ["1 more person in any role"],
  })
  await signAs(xa, order, "p2")
  expect(await why(xa.context, record, "xb")).toMatchObject({
    reason: "order-open",
    detail: expect.stringContaining("waits to be published"),
  })
  await sync(xb.context)
  expect(await why(xb.context, record, "xa")).toMatchObject({ have: false, reason: "not-released" })
  net.down.add(xa.host)
  await sync(xb.context)
  expect(await why(xb.context, record, "xa")).toMatchObject({
    reason: "not-read",
    code: "peer.unreachable",
  })
  net.down.clear()

  await publish(xa.context, order)
  expect(await why(xa.context, record, "xb")).toMatchObject({
    reason: "queued",
    detail: expect.stringContaining("last asked for its feed at 2026-11-23T09:00:00Z"),
  })
  await blockPeer(xa.context, "xb", true)
  expect(await why(xa.context, record, "xb")).toMatchObject({ reason: "blocked" })
  await blockPeer(xa.context, "xb", false)
  await sync(xb.context)
  expect(await why(xb.context, record, "xa")).toMatchObject({ have: true, reason: "origin" })
  const { orders } = await requestWithdrawal(xa.context, { record, reason: "over" })
  await authoriseAndPublish(xa, orders)
  expect(await why(xa.context, record, "xb")).toMatchObject({ have: true, reason: "withdrawn" })
  await sync(xb.context)
  expect(await why(xb.context, record, "xa")).toMatchObject({ have: false, reason: "origin" })
  expect(await why(xa.context, record, "xb")).toMatchObject({ have: false, reason: "withdrawn" })
})

test("why: what was refused is explained where it was refused, though nothing of it was kept", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Nodes
  const record = await draft(xa, "Refused")
  await requestRelease(xa.context, { records: [record], to: ["xb"] })
  const grant = await releaseGrant(xa, record, xb.context.self.id)
  const signers = [{ key: officerKey(xa, "p1") }]
  const order = await forgeOrder(xa, [grant], { signers })
  const entry = await logForged(xa, order.order)
  const feed = new ForgedFeed("ab".repeat(16)).add({ ...order, entry })
  using _ = serveForged(net, xa, xb, feed)
  expect((await sync(xb.context)).peers).toMatchObject([{ received: 0, refused: 1, failed: 0 }])
  expect(await why(xb.context, record, "xa")).toMatchObject({
    have: false,
    reason: "refused-here",
    code: "order.unauthorised",
  })
})
