import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  formatAddCheckpoint,
  formatSize,
  parseAddCheckpoint,
  parseSize,
} from "../../../protocol/log/add-checkpoint.ts"
import { signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { treeRoot } from "../../../protocol/log/merkle.ts"
import { leaves, logSigners, origin, refused, runs } from "./keys.ts"

const checkpoint = await signCheckpoint({ origin, size: 300, root: treeRoot(leaves) }, logSigners)
const malformed = refused("witness.malformed")

describe("a request to a witness", () => {
  test("parse inverts format", () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const request = fc.record({
      oldSize: fc.maxSafeNat(),
      proof: fc.array(hash, { maxLength: 63 }),
      checkpoint: fc.constantFrom(checkpoint, "anything\n", ""),
    })
    fc.assert(
      fc.property(request, (value) => {
        expect(parseAddCheckpoint(formatAddCheckpoint(value))).toEqual(value)
      }),
      runs,
    )
  })

  test("has the lines of the specification", () => {
    const proof = [leaves[0]!, leaves[1]!]
    const lines = formatAddCheckpoint({ oldSize: 7, proof, checkpoint }).split("\n")
    expect(lines[0]).toBe("old 7")
    expect(lines.slice(1, 3).every((line) => /^[A-Za-z0-9+/]{43}=$/.test(line))).toBe(true)
    expect(lines[3]).toBe("")
    expect(lines.slice(4).join("\n")).toBe(checkpoint)
  })

  test("64 hashes are one too many", () => {
    const request = { oldSize: 1, proof: leaves.slice(0, 64), checkpoint }
    expect(() => parseAddCheckpoint(formatAddCheckpoint(request))).toThrow(malformed)
  })
})

describe("the size that a witness answers with", () => {
  test("reads back", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (size) => {
        expect(parseSize(formatSize(size))).toBe(size)
      }),
      runs,
    )
  })

  test.each([
    "",
    "\n",
    "5",
    "05\n",
    "-5\n",
    "5 \n",
    "5\n\n",
    "0x5\n",
    "5e0\n",
    "9007199254740993\n",
  ])("%j is refused", (text) => {
    expect(() => parseSize(text)).toThrow(malformed)
  })
})
