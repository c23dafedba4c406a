import { concat, utf8 } from "../encoding.ts"
import { primitives } from "./primitives.ts"

/** SHA-256 (FIPS 180-4) of the concatenation of the parts. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return primitives().sha256(join(parts))
}

/** SHA-512 (FIPS 180-4) of the concatenation of the parts. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return primitives().sha512(join(parts))
}

/** HMAC-SHA-256 (RFC 2104). */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return primitives().hmacSha256(key, message)
}

/** HKDF-SHA-256 (RFC 5869), extract and expand; an empty salt is the one of 32 zero bytes. */
export function hkdfSha256(
  ikm: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array {
  // Longer is impossible by RFC 5869 §2.3; the libraries differ in how they say so.
  if (!Number.isInteger(length) || length < 1 || length > 255 * 32)
    throw new RangeError("HKDF length")
  return primitives().hkdfSha256(ikm, salt, info, length)
}

/** SHA-256 under a label, `label ‖ 0x00 ‖ parts`: the domain separation of PROTOCOL §0. */
export function labelled(label: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return primitives().sha256(concat(labelPrefix(label), ...parts))
}

const labelPrefixes = new Map<string, Uint8Array>()

function labelPrefix(label: string): Uint8Array {
  let prefix = labelPrefixes.get(label)
  if (prefix === undefined) {
    if (label.includes("\0")) throw new TypeError("a label has no NUL inside")
    prefix = utf8(`${label}\0`)
    // Labels are the closed set of the protocol, so this stays small; the bound is for mistakes.
    if (labelPrefixes.size < 256) labelPrefixes.set(label, prefix)
  }
  return prefix
}

/** One part is the common case and is hashed where it lies. */
function join(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : concat(...parts)
}
