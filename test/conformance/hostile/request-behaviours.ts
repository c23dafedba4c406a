import { connect } from "node:net"
import { makeNodeKeys, nodeKid, nodeSigner } from "../../../node/keys/keys.ts"
import { concat, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { encodeFrame, framesHeader, framesMediaType } from "../../../protocol/exchange/frames.ts"
import { encodeReceipts, type ReceiptItem } from "../../../protocol/exchange/receipt.ts"
import { encodeSigned, signLine } from "../../../protocol/signed.ts"
import { codeOf, prepare, type Sending } from "./asking.ts"
import type { Behaviour } from "./behaviour.ts"
import { type Stage, Unrefused } from "./stage.ts"

/** What a peer, or somebody who would like to be one, sends to the target. */

const poll = "/feed?after=0&epoch=1&size=0"

/** The constant answer: nobody learns what was wrong with it. */
function asStranger(
  name: string,
  sending: (stage: Stage) => Sending | Promise<Sending>,
): Behaviour {
  return {
    name,
    kind: "request",
    codes: ["stranger"],
    run: async (stage) => {
      const response = await stage.send(await sending(stage))
      return isStranger(response)
    },
  }
}

async function isStranger(response: Response): Promise<string> {
  const text = await response.text()
  if (response.status !== 404 || response.headers.has("signature") || text !== "")
    throw new Unrefused(`answered with ${response.status}, not as to a stranger`)
  return "stranger"
}

/** A signed refusal with a code: the sender is known, what it sends is not in order. */
function refusedWith(
  name: string,
  codes: readonly string[],
  sending: (stage: Stage) => Sending | Promise<Sending>,
): Behaviour {
  return {
    name,
    kind: "request",
    codes,
    run: async (stage) => {
      const response = await stage.send(await sending(stage))
      const code = await codeOf(response)
      if (code === null || !codes.includes(code) || response.status >= 500)
        throw new Unrefused(`answered with ${response.status} ${code}, not ${codes.join(" or ")}`)
      return code
    },
  }
}

const frames = (...parts: readonly Uint8Array[]) => concat(framesHeader(), ...parts)

const posting = (body: Uint8Array): Sending => ({
  method: "POST",
  path: "/frames",
  body,
  type: framesMediaType,
})

/** Receipts as this villain's own key signs them, whatever they say. */
async function receipts(
  { villain, target }: Stage,
  items: readonly ReceiptItem[],
  fields: { readonly from?: string; readonly to?: string } = {},
): Promise<Uint8Array> {
  const { keys, self } = villain.context
  const { from = self.id, to = target.member } = fields
  const payload = encodeReceipts({
    from,
    items,
    network: self.network,
    to,
    type: "comity/receipts/v1",
  })
  const header = {
    alg: "Ed25519",
    kid: nodeKid(keys),
    network: self.network,
    typ: "comity-receipts+jws",
  } as const
  return encodeSigned(payload, [await signLine(header, payload, nodeSigner(keys))])
}

const purged = ({ villain }: Stage): ReceiptItem => ({
  day: new Date(villain.env.clock.now()).toISOString().slice(0, 10),
  leaf: encodeHex(villain.env.random(32)),
  order: encodeHex(villain.env.random(16)),
  state: "purged",
})

const mebibyte = 1024 * 1024
const noMore = () => {}

export const requestBehaviours: readonly Behaviour[] = [
  {
    name: "a request without a signature",
    kind: "request",
    codes: ["stranger"],
    run: async ({ target }) => isStranger(await fetch(new URL(poll, target.url))),
  },
  asStranger("a request signed by another key", ({ villain }) => {
    const keys = makeNodeKeys((bytes) => villain.env.random(bytes))
    return { path: poll, sign: nodeSigner(keys) }
  }),
  asStranger("a request in the target's own name", ({ target }) => ({
    path: poll,
    from: target.member,
  })),
  asStranger("a request in the name of a member that nobody knows", () => ({
    path: poll,
    from: "ab".repeat(32),
  })),
  asStranger("a request to somebody else", () => ({ path: poll, to: "ab".repeat(32) })),
  asStranger("a request from the future", () => ({ path: poll, at: 120_000 })),
  asStranger("a request that is out of date", () => ({ path: poll, at: -400_000 })),
  asStranger("a request whose path was changed", () => ({
    path: poll,
    edit: (request) => {
      request.path = "/feed?after=1&epoch=1&size=0"
    },
  })),
  refusedWith("a request whose body was changed", ["http.signature"], () => ({
    ...posting(frames()),
    edit: (request) => {
      request.body = frames(encodeFrame("receipts", utf8("{}")))
    },
  })),
  asStranger("a request whose lifetime was made longer", () => ({
    path: poll,
    edit: ({ headers }) => {
      const input = headers.get("signature-input")!
      headers.set("signature-input", input.replace(/expires=\d+/, "expires=99999999999"))
    },
  })),
  {
    name: "a request sent twice",
    kind: "request",
    codes: ["stranger"],
    run: async ({ villain, target }) => {
      const { url, init } = await prepare(villain, target, { path: poll })
      const first = await fetch(url, init)
      await first.body?.cancel()
      if (first.status !== 200) throw new Unrefused(`an honest poll is answered ${first.status}`)
      return isStranger(await fetch(url, init))
    },
  },
  refusedWith("a poll from a place that is none", ["http.malformed"], () => ({
    path: "/feed?after=-1&size=1e400",
  })),
  refusedWith("a sealed object that was never granted", ["record.unknown"], ({ villain }) => ({
    path: `/sealed/${encodeHex(villain.env.random(32))}`,
  })),
  refusedWith("a body that is no frames", ["frames.malformed"], () => posting(utf8("what"))),
  refusedWith("a pushed frame of an unknown type", ["frames.malformed"], () =>
    posting(concat(framesHeader(), Uint8Array.of(77, 0, 0, 0, 0))),
  ),
  refusedWith("a pushed parcel", ["feature.unsupported"], () =>
    posting(frames(encodeFrame("parcel", new Uint8Array(2000)))),
  ),
  refusedWith("more bytes than a request may have", ["http.too-large"], () =>
    posting(new Uint8Array(17 * mebibyte)),
  ),
  refusedWith(
    "a receipt for a purge of what was never delivered",
    ["receipt.invalid"],
    async (stage) =>
      posting(frames(encodeFrame("receipts", await receipts(stage, [purged(stage)])))),
  ),
  refusedWith("a receipt in another member's name", ["receipt.invalid"], async (stage) =>
    posting(
      frames(
        encodeFrame("receipts", await receipts(stage, [purged(stage)], { from: "ab".repeat(32) })),
      ),
    ),
  ),
  refusedWith("a receipt to another member", ["receipt.invalid"], async (stage) =>
    posting(
      frames(
        encodeFrame("receipts", await receipts(stage, [purged(stage)], { to: "ab".repeat(32) })),
      ),
    ),
  ),
  refusedWith("receipts with a key twice", ["json.noncanonical", "json.malformed"], () =>
    posting(
      frames(encodeFrame("receipts", utf8('{"payload":"e30","payload":"e30","signatures":[]}'))),
    ),
  ),
  refusedWith(
    "ten thousand receipts at once",
    ["receipt.malformed", "json.too-large"],
    async (stage) => {
      const items = Array.from({ length: 10_000 }, () => purged(stage))
      const payload = utf8(JSON.stringify({ items }))
      const signed = encodeSigned(payload, [
        await signLine(
          { alg: "Ed25519", kid: "00".repeat(32), network: "training", typ: "comity-receipts+jws" },
          payload,
          nodeSigner(stage.villain.context.keys),
        ),
      ])
      return posting(frames(encodeFrame("receipts", signed)))
    },
  ),
  {
    name: "more feeds held open than a peer needs",
    kind: "request",
    codes: ["broken off"],
    run: async (stage) => {
      const closing = new AbortController()
      const ends: Promise<void>[] = []
      try {
        for (let i = 0; i < 64; i++) {
          const path = "/feed?after=0&epoch=1&size=0&live"
          const { url, init } = await prepare(stage.villain, stage.target, { path })
          const response = await fetch(url, { ...init, signal: closing.signal })
          if (response.status !== 200) throw new Unrefused(`answered with ${response.status}`)
          ends.push(response.arrayBuffer().then(noMore, noMore))
        }
        // The newest four are what a peer can need; the oldest went as they came.
        const late = stage.villain.env.clock.sleep(10_000, closing.signal)
        const older = Promise.all(ends.slice(0, 60)).then(() => "broken off")
        const outcome = await Promise.race([older, late.then(() => "as many as one likes")])
        if (outcome !== "broken off") throw new Unrefused(outcome)
        return outcome
      } finally {
        closing.abort()
      }
    },
  },
  {
    name: "a flood of polls",
    kind: "request",
    codes: ["busy", "served"],
    run: async (stage) => {
      const polls = Array.from({ length: 300 }, () =>
        prepare(stage.villain, stage.target, { path: poll }),
      )
      const requests = await Promise.all(polls)
      const statuses = await Promise.all(
        requests.map(async ({ url, init }) => {
          const response = await fetch(url, init)
          await response.body?.cancel()
          return response.status
        }),
      )
      const odd = statuses.find((status) => status !== 200 && status !== 404)
      if (odd !== undefined) throw new Unrefused(`answered with ${odd}`)
      return statuses.includes(404) ? "busy" : "served"
    },
  },
  {
    name: "a body that a stranger sends without end",
    kind: "request",
    codes: ["stranger"],
    run: async ({ villain, target }) => {
      // It names a member that the target knows, and nothing else about it is true.
      const head = [
        "POST /frames HTTP/1.1",
        `host: ${target.url.host}`,
        `comity-from: ${villain.context.self.id}`,
        `comity-to: ${target.member}`,
        "signature: comity=:AAAA:",
        "signature-input: comity=()",
        "transfer-encoding: chunked",
        "",
        "",
      ].join("\r\n")
      return pour(target.url, head, 64 * mebibyte)
    },
  },
  {
    name: "a head that never ends",
    kind: "request",
    codes: ["stranger"],
    run: async ({ target }) => {
      const head = `GET / HTTP/1.1\r\nhost: ${target.url.host}\r\n`
      const line = `x: ${"y".repeat(1000)}\r\n`
      return answerTo(target.url, head + line.repeat(1000))
    },
  },
  {
    name: "two lengths for one body",
    kind: "request",
    codes: ["stranger"],
    run: async ({ target }) =>
      answerTo(
        target.url,
        `POST /frames HTTP/1.1\r\nhost: ${target.url.host}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      ),
  },
]

/** What a raw request is answered with: the constant answer, or none. */
function answerTo(url: URL, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(url.port), url.hostname, () => socket.write(text))
    let answer = ""
    socket.setTimeout(10_000, () => socket.destroy(new Unrefused("no answer in ten seconds")))
    socket.on("data", (chunk) => {
      answer += chunk.toString("latin1")
    })
    socket.on("error", (cause: NodeJS.ErrnoException) =>
      cause.code === "ECONNRESET" || cause.code === "EPIPE" ? resolve("stranger") : reject(cause),
    )
    socket.on("close", () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]
      if (status === undefined || status === "404" || status === "431") resolve("stranger")
      else reject(new Unrefused(`answered with ${status}`))
    })
  })
}

/** Chunk after chunk until the target has had enough. */
function pour(url: URL, head: string, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunk = Buffer.concat([
      Buffer.from("10000\r\n"),
      Buffer.alloc(65_536),
      Buffer.from("\r\n"),
    ])
    let sent = 0
    let answer = ""
    const socket = connect(Number(url.port), url.hostname, () => {
      socket.write(head)
      more()
    })
    const more = () => {
      while (socket.writable && sent < maxBytes) {
        sent += chunk.length
        if (!socket.write(chunk)) return
      }
      if (sent >= maxBytes) socket.destroy()
    }
    socket.on("drain", more)
    socket.on("data", (data) => {
      answer += data.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]
      if (status !== undefined && status !== "404") reject(new Unrefused(`answered ${status}`))
      else if (sent >= maxBytes) reject(new Unrefused("it reads what a stranger sends"))
      else resolve("stranger")
    })
  })
}
