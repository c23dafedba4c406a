import { decodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"

export type OpInput = { readonly [name: string]: unknown }
export type Op = (input: OpInput) => unknown | Promise<unknown>

/** @throws `op.malformed` unless the field is lower-case hex */
export function bytesField(input: OpInput, name: string): Uint8Array {
  return hex(input[name], name)
}

/** @throws `op.malformed` unless the field is a list of lower-case hex */
export function bytesListField(input: OpInput, name: string): readonly Uint8Array[] {
  const list = input[name]
  if (!Array.isArray(list)) throw malformed(name)
  return list.map((item) => hex(item, name))
}

/** @throws `op.malformed` */
export function textField(input: OpInput, name: string): string {
  const value = input[name]
  if (typeof value !== "string") throw malformed(name)
  return value
}

/** @throws `op.malformed` unless the field is an integer within 2⁵³ and not negative */
export function integerField(input: OpInput, name: string): number {
  const value = input[name]
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed(name)
  return value as number
}

export function malformed(name: string): ProtocolError {
  return new ProtocolError("op.malformed", { detail: name })
}

function hex(value: unknown, name: string): Uint8Array {
  if (typeof value !== "string") throw malformed(name)
  try {
    return decodeHex(value)
  } catch {
    throw malformed(name)
  }
}
