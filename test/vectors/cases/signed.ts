import { encodeCanonical, type Json } from "../../../protocol/canonical.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { decodeBase64url, decodeUtf8, encodeHex } from "../../../protocol/encoding.ts"
import { limits } from "../../../protocol/limits.ts"
import { decodeOrder, encodeOrder } from "../../../protocol/release/order.ts"
import { encodeSigned } from "../../../protocol/signed.ts"
import {
  altered,
  alteredHeader,
  alteredLine,
  alteredPayload,
  envelopeOf,
  rewritten,
  rewrittenInside,
} from "../../support/envelope.ts"
import { orderOf, signOrder } from "../../support/world.ts"
import { a, rule } from "../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  type Input,
  misshapen,
  type Run,
  repeated,
  shown,
} from "../format.ts"

const run: Run = (input) => {
  const { digest, payloadBytes, signatures } = decodeOrder(bytes(input, "bytes"))
  const lines = signatures.map((line) => ({
    header: line.header as unknown as Json,
    signature: encodeHex(line.signature),
    inputDigest: encodeHex(sha256(line.input)),
  }))
  return { digest, payload: encodeHex(payloadBytes), lines }
}

function headerOf(signed: Uint8Array, line = 0): Input {
  const encoded = envelopeOf(signed).signatures[line]!.protected
  return JSON.parse(decodeUtf8(decodeBase64url(encoded)))
}

function compact(signed: Uint8Array): string {
  const { payload, signatures } = envelopeOf(signed)
  return `${signatures[0]!.protected}.${payload}.${signatures[0]!.signature}`
}

async function cases(): Promise<Cases> {
  const order = orderOf(a, { id: filled(16, 1), rule, root: filled(32, 2) })
  const one = await signOrder(a, order, ["p1"])
  const two = await signOrder(a, order, ["p1", "p2"])
  const at = (bytes: Uint8Array) => ({ bytes: shown(bytes) })
  const signature = (change: (text: string) => string) =>
    at(alteredLine(one, (line) => ({ signature: change(line.signature) })))
  const header = (fields: Input) => at(alteredHeader(one, fields))
  return {
    about:
      "the form of a signed object, an order here; its signatures are not verified in this file",
    valid: [
      ["one signature", at(one)],
      ["two signatures, sorted by kid", at(two)],
    ],
    hostile: [
      ...misshapen("one signature", "/bytes", envelopeOf(one), "signed.malformed"),
      ...misshapen(
        "one signature",
        "/bytes/signatures/0",
        envelopeOf(one).signatures[0]!,
        "signed.malformed",
        {
          what: "line: ",
        },
      ),
      ...misshapen(
        "one signature",
        "/bytes/signatures/0/protected",
        headerOf(one),
        "order.malformed",
        {
          what: "header: ",
        },
      ),
      ...edited("one signature", "signed.malformed", [
        ["a signature that is no text", "/bytes/signatures/0/signature", 1],
        ["an empty signature", "/bytes/signatures/0/signature", ""],
        ["an empty header", "/bytes/signatures/0/protected", ""],
        ["an empty payload", "/bytes/payload", ""],
        ["a payload that is not encoded", "/bytes/payload", { act: "release" }],
        ["a header that is not encoded", "/bytes/signatures/0/protected", headerOf(one)],
        ["signatures by name", "/bytes/signatures", { 0: envelopeOf(one).signatures[0] }],
        ["a signature longer than any", "/bytes/signatures/0/signature", "A".repeat(8193)],
        ["a header longer than any", "/bytes/signatures/0/protected", "A".repeat(16_385)],
      ]),
      ["a list", at(encodeCanonical([envelopeOf(one)])), "signed.malformed"],
      ["compact (RFC 7515 §7.1)", at(encodeCanonical(compact(one))), "signed.malformed"],
      [
        "65 lines",
        at(
          altered(one, ({ signatures: [line] }) => ({
            signatures: Array.from({ length: 65 }, () => line),
          })),
        ),
        "signed.malformed",
      ],
      [
        "one kid twice with two headers",
        at(
          encodeSigned(encodeOrder(order), [
            ...envelopeOf(one).signatures,
            ...envelopeOf(alteredHeader(one, { day: "2026-11-24" })).signatures,
          ]),
        ),
        "signed.malformed",
      ],
      [
        "one byte more than a signed object may have",
        { bytes: repeated("20", limits.signedBytes + 1) },
        "json.too-large",
      ],
      ["no signature", at(altered(one, () => ({ signatures: [] }))), "signed.malformed"],
      [
        "signatures out of order",
        at(altered(two, ({ signatures }) => ({ signatures: signatures.toReversed() }))),
        "signed.malformed",
      ],
      [
        "the same line twice",
        at(altered(one, ({ signatures: [line] }) => ({ signatures: [line, line] }))),
        "signed.malformed",
      ],
      [
        "an unprotected header",
        edit("one signature", ["/bytes/signatures/0/header", {}]),
        "signed.malformed",
      ],
      [
        "flattened (RFC 7515 §7.2.2)",
        at(encodeCanonical({ payload: envelopeOf(one).payload, ...envelopeOf(one).signatures[0] })),
        "signed.malformed",
      ],
      ["white space", at(rewritten(one, '{"payload"', '{ "payload"')), "json.noncanonical"],
      [
        "members out of order",
        at(rewritten(one, /^\{("payload":"[^"]*"),(.*)\}$/, "{$2,$1}")),
        "json.noncanonical",
      ],
      ["padded signature", signature((text) => `${text}==`), "signed.malformed"],
      [
        "stray bits in the signature",
        signature((text) => text.replace(/.$/, "B")),
        "signed.malformed",
      ],
      [
        "signature in base64",
        signature((text) => text.replace(/[-_]|.$/, "+")),
        "signed.malformed",
      ],
      ["alg none", header({ alg: "none" }), "order.malformed"],
      ["alg EdDSA", header({ alg: "EdDSA" }), "order.malformed"],
      ["alg ML-DSA-65 for an officer", header({ alg: "ML-DSA-65" }), "order.malformed"],
      ["a key inside the header", header({ jwk: { kty: "OKP" } }), "order.malformed"],
      ["b64 and crit", header({ b64: false, crit: ["b64"] }), "order.malformed"],
      ["alg ES256", header({ alg: "ES256" }), "order.malformed"],
      ["alg in small letters", header({ alg: "ed25519" }), "order.malformed"],
      [
        "a key's address in the header",
        header({ jku: "https://thief.example/keys" }),
        "order.malformed",
      ],
      ["a certificate in the header", header({ x5c: ["MIIB"] }), "order.malformed"],
      ["a content type in the header", header({ cty: "json" }), "order.malformed"],
      ["kid in capitals", header({ kid: "AB".repeat(32) }), "order.malformed"],
      ["half a kid", header({ kid: "ab".repeat(16) }), "order.malformed"],
      ["typ of another object", header({ typ: "comity-root+jws" }), "order.malformed"],
      ["another network in the header", header({ network: "operational" }), "network.mismatch"],
      [
        "another network in the payload",
        at(alteredPayload(one, { network: "operational" })),
        "network.mismatch",
      ],
      [
        "header with white space",
        at(alteredLine(one, (line) => ({ protected: rewrittenInside(line.protected, ":", ": ") }))),
        "json.noncanonical",
      ],
      [
        "payload with a key twice",
        at(
          altered(one, ({ payload }) => ({
            payload: rewrittenInside(payload, "{", '{"act":"release",'),
          })),
        ),
        "json.noncanonical",
      ],
      [
        "payload of another type",
        at(alteredPayload(one, { type: "comity/root/v1" })),
        "order.malformed",
      ],
      ["payload with a further field", at(alteredPayload(one, { more: 1 })), "order.malformed"],
      ["null instead of absent", at(alteredPayload(one, { subject: null })), "order.malformed"],
    ],
  }
}

export const signed: Format = { run, cases }
