import { afterEach, beforeEach, expect, test } from "vitest"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { unanswered } from "../../node/exchange/unanswered.ts"
import { askPeerPlainly, codeOf as codeIn } from "../../node/http/peer-client.ts"
import { makeNodeKeys, type NodeKeys, nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { allPeers } from "../../node/store/queries/members.ts"
import { concat } from "../../protocol/encoding.ts"
import { encodeFrame, framesHeader, framesMediaType } from "../../protocol/exchange/frames.ts"
import { encodeReceipts, type ReceiptItem } from "../../protocol/exchange/receipt.ts"
import { encodeSigned, signLine } from "../../protocol/signed.ts"
import { practiceText } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"

/** What members state of what they were never given, of what others were given, or of long ago. */

let net: TestNetwork
let nodes: Record<"xa" | "xb" | "xc", TestNode>
let record: string
let order: string

/** XA has given a record to XB and XC by one order, and takes it back from both by another. */
beforeEach(async () => {
  net = await network(["xa", "xb", "xc"])
  nodes = net.nodes as typeof nodes
  const { xa, xb, xc } = nodes
  record = (await addDraft(xa.context, practiceText("A practice"))).record
  const to = ["xb", "xc"]
  const released = await requestRelease(xa.context, { records: [record], to })
  await authoriseAndPublish(xa, released.orders)
  await Promise.all([sync(xb.context), sync(xc.context)])
  const back = await requestWithdrawal(xa.context, { record, reason: "over" })
  await authoriseAndPublish(xa, back.orders)
  order = back.order
})
afterEach(() => net.close())

const today = ({ env }: TestNode) => new Date(env.clock.now()).toISOString().slice(0, 10)

/** That it is purged, of the leaf of this member in the order that takes it back. */
async function purged(member: TestNode): Promise<ReceiptItem> {
  const { leaf } = await nodes.xa.context.db
    .selectFrom("fact")
    .select("leaf")
    .where("order_id", "=", order)
    .where("recipient", "=", member.context.self.id)
    .executeTakeFirstOrThrow()
  return { day: today(member), leaf, order, state: "purged" }
}

async function batch(
  by: TestNode,
  items: readonly ReceiptItem[],
  changes: {
    readonly from?: string
    readonly to?: string
    readonly network?: string
    readonly keys?: NodeKeys
  } = {},
): Promise<Uint8Array> {
  const { self } = by.context
  const { from = self.id, to = nodes.xa.context.self.id, keys = by.context.keys } = changes
  const { network: name = self.network } = changes
  const type = "comity/receipts/v1"
  const payload = encodeReceipts({ from, items, network: name, to, type })
  const typ = "comity-receipts+jws"
  const header = { alg: "Ed25519", kid: nodeKid(keys), network: name, typ } as const
  return encodeSigned(payload, [await signLine(header, payload, nodeSigner(keys))])
}

/** @returns the code of XA's signed refusal, null where it takes them */
async function post(by: TestNode, document: Uint8Array): Promise<string | null> {
  const peers = await allPeers(by.context.db)
  const { status, body } = await askPeerPlainly(
    by.context,
    peers.find(({ name }) => name === "xa")!,
    {
      method: "POST",
      path: "/frames",
      body: concat(framesHeader(), encodeFrame("receipts", document)),
      contentType: framesMediaType,
    },
  )
  return status === 200 ? null : codeIn(body)
}

const openAt = async () => (await unanswered(nodes.xa.context)).map(({ peer }) => peer).toSorted()
const statesOf = async (peer: string) =>
  (await receiptsOf(nodes.xa.context, record)).receipts
    .filter((one) => one.peer === peer)
    .map(({ state }) => state)

test("nobody states anything of what another was given, or nobody", async () => {
  const { xb, xc } = nodes
  const own = await purged(xb)
  const others = await purged(xc)
  const none = { ...own, leaf: "ab".repeat(32) }
  for (const items of [
    [others],
    [none],
    [{ ...own, order: "cd".repeat(16) }],
    // One that would be good carries no other in.
    [own, others],
    [own, none],
  ])
    expect(await post(xb, await batch(xb, items))).toBe("receipt.invalid")
  expect(await openAt()).toEqual(["xb", "xc"])
  expect(await statesOf("xc")).toEqual(["delivered", "queued"])
  expect(await post(xb, await batch(xb, [own]))).toBeNull()
  expect(await openAt()).toEqual(["xc"])
})

test("nobody speaks for another: not by its name, its key, or its own genuine words", async () => {
  const { xa, xb, xc } = nodes
  const others = await purged(xc)
  const named = { from: xc.context.self.id }
  expect(await post(xb, await batch(xb, [others], named))).toBe("receipt.invalid")
  const genuine = await batch(xc, [others])
  expect(await post(xb, genuine)).toBe("receipt.invalid")
  const own = await purged(xb)
  const keys = makeNodeKeys((bytes) => xb.env.random(bytes))
  expect(await post(xb, await batch(xb, [own], { keys }))).toBe("signed.unknown-key")
  expect(await post(xb, await batch(xb, [own], { keys: xc.context.keys }))).toBe(
    "signed.unknown-key",
  )
  // What was said to somebody else, or in another network, is not said here.
  expect(await post(xb, await batch(xb, [own], { to: xc.context.self.id }))).toBe("receipt.invalid")
  expect(await post(xb, await batch(xb, [own], { network: "operational" }))).toBe(
    "network.mismatch",
  )
  expect(await openAt()).toEqual(["xb", "xc"])
  expect(await xa.context.db.selectFrom("receipt_document").selectAll().execute()).toHaveLength(2)
  expect(await post(xc, genuine)).toBeNull()
  expect(await openAt()).toEqual(["xb"])
})

test("what was said before and is sent again is not the last word", async () => {
  const { xa, xb } = nodes
  const own = await purged(xb)
  const held = await batch(xb, [{ ...own, state: "held", until: "2027-06-30" }])
  expect(await post(xb, held)).toBeNull()
  expect(await unanswered(xa.context)).toContainEqual(
    expect.objectContaining({ peer: "xb", state: "held", until: "2027-06-30" }),
  )
  net.clock.now += 3_600_000
  const last = await batch(xb, [own])
  expect(await post(xb, last)).toBeNull()
  const kept = await xa.context.db.selectFrom("receipt_document").selectAll().execute()
  net.clock.now += 3_600_000
  for (const again of [held, last]) expect(await post(xb, again)).toBeNull()
  expect(await statesOf("xb")).toEqual(["delivered", "purged"])
  expect(await openAt()).toEqual(["xc"])
  expect(await xa.context.db.selectFrom("receipt_document").selectAll().execute()).toEqual(kept)
})
