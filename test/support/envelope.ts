import { encodeCanonical } from "../../protocol/canonical.ts"
import { decodeBase64url, decodeUtf8, encodeBase64url, utf8 } from "../../protocol/encoding.ts"

/** A signed object taken apart, for what an adversary makes of it. */
export type Envelope = {
  payload: string
  signatures: { protected: string; signature: string; [more: string]: unknown }[]
  [more: string]: unknown
}

export function envelopeOf(bytes: Uint8Array): Envelope {
  return JSON.parse(decodeUtf8(bytes))
}

/** The bytes with the envelope changed in place and written as JCS again. */
export function altered(bytes: Uint8Array, change: (envelope: Envelope) => void): Uint8Array {
  const envelope = envelopeOf(bytes)
  change(envelope)
  return encodeCanonical(envelope)
}

/** base64url of a JSON text whose value was changed, in JCS. */
export function alteredText(encoded: string, change: (value: Record<string, unknown>) => void) {
  const value = JSON.parse(decodeUtf8(decodeBase64url(encoded)))
  change(value)
  return encodeBase64url(encodeCanonical(value))
}

export function alteredPayload(
  bytes: Uint8Array,
  change: (payload: Record<string, unknown>) => void,
): Uint8Array {
  return altered(bytes, (envelope) => {
    envelope.payload = alteredText(envelope.payload, change)
  })
}

export function alteredHeader(
  bytes: Uint8Array,
  change: (header: Record<string, unknown>) => void,
  line = 0,
): Uint8Array {
  return altered(bytes, ({ signatures }) => {
    const found = signatures[line]!
    found.protected = alteredText(found.protected, change)
  })
}

/** The JSON text with one piece replaced, as bytes: for what JCS would not write. */
export function rewritten(bytes: Uint8Array, from: string | RegExp, to: string): Uint8Array {
  const before = decodeUtf8(bytes)
  const after = before.replace(from, to)
  if (after === before) throw new RangeError(`nothing to replace: ${from}`)
  return utf8(after)
}
