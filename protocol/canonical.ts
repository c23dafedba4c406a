import canonicalize from "canonicalize"
import { decodeUtf8, utf8 } from "./encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts"
import { limits } from "./limits.ts"

/** A JSON value of our profile: RFC 8785 over I-JSON, integers only, NFC text. docs/spec/canonical.md */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Objects are also written as typed values, which have no index signature. */
export type Encodable = string | number | boolean | null | readonly unknown[] | object

/** The JCS form (RFC 8785) of a value that is already of our profile. */
export function encodeCanonical(value: Encodable): Uint8Array {
  return utf8(canonicalText(value))
}

export function canonicalText(value: Encodable): string {
  return fastText(value) ?? canonicalize(value) ?? fail()
}

function fail(): never {
  throw new TypeError("value has no JSON form")
}

/**
 * The only way bytes from outside become JSON: size, UTF-8, parse, profile, and the same text again when
 * written as JCS. That last comparison refuses duplicate keys, white space, needless escapes, -0, 1.0 and
 * lone surrogates without a rule each.
 *
 * @throws `json.too-large`, `json.malformed`, `json.profile`, `json.noncanonical`
 */
export function ingest(bytes: Uint8Array, maxBytes: number): Json {
  if (bytes.length > maxBytes) throw new ProtocolError("json.too-large")
  let text: string
  let value: Json
  try {
    text = decodeUtf8(bytes)
    if (nesting(text) > limits.jsonDepth)
      throw new ProtocolError("json.profile", { detail: "depth" })
    value = JSON.parse(text)
  } catch (cause) {
    if (cause instanceof ProtocolError && cause.code === "json.profile") throw cause
    throw new ProtocolError("json.malformed", { cause })
  }
  // Of ASCII alone, and without a code in digits: then no text in it needs a look of its own.
  const isSound = text.length === bytes.length && !text.includes("\\u")
  const isSorted = checkProfile(value, isSound ? () => {} : checkText)
  if ((isSorted ? JSON.stringify(value) : canonicalize(value)) !== text)
    throw new ProtocolError("json.noncanonical")
  return value
}

const quote = 0x22
const backslash = 0x5c

/** Depth is bounded on the text, before a parser recurses over a hostile one. */
function nesting(text: string): number {
  let depth = 0
  let deepest = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) i = closingQuote(text, i)
    else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (code === 0x5d || code === 0x7d) depth--
  }
  return deepest
}

/** Where the text that begins at `start` ends: at the next quote with an even number of backslashes before it. */
function closingQuote(text: string, start: number): number {
  for (let end = start; ; ) {
    end = text.indexOf('"', end + 1)
    if (end < 0) return text.length
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return end
  }
}

const forbiddenKeys = new Set(["__proto__", "constructor", "prototype"])

/** ASCII is composed, and has no half of a surrogate pair. */
function isPlain(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text)
}

/** @returns whether JSON.stringify writes it in JCS, as in `isSorted` */
function checkProfile(value: Json, check: (text: string) => void): boolean {
  if (typeof value === "string") check(value)
  else if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new ProtocolError("json.profile", { detail: "number" })
  } else if (Array.isArray(value)) {
    let isSorted = true
    for (const member of value) isSorted = checkProfile(member, check) && isSorted
    return isSorted
  } else if (value !== null && typeof value === "object")
    return checkMembers(value as { readonly [key: string]: Json }, check)
  return true
}

function checkMembers(
  value: { readonly [key: string]: Json },
  check: (text: string) => void,
): boolean {
  let isSorted = true
  let previous: string | undefined
  for (const key of Object.keys(value)) {
    if (forbiddenKeys.has(key)) throw new ProtocolError("json.profile", { detail: "key" })
    check(key)
    isSorted = checkProfile(value[key]!, check) && isSorted && follows(key, previous)
    previous = key
  }
  return isSorted
}

/** By UTF-16 code units, as in JCS. */
function follows(key: string, previous: string | undefined): boolean {
  return previous === undefined || key > previous
}

function checkText(text: string): void {
  if (isPlain(text)) return
  if (!text.isWellFormed()) throw new ProtocolError("json.profile", { detail: "surrogate" })
  if (text.normalize("NFC") !== text) throw new ProtocolError("json.profile", { detail: "NFC" })
}

/**
 * JSON.stringify writes JCS when every object's keys are already sorted and are no array indices
 * (V8 would move those to the front); anything else goes to the package. Hot: two calls a record.
 */
function fastText(value: Encodable): string | undefined {
  return isSorted(value) ? JSON.stringify(value) : undefined
}

function isSorted(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed()
  if (typeof value === "number") return Number.isSafeInteger(value)
  if (value === null || typeof value === "boolean") return true
  if (typeof value !== "object") return false
  if (Array.isArray(value)) return value.every(isSorted)
  if (Object.getPrototypeOf(value) !== Object.prototype) return false
  let previous: string | undefined
  for (const key of Object.keys(value)) {
    if (!follows(key, previous) || !key.isWellFormed()) return false
    if (!isSorted((value as { readonly [key: string]: unknown })[key])) return false
    previous = key
  }
  return true
}

/** Rewraps a code for callers that promise one of their own subject. */
export function recode<T>(code: ProtocolErrorCode, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof ProtocolError)
      throw new ProtocolError(code, { detail: cause.message, cause })
    throw cause
  }
}

/** The value of JSON that was ingested before, or made here: nothing of it is checked again. */
export function jsonOf(bytes: Uint8Array): Json {
  return JSON.parse(new TextDecoder().decode(bytes))
}
