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
  if (a === b) return true
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

export function u32be(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError("u32be")
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

export function u64be(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("u64be")
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

const hexDigits = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"))

/** By a table of bytes: put together from pieces, a text is dozens of objects until somebody reads it. */
export function encodeHex(bytes: Uint8Array): string {
  const text = 2 * bytes.length <= desk.length ? desk : new Uint8Array(2 * bytes.length)
  return decoder.decode(text.subarray(0, writeHex(bytes, text, 0)))
}

/** Room for the digits of what is written most, digests. */
const desk = new Uint8Array(128)

/** A text of ASCII as bytes of a longer one in the making, from `at` on. @returns where it ends */
export function writeAscii(text: string, into: Uint8Array, at: number): number {
  for (let i = 0; i < text.length; i++) into[at + i] = text.charCodeAt(i)
  return at + text.length
}

const hexCodes = utf8(hexDigits.join(""))

/** The digits as bytes of a text in the making, from `at` on. @returns where they end */
export function writeHex(bytes: Uint8Array, into: Uint8Array, at: number): number {
  let to = at
  for (let i = 0; i < bytes.length; i++) {
    const digits = 2 * bytes[i]!
    into[to++] = hexCodes[digits]!
    into[to++] = hexCodes[digits + 1]!
  }
  return to
}

const nibbles = new Uint8Array(256).fill(0xff)
for (let value = 0; value < 16; value++) nibbles[value.toString(16).charCodeAt(0)] = value

/** Lower case only. @throws `encoding.malformed` */
export function decodeHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1)
  // Of what is no digit, a bit stays above the lower four.
  let stray = text.length & 1
  for (let i = 0; i < bytes.length; i++) {
    const high = nibbles[text.charCodeAt(2 * i)] ?? 0xff
    const low = nibbles[text.charCodeAt(2 * i + 1)] ?? 0xff
    stray |= (high | low) >> 4
    bytes[i] = (high << 4) | low
  }
  if (stray !== 0) throw new ProtocolError("encoding.malformed", { detail: "hex" })
  return bytes
}

const standard = alphabet("+/")
const urlSafe = alphabet("-_")

/** The 64 characters, and the value of each by its code; 255 for every other one. */
function alphabet(last: string) {
  const codes = utf8(`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${last}`)
  const values = new Uint8Array(256).fill(255)
  codes.forEach((code, value) => {
    values[code] = value
  })
  return { codes, values }
}

/** RFC 4648 §4, padded. */
export function encodeBase64(bytes: Uint8Array): string {
  return encode64(bytes, standard.codes) + "=".repeat((3 - (bytes.length % 3)) % 3)
}

/** Strict: padding present, no white space, no stray bits. @throws `encoding.malformed` */
export function decodeBase64(text: string): Uint8Array {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0
  const bytes =
    text.length % 4 === 0 ? decode64(text, text.length - padding, standard.values) : null
  if (bytes === null || (bytes.length + padding) % 3 !== 0)
    throw new ProtocolError("encoding.malformed", { detail: "base64" })
  return bytes
}

/** RFC 4648 §5 without padding, as in RFC 7515. */
export function encodeBase64url(bytes: Uint8Array): string {
  return encode64(bytes, urlSafe.codes)
}

/** Strict: unpadded, no stray bits. @throws `encoding.malformed` */
export function decodeBase64url(text: string): Uint8Array {
  const bytes = decode64(text, text.length, urlSafe.values)
  if (bytes === null) throw new ProtocolError("encoding.malformed", { detail: "base64url" })
  return bytes
}

/** Without padding. By table: btoa and atob work on text, a character for each byte. */
function encode64(bytes: Uint8Array, codes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil((bytes.length * 4) / 3))
  for (let from = 0, to = 0; from < bytes.length; from += 3) {
    const group = (bytes[from]! << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0)
    // What lies behind the end of a typed array is not written.
    text[to++] = codes[group >> 18]!
    text[to++] = codes[(group >> 12) & 63]!
    text[to++] = codes[(group >> 6) & 63]!
    text[to++] = codes[group & 63]!
  }
  return decoder.decode(text)
}

/** The first `length` characters; null for a character outside the alphabet and for stray bits. */
function decode64(text: string, length: number, values: Uint8Array): Uint8Array | null {
  const bytes = new Uint8Array(Math.floor((length * 3) / 4))
  let group = 0
  let bits = 0
  let to = 0
  for (let from = 0; from < length; from++) {
    const value = values[text.charCodeAt(from)] ?? 255
    if (value === 255) return null
    group = ((group << 6) | value) & 0xffff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[to++] = group >> bits
  }
  // One text for each value: the bits that fill up the last character are zero, and are not a whole one.
  return bits < 6 && (group & ((1 << bits) - 1)) === 0 ? bytes : null
}
