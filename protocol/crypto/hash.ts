import { concat, utf8 } from "../encoding.ts"
import { primitives } from "./primitives.ts"

/** SHA-256 (FIPS 180-4) of the concatenation of the parts. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return joined(parts, primitives().sha256)
}

/** SHA-512 (FIPS 180-4) of the concatenation of the parts. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return joined(parts, primitives().sha512)
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
  return joined([labelPrefix(label), ...parts], primitives().sha256)
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

/** All zeros but while something is hashed: memory of its own costs more than most of what is hashed. */
const desk = new Uint8Array(256 * 1024)

/** One part is the common case and is hashed where it lies. */
function joined(parts: readonly Uint8Array[], hash: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  if (parts.length === 1) return hash(parts[0]!)
  let length = 0
  for (const part of parts) length += part.length
  if (length > desk.length) return hash(concat(...parts))
  let at = 0
  for (const part of parts) {
    desk.set(part, at)
    at += part.length
  }
  const digest = hash(desk.subarray(0, length))
  desk.fill(0, 0, length)
  return digest
}
