import { encodeCanonical } from "../../protocol/canonical.ts"
import { decodeBase64url, decodeUtf8, encodeBase64url, utf8 } from "../../protocol/encoding.ts"
import type { SignatureLine } from "../../protocol/signed.ts"

/** A signed object taken apart, for what an adversary makes of it. */
export type Envelope = {
  readonly payload: string
  readonly signatures: readonly SignatureLine[]
}
type Fields = { readonly [name: string]: unknown }

export function envelopeOf(bytes: Uint8Array): Envelope {
  return JSON.parse(decodeUtf8(bytes))
}

/** The bytes with members of the envelope replaced, in JCS again. */
export function altered(bytes: Uint8Array, change: (envelope: Envelope) => Fields): Uint8Array {
  const envelope = envelopeOf(bytes)
  return encodeCanonical({ ...envelope, ...change(envelope) })
}

/** With members of one signature line replaced. */
export function alteredLine(
  bytes: Uint8Array,
  change: (line: SignatureLine) => Fields,
  number = 0,
): Uint8Array {
  return altered(bytes, ({ signatures }) => ({
    signatures: signatures.map((line, i) => (i === number ? { ...line, ...change(line) } : line)),
  }))
}

/** With fields of the payload replaced; undefined leaves one out. */
export function alteredPayload(bytes: Uint8Array, fields: Fields): Uint8Array {
  return altered(bytes, ({ payload }) => ({ payload: merged(payload, fields) }))
}

/** With fields of a protected header replaced; undefined leaves one out. */
export function alteredHeader(bytes: Uint8Array, fields: Fields, number = 0): Uint8Array {
  return alteredLine(bytes, (line) => ({ protected: merged(line.protected, fields) }), number)
}

function merged(encoded: string, fields: Fields): string {
  const value = { ...JSON.parse(decodeUtf8(decodeBase64url(encoded))), ...fields }
  return encodeBase64url(encodeCanonical(value))
}

/** The JSON text with one piece replaced, as bytes: for what JCS would not write. */
export function rewritten(bytes: Uint8Array, from: string | RegExp, to: string): Uint8Array {
  const before = decodeUtf8(bytes)
  const after = before.replace(from, to)
  if (after === before) throw new RangeError(`nothing to replace: ${from}`)
  return utf8(after)
}

/** The same inside a base64url text. */
export function rewrittenInside(encoded: string, from: string | RegExp, to: string): string {
  return encodeBase64url(rewritten(decodeBase64url(encoded), from, to))
}
