import { describe, expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { signRequest } from "../../node/http/message-signature.ts"
import { nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { practiceText } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { answerFrom, imageOf, restored, startFrom } from "../support/restart.ts"

const hour = 3_600_000

/** A poll of `from`, signed at its own time, to be sent as often as one likes. */
async function pollOf(
  net: TestNetwork,
  from: TestNode,
  to: TestNode,
): Promise<() => Promise<number>> {
  const { env, keys, self } = from.context
  const url = new URL(`https://${to.host}/feed?after=0&epoch=1&size=0`)
  const headers = new Headers({ host: to.host })
  await signRequest(
    { method: "GET", url, headers, body: new Uint8Array(0) },
    {
      from: self.id,
      to: to.context.self.id,
      keyid: nodeKid(keys),
      sign: nodeSigner(keys),
      created: Math.floor(env.clock.now() / 1000),
      nonce: encodeHex(env.random(16)),
    },
  )
  return async () => {
    const response = await net.hosts.get(to.host)!(new Request(url, { headers }))
    await response.body?.cancel()
    return response.status
  }
}

function runAhead(node: TestNode, net: TestNetwork, ms: number): void {
  Object.assign(node.context.env.clock, { now: () => net.clock.now + ms })
}

test("a clock that ran ahead and is set back takes no request twice", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const first = await pollOf(net, xb, xa)
  expect([await first(), await first()]).toEqual([200, 404])

  const right = net.clock.now
  net.clock.now = right + 72 * hour
  // Whoever shares the wrong clock is taken, and what was noted before is forgotten.
  const shared = await pollOf(net, xb, xa)
  expect([await shared(), await first()]).toEqual([200, 404])
  net.clock.now = right + 10_000
  expect([await first(), await shared()]).toEqual([404, 404])
  // New ones are taken again.
  expect(await (await pollOf(net, xb, xa))()).toBe(200)
})

test("a database of before a request does not answer it a second time", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const earlier = imageOf(xa)
  const early = await pollOf(net, xb, xa)
  expect(await early()).toBe(200)

  net.clock.now += 1000
  const back = await startFrom(xa, earlier, restored)
  answerFrom(net, back)
  expect(await early()).toBe(404)
  expect(await (await pollOf(net, xb, back))()).toBe(200)
})

describe.each([72, -72, -1])("a clock that is wrong by %i hours", (hours) => {
  test("refuses and is refused, takes nothing wrong, and goes on when it is right", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const { record } = await addDraft(xa.context, practiceText("A practice"))
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    const replayed = await pollOf(net, xb, xa)
    expect(await replayed()).toBe(200)
    runAhead(xa, net, hours * hour)
    await authoriseAndPublish(xa, orders)
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 0, code: "peer.refused" })
    expect((await sync(xa.context)).peers[0]).toMatchObject({ received: 0, code: "peer.refused" })
    expect(await replayed()).toBe(404)
    runAhead(xa, net, 0)
    expect(await replayed()).toBe(404)
    net.clock.now += 1000
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
    expect((await inbox(xb.context)).records).toHaveLength(1)
  })
})
