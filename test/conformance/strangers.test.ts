import { connect } from "node:net"
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest"
import { addPeer, blockPeer, ownCard } from "../../node/authority/peers.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { peerServer } from "../../node/http/peer-server.ts"
import { nodeKid } from "../../node/keys/keys.ts"
import { closeNode, createNode } from "../../node/node.ts"
import { acquaint, network, type TestNetwork, type TestNode } from "../support/network.ts"
import { rawExchange, type SignedAsk, signedAsk } from "../support/raw-http.ts"
import { type Served, served } from "../support/served.ts"

/**
 * One constant answer, to the byte, for whoever is nobody to this node, whatever was sent: nobody learns
 * by a difference who its peers are, what it has, or what it runs on.
 */
const constant =
  "HTTP/1.1 404 Not Found\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

let net: TestNetwork
let [xa, xb, xc, xd, xe]: TestNode[] = []
let node: Served

beforeAll(async () => {
  net = await network(["xa", "xb", "xc", "xd", "xe"], { acquainted: false })
  const { nodes } = net as { nodes: Record<string, TestNode> }
  ;[xa, xb, xc, xd, xe] = Object.values(nodes)
  // To xa: xb is a peer, xc is added but not verified, xd blocked, xe unknown.
  await acquaint(xa!, xb!)
  await addPeer(xa!.context, await ownCard(xc!.context))
  await acquaint(xa!, xd!)
  await blockPeer(xa!.context, "xd", true)
  for (const { context } of Object.values(nodes))
    await context.db.updateTable("peer").set({ url: null }).execute()
  node = await served(xa!.context)
})

afterAll(async () => {
  await node[Symbol.asyncDispose]()
  await net.close()
})

/** In one piece: a connection that is cut while it still sends may lose what came. */
async function answerTo(...parts: (string | Uint8Array)[]): Promise<string> {
  return (await rawExchange(node.port, [Buffer.concat(parts.map(Buffer.from))])).text
}

const hostLine = () => `host: ${node.authority}\r\n`
const bytes = (length: number) => "a".repeat(length)

const nonsense: Record<string, () => (string | Uint8Array)[]> = {
  "no HTTP": () => ["hello\r\n\r\n"],
  "a TLS greeting": () => [
    Uint8Array.of(0x16, 0x03, 0x01, 0x00, 0x05, 0x01, 0x00, 0x00, 0x01, 0x03),
  ],
  "HTTP/2 without TLS": () => ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  "HTTP/1.0": () => ["GET /feed HTTP/1.0\r\n\r\n"],
  "HTTP/9.9": () => [`GET /feed HTTP/9.9\r\n${hostLine()}\r\n`],
  "no Host": () => ["GET /feed HTTP/1.1\r\n\r\n"],
  "an empty Host": () => ["GET /feed HTTP/1.1\r\nhost:\r\n\r\n"],
  "two Hosts": () => [`GET /feed HTTP/1.1\r\n${hostLine()}host: other.example\r\n\r\n`],
  "a Host that is none": () => ["GET /feed HTTP/1.1\r\nhost: a b@/?\r\n\r\n"],
  "another Host": () => ["GET /feed HTTP/1.1\r\nhost: other.example\r\n\r\n"],
  "an absolute target": () => [`GET http://${node.authority}/livez HTTP/1.1\r\n${hostLine()}\r\n`],
  "another's absolute target": () => [
    `GET http://other.example/livez HTTP/1.1\r\n${hostLine()}\r\n`,
  ],
  "a path that climbs": () => [`GET /feed/../livez HTTP/1.1\r\n${hostLine()}\r\n`],
  "an encoded path": () => [`GET /%6civez HTTP/1.1\r\n${hostLine()}\r\n`],
  "an encoded root version": () => [`GET /root/%31 HTTP/1.1\r\n${hostLine()}\r\n`],
  "a path with a backslash": () => [`GET /a\\livez HTTP/1.1\r\n${hostLine()}\r\n`],
  "a path of two slashes": () => [`GET //livez HTTP/1.1\r\n${hostLine()}\r\n`],
  "a path with a NUL": () => [`GET /livez\0 HTTP/1.1\r\n${hostLine()}\r\n`],
  "a path that is too long": () => [`GET /${bytes(9_000)} HTTP/1.1\r\n${hostLine()}\r\n`],
  "OPTIONS *": () => [`OPTIONS * HTTP/1.1\r\n${hostLine()}\r\n`],
  CONNECT: () => [`CONNECT ${node.authority} HTTP/1.1\r\n${hostLine()}\r\n`],
  "an upgrade": () => [
    `GET /feed HTTP/1.1\r\n${hostLine()}connection: upgrade\r\nupgrade: websocket\r\n\r\n`,
  ],
  "an expected 100": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}expect: 100-continue\r\ncontent-length: 5\r\n\r\n`,
  ],
  "another expectation": () => [`GET /feed HTTP/1.1\r\n${hostLine()}expect: the worst\r\n\r\n`],
  "a length and chunks": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
    "0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n",
  ],
  "two lengths": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef`,
  ],
  "a signed length": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}content-length: +5\r\n\r\nabcde`,
  ],
  "a coding that is not known": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  ],
  "a chunk whose size is none": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}transfer-encoding: chunked\r\n\r\nxyz\r\n`,
  ],
  "bare line feeds": () => [`GET /feed HTTP/1.1\nhost: ${node.authority}\n\n`],
  "a folded field": () => [`GET /feed HTTP/1.1\r\n${hostLine()}a: b\r\n c: d\r\n\r\n`],
  "a space before the colon": () => [`GET /feed HTTP/1.1\r\n${hostLine()}a : b\r\n\r\n`],
  "a field with a NUL": () => [`GET /feed HTTP/1.1\r\n${hostLine()}a: b\0\r\n\r\n`],
  "a giant field": () => [`GET /feed HTTP/1.1\r\n${hostLine()}a: ${bytes(100_000)}\r\n\r\n`],
  "very many fields": () => [`GET /feed HTTP/1.1\r\n${hostLine()}${"a:b\r\n".repeat(20_000)}\r\n`],
  "a body without end": () => [
    `POST /frames HTTP/1.1\r\n${hostLine()}content-length: 1000000000000\r\n\r\n`,
  ],
  "deep JSON": () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
    return [`POST /frames HTTP/1.1\r\n${hostLine()}content-length: 100000\r\n\r\n${deep}`]
  },
  "two requests at once": () => [
    `GET /feed HTTP/1.1\r\n${hostLine()}\r\nGET /livez HTTP/1.1\r\n\r\n`,
  ],
}

test.each(Object.keys(nonsense))("a stranger gets the constant answer to %s", async (name) => {
  expect(await answerTo(...nonsense[name]!())).toBe(constant)
})

test("every method on every page that is not open gets the constant answer", async () => {
  const digest = "ab".repeat(32)
  const paths = [
    ...[
      "/",
      "/feed",
      "/feed?after=0&size=0&live",
      "/feed?after=-1",
      `/sealed/${digest}`,
      "/sealed",
    ],
    ...["/frames", "/checkpoint", "/tile/0/000", "/add-checkpoint", "/relay/x", "/operation/inbox"],
    ...["/root/0", "/root/2", "/root/9999", "/root/1/", "/livez/", "/metrics", "/.well-known/x"],
  ]
  const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY"]
  const asked = methods.flatMap((method) => paths.map((path) => `${method} ${path}`))
  const written = ["POST /livez", "PUT /root/1", "OPTIONS /.well-known/comity", "TRACE /readyz"]
  for (const line of [...asked, ...written])
    expect(`${line}: ${await answerTo(`${line} HTTP/1.1\r\n${hostLine()}\r\n`)}`).toBe(
      `${line}: ${constant}`,
    )
})

describe("a signed request gets the constant answer when it is", () => {
  const ask = async (asker: TestNode, options: SignedAsk = {}): Promise<string> =>
    answerTo(...(await signedAsk(asker, xa!, node.authority, options)))
  const isServed = /^HTTP\/1\.1 200 OK\r\n/

  test("by a member that is not known, not verified, or blocked", async () => {
    expect(await ask(xb!)).toMatch(isServed)
    for (const asker of [xc!, xd!, xe!]) expect(await ask(asker)).toBe(constant)
  })

  test("under the key of another member, whichever of the two it claims to be", async () => {
    const from = (member: TestNode) => ({ fields: { "comity-from": member.context.self.id } })
    const input = (field: string) =>
      field.replace(/keyid="[^"]*"/, `keyid="${nodeKid(xb!.context.keys)}"`)
    expect(await ask(xe!, { sent: from(xb!) })).toBe(constant)
    expect(await ask(xb!, { sent: from(xe!) })).toBe(constant)
    expect(await ask(xe!, { input })).toBe(constant)
    expect(await ask(xe!, { input, sent: from(xb!) })).toBe(constant)
    const other = nodeKid(xe!.context.keys)
    const named = (field: string) => field.replace(/keyid="[^"]*"/, `keyid="${other}"`)
    expect(await ask(xb!, { input: named })).toBe(constant)
    // Our own key is what strangers' claims are held against: it makes nobody a peer.
    const own = { ...xe!, context: { ...xe!.context, keys: xa!.context.keys } }
    expect(await ask(own)).toBe(constant)
  })

  test("to another member, or to another address", async () => {
    expect(await ask(xb!, { to: xc!.context.self.id })).toBe(constant)
    expect(await ask(xb!, { sent: { fields: { "comity-to": xc!.context.self.id } } })).toBe(
      constant,
    )
    const elsewhere = await signedAsk(xb!, xa!, "other.example")
    expect(await answerTo(...elsewhere)).toBe(constant)
    const absolute = `http://other.example/feed`
    expect(await ask(xb!, { sent: { target: absolute } })).toBe(constant)
  })

  test("for another method, path, query or body than it was signed for", async () => {
    const post = { method: "POST", target: "/frames", body: new Uint8Array(8) }
    expect(await ask(xb!, { sent: { method: "HEAD" } })).toBe(constant)
    expect(await ask(xb!, { sent: { target: "/sealed/00" } })).toBe(constant)
    expect(await ask(xb!, { sent: { target: "/feed?after=0" } })).toBe(constant)
    expect(await ask(xb!, { sent: { target: "/feed?" } })).toMatch(isServed)
    expect(
      await ask(xb!, { ...post, sent: { fields: { "content-digest": "sha-256=:AA==:" } } }),
    ).toBe(constant)
    expect(await ask(xb!, { ...post, sent: { fields: { "content-type": "text/plain" } } })).toBe(
      constant,
    )
  })

  test("too old, too new, or meant to last", async () => {
    const now = Math.floor(net.clock.now / 1000)
    expect(await ask(xb!, { created: now - 301 })).toBe(constant)
    expect(await ask(xb!, { created: now + 61 })).toBe(constant)
    const lasting = (field: string) => field.replace(/expires=\d+/, `expires=${now + 301}`)
    expect(await ask(xb!, { input: lasting })).toBe(constant)
    const backwards = (field: string) => field.replace(/expires=\d+/, `expires=${now - 1}`)
    expect(await ask(xb!, { input: backwards })).toBe(constant)
    expect(await ask(xb!, { created: now - 299 })).toMatch(isServed)
  })

  test.each([
    ["without its method", /"@method" /, ""],
    ["without its query", /"@query" /, ""],
    ["without whom it is for", / "comity-to"/, ""],
    ["with more than the profile", /\)/, ' "date")'],
    ["in another order", /"@method" "@authority"/, '"@authority" "@method"'],
    ["under another tag", "comity-1", "comity-2"],
    ["without a tag", /;tag="[^"]*"/, ""],
    ["as if by HMAC", 'alg="ed25519"', 'alg="hmac-sha256"'],
    ["as if by another curve", 'alg="ed25519"', 'alg="ecdsa-p256-sha256"'],
    ["as if by none", 'alg="ed25519"', 'alg="none"'],
    ["without an algorithm", ';alg="ed25519"', ""],
    ["with an empty nonce", /nonce="[^"]*"/, 'nonce=""'],
    ["under another label", /^comity=/, "sig1="],
  ])("signed %s", async (_name, from, to) => {
    const fields = { date: "now" }
    expect(await ask(xb!, { fields, input: (field) => field.replace(from, to) })).toBe(constant)
  })

  test("signed twice, or with a signature cut short, changed or not in its one spelling", async () => {
    const twice = "signature: comity=:AAAA:\r\n"
    expect(await ask(xb!, { sent: { lines: twice } })).toBe(constant)
    const [head] = await signedAsk(xb!, xa!, node.authority)
    const value = /\nsignature: (comity=:[^:]+:)\r/.exec(head)![1]!
    const [, input = ""] = /\nsignature-input: ([^\r]+)\r/.exec(head)!
    const [first, last] = [value.at("comity=:".length)!, value.at(-4)!]
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    const next = (digit: string) => alphabet[(alphabet.indexOf(digit) + 1) % 64]!
    const others = [
      value.slice(0, -6),
      value.replace("==:", ":"),
      value.replace(`:${first}`, `: ${first}`),
      value.replace(`:${first}`, `:${next(first)}`),
      // The same 64 bytes, with bits left over in the last digit.
      value.replace(`${last}==:`, `${next(last)}==:`),
      `${value}, ${value}`,
      `${value};a=b`,
      ...["comity=:AA==:", "comity=1", ""],
    ]
    for (const other of others)
      expect(await answerTo(head.replace(value, other)), other).toBe(constant)
    expect(await answerTo(head.replace(input, `${input}, ${input}`))).toBe(constant)
    expect(await answerTo(head)).toMatch(isServed)
  })

  test("sent again: at once, at another path, and after a restart", async () => {
    const [head] = await signedAsk(xb!, xa!, node.authority, { nonce: "once" })
    expect(await answerTo(head)).toMatch(isServed)
    expect(await answerTo(head)).toBe(constant)
    expect(await ask(xb!, { nonce: "once", target: "/sealed/00" })).toBe(constant)

    // Under the name that stays the same on every port.
    const [kept] = await signedAsk(xb!, xa!, xa!.host)
    expect(await answerTo(kept)).toMatch(isServed)
    await node[Symbol.asyncDispose]()
    await closeNode(xa!.context)
    const context = await createNode(xa!.env, xa!.founded.keys, { url: `https://${xa!.host}` })
    xa = { ...xa!, context }
    node = await served(context)
    expect(await answerTo(kept)).toBe(constant)
    expect(await ask(xb!)).toMatch(isServed)
  })

  test("sent to another node", async () => {
    await acquaint(xe!, xb!)
    await using other = await served(xe!.context)
    const [head] = await signedAsk(xb!, xa!, other.authority)
    expect((await rawExchange(other.port, [head])).text).toBe(constant)
  })
})

test("claiming to be a peer gets the answer of a stranger, at once, and no body is read for it", async () => {
  const claim = (from: string, fields = "") =>
    `POST /frames HTTP/1.1\r\n${hostLine()}comity-from: ${from}\r\ncontent-length: 16000000\r\n${fields}\r\n`
  const [signed] = await signedAsk(xe!, xa!, node.authority, {
    method: "POST",
    target: "/frames",
    sent: { fields: { "comity-from": xb!.context.self.id, "content-length": "16000000" } },
  })
  for (const head of [claim(xb!.context.self.id), claim(xe!.context.self.id), signed]) {
    // Nothing of the body is sent: whoever waits for it would answer late or never.
    expect(await answerTo(head)).toBe(constant)
    const { accepted, text } = await rawExchange(node.port, [
      head,
      ...Array(256).fill(bytes(65_536)),
    ])
    // Cut while it sends, it may not see the answer.
    expect([constant, ""]).toContain(text)
    expect(accepted).toBeLessThan(12_000_000)
  }
})

test("open pages answer strangers the same whoever they claim to be", async () => {
  for (const path of ["/livez", "/readyz", "/root/1", "/.well-known/comity"]) {
    const plain = await answerTo(`GET ${path} HTTP/1.1\r\n${hostLine()}connection: close\r\n\r\n`)
    expect(plain).toMatch(/^HTTP\/1\.1 200 OK/)
    const claim = `comity-from: ${xb!.context.self.id}\r\nsignature: x\r\n`
    expect(
      await answerTo(`GET ${path} HTTP/1.1\r\n${hostLine()}${claim}connection: close\r\n\r\n`),
    ).toBe(plain)
  }
})

test("a request that never comes to its end gets the constant answer, and its connection ends", async () => {
  const app = peerApp(xa!.context, { authorities: ["x"], closing: new AbortController().signal })
  const bounds = { connections: 100, head: 100, request: 200, idle: 60_000 }
  const server = peerServer(app, xa!.context.env.clock, bounds)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as { port: number }
  const [head] = await signedAsk(xb!, xa!, "x", {
    method: "POST",
    target: "/frames",
    sent: { fields: { "content-length": "100" } },
  })
  const begun = performance.now()
  const answers = await Promise.all(
    ["", "GET /feed HT", "GET /feed HTTP/1.1\r\nhost: x\r\na: b", head].map((part) =>
      rawExchange(port, [part], { quietMs: 10_000 }),
    ),
  )
  expect(answers.map(({ text }) => text)).toEqual(Array(4).fill(constant))
  expect(performance.now() - begun).toBeLessThan(5_000)
  server.close()
})

test("a connection that is reset while it is answered brings nothing down", async () => {
  const uncaught = vi.fn()
  process.once("uncaughtExceptionMonitor", uncaught)
  for (const start of ["CONNECT x:1 HTTP/1.1", "GET /feed HTTP/1.1", "hello"])
    await new Promise<void>((resolve) => {
      const socket = connect({ port: node.port, host: "127.0.0.1", allowHalfOpen: true })
      socket.on("error", () => {})
      socket.on("close", () => resolve())
      socket.on("data", () => socket.resetAndDestroy())
      socket.write(`${start}\r\n${hostLine()}\r\n`)
    })
  expect(await answerTo("hello\r\n\r\n")).toBe(constant)
  expect(uncaught).not.toHaveBeenCalled()
  process.off("uncaughtExceptionMonitor", uncaught)
})
