import { signRequest } from "../../../node/http/message-signature.ts"
import { nodeKid, nodeSigner } from "../../../node/keys/keys.ts"
import { encodeHex } from "../../../protocol/encoding.ts"
import type { Target } from "./stage.ts"
import type { Villain } from "./villain.ts"

/** A request of the villain's to the target, signed with its real key unless that is the point. */
export type Sending = {
  readonly method?: "GET" | "POST"
  readonly path: string
  readonly body?: Uint8Array
  readonly type?: string
  /** milliseconds from now */
  readonly at?: number
  readonly from?: string
  readonly to?: string
  readonly keyid?: string
  readonly sign?: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>
  /** changes what was signed, before it goes out */
  readonly edit?: (request: { path: string; headers: Headers; body: Uint8Array }) => void
}

export type Prepared = { readonly url: URL; readonly init: RequestInit }

export async function prepare(
  villain: Villain,
  target: Target,
  sending: Sending,
): Promise<Prepared> {
  const { method = "GET", path, body = new Uint8Array(0), type, at = 0 } = sending
  const { env, keys, self } = villain.context
  const headers = new Headers()
  if (type !== undefined) headers.set("content-type", type)
  await signRequest(
    { method, url: new URL(path, target.url), headers, body },
    {
      from: sending.from ?? self.id,
      to: sending.to ?? target.member,
      keyid: sending.keyid ?? nodeKid(keys),
      sign: sending.sign ?? nodeSigner(keys),
      created: Math.floor((env.clock.now() + at) / 1000),
      nonce: encodeHex(env.random(16)),
    },
  )
  // A connection of its own: a target may close one whose body it did not want to read.
  headers.set("connection", "close")
  const request = { path, headers, body }
  sending.edit?.(request)
  const init: RequestInit = { method, headers: request.headers, redirect: "manual" }
  if (method === "POST") init.body = request.body as Uint8Array<ArrayBuffer>
  return { url: new URL(request.path, target.url), init }
}

export async function sendAs(
  villain: Villain,
  target: Target,
  sending: Sending,
): Promise<Response> {
  const { url, init } = await prepare(villain, target, sending)
  return fetch(url, init)
}

/** The code that a signed refusal names; null for the constant answer to strangers. */
export async function codeOf(response: Response): Promise<string | null> {
  const text = await response.text()
  if (!response.headers.has("signature")) return null
  return /urn:comity:error:([a-z.-]+)/.exec(text)?.[1] ?? ""
}
