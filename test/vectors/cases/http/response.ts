import { isFrames, verifyResponse } from "../../../../node/http/message-signature.ts"
import { parseRawMessage } from "../../../../node/http/raw-message.ts"
import { parseSignatureInput, signatureBase } from "../../../../node/http/signature-base.ts"
import { decodeHex } from "../../../../protocol/encoding.ts"
import { ProtocolError } from "../../../../protocol/errors.ts"
import { a, b, c } from "../../cast.ts"
import {
  type Cases,
  type Format,
  filled,
  type Input,
  number,
  type Run,
  text,
} from "../../format.ts"
import { created, keyEntry, kid, nonce, request, resigned, response } from "./message.ts"

type Asked = { readonly signature: string; readonly nonce: string }

const run: Run = (input) => {
  const raw = parseRawMessage(text(input, "message"))
  if (raw.kind !== "response") throw new ProtocolError("http.malformed", { detail: "a request" })
  const { status, headers } = raw
  const asked = input.request as Asked
  const body = isFrames(headers) ? null : raw.body
  const { keyid, head } = verifyResponse(
    { status, headers, body },
    {
      request: asked,
      now: number(input, "now"),
      keyOf: (wanted) => {
        const keys = input.keys as readonly { keyid: string; publicKey: string }[]
        const found = keys.find((key) => key.keyid === wanted)
        return found === undefined ? null : decodeHex(found.publicKey)
      },
    },
  )
  const [member] = parseSignatureInput(headers.get("signature-input") ?? "")
  const fields = { get: (name: string) => (name === "signature" ? asked.signature : null) }
  const base = signatureBase({ status, headers, request: { headers: fields } }, member!)
  return { keyid, head, base }
}

async function cases(): Promise<Cases> {
  const asked = await request()
  const other = await request({ created: created + 1 })
  const head = `${filled(16, 0xfe)}, 3, 12`
  const answer = await response(asked, { head })
  const stream = await response(asked, { body: null, head })
  const at = (message: string, more: Input = {}): Input => ({
    message,
    request: { signature: asked.signature, nonce },
    now: created + 2,
    keys: [keyEntry(a)],
    ...more,
  })
  const edited = (from: string | RegExp, to: string, of = answer): Input => {
    const message = of.replace(from, to)
    if (message === of) throw new RangeError(`nothing to replace: ${from}`)
    return at(message)
  }
  const field = (name: string) => new RegExp(`${name}: .*\r\n`).exec(answer)![0]
  const expiring = (after: number) =>
    resigned(answer.replace(`expires=${created + 301}`, `expires=${created + 1 + after}`), a, asked)
  const malformed = "http.malformed"
  const refused = "http.signature"
  return {
    about: "the signed answer to a request, as it is on the wire, and the base that was signed",
    valid: [
      ["with a body and a head", at(answer)],
      ["that speaks of no feed", at(await response(asked))],
      ["an empty body", at(await response(asked, { body: "", head }))],
      ["a stream of frames", at(stream)],
      ["not found", at(await response(asked, { status: 404 }))],
    ],
    hostile: [
      ["unsigned", edited(field("signature"), ""), refused],
      [
        "to another request",
        at(answer, { request: { signature: other.signature, nonce } }),
        refused,
      ],
      [
        "to a request with another nonce",
        at(answer, { request: { signature: asked.signature, nonce: "another" } }),
        refused,
      ],
      ["another status", edited("200 OK", "404 OK"), refused],
      ["another body", edited("{}", "[]"), refused],
      ["no body", edited("{}", ""), refused],
      ["another head", edited("3, 12", "4, 12"), refused],
      ["another type", edited("application/octet-stream", "application/json"), refused],
      ["by a key that is not the peer's", at(answer, { keys: [keyEntry(b)] }), refused],
      ["by another peer", at(await response(asked, { by: c, head })), refused],
      [
        "by another peer under the keyid",
        at((await response(asked, { by: c, head })).replace(kid(c), kid(a))),
        refused,
      ],
      ["expired", at(answer, { now: created + 302 }), refused],
      ["more than a minute ahead", at(answer, { now: created - 60 }), refused],
      ["a lifetime of 301 seconds", at(await expiring(301)), refused],
      ["expires when it was created", at(await expiring(0), { now: created + 1 }), refused],
      [
        "a signature of zeros",
        edited(/signature: .*\r\n/, `signature: comity=:${"A".repeat(86)}==:\r\n`),
        refused,
      ],
      ["no head", edited(field("comity-head"), ""), malformed],
      ["no type", edited(field("content-type"), ""), malformed],
      ["two types", edited(field("content-type"), field("content-type").repeat(2)), malformed],
      ["no digest", edited(field("content-digest"), ""), malformed],
      ["the status left out of what is covered", edited('("@status" ', "("), malformed],
      ["the request's signature left out", edited(' "signature";req;key="comity"', ""), malformed],
      [
        "the request's signature, not as the request's",
        edited('"signature";req;key="comity"', '"signature";key="comity"'),
        malformed,
      ],
      ["a request's components", edited('("@status"', '("@method"'), malformed],
      ["the digest left out of what is covered", edited(' "content-digest")', ")"), malformed],
      [
        "a stream under the components of a body",
        edited("application/octet-stream", "application/vnd.comity.frames"),
        malformed,
      ],
      [
        "a body under the components of a stream",
        edited("application/vnd.comity.frames", "application/octet-stream", stream),
        malformed,
      ],
      ["a request", at(asked.text), malformed],
      ["no status", edited("200 ", ""), malformed],
      ["status 600", edited("200 OK", "600 OK"), malformed],
      ["another content-length", edited("\r\n\r\n", "\r\ncontent-length: 3\r\n\r\n"), malformed],
    ],
  }
}

export const httpResponse: Format = { run, cases }
