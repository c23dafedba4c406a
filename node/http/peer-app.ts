import { Hono } from "hono"
import { decodeBase64url, decodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  decodeFrames,
  encodeFrame,
  type FeedHead,
  formatHead,
  framesHeader,
  framesMediaType,
} from "../../protocol/exchange/frames.ts"
import { limits } from "../../protocol/limits.ts"
import { proveInclusionFrom } from "../../protocol/log/compact-range.ts"
import { openEntry } from "../../protocol/log/entry.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { newestRoot, rootVersion } from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import { type FeedPosition, feedFrames, feedHead, parseFeedQuery, sealedFor } from "../deliver.ts"
import { nodeKid, nodeSigner } from "../keys.ts"
import { takeReceipts } from "../receipts.ts"
import { fromNodes, logOf, placesOf } from "../store/queries/logs.ts"
import { keysInForce, memberById, peerById } from "../store/queries/members.ts"
import { signResponse, type VerifiedRequest, verifyRequest } from "./message-signature.ts"
import { problemBody, problemStatus, problemType } from "./problems.ts"
import { readBody } from "./read-body.ts"

/**
 * What other members reach: docs/spec/http.md. Strangers get the few open pages and, for everything
 * else, one constant answer; a peer is whoever signed the request and is added, verified, not blocked.
 */

export type PeerAppOptions = {
  /** our own names, `host[:port]`, lower case: what `@authority` must be one of */
  readonly authorities: readonly string[]
  /** ends held-open streams */
  readonly closing: AbortSignal
}

const heartbeatMs = 30_000
const noStore = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

export function peerApp(context: Context, options: PeerAppOptions): Hono {
  const app = new Hono()

  app.get("/livez", () => health(true))
  app.get("/readyz", () => health(context.stopped === null))
  app.get("/.well-known/comity", async () => json(await introduction(context)))
  app.get("/root/:version", (c) => {
    const text = c.req.param("version")
    const document = /^[1-9]\d{0,3}$/.test(text) ? rootVersion(context.self, Number(text)) : null
    return document === null ? stranger() : json(document.bytes)
  })

  app.get("/feed", (c) => asPeer(context, options, c.req.raw, (asked) => feed(asked)))
  app.get("/sealed/:digest", (c) =>
    asPeer(context, options, c.req.raw, async ({ peer, answer }) => {
      const bytes = await sealedFor(context, peer, c.req.param("digest"))
      return bytes === null ? answer.problem(404, "record.unknown") : answer.bytes(bytes)
    }),
  )
  app.post("/frames", (c) =>
    asPeer(context, options, c.req.raw, async ({ peer, body, answer }) => {
      for (const { type, bytes } of await decodeFrames(body)) {
        if (type !== "receipts")
          throw new ProtocolError("feature.unsupported", { detail: `frame ${type}` })
        await takeReceipts(context, peer, bytes)
      }
      return answer.bytes(new Uint8Array(0))
    }),
  )
  app.notFound(() => stranger())
  app.onError((cause) => {
    context.env.log.error("http.failed", { code: codeOf(cause) })
    return stranger()
  })

  async function feed({ peer, query, answer }: Asked): Promise<Response> {
    const position = parseFeedQuery(query)
    if (position === null) throw new ProtocolError("http.malformed", { detail: "query" })
    const { head } = await feedHead(context, peer)
    const isLive = query.has("live")
    return answer.frames(head, framesFor(context, peer, position, isLive ? options.closing : null))
  }

  return app
}

function codeOf(cause: unknown): string {
  const { code } = cause as { code?: unknown }
  return typeof code === "string" ? code : "internal"
}

/** The one answer to whoever is nobody here, whatever was asked. */
function stranger(): Response {
  return new Response("not found\n", {
    status: 404,
    headers: { "content-type": "text/plain; charset=utf-8", ...noStore },
  })
}

function health(isWell: boolean): Response {
  return new Response(isWell ? "ok\n" : "unavailable\n", {
    status: isWell ? 200 : 503,
    headers: { "content-type": "text/plain; charset=utf-8", ...noStore },
  })
}

function json(bytes: Uint8Array): Response {
  const headers = { "content-type": "application/json", ...noStore }
  return new Response(bytes as Uint8Array<ArrayBuffer>, { headers })
}

/** What a card is made of, without its root documents: those are pages of their own. */
async function introduction(context: Context): Promise<Uint8Array> {
  const { db, self } = context
  const keys = await keysInForce(db, self)
  const log = await logOf(db, self.id)
  if (keys === null || log === null || log.checkpoint === null) throw new TypeError("no log")
  const [index] = await placesOf(db, log.id, openEntry(decodeHex(keys.digest)))
  if (index === undefined) throw new TypeError("keys document not logged")
  const proof = await fromNodes(db, log.id, (read) =>
    proveInclusionFrom(read, index, log.range.size),
  )
  const keysText = new TextDecoder().decode(keys.bytes)
  const fields = JSON.stringify({
    member: self.id,
    network: self.network,
    proof: formatTlogProof({ index, proof, checkpoint: log.checkpoint }),
    rootVersion: self.documents.length,
    suite: "comity-1",
  })
  // The signed bytes go in as they are; "keys" is the first name in JCS order.
  return utf8(`{"keys":${keysText},${fields.slice(1)}`)
}

type Answer = {
  bytes(body: Uint8Array): Promise<Response>
  problem(status: number, code: string): Promise<Response>
  frames(head: FeedHead, body: AsyncGenerator<Uint8Array>): Promise<Response>
}

type Asked = {
  /** member id */
  readonly peer: string
  readonly query: URLSearchParams
  readonly body: Uint8Array
  readonly answer: Answer
}

/** Runs `work` for a request that a peer signed; anyone else is a stranger, replays included. */
async function asPeer(
  context: Context,
  options: PeerAppOptions,
  request: Request,
  work: (asked: Asked) => Promise<Response>,
): Promise<Response> {
  const known = await identify(context, options, request)
  if (known === null) return stranger()
  const { peer, query, body, verified } = known
  const answer = answerTo(context, verified)
  try {
    return await work({ peer, query, body, answer })
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) {
      context.env.log.error("http.failed", { code: codeOf(cause) })
      return answer.problem(503, "internal")
    }
    context.env.log.warn("http.refused", { peer, code: cause.code })
    return answer.problem(problemStatus(cause), cause.code)
  }
}

type Identified = {
  readonly peer: string
  readonly query: URLSearchParams
  readonly body: Uint8Array
  readonly verified: VerifiedRequest
}

async function identify(
  context: Context,
  options: PeerAppOptions,
  request: Request,
): Promise<Identified | null> {
  const { headers } = request
  // Cheap before costly: a body is read for a known sender only.
  const from = headers.get("comity-from") ?? ""
  if (!/^[0-9a-f]{64}$/.test(from) || !headers.has("signature")) return null
  const row = await peerById(context.db, from)
  if (row === undefined || row.blocked === 1 || row.verified_on === null) return null
  const member = await memberById(context.db, from)
  if (member === null || Number(headers.get("content-length") ?? 0) > limits.requestBytes)
    return null
  try {
    const body = await readBody(request.body, limits.requestBytes)
    const url = new URL(request.url)
    const { nodeKey } = newestRoot(member).payload
    const verified = verifyRequest(
      {
        method: request.method,
        authority: headers.get("host") ?? url.host,
        path: url.pathname,
        query: url.search,
        headers,
        body,
      },
      {
        now: Math.floor(context.env.clock.now() / 1000),
        ownId: context.self.id,
        ownAuthorities: options.authorities,
        keyOf: (_from, keyid) =>
          keyid === kidOf(nodeKey) ? decodeBase64url(nodeKey.ed25519) : null,
      },
    )
    if (await isReplayed(context, verified)) throw new ProtocolError("http.replayed")
    return { peer: from, query: url.searchParams, body, verified }
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    context.env.log.warn("http.stranger", { code: cause.code })
    return null
  }
}

/** Notes the nonce until it expires; true when it was noted before, also before a restart. */
async function isReplayed(context: Context, verified: VerifiedRequest): Promise<boolean> {
  const { keyid, nonce, expires } = verified
  const now = Math.floor(context.env.clock.now() / 1000)
  await context.db
    .deleteFrom("nonce")
    .where("expires", "<", now - 120)
    .execute()
  const noted = await context.db
    .insertInto("nonce")
    .values({ keyid, nonce, expires })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return noted.numInsertedOrUpdatedRows !== 1n
}

function answerTo(context: Context, verified: VerifiedRequest): Answer {
  const sign = async (status: number, headers: Headers, body: Uint8Array | null) => {
    for (const [name, value] of Object.entries(noStore)) headers.set(name, value)
    await signResponse(
      { status, headers, body },
      {
        request: verified,
        keyid: nodeKid(context.keys),
        sign: nodeSigner(context.keys),
        created: Math.floor(context.env.clock.now() / 1000),
      },
    )
  }
  const whole = async (status: number, type: string, body: Uint8Array) => {
    const headers = new Headers({ "content-type": type })
    await sign(status, headers, body)
    return new Response(body as Uint8Array<ArrayBuffer>, { status, headers })
  }
  return {
    bytes: (body) => whole(200, "application/octet-stream", body),
    problem: (status, code) => whole(status, problemType, problemBody(code)),
    frames: async (head, body) => {
      const headers = new Headers({
        "content-type": framesMediaType,
        "comity-head": formatHead(head),
      })
      await sign(200, headers, null)
      return new Response(streamOf(context, body), { headers })
    },
  }
}

/** Reads from the store only as fast as the peer reads from us. */
function streamOf(
  context: Context,
  frames: AsyncGenerator<Uint8Array>,
): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const next = await frames.next()
          if (next.done) controller.close()
          else controller.enqueue(next.value)
        } catch (cause) {
          // The head has gone out: all that is left is to break off, and to say so here.
          context.env.log.error("feed.failed", { code: codeOf(cause) })
          throw cause
        }
      },
      async cancel() {
        await frames.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

/** Once to the head, or, while `live` is not aborted, again whenever something was added. */
async function* framesFor(
  context: Context,
  peer: string,
  position: FeedPosition,
  live: AbortSignal | null,
): AsyncGenerator<Uint8Array> {
  yield framesHeader()
  let at = yield* feedFrames(context, peer, position)
  while (live !== null && !live.aborted) {
    const waiting = new AbortController()
    const signal = AbortSignal.any([live, waiting.signal])
    // Armed before the look, so that nothing added meanwhile is slept over.
    const rung = context.bell.next(signal)
    if (!(await hasNews(context, peer, at))) {
      await Promise.race([rung, context.env.clock.sleep(heartbeatMs, signal)])
      waiting.abort()
      if (!(await hasNews(context, peer, at))) {
        const { head } = await feedHead(context, peer)
        yield encodeFrame("head", utf8(formatHead(head)))
        continue
      }
    } else waiting.abort()
    at = yield* feedFrames(context, peer, at)
  }
}

async function hasNews(context: Context, peer: string, at: FeedPosition): Promise<boolean> {
  const { head, log } = await feedHead(context, peer)
  return head.n !== at.after || head.size !== at.size || log.epoch !== at.epoch
}
