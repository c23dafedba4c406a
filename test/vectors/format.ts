import { canonicalText, encodeCanonical, type Json } from "../../protocol/canonical.ts"
import {
  decodeBase64url,
  decodeHex,
  decodeUtf8,
  encodeBase64url,
  encodeHex,
  utf8,
} from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"

/** One known answer: what the production functions of its format make of `input`. */
export type Vector = {
  readonly name: string
  readonly input: Input
  readonly output?: unknown
  readonly code?: string
}
export type Input = { readonly [field: string]: unknown }
export type VectorFile = {
  readonly format: string
  readonly about: string
  readonly valid: readonly Vector[]
  readonly hostile: readonly Vector[]
}

/** Output is a function of input alone, by the production functions; hostile input throws its code. */
export type Run = (input: Input) => unknown | Promise<unknown>

/** Names and inputs; outputs are computed, the codes of the hostile ones stated. */
export type Cases = {
  readonly about: string
  readonly valid: readonly (readonly [name: string, input: Input])[]
  readonly hostile: readonly (readonly [name: string, input: Input, code: string])[]
}
export type Format = { readonly run: Run; readonly cases: () => Cases | Promise<Cases> }

export const number = (input: Input, name: string) => input[name] as number
export const list = (input: Input, name: string) => input[name] as readonly string[]
export const text = (input: Input, name: string): string =>
  typeof input[name] === "string" ? input[name] : decodeUtf8(read(input[name]))
export const bytes = (input: Input, name: string) => read(input[name])
export const bytesList = (input: Input, name: string) => list(input, name).map(read)

/** Bytes stand in hex, or, where they begin with a brace and are text, as that text. */
export function shown(value: Uint8Array): string {
  if (value[0] !== 0x7b) return encodeHex(value)
  try {
    return decodeUtf8(value)
  } catch {
    return encodeHex(value)
  }
}

function read(value: unknown): Uint8Array {
  if (typeof value === "string") return value.startsWith("{") ? utf8(value) : decodeHex(value)
  const { repeat, times } = value as Repeated
  return decodeHex(repeat.repeat(times))
}

/** Bytes that are large and all alike: for what is beyond a limit. */
type Repeated = { readonly repeat: string; readonly times: number }
export const repeated = (repeat: string, times: number): Repeated => ({ repeat, times })

export const filled = (length: number, value: number) =>
  encodeHex(new Uint8Array(length).fill(value))

/** `plaintext`, or `length` bytes of which the i-th is i mod 251. */
export function plaintext(input: Input): Uint8Array {
  if (input.plaintext !== undefined) return bytes(input, "plaintext")
  return Uint8Array.from({ length: number(input, "length") }, (_, i) => i % 251)
}

/** What fails without a code of its own (a proof that is false) is refused with this one. */
export function insist(holds: boolean, code: ProtocolError["code"]): void {
  if (!holds) throw new ProtocolError(code)
}

/** A change of one place: a JSON pointer (RFC 6901), and what is there now, if anything. */
export type Edit = readonly [pointer: string, value?: unknown]

/** The input of a valid vector of the same file with some places changed. */
export const edit = (of: string, ...edits: readonly Edit[]): Input => ({ of, edits })

/**
 * Most hostile inputs are large and differ from a good one in one place: they name it by `of`, and say
 * in `edits` what is else. A pointer may go on into a text: there it is a JSON text, or one in base64url,
 * which is written in JCS again, in the same way.
 */
export function resolve(input: Input, valid: readonly Pick<Vector, "name" | "input">[]): Input {
  const { of, edits, ...rest } = input
  if (of === undefined) return input
  const base = valid.find(({ name }) => name === of)
  if (base === undefined) throw new RangeError(`no vector ${of}`)
  const whole = resolve(base.input, valid)
  return (edits as readonly Edit[]).reduce<Json>(
    (value, [pointer, ...change]) => put(value, pointer.split("/").slice(1), change as [Json?]),
    { ...whole, ...rest } as Json,
  ) as Input
}

function put(value: Json, path: readonly string[], change: [Json?]): Json {
  const [step, ...rest] = path
  if (step === undefined) return change[0] as Json
  if (typeof value === "string") return putInText(value, path, change)
  const isRemoval = rest.length === 0 && change.length === 0
  if (Array.isArray(value)) {
    const at = Number(step)
    return value.toSpliced(at, 1, ...(isRemoval ? [] : [put(value[at], rest, change)]))
  }
  const { [step]: before, ...others } = value as { readonly [name: string]: Json }
  return isRemoval ? others : { ...others, [step]: put(before as Json, rest, change) }
}

function putInText(value: string, path: readonly string[], change: [Json?]): string {
  if (value.startsWith("{")) return canonicalText(put(JSON.parse(value), path, change) as object)
  const inner = JSON.parse(decodeUtf8(decodeBase64url(value)))
  return encodeBase64url(encodeCanonical(put(inner, path, change) as object))
}

/**
 * What every object that knows its fields refuses: one left out, null in place of one, one that nobody
 * defined. The object is at `pointer` of the vector `of`, and has these fields.
 */
export function misshapen(
  of: string,
  pointer: string,
  fields: object,
  code: string,
  options: { readonly optional?: readonly string[]; readonly what?: string } = {},
): Cases["hostile"] {
  const { optional = [], what = "" } = options
  const names = Object.keys(fields).sort()
  const required = names.filter((name) => !optional.includes(name))
  return [
    ...required.map(
      (name) => [`${what}without ${name}`, edit(of, [`${pointer}/${name}`]), code] as const,
    ),
    ...names.map(
      (name) => [`${what}${name} null`, edit(of, [`${pointer}/${name}`, null]), code] as const,
    ),
    [`${what}a field that nobody defined`, edit(of, [`${pointer}/extra`, 1]), code],
  ]
}

/** One hostile vector for each value of one place, all with one code. */
export function edited(
  of: string,
  code: string,
  edits: readonly (readonly [name: string, pointer: string, value?: unknown])[],
): Cases["hostile"] {
  return edits.map(([name, ...one]) => [name, edit(of, one), code] as const)
}
