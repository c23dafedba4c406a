import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { concat, encodeHex } from "../../../protocol/encoding.ts"
import {
  checkConsistency,
  checkInclusion,
  emptyRoot,
  proveConsistency,
  proveInclusion,
  treeRoot,
} from "../../../protocol/log/merkle.ts"
import { flipBit, leaves, runs } from "./keys.ts"

/** MTH, PATH and SUBPROOF as RFC 6962 §2.1 writes them, remembered by their leaves. */
const remembered = new Map<string, Uint8Array>()

function mth(start: number, end: number): Uint8Array {
  if (end === start) return sha256(new Uint8Array(0))
  if (end - start === 1) return leaves[start]!
  const found = remembered.get(`${start}-${end}`)
  if (found !== undefined) return found
  const k = start + power(end - start)
  const hash = sha256(concat(Uint8Array.of(1), mth(start, k), mth(k, end)))
  remembered.set(`${start}-${end}`, hash)
  return hash
}

function power(n: number): number {
  return 2 ** (31 - Math.clz32(n - 1))
}

function path(m: number, start: number, end: number): Uint8Array[] {
  if (end - start === 1) return []
  const k = power(end - start)
  return m < k
    ? [...path(m, start, start + k), mth(start + k, end)]
    : [...path(m - k, start + k, end), mth(start, start + k)]
}

function subproof(m: number, start: number, end: number, whole: boolean): Uint8Array[] {
  if (m === end - start) return whole ? [] : [mth(start, end)]
  const k = power(end - start)
  return m <= k
    ? [...subproof(m, start, start + k, whole), mth(start + k, end)]
    : [...subproof(m - k, start + k, end, false), mth(start, start + k)]
}

/** The edges, and a few between that differ from size to size. */
function sample(below: number): readonly number[] {
  const wanted = [0, 1, below >> 1, below - 2, below - 1, power(below + 1) - 1, power(below + 1)]
  const spread = [(below * 7) % 11, (below * 37) % 101, (below * 53) % 257]
  return [...new Set([...wanted, ...spread])].filter((n) => n >= 0 && n < below)
}

describe("RFC 6962 trees of every size to 300", () => {
  test("the root is that of the recursive definition", () => {
    for (let size = 0; size <= 300; size++)
      expect(encodeHex(treeRoot(leaves.slice(0, size)))).toBe(encodeHex(mth(0, size)))
  })

  test("an inclusion proof is the audit path and verifies for its leaf alone", () => {
    for (let treeSize = 1; treeSize <= 300; treeSize++)
      for (const leafIndex of sample(treeSize)) {
        const proof = proveInclusion(leaves, leafIndex, treeSize)
        expect(proof).toEqual(path(leafIndex, 0, treeSize))
        const leafHash = leaves[leafIndex]!
        const claim = { leafIndex, treeSize, leafHash, root: mth(0, treeSize), proof }
        expect(checkInclusion(claim)).toBe(true)
        for (const other of [leafIndex - 1, leafIndex + 1, treeSize])
          expect(checkInclusion({ ...claim, leafIndex: other })).toBe(false)
      }
  })

  test("a consistency proof is that of the recursive definition and verifies", () => {
    for (let size2 = 0; size2 <= 300; size2++)
      for (const size1 of sample(size2 + 1)) {
        const proof = proveConsistency(leaves, size1, size2)
        if (size1 > 0) expect(proof).toEqual(subproof(size1, 0, size2, true))
        const claim = { size1, size2, root1: mth(0, size1), root2: mth(0, size2), proof }
        expect(checkConsistency(claim)).toBe(true)
        if (size1 === 0 || size1 === size2) continue
        expect(checkConsistency({ ...claim, size1: size1 - 1 })).toBe(false)
        expect(checkConsistency({ ...claim, root1: claim.root2, root2: claim.root1 })).toBe(false)
      }
  })
})

describe("a single changed bit", () => {
  const pair = fc
    .tuple(fc.integer({ min: 1, max: 300 }), fc.nat(), fc.nat())
    .map(([size, a, b]) => ({ size, index: a % size, pick: b }))

  test("of leaf, root or path refuses an inclusion proof", () => {
    fc.assert(
      fc.property(pair, ({ size, index, pick }) => {
        const proof = proveInclusion(leaves, index, size)
        const hashes = [leaves[index]!, mth(0, size), ...proof]
        const at = pick % hashes.length
        const bit = (pick >> 4) % 256
        const [leafHash, root, ...rest] = hashes.map((h, i) => (i === at ? flipBit(h, bit) : h))
        expect.assert(leafHash !== undefined && root !== undefined)
        const claim = { leafIndex: index, treeSize: size, leafHash, root, proof: rest }
        expect(checkInclusion(claim)).toBe(false)
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })

  test("of roots or path refuses a consistency proof", () => {
    fc.assert(
      fc.property(pair, ({ size, index, pick }) => {
        const proof = proveConsistency(leaves, index, size)
        const hashes = [mth(0, index), mth(0, size), ...proof]
        const at = index === 0 ? 0 : pick % hashes.length
        const bit = (pick >> 4) % 256
        const [root1, root2, ...rest] = hashes.map((h, i) => (i === at ? flipBit(h, bit) : h))
        expect.assert(root1 !== undefined && root2 !== undefined)
        const claim = { size1: index, size2: size, root1, root2, proof: rest }
        expect(checkConsistency(claim)).toBe(false)
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })
})

describe("claims of an attacker", () => {
  const root = mth(0, 8)
  const leafHash = leaves[5]!
  const proof = proveInclusion(leaves, 5, 8)

  test("the empty tree is a prefix of every tree, with an empty proof and its own root only", () => {
    const claim = { size1: 0, size2: 8, root1: emptyRoot, root2: root, proof: [] }
    expect(checkConsistency(claim)).toBe(true)
    expect(checkConsistency({ ...claim, proof: [root] })).toBe(false)
    expect(checkConsistency({ ...claim, root1: root })).toBe(false)
    expect(checkConsistency({ ...claim, size2: 0, root2: emptyRoot })).toBe(true)
    expect(checkConsistency({ ...claim, size2: 0, root1: root })).toBe(false)
  })

  test("equal sizes need equal roots and an empty proof", () => {
    const claim = { size1: 8, size2: 8, root1: root, root2: root, proof: [] }
    expect(checkConsistency(claim)).toBe(true)
    expect(checkConsistency({ ...claim, proof: [root] })).toBe(false)
    expect(checkConsistency({ ...claim, root2: leafHash })).toBe(false)
  })

  test("paths too long, too short or with hashes of another length are false, not an exception", () => {
    const claim = { leafIndex: 5, treeSize: 8, leafHash, root, proof }
    for (const bad of [
      { proof: proof.slice(1) },
      { proof: [...proof, root] },
      { proof: [new Uint8Array(0), ...proof] },
      { proof: proof.map((hash) => hash.slice(1)) },
      { root: new Uint8Array(0) },
      { leafHash: new Uint8Array(31) },
    ])
      expect(checkInclusion({ ...claim, ...bad })).toBe(false)
  })

  test("sizes that are no sizes are false, not an exception", () => {
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -0.5]) {
      const inclusion = { leafIndex: 0, treeSize: 8, leafHash, root, proof }
      expect(checkInclusion({ ...inclusion, leafIndex: bad })).toBe(false)
      expect(checkInclusion({ ...inclusion, treeSize: bad })).toBe(false)
      const consistency = { size1: 4, size2: 8, root1: root, root2: root, proof }
      expect(checkConsistency({ ...consistency, size1: bad })).toBe(false)
      expect(checkConsistency({ ...consistency, size2: bad })).toBe(false)
    }
    expect(checkInclusion({ leafIndex: 0, treeSize: 0, leafHash, root, proof: [] })).toBe(false)
  })

  test("proving what is not there is our mistake", () => {
    expect(() => proveInclusion(leaves, 8, 8)).toThrow(RangeError)
    expect(() => proveInclusion(leaves, 0, 301)).toThrow(RangeError)
    expect(() => proveConsistency(leaves, 9, 8)).toThrow(RangeError)
    expect(() => proveConsistency(leaves, 1, 301)).toThrow(RangeError)
  })
})
