import {
  type OutgoingResponse,
  type RequestSignature,
  signRequest,
  signResponse,
} from "../../../../node/http/message-signature.ts"
import { parseRawMessage, splitTarget } from "../../../../node/http/raw-message.ts"
import { parseSignatureInput, signatureBase } from "../../../../node/http/signature-base.ts"
import { signEd25519 } from "../../../../protocol/crypto/sign.ts"
import { decodeBase64url, encodeBase64, encodeHex, utf8 } from "../../../../protocol/encoding.ts"
import { kidOf } from "../../../../protocol/member/key.ts"
import type { TestMember } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
import type { Input } from "../../format.ts"

/** Messages of B to A and of A to B, as they are on the wire. */

export const created = 1_795_438_800
export const nonce = "mFXTQ1sbRIOgk3VvS1nYzA"
export const host = "xa.example"

export const kid = (of: TestMember) => kidOf(of.root.nodeKey)
export const keyEntry = (of: TestMember, member = of.id): Input => ({
  member,
  keyid: kid(of),
  publicKey: encodeHex(decodeBase64url(of.root.nodeKey.ed25519)),
})
const signBy = (of: TestMember) => (message: Uint8Array) => signEd25519(message, of.nodeSeed)

const crlf = (lines: readonly string[], body: string) => `${[...lines, "", ""].join("\r\n")}${body}`

export type RequestSpec = {
  readonly method?: string
  readonly target?: string
  readonly body?: string
  readonly type?: string
  readonly by?: TestMember
  readonly from?: string
  readonly to?: string
  readonly created?: number
}

/** A request as B signs it, unless it says otherwise. */
export async function request(
  spec: RequestSpec = {},
): Promise<{ text: string } & RequestSignature> {
  const { method = "GET", target = "/feed?after=0&size=0", body = "", by = b } = spec
  const headers = new Headers()
  if (spec.type !== undefined) headers.set("content-type", spec.type)
  const signature = await signRequest(
    { method, url: new URL(target, `https://${host}`), headers, body: utf8(body) },
    {
      from: spec.from ?? by.id,
      to: spec.to ?? a.id,
      keyid: kid(by),
      sign: signBy(by),
      created: spec.created ?? created,
      nonce,
    },
  )
  const fields = [...headers].map(([name, value]) => `${name}: ${value}`)
  return {
    ...signature,
    text: crlf([`${method} ${target} HTTP/1.1`, `host: ${host}`, ...fields], body),
  }
}

/** A's answer to a request; a stream of frames has no body to digest. */
export async function response(
  to: RequestSignature,
  spec: {
    readonly status?: number
    readonly body?: string | null
    readonly head?: string
    readonly by?: TestMember
  } = {},
): Promise<string> {
  const { status = 200, body = "{}", by = a } = spec
  const headers = new Headers()
  if (body === null) headers.set("content-type", "application/vnd.comity.frames")
  if (spec.head !== undefined) headers.set("comity-head", spec.head)
  const outgoing: OutgoingResponse = { status, headers, body: body === null ? null : utf8(body) }
  await signResponse(outgoing, {
    request: to,
    keyid: kid(by),
    sign: signBy(by),
    created: created + 1,
  })
  const fields = [...headers].map(([name, value]) => `${name}: ${value}`)
  return crlf([`HTTP/1.1 ${status} OK`, ...fields], body ?? "")
}

/** The message signed anew over what its fields say now: nothing but a rule refuses it. */
export async function resigned(
  text: string,
  by: TestMember,
  to?: RequestSignature,
): Promise<string> {
  const raw = parseRawMessage(text)
  const { headers } = raw
  const [input] = parseSignatureInput(headers.get("signature-input") ?? "")
  const fields = { get: (name: string) => (name === "signature" ? (to?.signature ?? null) : null) }
  const parts =
    raw.kind === "request"
      ? { method: raw.method, authority: host, ...splitTarget(raw.target), headers }
      : { status: raw.status, headers, request: { headers: fields } }
  const signature = encodeBase64(await signBy(by)(utf8(signatureBase(parts, input!))))
  return text.replace(/signature: comity=:.*:/, `signature: comity=:${signature}:`)
}
