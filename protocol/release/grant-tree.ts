import { sha256 } from "../crypto/hash.ts"
import { equalBytes, u32be } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"

/**
 * The tree whose root officers sign: depth 10, at most 512 grants at random positions, every maximal
 * empty subtree one seeded node. A recipient learns neither the other leaves nor their number.
 * PROTOCOL.md §5
 */
export const grantTreeDepth = 10
const width = 1 << grantTreeDepth
const empty = Uint8Array.of(0x02)

export type GrantTree = {
  readonly root: Uint8Array
  /** sibling hashes from leaf to root, of the grant at `position` */
  path(position: number): readonly Uint8Array[]
}

/** @param leaves position (0..1023) → leaf hash; @param seed 32 bytes, for officers' machines only */
export function buildGrantTree(
  leaves: ReadonlyMap<number, Uint8Array>,
  seed: Uint8Array,
): GrantTree {
  if (leaves.size === 0 || leaves.size > limits.grantsPerOrder) throw new RangeError("grants")
  if (seed.length !== 32) throw new RangeError("seed")
  for (const [position, leaf] of leaves)
    if (!isPosition(position) || !isHash(leaf)) throw new RangeError("position or leaf")
  /** by `nodeOf`: what was given or led to, and seeds beside it */
  const nodes: Uint8Array[] = new Array(2 * width)
  let known: number[] = []
  for (const [position, leaf] of leaves) {
    nodes[nodeOf(0, position)] = leaf
    known.push(position)
  }
  const at = (level: number, position: number): Uint8Array =>
    (nodes[nodeOf(level, position)] ??= sha256(empty, seed, Uint8Array.of(level), u32be(position)))
  for (let level = 0; level < grantTreeDepth; level++) {
    const parents: number[] = []
    for (const position of known) {
      const parent = position >> 1
      const node = nodeOf(level + 1, parent)
      if (nodes[node] !== undefined) continue
      nodes[node] = nodeHash(at(level, 2 * parent), at(level, 2 * parent + 1))
      parents.push(parent)
    }
    known = parents
  }
  return {
    root: nodes[nodeOf(grantTreeDepth, 0)]!,
    path: (position) => {
      if (!leaves.has(position)) throw new RangeError("position")
      const path: Uint8Array[] = []
      for (let level = 0; level < grantTreeDepth; level++)
        path.push(at(level, (position >> level) ^ 1))
      return path
    },
  }
}

function isPosition(position: number): boolean {
  return Number.isInteger(position) && position >= 0 && position < width
}

/** One number for each node: 1 for the root, and those below it are 2n and 2n + 1. */
function nodeOf(level: number, position: number): number {
  return (width >> level) + position
}

/** A leaf with the way that is claimed for it. */
export type PlacedLeaf = {
  readonly leaf: Uint8Array
  readonly position: number
  readonly path: readonly Uint8Array[]
}

/** Whether `path` leads from the leaf at `position` to `root`. */
export function isInGrantTree(
  leaf: Uint8Array,
  position: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  return areInGrantTree([{ leaf, position, path }], root)
}

/**
 * Whether every path leads from its leaf to `root`. Near the root all paths are one: a node that has
 * been led there once is compared from then on, not hashed again.
 */
export function areInGrantTree(placed: readonly PlacedLeaf[], root: Uint8Array): boolean {
  const proven = new Map<number, Uint8Array>([[nodeOf(grantTreeDepth, 0), root]])
  return placed.every((one) => leadsUp(one, proven))
}

function leadsUp({ leaf, position, path }: PlacedLeaf, proven: Map<number, Uint8Array>): boolean {
  const isWhole = path.length === grantTreeDepth && isHash(leaf) && path.every(isHash)
  if (!isPosition(position) || !isWhole) return false
  const climbed: Uint8Array[] = []
  let hash = leaf
  let level = 0
  let known = proven.get(nodeOf(0, position))
  for (; known === undefined; level++) {
    climbed.push(hash)
    const sibling = path[level]!
    hash = (position >> level) & 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling)
    known = proven.get(nodeOf(level + 1, position >> (level + 1)))
  }
  if (!equalBytes(hash, known)) return false
  // From here on the way is proven, but that this path says the same is not.
  for (let above = level; above < grantTreeDepth; above++) {
    const sibling = proven.get(nodeOf(above, (position >> above) ^ 1))
    if (sibling === undefined || !equalBytes(path[above]!, sibling)) return false
  }
  for (const [below, node] of climbed.entries()) {
    proven.set(nodeOf(below, position >> below), node)
    proven.set(nodeOf(below, (position >> below) ^ 1), path[below]!)
  }
  return true
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === 32
}

const pair = new Uint8Array(65)
pair[0] = 0x01

/** SHA-256(0x01 ‖ left ‖ right), of two hashes. */
function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  pair.set(left, 1)
  pair.set(right, 33)
  return sha256(pair)
}

/** Distinct positions, each equally likely; `random` gives secure bytes. */
export function drawPositions(
  count: number,
  random: (bytes: number) => Uint8Array,
): readonly number[] {
  if (count > limits.grantsPerOrder) throw new ProtocolError("order.too-large")
  const drawn = new Set<number>()
  while (drawn.size < count) {
    const bytes = random(2)
    drawn.add(((bytes[0]! << 8) | bytes[1]!) & (width - 1))
  }
  return [...drawn]
}
