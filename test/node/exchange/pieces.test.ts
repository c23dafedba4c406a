import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Pieces } from "../../../node/exchange/pieces.ts"
import { runs } from "../../support/refusal.ts"

const memory = Array.from({ length: 3 }, (_, i) =>
  Uint8Array.from({ length: 400_000 }, (_, at) => (at * 31 + (at >> 8) + i) & 0xff),
)
const part = fc
  .record({
    of: fc.nat(memory.length - 1),
    at: fc.nat(100_000),
    length: fc.oneof(fc.nat(100), fc.nat(5_000), fc.nat(80_000)),
    /** how many of this length lie one behind the other */
    behind: fc.nat(20),
  })
  .map(({ of, at, length, behind }) =>
    Array.from({ length: behind + 1 }, (_, i) =>
      memory[of]!.subarray(at + i * length, at + (i + 1) * length),
    ),
  )

describe("pieces of a stream", () => {
  test("are the parts one after the other, whatever lies where", () => {
    fc.assert(
      fc.property(fc.array(fc.array(part), { maxLength: 8 }), (frames) => {
        const pieces = new Pieces()
        const sent: Uint8Array[] = []
        for (const parts of frames) {
          pieces.add(parts.flat())
          sent.push(...pieces.take())
        }
        sent.push(...pieces.rest())
        expect(Buffer.concat(sent).equals(Buffer.concat(frames.flat(2)))).toBe(true)
        expect(sent.every(({ length }) => length > 0)).toBe(true)
      }),
      runs,
    )
  })

  test("are not copied from what lies one behind the other", () => {
    const [first, second] = memory as [Uint8Array, Uint8Array]
    const pieces = new Pieces()
    pieces.add([second.subarray(0, 5)])
    for (let at = 0; at < 200_000; at += 4_000) pieces.add([first.subarray(at, at + 4_000)])
    const [small, ...run] = [...pieces.take()]
    expect([...small!]).toEqual([...second.subarray(0, 5)])
    expect(run.map(({ buffer }) => buffer === first.buffer)).toEqual([true, true])
    expect([...pieces.rest()]).toHaveLength(1)
  })

  test("small ones come together", () => {
    const pieces = new Pieces()
    for (let i = 0; i < 1_000; i++) pieces.add([memory[i % 3]!.subarray(i, i + 200)])
    expect([...pieces.rest()].map(({ length }) => length > 60_000)).toEqual([
      true,
      true,
      true,
      false,
    ])
  })
})
