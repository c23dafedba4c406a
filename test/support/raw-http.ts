import { connect } from "node:net"
import { isFrames, signRequest, verifyResponse } from "../../node/http/message-signature.ts"
import { parseSignatureInput, signatureBase } from "../../node/http/signature-base.ts"
import { nodeKid, nodeSigner, publicSigningKey } from "../../node/keys/keys.ts"
import { concat, decodeBase64url, encodeBase64, encodeHex, utf8 } from "../../protocol/encoding.ts"
import type { TestNode } from "./network.ts"

/** HTTP/1.1 by hand, for what no client library would send. */

export type RawAnswer = {
  /** everything that came, the Date field apart; latin1 */
  readonly text: string
  /** bytes that left this side, or wait as the one part that did not */
  readonly accepted: number
}

/**
 * Sends the parts one after the other, each once the one before has left, and reads until the server
 * closes or no byte has moved for `quietMs`.
 */
export function rawExchange(
  port: number,
  parts: Iterable<string | Uint8Array>,
  options: { readonly quietMs?: number } = {},
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    const chunks: Buffer[] = []
    const done = () => {
      clearTimeout(quiet)
      socket.destroy()
      const text = Buffer.concat(chunks).toString("latin1")
      resolve({ text: text.replaceAll(/Date: [^\r]*\r\n/g, ""), accepted: socket.bytesWritten })
    }
    const { quietMs = 10_000 } = options
    let quiet = setTimeout(done, quietMs)
    const moved = () => {
      clearTimeout(quiet)
      quiet = setTimeout(done, quietMs)
    }
    socket.on("error", () => {})
    socket.on("close", done)
    socket.on("data", (chunk) => {
      chunks.push(chunk)
      moved()
    })
    socket.on("connect", async () => {
      for (const part of parts) {
        if (socket.destroyed) return
        await new Promise((sent) => socket.write(part, sent))
        moved()
      }
    })
  })
}

/** A connection held open, that reads what comes or lets it lie. */
export type RawStream = {
  received(): Uint8Array
  readonly closed: Promise<void>
  readonly isClosed: () => boolean
  close(): void
}

export function rawStream(
  port: number,
  head: string,
  options: { readonly reads?: boolean } = {},
): RawStream {
  const socket = connect(port, "127.0.0.1", () => socket.write(head))
  const chunks: Buffer[] = []
  if (options.reads !== false) socket.on("data", (chunk) => void chunks.push(chunk))
  socket.on("error", () => {})
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()))
  return {
    received: () => Buffer.concat(chunks),
    closed,
    isClosed: () => socket.closed,
    close: () => void socket.destroy(),
  }
}

export type SignedAsk = {
  readonly method?: string
  /** as it stands in the request line, and is signed */
  readonly target?: string
  readonly body?: Uint8Array
  readonly created?: number
  readonly nonce?: string
  readonly to?: string
  /** fields that are set before it is signed */
  readonly fields?: Readonly<Record<string, string>>
  /** another Signature-Input, rightly signed all the same */
  readonly input?: (field: string) => string
  /** what is sent, where it is not what was signed */
  readonly sent?: {
    readonly method?: string
    readonly target?: string
    readonly fields?: Readonly<Record<string, string | null>>
    /** appended to the fields as they are */
    readonly lines?: string
  }
}

let asked = 0

/** A request of `asker` to `node`, which listens as `authority`: its head and its body. */
export async function signedAsk(
  asker: TestNode,
  node: TestNode,
  authority: string,
  ask: SignedAsk = {},
): Promise<readonly [head: string, body: Uint8Array]> {
  const { method = "GET", target = "/feed", body = new Uint8Array(0), sent = {} } = ask
  const headers = new Headers(ask.fields)
  const { env, keys, self } = asker.context
  const url = new URL(`http://${authority}${target}`)
  const sign = nodeSigner(keys)
  await signRequest(
    { method, url, headers, body },
    {
      from: self.id,
      to: ask.to ?? node.context.self.id,
      keyid: nodeKid(keys),
      sign,
      created: ask.created ?? Math.floor(env.clock.now() / 1000),
      nonce: ask.nonce ?? encodeHex(utf8(`ask ${++asked}`)),
    },
  )
  if (ask.input !== undefined) {
    const field = ask.input(headers.get("signature-input")!)
    const parts = { method, authority, path: url.pathname, query: url.search, headers }
    const base = signatureBase(parts, parseSignatureInput(field)[0]!)
    headers.set("signature-input", field)
    headers.set("signature", `comity=:${encodeBase64(await sign(utf8(base)))}:`)
  }
  const fields = new Map<string, string | null>([
    ...headers,
    ["host", authority],
    ["connection", "close"],
  ])
  if (method !== "GET") fields.set("content-length", String(body.length))
  for (const [name, value] of Object.entries(sent.fields ?? {})) fields.set(name, value)
  const lines = [...fields].map(([name, value]) => (value === null ? "" : `${name}: ${value}\r\n`))
  const start = `${sent.method ?? method} ${sent.target ?? target} HTTP/1.1\r\n`
  return [`${start}${lines.join("")}${sent.lines ?? ""}\r\n`, body]
}

export type PeerAnswer = {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
  /** of a problem document */
  readonly code: string | undefined
}

/** An answer of `node` to the head that was sent, once its signature has been checked. */
export function signedAnswer(node: TestNode, sent: string, { text }: RawAnswer): PeerAnswer {
  const end = text.indexOf("\r\n\r\n")
  const [start = "", ...lines] = text.slice(0, end).split("\r\n")
  const headers = new Headers(lines.map((line) => line.split(/: ?(.*)/, 2) as [string, string]))
  const isChunked = headers.get("transfer-encoding") === "chunked"
  const rest = Buffer.from(text.slice(end + 4), "latin1")
  const body = isChunked ? unchunked(rest) : rest
  const status = Number(start.split(" ")[1])
  const { keys, env } = node.context
  const field = (name: string) => new RegExp(`\n${name}: ([^\r]*)`).exec(sent)![1]!
  verifyResponse(
    { status, headers, body: isFrames(headers) ? null : body },
    {
      request: {
        signature: field("signature"),
        nonce: /nonce="([^"]*)"/.exec(field("signature-input"))![1]!,
      },
      now: Math.floor(env.clock.now() / 1000),
      keyOf: (kid) =>
        kid === nodeKid(keys) ? decodeBase64url(publicSigningKey(keys.node).ed25519) : null,
    },
  )
  const [, code] =
    /^\{"type":"urn:comity:error:([a-z.-]+)"\}$/.exec(Buffer.from(body).toString()) ?? []
  return { status, headers, body, code }
}

/** As far as it came. */
function unchunked(bytes: Buffer): Uint8Array {
  const chunks: Uint8Array[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf("\r\n", at)
    const length = Number.parseInt(bytes.toString("latin1", at, end), 16)
    if (end < 0 || !(length > 0)) return concat(...chunks)
    chunks.push(bytes.subarray(end + 2, end + 2 + length))
    at = end + 2 + length + 2
  }
}
