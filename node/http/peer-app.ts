import { Hono, type Context as HonoContext } from "hono"
import { decodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  decodeFrames,
  type FeedHead,
  formatHead,
  framesMediaType,
} from "../../protocol/exchange/frames.ts"
import { limits } from "../../protocol/limits.ts"
import { formatSize, sizeMediaType } from "../../protocol/log/add-checkpoint.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { proveInclusionFrom } from "../../protocol/log/compact-range.ts"
import { openEntry } from "../../protocol/log/entry.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import { rootVersion } from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import {
  assertSealable,
  feedHead,
  logFrames,
  parseFeedQuery,
  sealedFor,
} from "../exchange/deliver.ts"
import { returnedFrames } from "../exchange/give-back.ts"
import { hasPassedOn } from "../exchange/pass-on.ts"
import { takePushed } from "../exchange/push.ts"
import { noteAsked } from "../exchange/reader.ts"
import { nodeKid, nodeSigner } from "../keys/keys.ts"
import { logTile, newestCheckpoint } from "../log/log.ts"
import { addCheckpoint, witnessedCheckpoint } from "../log/witness.ts"
import { fromNodes, logOf, placesOf } from "../store/queries/logs.ts"
import { keysInForce } from "../store/queries/members.ts"
import { Crowd } from "./crowd.ts"
import { FeedStreams } from "./feed-streams.ts"
import { signResponse, type VerifiedRequest } from "./message-signature.ts"
import { type Asker, peerAuth } from "./peer-auth.ts"
import { Posts } from "./posts.ts"
import { problemBody, problemStatus, problemType } from "./problems.ts"
import { strangersAnswer } from "./stranger.ts"

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

const textType = "text/plain; charset=utf-8"

type Asked = {
  /** member id */
  readonly peer: string
  readonly query: URLSearchParams
  readonly body: Uint8Array
  readonly answer: Answer
}

const noStore = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

/** What the listener knows of a request; absent where none came through it. */
export type PeerBindings = { readonly address?: string | undefined }

export function peerApp(
  context: Context,
  options: PeerAppOptions,
): Hono<{ Bindings: PeerBindings }> {
  const { log } = context.env
  const app = new Hono<{ Bindings: PeerBindings }>()
  const crowd = new Crowd(context.env.clock)
  const identify = peerAuth(context, options.authorities)
  const feeds = new FeedStreams(context, options.closing)
  const posts = new Posts()

  app.get("/livez", () => health(true))
  app.get("/readyz", () => health(context.stopped === null))
  app.get("/.well-known/comity", async () => json(await introduction(context)))
  app.get("/root/:version", (c) => {
    const text = c.req.param("version")
    const document = /^[1-9]\d{0,3}$/.test(text) ? rootVersion(context.self, Number(text)) : null
    return document === null ? strangersAnswer() : json(document.bytes)
  })

  app.get("/feed", (c) =>
    asPeer(c, async ({ peer, query, answer }) => {
      const position = parseFeedQuery(query)
      if (position === null) throw new ProtocolError("http.malformed", { detail: "query" })
      await noteAsked(context, peer, position)
      const { head } = await feedHead(context, peer)
      await assertSealable(context, peer, head, position)
      return answer.frames(head, feeds.feed(peer, position, query.has("live")))
    }),
  )
  app.get("/log/:member", (c) =>
    asPeer(c, async ({ peer, query, answer }) => {
      const position = parseFeedQuery(query)
      if (position === null) throw new ProtocolError("http.malformed", { detail: "query" })
      const log = await readableLog(context, peer, c.req.param("member"))
      if (log === null) return answer.problem(404, "record.unknown")
      const head = { feed: "0".repeat(32), n: 0, size: log.range.size }
      const isOwner = c.req.param("member") === peer
      const frames =
        query.has("returned") && isOwner
          ? returnedFrames(context, peer, position.epoch, position.size)
          : logFrames(context, log, position)
      return answer.frames(head, feeds.once(peer, frames))
    }),
  )
  app.get("/sealed/:digest", (c) =>
    asPeer(c, async ({ peer, answer }) => {
      const bytes = await sealedFor(context, peer, c.req.param("digest"))
      return bytes === null ? answer.problem(404, "record.unknown") : answer.bytes(bytes)
    }),
  )
  app.get("/checkpoint", (c) =>
    asPeer(c, async ({ answer }) => {
      const checkpoint = await newestCheckpoint(context)
      return answer.whole(200, textType, utf8(checkpoint))
    }),
  )
  app.get("/tile/*", (c) =>
    asPeer(c, async ({ answer }) => {
      const bytes = await logTile(context, c.req.path.slice(1))
      return bytes === null ? answer.problem(404, "tile.malformed") : answer.bytes(bytes)
    }),
  )
  app.post("/add-checkpoint", (c) =>
    asPeer(c, async ({ body, answer }) => {
      const witnessed = await addCheckpoint(context, body)
      if (witnessed.status === 200) return answer.whole(200, textType, utf8(witnessed.lines))
      return witnessed.status === 409
        ? answer.whole(409, sizeMediaType, utf8(formatSize(witnessed.size)))
        : answer.problem(witnessed.status, witnessed.code)
    }),
  )
  app.get("/:origin/checkpoint", (c) =>
    asPeer(c, async ({ answer }) => {
      const note = await witnessedCheckpoint(context, c.req.param("origin"))
      return note === null
        ? answer.problem(404, "checkpoint.origin")
        : answer.whole(200, textType, utf8(note))
    }),
  )
  app.post("/frames", (c) =>
    asPeer(c, async ({ peer, body, answer }) => {
      const frames = await decodeFrames(body, limits.framesPerPost)
      return answer.bytes(await takePushed(context, peer, frames))
    }),
  )
  app.notFound((c) =>
    asPeer(c, async () => {
      throw new ProtocolError("feature.unsupported", { detail: "path" })
    }),
  )
  app.onError((cause) => {
    log.error("http.failed", { code: codeOf(cause) })
    return strangersAnswer()
  })

  /** Runs `work` for a request that a peer signed; anyone else is a stranger. */
  async function asPeer(
    { req: { raw: request }, env }: HonoContext<{ Bindings: PeerBindings }>,
    work: (asked: Asked) => Promise<Response>,
  ): Promise<Response> {
    const claimed = (request.headers.get("comity-from") ?? "").slice(0, 64)
    const leave = await crowd.enter(`${claimed} ${env?.address ?? ""}`)
    if (leave === null) return strangersAnswer()
    try {
      const asker = await identify(request)
      if (asker === null) return strangersAnswer()
      // Whoever sends a body may be waiting for an answer of ours elsewhere: nothing waits for that.
      if (request.body !== null) leave()
      return await answered(request, asker, work)
    } finally {
      leave()
    }
  }

  async function answered(
    request: Request,
    asker: Asker,
    work: (asked: Asked) => Promise<Response>,
  ): Promise<Response> {
    const { peer, query, verified } = asker
    const answer = answerTo(context, verified)
    const run = async () => work({ peer, query, body: await asker.body(), answer })
    try {
      return await (request.body === null ? run() : posts.hold(peer, asker.bodyBytes, run))
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) {
        log.error("http.failed", { peer, code: codeOf(cause) })
        return answer.problem(503, "internal")
      }
      log.warn("http.refused", { peer, code: cause.code })
      return answer.problem(problemStatus(cause), cause.code)
    }
  }

  return app
}

function codeOf(cause: unknown): string {
  const { code } = cause as { code?: unknown }
  return typeof code === "string" ? code : "internal"
}

function health(isWell: boolean): Response {
  return new Response(isWell ? "ok\n" : "unavailable\n", {
    status: isWell ? 200 : 503,
    headers: { "content-type": textType, ...noStore },
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
    proof: formatTlogProof({ index, proof, checkpoint: ownLines(log.checkpoint) }),
    rootVersion: self.documents.length,
    suite: "comity-1",
  })
  // The signed bytes go in as they are; "keys" is the first name in JCS order.
  return utf8(`{"keys":${keysText},${fields.slice(1)}`)
}

/**
 * Our own log, for whoever is a peer; a peer's own, which it may have lost; and that of a member whose
 * record it holds from us. PROTOCOL.md §7
 */
async function readableLog({ db, self }: Context, peer: string, member: string) {
  const isReadable =
    member === self.id || member === peer || (await hasPassedOn(db, self.id, peer, member))
  return isReadable ? logOf(db, member) : null
}

type Answer = {
  whole(status: number, type: string, body: Uint8Array): Promise<Response>
  bytes(body: Uint8Array): Promise<Response>
  problem(status: number, code: string): Promise<Response>
  frames(head: FeedHead, body: ReadableStream<Uint8Array>): Promise<Response>
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
    // What is too large, or too much, is not read to its end.
    if (status === 413 || status === 429) headers.set("connection", "close")
    await sign(status, headers, body)
    return new Response(body as Uint8Array<ArrayBuffer>, { status, headers })
  }
  return {
    whole,
    bytes: (body) => whole(200, "application/octet-stream", body),
    problem: (status, code) => whole(status, problemType, problemBody(code)),
    frames: async (head, body) => {
      const headers = new Headers({
        "content-type": framesMediaType,
        "comity-head": formatHead(head),
      })
      await sign(200, headers, null)
      return new Response(body, { headers })
    },
  }
}
