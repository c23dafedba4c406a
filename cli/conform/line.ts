import { NodeError } from "../../node/errors.ts"
import { decodeUtf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import type { Op, OpInput } from "./fields.ts"

export type Answer =
  | { readonly id: unknown; readonly ok: true; readonly result: unknown }
  | { readonly id: unknown; readonly ok: false; readonly code: string }

/** One line of `comity conform`: whatever is in it, an answer. */
export async function answerLine(line: Uint8Array, ops: ReadonlyMap<string, Op>): Promise<Answer> {
  const input = parseLine(line)
  if (input === null) return { id: null, ok: false, code: "op.malformed" }
  const id = input.id ?? null
  try {
    if (typeof input.op !== "string") throw new ProtocolError("op.malformed")
    const op = ops.get(input.op)
    if (op === undefined) throw new ProtocolError("op.unknown")
    return { id, ok: true, result: await op(input) }
  } catch (error) {
    return { id, ok: false, code: codeOf(error) }
  }
}

function parseLine(line: Uint8Array): OpInput | null {
  try {
    const value: unknown = JSON.parse(decodeUtf8(line))
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as OpInput)
      : null
  } catch {
    return null
  }
}

/** What our functions throw for arguments of a wrong kind or size is, from here, the line's fault. */
function codeOf(error: unknown): string {
  if (error instanceof ProtocolError || error instanceof NodeError) return error.code
  return "op.malformed"
}
