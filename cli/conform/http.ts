import { verifyRequest } from "../../node/http/message-signature.ts"
import { peerUrl } from "../../node/http/peer-url.ts"
import {
  parseRawMessage,
  type RawRequest,
  type RawResponse,
  splitTarget,
} from "../../node/http/raw-message.ts"
import {
  type MessageParts,
  parseSignatureInput,
  type RequestParts,
  signatureBase,
} from "../../node/http/signature-base.ts"
import { assertEnrollable } from "../../protocol/crypto/sign.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { bytesField, integerField, malformed, type Op, type OpInput, textField } from "./fields.ts"

export const httpOps = {
  "httpsig.base": (input) => {
    const label = textField(input, "label")
    const message = parseRawMessage(textField(input, "message"))
    const members = parseSignatureInput(message.headers.get("signature-input") ?? "")
    const member = members.find((candidate) => candidate.label === label)
    if (member === undefined) throw new ProtocolError("http.malformed", { detail: "label" })
    return signatureBase(messageParts(message), member)
  },

  "httpsig.verify": (input) => {
    const keys = keysField(input)
    const now = integerField(input, "now")
    const message = parseRawMessage(textField(input, "message"))
    // An answer is verified with the request it answers, which is not here.
    if (message.kind === "response")
      throw new ProtocolError("http.malformed", { detail: "request" })
    const parts = requestParts(message)
    verifyRequest(
      { ...parts, headers: message.headers, body: message.body },
      {
        now,
        // Whoever the message names: this asks about its form and its signature.
        ownId: message.headers.get("comity-to") ?? "",
        ownAuthorities: [parts.authority.toLowerCase()],
        keyOf: (_from, keyid) => keys.get(keyid) ?? null,
      },
    )
    return true
  },

  "url.peer": (input) => peerUrl(textField(input, "url"), { allowPrivate: false }),
} satisfies Record<string, Op>

function messageParts(message: RawRequest | RawResponse): MessageParts {
  return message.kind === "response" ? message : requestParts(message)
}

function requestParts(message: RawRequest): RequestParts {
  const { method, headers } = message
  return { method, authority: headers.get("host") ?? "", ...splitTarget(message.target), headers }
}

function keysField(input: OpInput): ReadonlyMap<string, Uint8Array> {
  const list = input.keys
  if (!Array.isArray(list)) throw malformed("keys")
  const keys = new Map<string, Uint8Array>()
  for (const item of list) {
    if (typeof item !== "object" || item === null) throw malformed("keys")
    const publicKey = bytesField(item, "publicKey")
    assertEnrollable(publicKey)
    keys.set(textField(item, "keyid"), publicKey)
  }
  return keys
}
