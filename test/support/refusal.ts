import { expect } from "vitest"
import { ProtocolError, type ProtocolErrorCode } from "../../protocol/errors.ts"
import { flipBit } from "./world.ts"

export const refused = (code: ProtocolErrorCode) => expect.objectContaining({ code })

/** Laws run 10 times, or 1,000 with SLOW=1. */
const isSlow = process.env.SLOW !== undefined
export const runs = { numRuns: isSlow ? 1000 : 10 }

/** The code with which `read` refuses, null when it accepts; any other error is a fault. */
export function refusal(read: () => unknown): ProtocolErrorCode | null {
  try {
    read()
    return null
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

/** The same for a promise. */
export async function refusalOf(read: () => Promise<unknown>): Promise<ProtocolErrorCode | null> {
  try {
    await read()
    return null
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
}

/** The code that a promise fails with, of whatever layer; null when it is kept. */
export async function codeOf(promise: Promise<unknown>): Promise<string | null> {
  try {
    await promise
    return null
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code !== "string") throw error
    return code
  }
}

/**
 * `bytes` with one bit flipped, for every bit of the small; one bit of each byte, each of the eight in
 * turn, where there are more than `whole` bytes. SLOW=1 takes every bit of all.
 */
export function* flips(
  bytes: Uint8Array,
  whole = 2500,
): Generator<readonly [bit: number, flipped: Uint8Array]> {
  const isWhole = isSlow || bytes.length <= whole
  for (let at = 0; at < bytes.length; at++)
    for (let bit = 8 * at; bit < 8 * at + 8; bit++)
      if (isWhole || bit % 8 === at % 8) yield [bit, flipBit(bytes, bit)]
}

/** The bits whose flip `read` lets pass: none, for what a digest or a signature protects. */
export function acceptedFlips(
  bytes: Uint8Array,
  read: (flipped: Uint8Array) => unknown,
  whole?: number,
): readonly number[] {
  const accepted: number[] = []
  for (const [bit, flipped] of flips(bytes, whole))
    if (refusal(() => read(flipped)) === null) accepted.push(bit)
  return accepted
}
