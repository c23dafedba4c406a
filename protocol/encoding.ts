import { ProtocolError } from "./errors.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** @throws `encoding.malformed` for anything but strict UTF-8 (overlong forms, surrogates, stray bytes) */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new ProtocolError("encoding.malformed", { detail: "UTF-8", cause })
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const joined = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/** For public values; a secret MAC is never compared here. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function u32be(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError("u32be")
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export function u64be(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("u64be")
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

const hexDigits = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"))

export function encodeHex(bytes: Uint8Array): string {
  let text = ""
  for (const byte of bytes) text += hexDigits[byte]
  return text
}

/** Lower case only. @throws `encoding.malformed` */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text))
    throw new ProtocolError("encoding.malformed", { detail: "hex" })
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (nibble(text.charCodeAt(2 * i)) << 4) | nibble(text.charCodeAt(2 * i + 1))
  return bytes
}

function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87
}

/** RFC 4648 §4, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = ""
  for (let i = 0; i < bytes.length; i += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(binary)
}

/** Strict: padding present, no white space, no stray bits. @throws `encoding.malformed` */
export function decodeBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text))
    throw new ProtocolError("encoding.malformed", { detail: "base64" })
  const binary = atob(text)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
  // Re-encoding refuses the stray bits that atob ignores: one text for each value.
  if (encodeBase64(bytes) !== text)
    throw new ProtocolError("encoding.malformed", { detail: "base64" })
  return bytes
}

/** RFC 4648 §5 without padding, as in RFC 7515. */
export function encodeBase64url(bytes: Uint8Array): string {
  return encodeBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")
}

/** Strict: unpadded, no stray bits. @throws `encoding.malformed` */
export function decodeBase64url(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1)
    throw new ProtocolError("encoding.malformed", { detail: "base64url" })
  const padded = text + "=".repeat((4 - (text.length % 4)) % 4)
  return decodeBase64(padded.replaceAll("-", "+").replaceAll("_", "/"))
}
