import { expect, test } from "vitest"
import { reviewExport } from "../../node/authority/officer.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { askWitnesses } from "../../node/log/cosign.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { exportOrder } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { rangeRoot } from "../../protocol/log/compact-range.ts"
import { emptyRoot } from "../../protocol/log/merkle.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { refused } from "../support/refusal.ts"
import { nameWitnesses, release } from "../support/witnessing.ts"

type Trio = Record<"xa" | "xb" | "xc", TestNode>

/** What an officer's machine gets to see, as a value. */
async function exported(node: TestNode, order: string) {
  return JSON.parse(new TextDecoder().decode(await exportOrder(node.context, order)))
}

async function request(node: TestNode, title: string) {
  const { record } = await addDraft(node.context, practiceText(title))
  return requestRelease(node.context, { records: [record], to: ["xb"] })
}

test("an order of a member with witnesses rests on what they have cosigned, and officers see to it", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xc"] })
  const first = await request(xa, "Before any cosignature")
  expect((await exported(xa, first.order)).payload.base).toEqual({
    epoch: 1,
    root: encodeHex(emptyRoot),
    size: 0,
  })
  await askWitnesses(xa.context)
  const { range } = (await logOf(xa.context.db, xa.context.self.id))!
  await authoriseAndPublish(xa, first.orders)

  // The log has gone on; what is cosigned has not.
  const second = await request(xa, "After")
  const file = await exported(xa, second.order)
  expect(file.payload.base).toEqual({
    epoch: 1,
    root: encodeHex(rangeRoot(range)),
    size: range.size,
  })
  const review = (changes: object) =>
    reviewExport(encodeCanonical({ ...file, ...changes }), new Map(), null)
  expect(review({}).order.base.size).toBe(range.size)
  const { baseCheckpoint, ...without } = file
  const base = refused("order.base")
  expect(() => reviewExport(encodeCanonical(without), new Map(), null)).toThrow(base)
  expect(() => review({ baseCheckpoint: ownLines(baseCheckpoint) })).toThrow(base)
  expect(() => review({ baseCheckpoint: file.checkpoint })).toThrow(base)
  // The newest checkpoint as base, which no witness has seen yet.
  const log = (await logOf(xa.context.db, xa.context.self.id))!
  const newest = { epoch: 1, root: encodeHex(rangeRoot(log.range)), size: log.range.size }
  expect(() => review({ payload: { ...file.payload, base: newest }, baseProof: [] })).toThrow(base)
})

test("what was withdrawn while witnesses are away comes back by a release that says so", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xc"] })
  await askWitnesses(xa.context)
  net.down.add(xc.host)
  const { record } = await release(xa, "Taken back, and again", "xb")
  await sync(xb.context)
  const withdrawal = await requestWithdrawal(xa.context, { record, reason: "a mistake" })
  await authoriseAndPublish(xa, withdrawal.orders)
  await sync(xb.context)
  const held = async () => (await inbox(xb.context)).records.map(({ withdrawn }) => withdrawn)
  expect(await held()).toEqual([true])

  const again = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  const file = await exported(xa, again.order)
  expect(file.grants[0].grant.after).toEqual([withdrawal.order])
  expect(reviewExport(encodeCanonical(file), new Map(), null).notes).toContain(
    `overrides withdrawal ${withdrawal.order}`,
  )
  await authoriseAndPublish(xa, again.orders)
  expect((await sync(xb.context, "xa")).peers).toMatchObject([{ received: 1, refused: 0 }])
  expect(await held()).toEqual([false])
  // Another withdrawal ends it as any other does.
  const last = await requestWithdrawal(xa.context, { record, reason: "a mistake after all" })
  await authoriseAndPublish(xa, last.orders)
  await sync(xb.context)
  expect(await held()).toEqual([true])
})
