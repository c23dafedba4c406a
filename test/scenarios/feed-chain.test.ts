import { describe, expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import { type Frame, formatHead, parseHead } from "../../protocol/exchange/frames.ts"
import {
  ForgedFeed,
  forgeOrder,
  logForged,
  practiceText,
  releaseGrant,
  serveForged,
  takeOver,
  tamper,
} from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"

/** Deliveries are numbered and chained: a sender or a carrier who keeps one back, or tells two, shows. */

async function released(titles: readonly string[]) {
  const net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const records: string[] = []
  for (const title of titles) {
    const { record } = await addDraft(xa.context, practiceText(title))
    records.push(record)
    await authoriseAndPublish(
      xa,
      (await requestRelease(xa.context, { records: [record], to: ["xb"] })).orders,
    )
  }
  const pulled = async () => (await sync(xb.context)).peers[0]!
  const held = async () => (await inbox(xb.context)).records.map(({ title }) => title).sort()
  return { net, xa, xb, records, pulled, held }
}

/** Each parcel with the sealed objects behind it. */
function bundles(frames: readonly Frame[]) {
  const first = frames.findIndex(({ type }) => type === "parcel")
  const last = frames.findLastIndex(({ type }) => type === "parcel" || type === "sealed")
  const parts: Frame[][] = []
  for (const frame of frames.slice(first, last + 1))
    if (frame.type === "parcel") parts.push([frame])
    else parts.at(-1)!.push(frame)
  return { before: frames.slice(0, first), parts, after: frames.slice(last + 1) }
}

const rearranged =
  (order: readonly number[]) =>
  (frames: readonly Frame[]): readonly Frame[] => {
    if (!frames.some(({ type }) => type === "parcel")) return frames
    const { before, parts, after } = bundles(frames)
    return [...before, ...order.flatMap((i) => parts[i] ?? []), ...after]
  }

describe("a carrier that", () => {
  test.each([
    ["keeps the first delivery back", [1, 2], 0],
    ["keeps one in the middle back", [0, 2], 1],
    ["keeps the last one back", [0, 1], 2],
    ["keeps all of them back", [], 0],
    ["turns their order round", [2, 1, 0], 0],
  ])("%s leaves a gap, and nothing behind it is taken", async (_, order, taken) => {
    const { net, xa, pulled, held } = await released(["One", "Three", "Two"])
    await using _net = net
    {
      using _carrier = tamper(net, xa, rearranged(order))
      expect(await pulled()).toMatchObject({ received: taken, code: "delivery.gap" })
      expect(await held()).toHaveLength(taken)
    }
    // Nothing is lost by it: the honest answer brings the rest.
    const after = await pulled()
    expect(after).toMatchObject({ received: 3 - taken, failed: 0 })
    expect(await held()).toEqual(["One", "Three", "Two"])
  })

  test("brings one twice has no effect", async () => {
    const { net, xa, pulled, held } = await released(["One", "Two"])
    await using _net = net
    using _carrier = tamper(net, xa, rearranged([0, 0, 1, 1, 0]))
    expect(await pulled()).toMatchObject({ received: 2, already: 3, failed: 0 })
    expect(await held()).toEqual(["One", "Two"])
  })

  test("cuts the answer before its head is noticed, whatever it let through", async () => {
    const { net, xa, pulled, held } = await released(["One", "Two"])
    await using _net = net
    {
      const headless = (frames: readonly Frame[]) => frames.filter(({ type }) => type !== "head")
      using _carrier = tamper(net, xa, headless)
      expect(await pulled()).toMatchObject({ failed: 1, code: "frames.malformed" })
    }
    await pulled()
    expect(await held()).toEqual(["One", "Two"])
  })

  test("tells of a head beyond what it brings leaves a gap", async () => {
    const { net, xa, pulled } = await released(["One"])
    await using _net = net
    using _carrier = tamper(net, xa, (frames) =>
      frames.map((frame) => {
        if (frame.type !== "head") return frame
        const head = parseHead(decodeUtf8(frame.bytes))
        return { ...frame, bytes: utf8(formatHead({ ...head, n: head.n + 1 })) }
      }),
    )
    expect(await pulled()).toMatchObject({ received: 1, code: "delivery.gap" })
  })
})

describe("a sender that", () => {
  test("numbers two different deliveries alike has broken its own chain", async () => {
    const { net, xa, xb, records } = await released(["One", "Two", "Three"])
    await using _net = net
    const feed = async (id: string, ...which: readonly number[]) => {
      const forged = new ForgedFeed(id)
      for (const i of which) {
        const grant = await releaseGrant(xa, records[i]!, xb.context.self.id)
        const { order, placed } = await forgeOrder(xa, [grant])
        forged.add({ order, placed, entry: await logForged(xa, order) })
      }
      return forged
    }
    const id = "ab".repeat(16)
    const [first, other] = [await feed(id, 0, 1), await feed(id, 2, 1)]
    // All of the log at once: every delivery finds its entry.
    const one = new ForgedFeed(id)
    one.sent.push(first.sent[0]!)
    {
      using _served = serveForged(net, xa, xb, one)
      expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
    }
    using _served = serveForged(net, xa, xb, other)
    const { peers } = await sync(xb.context)
    expect(peers[0]).toMatchObject({ received: 0, code: "delivery.fork" })
    expect((await inbox(xb.context)).records.map(({ title }) => title)).toEqual(["One"])
  })
})

test("a request that comes a second time gets a stranger's answer, and does nothing", async () => {
  const { net, xa, pulled } = await released(["One"])
  await using _net = net
  const requests: Request[] = []
  {
    using _listener = takeOver(net, xa, (request, honest) => {
      requests.push(request.clone())
      return honest(request)
    })
    expect(await pulled()).toMatchObject({ received: 1, failed: 0 })
  }
  const stranger = await net.hosts.get(xa.host)!(new Request(`https://${xa.host}/nowhere`))
  const expected = await stranger.text()
  expect(requests.length).toBeGreaterThan(0)
  for (const request of requests) {
    const answer = await net.hosts.get(xa.host)!(request)
    expect([answer.status, await answer.text()]).toEqual([404, expected])
    expect(answer.headers.has("signature")).toBe(false)
  }
})
