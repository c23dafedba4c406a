import { decodeBase64url, encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { nodeKid, nodeSigner } from "../keys/keys.ts"
import { memberById, type Peer } from "../store/queries/members.ts"
import { isFrames, signRequest, verifyResponse } from "./message-signature.ts"
import { paced } from "./paced.ts"
import { readBody } from "./read-body.ts"

export type PeerAnswer = {
  readonly headers: Headers
  readonly body: ReadableStream<Uint8Array>
}

/** A signed no, with the peer's own code for it. */
export class PeerRefusal extends NodeError {
  readonly theirs: string

  constructor(name: string, theirs: string) {
    super("peer.refused", `${name} refused: ${theirs}.`)
    this.theirs = theirs
  }
}

export type Question = {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly body?: Uint8Array
  readonly contentType?: string
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/**
 * One signed request to a peer and its signed answer. PROTOCOL.md §11
 *
 * @throws `peer.unreachable`, `peer.refused` with the peer's code, `http.*`
 */
export async function askPeer(
  context: Context,
  peer: Peer,
  request: Question,
): Promise<PeerAnswer> {
  const { status, headers, whole, stream } = await exchange(context, peer, request)
  if (status !== 200) {
    if (whole === null) await stream.cancel()
    throw new PeerRefusal(peer.name, codeOf(whole))
  }
  return { headers, body: whole === null ? stream : streamOf(whole) }
}

/**
 * The same where other answers than 200 have a meaning of their own: all of it, signed by the peer.
 *
 * @throws `peer.unreachable`, `peer.refused` for an answer as to a stranger, `http.*`
 */
export async function askPeerPlainly(
  context: Context,
  peer: Peer,
  request: Question,
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: Uint8Array }> {
  const { status, headers, whole, stream } = await exchange(context, peer, request)
  if (whole !== null) return { status, headers, body: whole }
  await stream.cancel()
  throw new ProtocolError("http.malformed", { detail: "content-type" })
}

async function exchange(context: Context, peer: Peer, request: Question) {
  if (peer.url === null)
    throw new NodeError("peer.unreachable", `No address of ${peer.name} is known.`, {
      hint: "It reaches us when it syncs; or add its address: comity peer add URL.",
    })
  const { env, keys, self } = context
  const member = await memberById(context.db, peer.member)
  if (member === null) throw new NodeError("peer.unknown", `${peer.name} is not known.`)
  const { nodeKey } = newestRoot(member).payload
  const url = new URL(request.path, peer.url)
  const headers = new Headers()
  if (request.contentType !== undefined) headers.set("content-type", request.contentType)
  const body = request.body ?? new Uint8Array(0)
  const { method, maxBytes = 1024 ** 4, signal } = request
  const signed = await signRequest(
    { method, url, headers, body },
    {
      from: self.id,
      to: peer.member,
      keyid: nodeKid(keys),
      sign: nodeSigner(keys),
      created: Math.floor(env.clock.now() / 1000),
      nonce: encodeHex(env.random(16)),
    },
  )
  const response = await env.transport.send({
    method,
    url,
    headers,
    body,
    maxBytes,
    ...(signal === undefined ? {} : { signal }),
  })
  // A stranger's answer is unsigned and the same for everything: we are no peer there, or not yet.
  if (!response.headers.has("signature")) {
    await response.body.cancel()
    throw new NodeError(
      "peer.refused",
      `${peer.name} answered as to a stranger (${response.status}).`,
      {
        hint: "It has probably not added and verified this member yet; or the clocks differ by minutes.",
      },
    )
  }
  // A held-open stream may have nothing to say for as long as it likes.
  const stream = signal === undefined ? paced(response.body, env.clock) : response.body
  try {
    const isStream = isFrames(response.headers)
    const whole = isStream ? null : await readBody(stream, limits.requestBytes)
    verifyResponse(
      { status: response.status, headers: response.headers, body: whole },
      {
        request: signed,
        now: Math.floor(env.clock.now() / 1000),
        keyOf: (keyid) => (keyid === kidOf(nodeKey) ? decodeBase64url(nodeKey.ed25519) : null),
      },
    )
    return { status: response.status, headers: response.headers, whole, stream }
  } catch (cause) {
    if (!stream.locked) await stream.cancel()
    throw cause
  }
}

/** The code of a problem document (RFC 9457). */
export function codeOf(body: Uint8Array | null): string {
  try {
    const { type } = JSON.parse(new TextDecoder().decode(body ?? new Uint8Array(0)))
    const [, code] = /^urn:comity:error:(?=.{1,64}$)([a-z]+(?:[.-][a-z]+)*)$/.exec(type) ?? []
    if (code !== undefined) return code
  } catch {
    // Not a problem document: the status says all there is.
  }
  throw new ProtocolError("http.malformed", { detail: "problem document" })
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}
