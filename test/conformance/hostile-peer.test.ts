import type { AddressInfo } from "node:net"
import { promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { blockPeer } from "../../node/authority/peers.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { type Bounds, peerServer } from "../../node/http/peer-server.ts"
import { nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { concat, utf8 } from "../../protocol/encoding.ts"
import { encodeFrame, framesHeader, framesMediaType } from "../../protocol/exchange/frames.ts"
import { encodeReceipts, type ReceiptItem } from "../../protocol/exchange/receipt.ts"
import { encodeExplanation, explanationTyp } from "../../protocol/explanation.ts"
import { encodeSigned, signLine } from "../../protocol/signed.ts"
import { practiceText } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import {
  type PeerAnswer,
  type RawStream,
  rawExchange,
  rawStream,
  type SignedAsk,
  signedAnswer,
  signedAsk,
} from "../support/raw-http.ts"
import { type Served, served } from "../support/served.ts"

/** What a verified peer that wishes us ill can do to the node over its own connection. */

let net: TestNetwork
let [xa, xb, xc]: TestNode[] = []
let node: Served
/** What was delivered to xb, and what to xc: order and leaf. */
let delivered: { readonly xb: ReceiptItem; readonly xc: ReceiptItem }
/** Sealed digests: granted to xb; to xc alone; to nobody. */
let sealed: { readonly xb: string; readonly xc: string; readonly nobody: string }

beforeAll(async () => {
  net = await network(["xa", "xb", "xc"])
  ;[xa, xb, xc] = Object.values(net.nodes)
  const release = async (title: string, to: string) => {
    const { record } = await addDraft(xa!.context, practiceText(title))
    const { orders } = await requestRelease(xa!.context, { records: [record], to: [to] })
    await authoriseAndPublish(xa!, orders)
    return record
  }
  const { db } = xa!.context
  const released = async (record: string) => {
    const { sealed_digest } = await db
      .selectFrom("record")
      .select("sealed_digest")
      .where("id", "=", record)
      .executeTakeFirstOrThrow()
    const { order_id, leaf } = await db
      .selectFrom("fact")
      .select(["order_id", "leaf"])
      .where("record_id", "=", record)
      .executeTakeFirstOrThrow()
    const item: ReceiptItem = { day: "2026-11-23", leaf, order: order_id, state: "delivered" }
    return { sealed: sealed_digest, item }
  }
  const forB = await released(await release("For B", "xb"))
  const forC = await released(await release("For C", "xc"))
  sealed = { xb: forB.sealed, xc: forC.sealed, nobody: "ab".repeat(32) }
  delivered = { xb: forB.item, xc: forC.item }
  for (const { context } of [xa!, xb!, xc!])
    await context.db.updateTable("peer").set({ url: null }).execute()
  node = await served(xa!.context)
})

afterAll(async () => {
  await node[Symbol.asyncDispose]()
  await net.close()
})

/** Patient: machines that run tests are busy. */
function waitFor(check: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(check, 10_000)
}

async function ask(asker: TestNode, options: SignedAsk = {}): Promise<PeerAnswer> {
  const [head, body] = await signedAsk(asker, xa!, node.authority, options)
  return signedAnswer(xa!, head, await rawExchange(node.port, [concat(utf8(head), body)]))
}

function post(body: Uint8Array): SignedAsk {
  const fields = { "content-type": framesMediaType }
  return { method: "POST", target: "/frames", body, fields }
}

async function receipts(
  items: readonly ReceiptItem[],
  changes: { from?: string; to?: string; network?: string } = {},
): Promise<Uint8Array> {
  const { keys, self } = xb!.context
  const name = changes.network ?? self.network
  const payload = encodeReceipts({
    from: changes.from ?? self.id,
    items,
    network: name,
    to: changes.to ?? xa!.context.self.id,
    type: "comity/receipts/v1",
  })
  const kid = nodeKid(keys)
  const header = { alg: "Ed25519", kid, network: name, typ: "comity-receipts+jws" } as const
  return encodeSigned(payload, [await signLine(header, payload, nodeSigner(keys))])
}

const container = (...frames: Uint8Array[]) => concat(framesHeader(), ...frames)
const receiptsFrame = (bytes: Uint8Array) => container(encodeFrame("receipts", bytes))
const filler = new Uint8Array(65_536)

describe("a peer that posts", () => {
  const bodies: Record<string, [() => Uint8Array | Promise<Uint8Array>, number, string]> = {
    nothing: [() => new Uint8Array(0), 400, "frames.malformed"],
    "no frames": [() => utf8("hello, this is no container"), 400, "frames.malformed"],
    "an unknown frame": [() => container(Uint8Array.of(11, 0, 0, 0, 0)), 400, "frames.malformed"],
    "a frame that is cut short": [
      () => container(Uint8Array.of(9, 0, 0, 1, 0)),
      400,
      "frames.malformed",
    ],
    "a frame of four gigabytes": [
      () => container(Uint8Array.of(9, 255, 255, 255, 255)),
      413,
      "frames.too-large",
    ],
    "a million empty frames": [
      () => container(new Uint8Array(5_000_000).map((_, i) => (i % 5 === 0 ? 5 : 0))),
      413,
      "frames.too-large",
    ],
    "a parcel": [
      () => container(encodeFrame("parcel", new Uint8Array(2000))),
      422,
      "feature.unsupported",
    ],
    "no receipts": [() => receiptsFrame(new Uint8Array(0)), 400, "json.malformed"],
    "deep JSON": [
      () => receiptsFrame(utf8(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)),
      400,
      "json.profile",
    ],
    "large JSON": [
      () => receiptsFrame(utf8(`{"payload":"${"A".repeat(300_000)}"}`)),
      413,
      "json.too-large",
    ],
    "JSON with a prototype": [
      () => receiptsFrame(utf8('{"__proto__":{"admin":true}}')),
      400,
      "json.profile",
    ],
    "no UTF-8": [() => receiptsFrame(Uint8Array.of(0xff, 0xfe)), 400, "json.malformed"],
    "inflatable frames": [() => gzipSync(new Uint8Array(10_000_000)), 400, "frames.malformed"],
    "receipts for another member": [
      async () => receiptsFrame(await receipts([delivered.xb], { to: xc!.context.self.id })),
      400,
      "receipt.invalid",
    ],
    "receipts of another member": [
      async () => receiptsFrame(await receipts([delivered.xc], { from: xc!.context.self.id })),
      400,
      "receipt.invalid",
    ],
    "receipts of another network": [
      async () => receiptsFrame(await receipts([delivered.xb], { network: "operational" })),
      400,
      "network.mismatch",
    ],
    "receipts for what another member got": [
      async () => receiptsFrame(await receipts([delivered.xc])),
      400,
      "receipt.invalid",
    ],
    "receipts for what nobody got": [
      async () => receiptsFrame(await receipts([{ ...delivered.xb, leaf: "ab".repeat(32) }])),
      400,
      "receipt.invalid",
    ],
  }

  test.each(Object.keys(bodies))("%s gets a code", async (name) => {
    const [make, status, code] = bodies[name]!
    expect(await ask(xb!, post(await make()))).toMatchObject({ status, code })
  })

  test("what another got or what nobody got cannot tell the one from the other", async () => {
    const [theirs, none] = [delivered.xc, { ...delivered.xc, order: "ab".repeat(16) }]
    const guesses = [await receipts([theirs]), await receipts([none])]
    const [first, second] = [
      await ask(xb!, post(receiptsFrame(guesses[0]!))),
      await ask(xb!, post(receiptsFrame(guesses[1]!))),
    ]
    expect(first.body).toEqual(second.body)
    expect([...first.headers.keys()]).toEqual([...second.headers.keys()])
  })

  test("a body under a content coding has it taken as it is", async () => {
    const good = gzipSync(receiptsFrame(await receipts([delivered.xb])))
    const fields = { ...post(good).fields, "content-encoding": "gzip" }
    expect(await ask(xb!, { ...post(good), fields })).toMatchObject({ code: "frames.malformed" })
  })

  test("another body than it signed gets a code, and nothing of it is taken", async () => {
    const [head] = await signedAsk(xb!, xa!, node.authority, post(new Uint8Array(18)))
    const other = receiptsFrame(new Uint8Array(0)).subarray(0, 18)
    const answer = signedAnswer(xa!, head, await rawExchange(node.port, [head, other]))
    expect(answer).toMatchObject({ status: 400, code: "http.signature" })
  })

  test("too much gets a code, announced or not, and is not read on", async () => {
    const announced = { ...post(filler), sent: { fields: { "content-length": "17000000" } } }
    const [head] = await signedAsk(xb!, xa!, node.authority, announced)
    const told = await rawExchange(node.port, [head])
    expect(signedAnswer(xa!, head, told)).toMatchObject({ status: 413, code: "http.too-large" })

    const chunked = { "content-length": null, "transfer-encoding": "chunked" }
    const [open] = await signedAsk(xb!, xa!, node.authority, {
      ...post(filler),
      sent: { fields: chunked },
    })
    const chunk = concat(utf8("10000\r\n"), filler, utf8("\r\n"))
    const endless = await rawExchange(node.port, [open, ...Array(1600).fill(chunk)])
    // Cut while it sends, it may not see the answer.
    if (endless.text !== "")
      expect(signedAnswer(xa!, open, endless)).toMatchObject({
        status: 413,
        code: "http.too-large",
      })
    expect(endless.accepted).toBeLessThan(40_000_000)
  })

  test("more at once than is its share gets a code for that, and holds up nobody else", async () => {
    const open = async (length: number) => {
      const [head] = await signedAsk(xb!, xa!, node.authority, {
        ...post(filler),
        sent: { fields: { "content-length": String(length) } },
      })
      return { head, stream: rawStream(node.port, head) }
    }
    type Opened = Awaited<ReturnType<typeof open>>
    const close = async (all: readonly Opened[]) => {
      for (const { stream } of all) stream.close()
      await waitFor(async () =>
        expect(await ask(xb!, post(container()))).toMatchObject({ status: 200 }),
      )
    }
    const refused = (all: readonly Opened[]) =>
      all.filter(({ head, stream }) => {
        const text = Buffer.from(stream.received()).toString("latin1")
        return text !== "" && signedAnswer(xa!, head, { text, accepted: 0 }).code === "http.busy"
      })

    // Two bodies as large as may be fill it; a small one still fits.
    const large = [await open(12_000_000), await open(16_000_000)]
    await settled()
    large.push(await open(12_000_000))
    await waitFor(() => expect(refused(large)).toEqual([large[2]]))
    expect(await ask(xb!, post(container()))).toMatchObject({ status: 200 })
    await waitFor(() => expect(large[2]!.stream.isClosed()).toBe(true))
    large[1]!.stream.close()
    await settled()
    large.push(await open(16_000_000))
    await settled()
    expect(refused(large)).toEqual([large[2]])
    expect(await ask(xc!, post(container()))).toMatchObject({ status: 200 })
    await close(large)

    const many: Opened[] = []
    for (let i = 0; i < 30; i++) many.push(await open(100))
    await waitFor(() => expect(refused(many)).toHaveLength(14))
    expect(await ask(xc!, post(container()))).toMatchObject({ status: 200 })
    expect(await ask(xc!)).toMatchObject({ status: 200 })
    await close(many)
  })

  test("chunks without a length take the largest share", async () => {
    const fields = { "content-length": null, "transfer-encoding": "chunked" }
    const heads: string[] = []
    const streams: RawStream[] = []
    for (let i = 0; i < 3; i++) {
      const [head] = await signedAsk(xb!, xa!, node.authority, {
        ...post(filler),
        sent: { fields },
      })
      heads.push(head)
      streams.push(rawStream(node.port, head))
      await settled()
    }
    await waitFor(() => expect(streams[2]!.isClosed()).toBe(true))
    const text = Buffer.from(streams[2]!.received()).toString("latin1")
    expect(signedAnswer(xa!, heads[2]!, { text, accepted: 0 })).toMatchObject({ code: "http.busy" })
    for (const stream of streams) stream.close()
    await waitFor(async () =>
      expect(await ask(xb!, post(container()))).toMatchObject({ status: 200 }),
    )
  })

  test("explanations of what nobody proved fills no disk", async () => {
    const { keys, self } = xb!.context
    const kid = nodeKid(keys)
    const header = { alg: "Ed25519", kid, network: self.network, typ: explanationTyp } as const
    for (let i = 0; i < 3; i++) {
      const payload = encodeExplanation({
        day: "2026-11-23",
        member: self.id,
        network: self.network,
        subject: "ab".repeat(32),
        text: `Reason ${i}.`,
        type: "comity/explanation/v1",
      })
      const signed = encodeSigned(payload, [await signLine(header, payload, nodeSigner(keys))])
      const body = container(encodeFrame("evidence", signed))
      expect(await ask(xb!, post(body))).toMatchObject({ status: 200 })
    }
    expect(await xa!.context.db.selectFrom("explanation").selectAll().execute()).toEqual([])
  })

  test("the same receipts in ever new batches fills no disk", async () => {
    const { db } = xa!.context
    const kept = async () =>
      (await db.selectFrom("receipt_document").select("digest").execute()).length
    const before = await kept()
    for (let day = 10; day < 20; day++) {
      const batch = await receipts([{ ...delivered.xb, day: `2026-11-${day}` }])
      expect(await ask(xb!, post(receiptsFrame(batch)))).toMatchObject({ status: 200 })
    }
    expect(await kept()).toBe(before + 1)
  })
})

const generous: Bounds = { connections: 1000, head: 5_000, request: 5_000, idle: 60_000 }

/** The node's listener alone, as `x`, within other bounds. */
async function listening({ context }: TestNode, bounds: Partial<Bounds>) {
  const app = peerApp(context, { authorities: ["x"], closing: new AbortController().signal })
  const server = peerServer(app, context.env.clock, { ...generous, ...bounds })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const dispose = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return {
    port: (server.address() as AddressInfo).port,
    connections: promisify(server.getConnections.bind(server)),
    [Symbol.asyncDispose]: dispose,
  }
}

/** What was sent has been read, as far as it will be. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50))
}

describe("a peer that asks", () => {
  test.each([
    ...["after=-1", "after=x", "after=1e3", "after=0x10", "after=01", "after=", "after=1&after=2"],
    ...[
      "epoch=0",
      "epoch=-1",
      "size=9007199254740993",
      "size=1.5",
      "size=%20",
      "feed=x",
      `feed=${"A".repeat(32)}`,
    ],
  ])("for its feed by ?%s gets a code", async (query) => {
    const answer = await ask(xb!, { target: `/feed?${query}` })
    expect(answer).toMatchObject({ status: 400, code: "http.malformed" })
  })

  test("from beyond the log or its feed is told where they end", async () => {
    const target = `/feed?feed=${"a".repeat(32)}&after=999&size=999`
    const { status, headers } = await ask(xb!, { target })
    expect(status).toBe(200)
    expect(headers.get("comity-head")).toMatch(/^[0-9a-f]{32}, 1, \d+$/)
  })

  test("for what is not served here gets a code", async () => {
    for (const target of ["/relay/x", "/", "/operation/inbox", "/feed/x", "/x/y/checkpoint"])
      expect(await ask(xb!, { target })).toMatchObject({ status: 422, code: "feature.unsupported" })
    for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
      expect(await ask(xb!, { method })).toMatchObject({ status: 422, code: "feature.unsupported" })
  })

  test("for a sealed object of another cannot tell it from none", async () => {
    const own = await ask(xb!, { target: `/sealed/${sealed.xb}` })
    expect(own.status).toBe(200)
    const theirs = await ask(xb!, { target: `/sealed/${sealed.xc}` })
    const none = await ask(xb!, { target: `/sealed/${sealed.nobody}` })
    expect(theirs).toMatchObject({ status: 404, code: "record.unknown" })
    const same = ({ headers, ...rest }: PeerAnswer) => ({
      ...rest,
      headers: [...headers].filter(([name]) => !name.startsWith("signature")),
    })
    expect(same(theirs)).toEqual(same(none))
    for (const odd of ["x", sealed.xc.toUpperCase(), `${sealed.xc}0`, "%00", "..", "__proto__"])
      expect(
        (await ask(xb!, { target: `/sealed/${odd}` }).catch(() => null))?.code ?? "none",
      ).toMatch(/^(record\.unknown|none)$/)
  })

  test("when its KEM keys have run out gets a code, not half a stream", async () => {
    const { now } = net.clock
    try {
      net.clock.now += 70 * 86_400_000
      const answer = await ask(xc!)
      expect(answer).toMatchObject({ status: 400, code: "keys.expired" })
    } finally {
      // Later than whatever was signed before: those nonces are forgotten, and none of them is taken.
      net.clock.now = now + 120_000
    }
  })
})

describe("a peer that holds feeds open", () => {
  async function live(asker: TestNode): Promise<RawStream> {
    const [head] = await signedAsk(asker, xa!, node.authority, { target: "/feed?live" })
    const stream = rawStream(node.port, head)
    await waitFor(() => expect(stream.received().length).toBeGreaterThan(1000))
    return stream
  }

  test("has the newest four of them, and costs nobody else one", async () => {
    const others = await live(xc!)
    const streams: RawStream[] = []
    for (let i = 0; i < 10; i++) streams.push(await live(xb!))
    await Promise.all(streams.slice(0, 6).map(({ closed }) => closed))
    expect(streams.slice(6).map(({ isClosed }) => isClosed())).toEqual(Array(4).fill(false))
    expect(others.isClosed()).toBe(false)
    // One that ended by itself makes room.
    streams[9]!.close()
    await settled()
    const another = await live(xb!)
    expect(streams[6]!.isClosed()).toBe(false)
    for (const stream of [...streams, another, others]) stream.close()
  })

  test("and reads none of them has no more of them either", async () => {
    await using slow = await network(["xa", "xb"])
    const { xa, xb } = slow.nodes as { xa: TestNode; xb: TestNode }
    const text = practiceText("Long", "Words that say little. ".repeat(5_000))
    const { record } = await addDraft(xa.context, text)
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authoriseAndPublish(xa, orders)
    // The same again and again: more than the buffers of both sides take.
    const { db } = xa.context
    const delivery = await db.selectFrom("delivery").selectAll().executeTakeFirstOrThrow()
    const copies = Array.from({ length: 63 }, (_, i) => ({ ...delivery, n: i + 2 }))
    await db.insertInto("delivery").values(copies).execute()
    await db.updateTable("feed").set({ n: 64 }).execute()
    await using server = await listening(xa, {})
    const streams: RawStream[] = []
    for (let i = 0; i < 8; i++) {
      const [head] = await signedAsk(xb, xa, "x")
      streams.push(rawStream(server.port, head, { reads: false }))
      await waitFor(async () => expect(await server.connections()).toBe(Math.min(i + 1, 4)))
    }
    for (const stream of streams) stream.close()
  })

  test("loses them when it is blocked or removed", async () => {
    const [first, second] = [await live(xb!), await live(xb!)]
    const other = await live(xc!)
    await blockPeer(xa!.context, "xb", true)
    await Promise.all([first.closed, second.closed])
    await blockPeer(xa!.context, "xb", false)
    expect(other.isClosed()).toBe(false)
    other.close()
  })

  test("sees neither that a bell rang for others nor when", async () => {
    const stream = await live(xb!)
    const before = stream.received().length
    for (let i = 0; i < 20; i++) {
      xa!.context.bell.ring()
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await settled()
    expect(stream.received().length).toBe(before)
    stream.close()
  })

  test("and moves no byte loses the connection", async () => {
    await using server = await listening(xa!, { idle: 150 })
    const [head] = await signedAsk(xb!, xa!, "x", { target: "/feed?live" })
    await rawStream(server.port, head).closed
  })
})

test("what fails inside a feed breaks off, without a word to the peer or on the console", async () => {
  const spoken = [vi.spyOn(console, "error"), vi.spyOn(console, "info"), vi.spyOn(console, "log")]
  const { db } = xa!.context
  const held = await db.selectFrom("delivery").selectAll().execute()
  await db.deleteFrom("delivery").execute()
  const [head] = await signedAsk(xb!, xa!, node.authority)
  const answer = await rawExchange(node.port, [head])
  await db.insertInto("delivery").values(held).execute()
  expect(signedAnswer(xa!, head, answer).headers.get("content-type")).toBe(framesMediaType)
  expect(answer.text).not.toMatch(/error|missing|corrupt/i)
  // No last chunk: what broke off does not look like what came to its end.
  expect(answer.text.endsWith("0\r\n\r\n")).toBe(false)
  for (const spy of spoken) expect(spy).not.toHaveBeenCalled()
  expect(xa!.journal.at(-1)).toMatch(/"feed\.failed".*"store\.corrupt"/)
  expect(await ask(xb!)).toMatchObject({ status: 200 })
  vi.restoreAllMocks()
})

test("connections that strangers hold open keep no peer out", async () => {
  await using server = await listening(xa!, { connections: 20 })
  const held = Array.from({ length: 60 }, () => rawStream(server.port, "GET /feed HTTP/1.1\r\n"))
  await waitFor(() =>
    expect(held.filter(({ isClosed }) => isClosed()).length).toBeGreaterThanOrEqual(40),
  )
  expect(await server.connections()).toBe(20)
  const [live] = await signedAsk(xb!, xa!, "x", { target: "/feed?live" })
  const stream = rawStream(server.port, live)
  await waitFor(() => expect(stream.received().length).toBeGreaterThan(1000))
  held.push(...Array.from({ length: 30 }, () => rawStream(server.port, "")))
  const [head] = await signedAsk(xc!, xa!, "x")
  const answer = await rawExchange(server.port, [head])
  expect(signedAnswer(xa!, head, answer)).toMatchObject({ status: 200 })
  expect(await server.connections()).toBeLessThanOrEqual(20)
  expect(stream.isClosed()).toBe(false)
  for (const one of [...held, stream]) one.close()
})

test("no answer here was a server error", () => {
  expect(xa!.journal.filter((line) => line.includes('"http.failed"'))).toEqual([])
})
