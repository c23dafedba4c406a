import { concat, utf8 } from "../encoding.ts"
import { primitives } from "./primitives.ts"

/** SHA-256 (FIPS 180-4) of the concatenation of the parts. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return joined("sha256", parts)
}

/** SHA-512 (FIPS 180-4) of the concatenation of the parts. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return joined("sha512", parts)
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
  return joined("sha256", [labelPrefix(label), ...parts])
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

/** One part is hashed where it lies; several in a place of their own, from which they are wiped. */
function joined(hash: "sha256" | "sha512", parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return primitives()[hash](parts[0]!)
  let length = 0
  for (const part of parts) length += part.length
  if (length > desk.length) return primitives()[hash](concat(...parts))
  let at = 0
  for (const part of parts) {
    desk.set(part, at)
    at += part.length
  }
  try {
    return primitives()[hash](desk.subarray(0, length))
  } finally {
    desk.fill(0, 0, length)
  }
}

/** All zeros but while something is hashed: a buffer for each would cost more than most hashes. */
const desk = new Uint8Array(256 * 1024)
