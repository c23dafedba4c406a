import { sql } from "kysely"
import { describe, expect, test } from "vitest"
import { blockPeer } from "../../node/authority/peers.ts"
import { rotateKem } from "../../node/authority/renew.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft, draftById } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { recover, resumeAnyway } from "../../node/recover.ts"
import { giveUp, unopened } from "../../node/regain.ts"
import { logOf, rootAt } from "../../node/store/queries/logs.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { rangeRoot } from "../../protocol/log/compact-range.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"
import { answerFrom, imageOf, restored, startFrom } from "../support/restart.ts"

async function release(node: TestNode, title: string, to: readonly string[]) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { orders } = await requestRelease(node.context, { records: [record], to })
  await authoriseAndPublish(node, orders)
  return record
}

async function withdraw(node: TestNode, record: string) {
  const { orders } = await requestWithdrawal(node.context, { record, reason: "over" })
  await authoriseAndPublish(node, orders)
}

const ownHead = async (node: TestNode) => {
  const log = (await logOf(node.context.db, node.context.self.id))!
  return { size: log.range.size, root: encodeHex(rangeRoot(log.range)) }
}

const titles = async (node: TestNode) =>
  (await inbox(node.context)).records.map(({ title }) => title).sort()

describe("a backup that is brought back", () => {
  test("takes its entries, orders and receipts back from peers before it signs, and forks nothing", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
    const early = await release(xa, "Before the backup", ["xb", "xc"])
    const image = imageOf(xa)
    const lost = await release(xa, "After the backup", ["xb"])
    await sync(xb.context)
    await withdraw(xa, early)
    await sync(xb.context)
    const before = await ownHead(xa)

    const back = await startFrom(xa, image, restored)
    answerFrom(net, back)
    expect(await codeOf(release(back, "Too soon", ["xb"]))).toBe("store.restored")
    // What it would serve now was withdrawn meanwhile.
    await sync(xc.context)
    expect(await titles(xc)).toEqual([])

    expect(await recover(back.context)).toMatchObject({ state: "sound", unopened: [] })
    expect((await logOf(back.context.db, back.context.self.id))!.range.size).toBeGreaterThan(
      before.size,
    )
    // The order of the gap is known again, with its record, its content key and its receipt.
    expect((await draftById(back.context, lost)).title).toBe("After the backup")
    expect((await receiptsOf(back.context, lost)).receipts).toEqual([
      expect.objectContaining({ peer: "xb", state: "delivered" }),
    ])
    expect((await receiptsOf(back.context, early)).receipts).toContainEqual(
      expect.objectContaining({ peer: "xb", state: "purged" }),
    )
    // Its log continues what everybody holds, and nothing that was withdrawn goes out.
    await release(back, "Life goes on", ["xb", "xc"])
    for (const node of [xb, xc])
      expect((await sync(node.context, "xa")).peers[0]).toMatchObject({ failed: 0, refused: 0 })
    expect(await titles(xb)).toEqual(["", "After the backup", "Life goes on"])
    expect(await titles(xc)).toEqual(["Life goes on"])
    await withdraw(back, lost)
    await sync(xb.context)
    expect(await titles(xb)).toEqual(["", "", "Life goes on"])
  })

  test("takes back the longest that any of its peers holds, whoever answers first", async () => {
    await using net = await network(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc, xd } = net.nodes as Record<"xa" | "xb" | "xc" | "xd", TestNode>
    const image = imageOf(xa)
    for (const peer of [xb, xc, xd]) {
      await release(xa, `As far as ${peer.name}`, [peer.name])
      await sync(peer.context, "xa")
    }
    const lost = await ownHead(xa)
    const back = await startFrom(xa, image, restored)
    answerFrom(net, back)
    const { answers, state } = await recover(back.context)
    expect([state, answers.map(({ answer }) => answer)]).toEqual(["sound", Array(3).fill("longer")])
    const { db, self } = back.context
    const log = (await logOf(db, self.id))!
    expect(encodeHex((await rootAt(db, log, lost.size))!)).toBe(lost.root)
  })

  test("counts as taken back what peers gave, not what it signed while it waited for them", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const honest = net.hosts.get(xb.host)!
    const gate = Promise.withResolvers<void>()
    net.hosts.set(xb.host, async (request) => {
      await gate.promise
      return honest(request)
    })
    xa.context.beforeSigning = async () => {}
    const asked = recover(xa.context)
    await release(xa, "Meanwhile", ["xb"])
    gate.resolve()
    expect(await asked).toMatchObject({ state: "sound", regained: 0 })
    expect(xa.context.gap).toBeNull()
    await sync(xb.context)
    expect(await titles(xb)).toEqual(["Meanwhile"])
  })

  test("announces a key that it holds the seed of, also when there was nothing to take back", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    await sync(xb.context)
    const back = await startFrom(xa, imageOf(xa), restored)
    answerFrom(net, back)
    expect(await recover(back.context)).toMatchObject({ state: "sound", regained: 0 })
    await sync(xb.context)
    await release(xb, "Sealed to the new key", ["xa"])
    expect((await sync(back.context)).peers).toEqual([
      expect.objectContaining({ received: 1, failed: 0 }),
    ])
  })

  test("serves on when its peers gave back documents alone, for which nobody has an order", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const image = imageOf(xa)
    await rotateKem(xa.context)
    await sync(xb.context)
    const back = await startFrom(xa, image, restored)
    answerFrom(net, back)
    expect(await recover(back.context)).toMatchObject({ state: "sound", regained: 1 })
    await release(back, "Life goes on", ["xb"])
    await sync(xb.context)
    expect(await titles(xb)).toEqual(["Life goes on"])
  })

  test("waits while nobody can be reached; an officer's decision ends the waiting", async () => {
    await using net = await network(["xa", "xb"])
    const { xa } = net.nodes as Record<"xa" | "xb", TestNode>
    await release(xa, "Before", ["xb"])
    const image = imageOf(xa)
    net.down.add("xb.example")
    const back = await startFrom(xa, image, restored)
    expect(await recover(back.context)).toMatchObject({ state: "waiting" })
    expect(await codeOf(release(back, "Too soon", ["xb"]))).toBe("store.restored")
    await resumeAnyway(back.context, "decision of p1")
    await release(back, "Now", ["xb"])
    const events = await back.context.db.selectFrom("event").select("kind").execute()
    expect(events.map(({ kind }) => kind)).toContain("signer.overridden")
  })

  test.each(["that peers have read before", "that a peer reads only now"])(
    "waits for the one peer that holds the newest entries of a log %s",
    async (which) => {
      await using net = await network(["xa", "xb", "xc"])
      const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
      await release(xa, "Before", ["xb", "xc"])
      if (which === "that peers have read before") await sync(xc.context)
      const image = imageOf(xa)
      await release(xa, "After", ["xb"])
      await sync(xb.context)
      net.down.add(xb.host)
      const back = await startFrom(xa, image, restored)
      answerFrom(net, back)
      await sync(xc.context, "xa")

      const { state, answers } = await recover(back.context)
      expect([state, answers.map(({ peer, answer }) => [peer, answer])]).toEqual([
        "waiting",
        [
          ["xb", "unreachable"],
          ["xc", "same"],
        ],
      ])
      expect(await codeOf(release(back, "Too soon", ["xc"]))).toBe("store.restored")
      net.down.clear()
      expect(await recover(back.context)).toMatchObject({ state: "sound", unopened: [] })
      await release(back, "Now", ["xb"])
      expect((await sync(xb.context, "xa")).peers[0]).toMatchObject({ failed: 0, received: 1 })
    },
  )

  test("waits for a peer that is at fault itself, not for one that holds nothing of its log", async () => {
    await using net = await network(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
    await release(xa, "Before", ["xb", "xc"])
    for (const node of [xb, xc]) await sync(node.context)
    const back = await startFrom(xa, imageOf(xa), restored)
    await sql`PRAGMA query_only=ON`.execute(xb.context.db)
    const { state, answers } = await recover(back.context)
    expect([state, answers.map(({ answer }) => answer)]).toEqual([
      "waiting",
      ["refused", "same", "nothing"],
    ])
    await sql`PRAGMA query_only=OFF`.execute(xb.context.db)
    expect(await recover(back.context)).toMatchObject({ state: "sound" })
  })

  test("does not wait for a peer that is blocked", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    await release(xa, "Before", ["xb"])
    await sync(xb.context)
    net.down.add("xc.example")
    const back = await startFrom(xa, imageOf(xa), restored)
    expect(await recover(back.context)).toMatchObject({ state: "waiting" })
    await blockPeer(back.context, "xc", true)
    expect(await recover(back.context)).toMatchObject({ state: "sound" })
  })

  test("serves nothing while an order of the gap is lost, until officers give it up", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
    await release(xa, "Kept", ["xb", "xc"])
    const image = imageOf(xa)
    await release(xa, "For XC, who is away", ["xc"])
    await sync(xb.context)
    net.down.add("xc.example")

    const back = await startFrom(xa, image, restored)
    answerFrom(net, back)
    expect(await recover(back.context)).toMatchObject({ state: "waiting", unopened: [4] })
    await resumeAnyway(back.context, "XC has nothing newer")
    expect(await recover(back.context)).toMatchObject({ state: "regaining", unopened: [4] })
    net.down.delete("xc.example")
    await sync(xc.context)
    expect(await titles(xc)).toEqual([])
    await giveUp(back.context, await unopened(back.context))
    await sync(xc.context)
    expect(await titles(xc)).toEqual(["Kept"])
  })
})

test("what one recipient gives back of a withdrawal holds back the record from all others", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const { xa, xb, xc, xd } = net.nodes as Record<"xa" | "xb" | "xc" | "xd", TestNode>
  const record = await release(xa, "Sensitive", ["xb", "xc", "xd"])
  const image = imageOf(xa)
  await sync(xb.context)
  const only = { record, reason: "over", from: ["xb", "xc"] }
  const { orders } = await requestWithdrawal(xa.context, only)
  await authoriseAndPublish(xa, orders)
  await sync(xb.context)
  // XC was named too, and has fetched neither; the restored node can't know.
  net.down.add("xc.example")
  const back = await startFrom(xa, image, restored)
  answerFrom(net, back)
  expect(await recover(back.context)).toMatchObject({ state: "waiting" })
  await resumeAnyway(back.context, "XC has nothing newer")
  expect(await recover(back.context)).toMatchObject({ state: "sound" })
  net.down.delete("xc.example")
  for (const node of [xc, xd]) await sync(node.context)
  expect(await titles(xc)).toEqual([])
  expect(await titles(xd)).toEqual([])
  // Officers release it anew to those who may have it.
  const again = await requestRelease(back.context, { records: [record], to: ["xd"] })
  await authoriseAndPublish(back, again.orders)
  for (const node of [xc, xd]) await sync(node.context)
  expect(await titles(xc)).toEqual([])
  expect(await titles(xd)).toEqual(["Sensitive"])
})

test("a peer that comes back later is asked then, and its orders are known again", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const image = imageOf(xa)
  const record = await release(xa, "For both", ["xb", "xc"])
  for (const node of [xb, xc]) await sync(node.context)
  net.down.add("xc.example")
  const back = await startFrom(xa, image, restored)
  answerFrom(net, back)
  expect(await recover(back.context)).toMatchObject({ state: "waiting" })
  await resumeAnyway(back.context, "XC has nothing newer")
  expect(await recover(back.context)).toMatchObject({ state: "sound" })
  const peers = async () =>
    (await receiptsOf(back.context, record)).receipts.map(({ peer }) => peer).sort()
  expect(await peers()).toEqual(["xb"])
  net.down.delete("xc.example")
  await recover(back.context)
  expect(await peers()).toEqual(["xb", "xc"])
})

describe("without a word about a backup", () => {
  test("a database older than its high-water mark signs nothing before it has caught up", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const old = imageOf(xa)
    await release(xa, "Signed", ["xb"])
    await sync(xb.context)
    const back = await startFrom(xa, { ...old, files: imageOf(xa).files })
    answerFrom(net, back)
    expect(back.context.stopped?.code).toBe("store.rolled-back")
    expect(await recover(back.context)).toMatchObject({ state: "sound" })
    await release(back, "On", ["xb"])
    expect((await sync(xb.context)).peers[0]).toMatchObject({ failed: 0 })
  })

  test("one that has reached its high-water mark waits for nobody else", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
    const old = imageOf(xa)
    await release(xa, "Signed", ["xb", "xc"])
    await sync(xc.context)
    await release(xa, "The newest", ["xb"])
    await sync(xb.context)
    const back = await startFrom(xa, { ...old, files: imageOf(xa).files })
    net.down.add(xb.host)
    expect(await recover(back.context)).toMatchObject({ state: "waiting" })
    expect(back.context.stopped?.code).toBe("store.rolled-back")
    net.down.clear()
    net.down.add(xc.host)
    await recover(back.context)
    expect(back.context.stopped).toBeNull()
  })

  test("an old image of the whole disk asks before its first signature, and hears that it is old", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const old = imageOf(xa)
    await release(xa, "Signed", ["xb"])
    await sync(xb.context)
    const signed = await ownHead(xa)
    const back = await startFrom(xa, old)
    answerFrom(net, back)
    await release(back, "On", ["xb"])
    expect((await ownHead(back)).size).toBeGreaterThan(signed.size)
    expect((await sync(xb.context)).peers[0]).toMatchObject({ failed: 0 })
    expect(await xb.context.db.selectFrom("inconsistency").selectAll().execute()).toEqual([])
  })

  test("a copy does not sign beside the original, and says why", async () => {
    await using net = await network(["xa", "xb"])
    const { xa } = net.nodes as Record<"xa" | "xb", TestNode>
    const image = imageOf(xa)
    // The first start of a home that knew no identity takes the one that it finds.
    const first = await startFrom(xa, image, { identity: "1 1" })
    expect(first.context.stopped).toBeNull()
    const copied = imageOf(first)
    const copy = await startFrom(first, copied, { identity: "2 2" })
    expect(copy.context.stopped?.code).toBe("store.copied")
    expect(await codeOf(release(copy, "From the copy", ["xb"]))).toBe("store.copied")
  })

  test("whoever has signed twice finds out, holds the proof against itself, and stops", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const image = imageOf(xa)
    await release(xa, "One history", ["xb"])
    await sync(xb.context)
    net.down.add("xb.example")
    const twin = await startFrom(xa, image)
    await release(twin, "Another history", ["xb"])
    net.down.delete("xb.example")
    answerFrom(net, twin)
    expect(await recover(twin.context)).toMatchObject({ state: "forked" })
    expect(await codeOf(release(twin, "More", ["xb"]))).toBe("store.forked")
    const [proof] = await twin.context.db.selectFrom("inconsistency").selectAll().execute()
    expect(proof?.member).toBe(xa.context.self.id)
  })
})
