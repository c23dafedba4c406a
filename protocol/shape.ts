import type { Json } from "./canonical.ts"
import { decodeBase64url } from "./encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts"

/**
 * Strict decoders for ingested JSON: what a format's page says, written once, giving both the check
 * and the type. Unknown fields are refused, absent differs from null, nothing is coerced.
 */
export type Shape<T> = (value: Json, path: string) => T
export type ShapeOf<S> = S extends Shape<infer T> ? T : never

class Mismatch extends Error {}

function mismatch(path: string): never {
  throw new Mismatch(path)
}

/** @throws the given code, with the path of the first field that does not fit */
export function decodeShape<T>(shape: Shape<T>, value: Json, code: ProtocolErrorCode): T {
  try {
    return shape(value, "$")
  } catch (cause) {
    if (cause instanceof Mismatch) throw new ProtocolError(code, { detail: cause.message, cause })
    throw cause
  }
}

export function literal<const T extends string | number | boolean>(expected: T): Shape<T> {
  return (value, path) => (value === expected ? expected : mismatch(path))
}

export function oneOf<const T extends readonly string[]>(allowed: T): Shape<T[number]> {
  const set = new Set<string>(allowed)
  return (value, path) =>
    typeof value === "string" && set.has(value) ? (value as T[number]) : mismatch(path)
}

export function text(options: { min?: number; max: number; pattern?: RegExp }): Shape<string> {
  const { min = 0, max, pattern } = options
  return (value, path) => {
    if (typeof value !== "string" || value.length < min || value.length > max) mismatch(path)
    if (pattern !== undefined && !pattern.test(value)) mismatch(path)
    return value
  }
}

export function integer(min: number, max: number): Shape<number> {
  return (value, path) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : mismatch(path)
}

export const flag: Shape<boolean> = (value, path) =>
  typeof value === "boolean" ? value : mismatch(path)

/** Lower-case hex of exactly `bytes` bytes, kept as text: digests, ids, salts. */
export function hex(bytes: number): Shape<string> {
  return text({ min: 2 * bytes, max: 2 * bytes, pattern: /^[0-9a-f]*$/ })
}

export const digest: Shape<string> = hex(32)

/** Strict base64url of exactly `bytes` bytes, kept as text: keys and signatures. */
export function base64url(bytes: number): Shape<string> {
  const length = Math.ceil((bytes * 4) / 3)
  return (value, path) => {
    if (typeof value !== "string" || value.length !== length) mismatch(path)
    try {
      decodeBase64url(value)
    } catch {
      mismatch(path)
    }
    return value
  }
}

/** `YYYY-MM-DD`, a day that exists. */
export const day: Shape<string> = (value, path) => {
  if (typeof value !== "string" || !/^\d{4}-\d{2}-\d{2}$/.test(value)) mismatch(path)
  const at = Date.parse(`${value}T00:00:00Z`)
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== value) mismatch(path)
  return value
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
  return (value, path) => {
    if (!Array.isArray(value) || value.length < (options.min ?? 0) || value.length > options.max)
      mismatch(path)
    return value.map((member: Json, i) => element(member, `${path}[${i}]`))
  }
}

/** A list of texts in ascending order without repetition: a set with one encoding. */
export function sortedSet(element: Shape<string>, max: number): Shape<readonly string[]> {
  const members = list(element, { max })
  return (value, path) => {
    const found = members(value, path)
    for (let i = 1; i < found.length; i++) if (found[i]! <= found[i - 1]!) mismatch(`${path}[${i}]`)
    return found
  }
}

export function dictionary<T>(
  key: RegExp,
  member: Shape<T>,
  max: number,
): Shape<{ readonly [key: string]: T }> {
  return (value, path) => {
    if (!isObject(value)) mismatch(path)
    const entries = Object.entries(value)
    if (entries.length > max) mismatch(path)
    return Object.fromEntries(
      entries.map(([name, inner]) => {
        if (!key.test(name)) mismatch(path)
        return [name, member(inner, `${path}.${name}`)]
      }),
    )
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
  const names = Object.keys(fields)
  return (value, path) => {
    if (!isObject(value)) mismatch(path)
    for (const name of Object.keys(value))
      if (!Object.hasOwn(fields, name)) mismatch(`${path}.${name}`)
    const found: Record<string, unknown> = {}
    for (const name of names) {
      const field = fields[name]!
      const member = Object.hasOwn(value, name) ? value[name] : undefined
      if (typeof field === "function") {
        if (member === undefined) mismatch(`${path}.${name}`)
        found[name] = field(member, `${path}.${name}`)
      } else if (member !== undefined) found[name] = field.optional(member, `${path}.${name}`)
    }
    return found as ObjectOf<F>
  }
}

/** The first alternative that fits. */
export function either<A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> {
  return (value, path) => {
    try {
      return a(value, path)
    } catch (cause) {
      if (!(cause instanceof Mismatch)) throw cause
      return b(value, path)
    }
  }
}

/** The value as ingested: nested objects that another decoder reads. */
export const json: Shape<Json> = (value) => value

/** A further rule on a decoded value. */
export function refine<T>(shape: Shape<T>, holds: (value: T) => boolean): Shape<T> {
  return (value, path) => {
    const found = shape(value, path)
    return holds(found) ? found : mismatch(path)
  }
}
