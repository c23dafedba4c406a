import { decodeBase64url, encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { nodeKid, nodeSigner } from "../keys.ts"
import { memberById, type Peer } from "../store/queries/members.ts"
import { isFrames, signRequest, verifyResponse } from "./message-signature.ts"
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

/**
 * One signed request to a peer and its signed answer. PROTOCOL.md §11
 *
 * @throws `peer.unreachable`, `peer.refused` with the peer's code, `http.*`
 */
export async function askPeer(
  context: Context,
  peer: Peer,
  request: {
    readonly method: "GET" | "POST"
    readonly path: string
    readonly body?: Uint8Array
    readonly contentType?: string
    readonly maxBytes?: number
    readonly signal?: AbortSignal
  },
): Promise<PeerAnswer> {
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
  const isStream = isFrames(response.headers)
  const whole = isStream ? null : await readBody(response.body, limits.requestBytes)
  verifyResponse(
    { status: response.status, headers: response.headers, body: whole },
    {
      request: signed,
      now: Math.floor(env.clock.now() / 1000),
      keyOf: (keyid) => (keyid === kidOf(nodeKey) ? decodeBase64url(nodeKey.ed25519) : null),
    },
  )
  if (response.status !== 200) {
    const code = codeOf(whole)
    throw new PeerRefusal(peer.name, code)
  }
  return { headers: response.headers, body: whole === null ? response.body : streamOf(whole) }
}

/** The code of a problem document (RFC 9457). */
function codeOf(body: Uint8Array | null): string {
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
