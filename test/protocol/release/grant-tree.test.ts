import { hash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { encodeHex, u32be, utf8 } from "../../../protocol/encoding.ts"
import {
  areInGrantTree,
  buildGrantTree,
  drawPositions,
  grantTreeDepth,
  isInGrantTree,
} from "../../../protocol/release/grant-tree.ts"
import { refused, runs } from "../../support/refusal.ts"
import { flipBit, seededRandom } from "../../support/world.ts"

const seed = sha256(utf8("seed"))
const leaf = (i: number) => sha256(utf8(`leaf ${i}`))
const positions = fc.uniqueArray(fc.nat(1023), { minLength: 1, maxLength: 40 })
const placed = (at: readonly number[]) => new Map(at.map((position, i) => [position, leaf(i)]))

/** PROTOCOL.md §5 read literally: recursion over whole subtrees instead of over the levels in use. */
function byTheBook(
  leaves: ReadonlyMap<number, Uint8Array>,
  level: number,
  position: number,
): Buffer {
  const first = position << level
  const isEmpty = ![...leaves.keys()].some((at) => at >= first && at < first + (1 << level))
  const digest = (...parts: readonly Uint8Array[]) =>
    Buffer.from(hash("sha256", Buffer.concat(parts)), "hex")
  if (isEmpty) return digest(Buffer.of(2), seed, Buffer.of(level), u32be(position))
  if (level === 0) return Buffer.from(leaves.get(position)!)
  const left = byTheBook(leaves, level - 1, 2 * position)
  return digest(Buffer.of(1), left, byTheBook(leaves, level - 1, 2 * position + 1))
}

describe("the grant tree", () => {
  test("has the root that the definition gives, read literally", () => {
    fc.assert(
      fc.property(positions, (at) => {
        const leaves = placed(at)
        expect(encodeHex(buildGrantTree(leaves, seed).root)).toBe(
          byTheBook(leaves, 10, 0).toString("hex"),
        )
      }),
      runs,
    )
  })

  test("every leaf's path leads to the root, from its own place only", () => {
    fc.assert(
      fc.property(positions, fc.nat(1023), (at, elsewhere) => {
        const tree = buildGrantTree(placed(at), seed)
        for (const [i, position] of at.entries()) {
          const path = tree.path(position)
          expect(path).toHaveLength(grantTreeDepth)
          expect(isInGrantTree(leaf(i), position, path, tree.root)).toBe(true)
          if (elsewhere !== position)
            expect(isInGrantTree(leaf(i), elsewhere, path, tree.root)).toBe(false)
        }
      }),
      runs,
    )
  })

  test("no flipped bit of leaf, path or root leads to the root", () => {
    const tree = buildGrantTree(placed([3, 500]), seed)
    const path = tree.path(3)
    for (let bit = 0; bit < 256; bit++) {
      expect(isInGrantTree(flipBit(leaf(0), bit), 3, path, tree.root)).toBe(false)
      expect(isInGrantTree(leaf(0), 3, path, flipBit(tree.root, bit))).toBe(false)
      const damaged = path.map((node, level) => (level === bit % 10 ? flipBit(node, bit) : node))
      expect(isInGrantTree(leaf(0), 3, damaged, tree.root)).toBe(false)
    }
  })

  test("many paths together are judged as each alone", () => {
    const bit = fc.tuple(fc.nat(), fc.nat(grantTreeDepth), fc.nat(255))
    fc.assert(
      fc.property(positions, fc.option(bit), (at, flip) => {
        const tree = buildGrantTree(placed(at), seed)
        const all = at.map((position, i) => ({
          leaf: leaf(i),
          position,
          path: tree.path(position),
        }))
        expect(areInGrantTree(all, tree.root)).toBe(true)
        expect(areInGrantTree([...all, ...all], tree.root)).toBe(true)
        expect(areInGrantTree(all, flipBit(tree.root, 9))).toBe(false)
        if (flip === null) return
        // Anything of one of them: its leaf, or a node of its path, near the root too.
        const [which, node, place] = [flip[0] % all.length, flip[1], flip[2]]
        const spoilt = all.map((one, i) => {
          if (i !== which) return one
          if (node === grantTreeDepth) return { ...one, leaf: flipBit(one.leaf, place) }
          const path = one.path.map((hash, level) => (level === node ? flipBit(hash, place) : hash))
          return { ...one, path }
        })
        expect(areInGrantTree(spoilt, tree.root)).toBe(false)
        expect(areInGrantTree([...all, ...spoilt], tree.root)).toBe(false)
      }),
      { numRuns: 10 * runs.numRuns },
    )
  })

  test("a path of other hashes than of 32 bytes leads nowhere", () => {
    const tree = buildGrantTree(placed([5]), seed)
    const path = tree.path(5)
    const other = (bytes: Uint8Array) => [...path.slice(0, 4), bytes, ...path.slice(5)]
    for (const bytes of [path[4]!.slice(1), new Uint8Array(33), new Uint8Array(0)])
      expect(isInGrantTree(leaf(0), 5, other(bytes), tree.root)).toBe(false)
  })

  test("an inner node passes for no leaf, at any place or depth", () => {
    const tree = buildGrantTree(placed([6, 7]), seed)
    const parent = sha256(Uint8Array.of(1), leaf(0), leaf(1))
    const shorter = tree.path(6).slice(1)
    for (let position = 0; position < 1024; position++)
      expect(isInGrantTree(parent, position, shorter, tree.root)).toBe(false)
    expect(isInGrantTree(parent, 3, [...shorter, new Uint8Array(32)], tree.root)).toBe(false)
  })

  test("a place outside, between or beyond the leaves is in no tree", () => {
    const tree = buildGrantTree(placed([5]), seed)
    for (const position of [-1, 5.5, 1029, 5 + 2 ** 32, Number.NaN])
      expect(isInGrantTree(leaf(0), position, tree.path(5), tree.root)).toBe(false)
    expect(() => buildGrantTree(placed([1024]), seed)).toThrow(RangeError)
    expect(() => buildGrantTree(placed([-1]), seed)).toThrow(RangeError)
    expect(() => tree.path(4)).toThrow(RangeError)
  })

  test("another seed gives another root: the number of grants can't be counted by trying", () => {
    const leaves = placed([5])
    const other = buildGrantTree(leaves, sha256(utf8("other")))
    expect(other.root).not.toEqual(buildGrantTree(leaves, seed).root)
    // Where the tree is empty, no sibling repeats: each level and place has a node of its own.
    const path = buildGrantTree(leaves, seed).path(5).map(encodeHex)
    expect(new Set(path).size).toBe(grantTreeDepth)
  })

  test("a recipient's path looks the same, whether others were granted or not", () => {
    const alone = buildGrantTree(placed([5]), seed).path(5)
    const many = buildGrantTree(placed([5, 100, 700, 900]), seed).path(5)
    expect(many.map(({ length }) => length)).toEqual(alone.map(({ length }) => length))
  })

  test("takes up to 512 grants, and no seed of another length", () => {
    const full = placed(Array.from({ length: 512 }, (_, i) => 2 * i))
    expect(buildGrantTree(full, seed).root).toHaveLength(32)
    expect(() => buildGrantTree(placed(Array.from({ length: 513 }, (_, i) => i)), seed)).toThrow(
      RangeError,
    )
    expect(() => buildGrantTree(new Map(), seed)).toThrow(RangeError)
    expect(() => buildGrantTree(full, new Uint8Array(31))).toThrow(RangeError)
  })
})

describe("positions", () => {
  test("are distinct, in the tree, and drawn from all of it", () => {
    const drawn = drawPositions(512, seededRandom("positions"))
    expect(new Set(drawn).size).toBe(512)
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...drawn)).toBeLessThan(1024)
    // Of 512 places half are in the upper half; 200 is eleven standard deviations off.
    expect(drawn.filter((position) => position >= 512).length).toBeGreaterThan(200)
    expect(drawn.filter((position) => position < 512).length).toBeGreaterThan(200)
  })

  test("more grants than an order holds are refused", () => {
    expect(() => drawPositions(513, seededRandom("x"))).toThrow(refused("order.too-large"))
  })
})
