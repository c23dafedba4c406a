import { type AddressInfo, createServer, type Socket } from "node:net"
import { afterAll, beforeAll, expect, test } from "vitest"
import { addPeer, addPeerByUrl, ownCard, verifyPeer } from "../../node/authority/peers.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { peerServer } from "../../node/http/peer-server.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { wordsOf } from "../../protocol/words.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"
import {
  cardOf,
  know,
  type Member,
  startMember,
  startVillain,
  type Villain,
} from "./hostile/villain.ts"

/**
 * A node with an address of its own outside, whose peers would have it connect to what is inside: by the
 * address they announce, by a name that leads there by now, or by sending it on. Over real sockets.
 */

const network = "exercise:inside"
const names = new Map<string, readonly string[]>()
const allow: string[] = []
let looked = 0
let node: Member
let friend: Villain
let villain: Villain
const connections: Socket[] = []
const inside = createServer((socket) => {
  connections.push(socket)
  socket.on("error", () => {}).end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
})
let port = 0

async function introduce(other: Villain): Promise<string> {
  await know(other, await ownCard(node.context))
  const { member, name } = await addPeer(node.context, await cardOf(other))
  await verifyPeer(node.context, name, wordsOf(member))
  return name
}

async function release(by: Villain, title: string): Promise<void> {
  const { record } = await addDraft(by.context, practiceText(title))
  const to = [node.context.self.id]
  const { orders } = await requestRelease(by.context, { records: [record], to })
  await authoriseAndPublish(by, orders)
}

beforeAll(async () => {
  await new Promise<void>((resolve) => inside.listen(0, "127.0.0.1", resolve))
  port = (inside.address() as AddressInfo).port
  const lookup = async (name: string) => {
    looked++
    return names.get(name) ?? []
  }
  const reach = { allowPrivate: false, allow, lookup }
  node = await startMember({ state: "XN", network, reach }, (own, host, closing) =>
    peerServer(peerApp(own, { authorities: [host], closing }), own.env.clock),
  )
  friend = await startVillain({ state: "XF", network })
  villain = await startVillain({ state: "XV", network })
  // The operator vouches for one host inside, and for no other.
  allow.push(friend.host)
  await introduce(friend)
  await introduce(villain)
})

afterAll(async () => {
  for (const socket of connections) socket.destroy()
  inside.close()
  for (const one of [node, friend, villain]) await one[Symbol.asyncDispose]()
})

const readings = async () =>
  new Map((await sync(node.context)).peers.map(({ name, code = null }) => [name, code]))

test("an address that a peer's own card names is not connected to when it is inside", async () => {
  let asked = 0
  villain.mask = async (_request, honest) => {
    asked++
    return honest()
  }
  expect(await readings()).toEqual(
    new Map([
      ["xf", null],
      ["xv", "url.refused"],
    ]),
  )
  expect(asked).toBe(0)
  villain.mask = null
})

test("no way of writing it, and no name, leads inside; others are read as ever", async () => {
  names.set("peer.example", ["127.0.0.1"])
  names.set("both.example", ["2001:4860:4860::8888", "127.0.0.1"])
  names.set("mapped.example", ["::ffff:127.0.0.1"])
  names.set("metadata.example", ["169.254.169.254"])
  const hosts = [
    ...["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:7f00:1]", "localhost", "10.0.0.1"],
    ...["peer.example", "both.example", "mapped.example", "metadata.example", "127.0.0.1.nip.io"],
  ]
  for (const [i, host] of hosts.entries()) {
    const url = `https://${host}:${port}`
    await node.context.db.updateTable("peer").set({ url }).where("name", "=", "xv").execute()
    const title = `Practice ${i}`
    await release(friend, title)
    expect((await readings()).get("xv"), host).toBe("url.refused")
    expect((await inbox(node.context)).records.map((one) => one.title)).toContain(title)
    expect(await codeOf(addPeerByUrl(node.context, url)), host).toBe("url.refused")
  }
  expect(connections).toHaveLength(0)
})

test("a name that led elsewhere before is looked at again for each connection", async () => {
  const name = "moving.example"
  const url = `https://${name}:${port}`
  await node.context.db.updateTable("peer").set({ url }).where("name", "=", "xv").execute()
  // Nothing is remembered of an earlier answer: first it has no address, then one inside.
  names.set(name, [])
  expect((await readings()).get("xv")).toBe("peer.unreachable")
  names.set(name, ["127.0.0.1"])
  const before = looked
  expect((await readings()).get("xv")).toBe("url.refused")
  expect(looked - before).toBe(1)
  expect(connections).toHaveLength(0)
})

test("a peer that is read sends nobody on to the inside: not for its feed, nor for its open pages", async () => {
  const location = `http://127.0.0.1:${port}/feed`
  for (const status of [301, 302, 303, 307, 308]) {
    friend.mask = async () => new Response(null, { status, headers: { location } })
    expect((await readings()).get("xf")).toBe("peer.refused")
    expect(await codeOf(addPeerByUrl(node.context, friend.url))).toMatch(/^(?:peer|http|card)\./)
  }
  friend.mask = null
  expect(connections).toHaveLength(0)
  await release(friend, "After all that")
  expect((await readings()).get("xf")).toBeNull()
  expect((await inbox(node.context)).records.map((one) => one.title)).toContain("After all that")
})
