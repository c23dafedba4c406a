import fc from "fast-check"
import { expect, test } from "vitest"
import { pad, paddedSize, unpad } from "../../../protocol/crypto/padding.ts"
import { encodeHex } from "../../../protocol/encoding.ts"
import { refusal, runs } from "../../support/refusal.ts"
import { seededRandom } from "../../support/world.ts"

test("what was padded comes back, and its size has no other length", () => {
  fc.assert(
    fc.property(fc.nat(300_000), (length) => {
      const bytes = seededRandom(`${length}`)(length)
      const padded = pad(bytes)
      expect(padded.length).toBe(paddedSize(length))
      expect(encodeHex(unpad(padded))).toBe(encodeHex(bytes))
    }),
    runs,
  )
})

test("sizes are few: doublings to 256 KiB, then at most 12 % more than needed", () => {
  const small = new Set(Array.from({ length: 262_137 }, (_, length) => paddedSize(length)))
  expect([...small]).toEqual([4, 8, 16, 32, 64, 128, 256].map((kib) => kib * 1024))
  for (let length = 262_137; length < 2 ** 28; length = Math.floor(length * 1.013)) {
    const size = paddedSize(length)
    expect(size).toBeGreaterThanOrEqual(8 + length)
    expect(size / (8 + length)).toBeLessThan(1.12)
    // Padmé: the sizes of one octave are some 32, whatever the length.
    const exponent = Math.floor(Math.log2(8 + length))
    const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1)
    expect(size % step).toBe(0)
  }
})

test("sizes grow with lengths, and each is the least that holds its own", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 28), (length) => {
      const size = paddedSize(length)
      expect(paddedSize(length + 1)).toBeGreaterThanOrEqual(size)
      // The last length that fits a size has that size.
      expect(paddedSize(size - 8)).toBe(size)
    }),
    { numRuns: 20 * runs.numRuns },
  )
})

test("any other padding is refused: in size, in length, in a single bit", () => {
  const padded = pad(new Uint8Array(100))
  const code = (bytes: Uint8Array) => refusal(() => unpad(bytes))
  expect(code(padded)).toBeNull()
  for (let at = 108; at < padded.length; at++)
    expect(code(padded.with(at, 1) as Uint8Array), `${at}`).toBe("sealed.padding")
  // Wherever it lies in its buffer, to the last byte.
  for (const offset of [1, 2, 3]) {
    const lying = new Uint8Array(offset + padded.length + 1).subarray(offset, -1)
    lying.set(padded)
    expect(code(lying), `${offset}`).toBeNull()
    for (const at of [108, 109, 110, 111, 112, padded.length - 4, padded.length - 1]) {
      lying[at] = 128
      expect(code(lying), `${offset} ${at}`).toBe("sealed.padding")
      lying[at] = 0
    }
  }
  for (const length of [0, 1, 4095, 4097, 6000, 8192])
    expect(code(new Uint8Array(length)), `${length}`).toBe("sealed.padding")
  for (const at of [0, 1, 2, 3, 4, 5])
    expect(code(padded.with(at, 1) as Uint8Array)).toBe("sealed.padding")
})
