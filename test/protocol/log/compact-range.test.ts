import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  appendLeaf,
  appendLeaves,
  type CompactRange,
  completedNodes,
  decodeRange,
  emptyRange,
  encodeRange,
  proveConsistencyFrom,
  proveInclusionFrom,
  type ReadNode,
  rangeFrom,
  rangeRoot,
} from "../../../protocol/log/compact-range.ts"
import {
  checkConsistency,
  checkInclusion,
  nodeHash,
  proveConsistency,
  proveInclusion,
  treeRoot,
} from "../../../protocol/log/merkle.ts"
import { leaves, refused, runs } from "./keys.ts"

function store(batch: number): { read: ReadNode; range: CompactRange } {
  const nodes = new Map<string, Uint8Array>()
  let range = emptyRange
  for (let at = 0; at < leaves.length; at += batch) {
    const grown = completedNodes(range, leaves.slice(at, at + batch))
    for (const { level, index, hash } of grown.nodes) {
      expect(nodes.has(`${level}/${index}`)).toBe(false)
      nodes.set(`${level}/${index}`, hash)
    }
    range = grown.range
  }
  return { read: (level, index) => nodes.get(`${level}/${index}`), range }
}

describe("compact range", () => {
  test("has the root of the tree at every size to 300, leaf by leaf", () => {
    let range = emptyRange
    for (let size = 0; size <= 300; size++) {
      expect(range.size).toBe(size)
      expect(rangeRoot(range)).toEqual(treeRoot(leaves.slice(0, size)))
      if (size < 300) range = appendLeaf(range, leaves[size]!)
    }
  })

  test("is the same however the leaves are batched, and leaves its origin as it was", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (a, b) => {
        const [cut, size] = a < b ? [a, b] : [b, a]
        const first = appendLeaves(emptyRange, leaves.slice(0, cut))
        const before = encodeRange(first)
        const second = appendLeaves(first, leaves.slice(cut, size))
        expect(second).toEqual(appendLeaves(emptyRange, leaves.slice(0, size)))
        expect(encodeRange(first)).toEqual(before)
      }),
      runs,
    )
  })

  test("decode inverts encode", () => {
    fc.assert(
      fc.property(fc.nat(300), (size) => {
        const range = appendLeaves(emptyRange, leaves.slice(0, size))
        expect(decodeRange(encodeRange(range))).toEqual(range)
      }),
      runs,
    )
  })

  test("bytes with more or fewer hashes than the size has subtrees are refused", () => {
    const bytes = encodeRange(appendLeaves(emptyRange, leaves.slice(0, 7)))
    const tooLarge = bytes.slice()
    tooLarge[0] = 0x80
    for (const bad of [
      new Uint8Array(0),
      bytes.slice(0, 7),
      bytes.slice(0, -1),
      bytes.slice(0, -32),
      new Uint8Array([...bytes, ...new Uint8Array(32)]),
      tooLarge,
    ])
      expect(() => decodeRange(bad)).toThrow(refused("merkle.malformed"))
  })
})

describe("stored nodes", () => {
  const { read, range } = store(7)

  test("completing once each, they give back the range", () => {
    for (const batch of [1, 64, 300]) expect(store(batch).range).toEqual(range)
    for (let size = 0; size <= 300; size++)
      expect(rangeFrom(read, size)).toEqual(appendLeaves(emptyRange, leaves.slice(0, size)))
  })

  test("they give the proofs of the whole tree", () => {
    for (let size = 1; size <= 300; size++) {
      const index = (size * 37) % size
      for (const at of [index, 0, size - 1, size >> 1]) {
        expect(proveInclusionFrom(read, at, size)).toEqual(proveInclusion(leaves, at, size))
        expect(proveConsistencyFrom(read, at, size)).toEqual(proveConsistency(leaves, at, size))
      }
    }
  })

  test("a missing node is an error, not a wrong proof", () => {
    expect(() => proveInclusionFrom(read, 0, 301)).toThrow(RangeError)
    expect(() => proveInclusionFrom(() => undefined, 0, 2)).toThrow(RangeError)
  })
})

describe("trees too large to build", () => {
  // All leaves alike, so that each complete subtree is known by its level.
  const levels = [leaves[0]!]
  for (let level = 0; level < 53; level++) levels.push(nodeHash(levels[level]!, levels[level]!))
  let reads = 0
  const read: ReadNode = (level) => {
    reads++
    return levels[level]
  }
  const sizes = [2 ** 20, 1_000_003, 2 ** 32 - 1, 2 ** 32 + 1, 2 ** 52, 2 ** 53 - 1]

  test.each(sizes)("proofs at size %d verify and cost two reads a level at most", (size) => {
    const root = rangeRoot(rangeFrom(read, size))
    const levelsUsed = Math.ceil(Math.log2(size))
    for (const leafIndex of [0, 1, Math.floor(size / 3), size - 2, size - 1]) {
      reads = 0
      const proof = proveInclusionFrom(read, leafIndex, size)
      expect(reads).toBeLessThanOrEqual(2 * levelsUsed)
      const claim = { leafIndex, treeSize: size, leafHash: leaves[0]!, root, proof }
      expect(checkInclusion(claim)).toBe(true)

      const size1 = leafIndex + 1
      reads = 0
      const consistency = proveConsistencyFrom(read, size1, size)
      expect(reads).toBeLessThanOrEqual(2 * levelsUsed)
      const root1 = rangeRoot(rangeFrom(read, size1))
      const both = { size1, size2: size, root1, root2: root, proof: consistency }
      expect(checkConsistency(both)).toBe(true)
    }
  })
})
