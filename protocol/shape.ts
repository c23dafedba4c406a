import type { Json } from "./canonical.ts"
import { decodeBase64url } from "./encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts"

/**
 * Strict decoders for ingested JSON: what a format's page says, written once, giving both the check
 * and the type. Unknown fields are refused, absent differs from null, nothing is coerced: what fits is
 * the value itself.
 */
export type Shape<T> = (value: Json) => T
export type ShapeOf<S> = S extends Shape<infer T> ? T : never

/** What does not fit, with its path as far as the way up has told. */
class Mismatch extends Error {
  readonly path: string

  constructor(path = "") {
    super(`$${path}`)
    this.path = path
  }
}

function mismatch(): never {
  throw new Mismatch()
}

/** The same further up; anything else that was thrown is a fault. */
function within(step: string, cause: unknown): unknown {
  return cause instanceof Mismatch ? new Mismatch(step + cause.path) : cause
}

/** @throws the given code, with the path of the first field that does not fit */
export function decodeShape<T>(shape: Shape<T>, value: Json, code: ProtocolErrorCode): T {
  try {
    return shape(value)
  } catch (cause) {
    if (cause instanceof Mismatch) throw new ProtocolError(code, { detail: cause.message, cause })
    throw cause
  }
}

export function literal<const T extends string | number | boolean>(expected: T): Shape<T> {
  return (value) => (value === expected ? expected : mismatch())
}

export function oneOf<const T extends readonly string[]>(allowed: T): Shape<T[number]> {
  const set = new Set<string>(allowed)
  return (value) =>
    typeof value === "string" && set.has(value) ? (value as T[number]) : mismatch()
}

export function text(options: { min?: number; max: number; pattern?: RegExp }): Shape<string> {
  const { min = 0, max, pattern } = options
  return (value) => {
    if (typeof value !== "string" || value.length < min || value.length > max) mismatch()
    if (pattern !== undefined && !pattern.test(value)) mismatch()
    return value
  }
}

export function integer(min: number, max: number): Shape<number> {
  return (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : mismatch()
}

export const flag: Shape<boolean> = (value) => (typeof value === "boolean" ? value : mismatch())

/** Lower-case hex of exactly `bytes` bytes, kept as text: digests, ids, salts. */
export function hex(bytes: number): Shape<string> {
  return text({ min: 2 * bytes, max: 2 * bytes, pattern: /^[0-9a-f]*$/ })
}

export const digest: Shape<string> = hex(32)

/** Strict base64url of exactly `bytes` bytes, kept as text: keys and signatures. */
export function base64url(bytes: number): Shape<string> {
  const length = Math.ceil((bytes * 4) / 3)
  return (value) => {
    if (typeof value !== "string" || value.length !== length) mismatch()
    try {
      decodeBase64url(value)
    } catch {
      mismatch()
    }
    return value
  }
}

/** `YYYY-MM-DD`, a day that exists. */
export const day: Shape<string> = (value) => {
  if (typeof value !== "string" || !isDay(value)) mismatch()
  return value
}

export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const at = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().slice(0, 10) === text
}

export const network: Shape<string> = text({
  min: 1,
  max: 41,
  pattern: /^(operational|training|exercise:[a-z0-9-]{1,32})$/,
})

export function list<T>(
  element: Shape<T>,
  options: { min?: number; max: number },
): Shape<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length < (options.min ?? 0) || value.length > options.max)
      mismatch()
    let at = 0
    try {
      for (; at < value.length; at++) element(value[at])
    } catch (cause) {
      throw within(`[${at}]`, cause)
    }
    return value as readonly T[]
  }
}

/** A list of texts in ascending order without repetition: a set with one encoding. */
export function sortedSet(element: Shape<string>, max: number): Shape<readonly string[]> {
  const members = list(element, { max })
  return (value) => {
    const found = members(value)
    for (let i = 1; i < found.length; i++)
      if (found[i]! <= found[i - 1]!) throw new Mismatch(`[${i}]`)
    return found
  }
}

export function dictionary<T>(
  key: RegExp,
  member: Shape<T>,
  max: number,
): Shape<{ readonly [key: string]: T }> {
  return (value) => {
    if (!isObject(value)) mismatch()
    const names = Object.keys(value)
    if (names.length > max) mismatch()
    for (const name of names) {
      if (!key.test(name)) mismatch()
      try {
        member(value[name]!)
      } catch (cause) {
        throw within(`.${name}`, cause)
      }
    }
    return value as { readonly [key: string]: T }
  }
}

type Optional<T> = { readonly optional: Shape<T> }

export function optional<T>(shape: Shape<T>): Optional<T> {
  return { optional: shape }
}

type Fields = { readonly [name: string]: Shape<unknown> | Optional<unknown> }
type Simplify<T> = { [K in keyof T]: T[K] }
type ObjectOf<F extends Fields> = Simplify<
  { readonly [K in keyof F as F[K] extends Optional<unknown> ? never : K]: ShapeOf<F[K]> } & {
    readonly [K in keyof F as F[K] extends Optional<unknown> ? K : never]?: F[K] extends Optional<
      infer T
    >
      ? T
      : never
  }
>

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

export function object<const F extends Fields>(fields: F): Shape<ObjectOf<F>> {
  const known = Object.entries(fields).map(([name, field]) => {
    const isRequired = typeof field === "function"
    return { name, isRequired, shape: isRequired ? field : field.optional }
  })
  return (value) => {
    if (!isObject(value)) mismatch()
    let count = 0
    for (const { name, isRequired, shape } of known) {
      const member = Object.hasOwn(value, name) ? value[name] : undefined
      if (member === undefined) {
        if (isRequired) throw new Mismatch(`.${name}`)
        continue
      }
      count++
      try {
        shape(member)
      } catch (cause) {
        throw within(`.${name}`, cause)
      }
    }
    const given = Object.keys(value)
    if (given.length > count)
      throw new Mismatch(`.${given.find((name) => !Object.hasOwn(fields, name)) ?? ""}`)
    return value as ObjectOf<F>
  }
}

/** The first alternative that fits. */
export function either<A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> {
  return (value) => {
    try {
      return a(value)
    } catch (cause) {
      if (!(cause instanceof Mismatch)) throw cause
      return b(value)
    }
  }
}

/** The value as ingested: nested objects that another decoder reads. */
export const json: Shape<Json> = (value) => value

/** A further rule on a decoded value. */
export function refine<T>(shape: Shape<T>, holds: (value: T) => boolean): Shape<T> {
  return (value) => {
    const found = shape(value)
    return holds(found) ? found : mismatch()
  }
}
