import { expect } from "vitest"
import { ProtocolError, type ProtocolErrorCode } from "../../protocol/errors.ts"
import { flipBit } from "./world.ts"

export const refused = (code: ProtocolErrorCode) => expect.objectContaining({ code })

/** Laws run 10 times, or 1,000 with SLOW=1. */
export const runs = { numRuns: process.env.SLOW === undefined ? 10 : 1000 }

/** Where nobody waits for the tests, every bit is flipped, which takes minutes. */
export const isExhaustive = process.env.CI === "true" || process.env.SLOW === "1"
/** Enough for every bit of a root document or an evidence file, on a busy machine too. */
export const exhaustiveTimeout = 1_800_000

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

/** How many of the bits: all of what is small enough, else one of each so many bytes, in turn. */
export type Flipping = {
  /** up to so many bytes, every bit */
  readonly whole?: number
  readonly every?: number
  /** instead of every bit, where all are asked for and would take too long */
  readonly everyExhaustive?: number
}

/** `bytes` with one bit flipped. CI=true or SLOW=1 takes every bit, unless `everyExhaustive` is given. */
export function* flips(
  bytes: Uint8Array,
  { whole = 2500, every = 1, everyExhaustive }: Flipping = {},
): Generator<readonly [bit: number, flipped: Uint8Array]> {
  const isWhole = bytes.length <= whole || (isExhaustive && everyExhaustive === undefined)
  const step = isExhaustive ? (everyExhaustive ?? 1) : every
  for (let at = 0; at < bytes.length; at += isWhole ? 1 : step)
    for (let bit = 8 * at; bit < 8 * at + 8; bit++)
      if (isWhole || bit % 8 === (at / step) % 8) yield [bit, flipBit(bytes, bit)]
}

/** The bits whose flip `read` lets pass: none, for what a digest or a signature protects. */
export function acceptedFlips(
  bytes: Uint8Array,
  read: (flipped: Uint8Array) => unknown,
  flipping: Flipping = {},
): readonly number[] {
  const accepted: number[] = []
  for (const [bit, flipped] of flips(bytes, flipping))
    if (refusal(() => read(flipped)) === null) accepted.push(bit)
  return accepted
}
