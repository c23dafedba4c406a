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
const node = Uint8Array.of(0x01)
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
  for (const position of leaves.keys()) if (!isPosition(position)) throw new RangeError("position")
  const levels: ReadonlyMap<number, Uint8Array>[] = [leaves]
  const at = (level: number, position: number): Uint8Array =>
    levels[level]!.get(position) ?? sha256(empty, seed, Uint8Array.of(level), u32be(position))
  for (let level = 0; level < grantTreeDepth; level++) {
    const parents = new Map<number, Uint8Array>()
    for (const position of levels[level]!.keys()) {
      const parent = position >> 1
      if (!parents.has(parent))
        parents.set(parent, sha256(node, at(level, 2 * parent), at(level, 2 * parent + 1)))
    }
    levels.push(parents)
  }
  return {
    root: levels[grantTreeDepth]!.get(0)!,
    path: (position) => {
      if (!leaves.has(position)) throw new RangeError("position")
      return Array.from({ length: grantTreeDepth }, (_, level) =>
        at(level, (position >> level) ^ 1),
      )
    },
  }
}

function isPosition(position: number): boolean {
  return Number.isInteger(position) && position >= 0 && position < width
}

/** Whether `path` leads from the leaf at `position` to `root`. */
export function isInGrantTree(
  leaf: Uint8Array,
  position: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!isPosition(position)) return false
  if (path.length !== grantTreeDepth) return false
  let hash = leaf
  for (const [level, sibling] of path.entries())
    hash = (position >> level) & 1 ? sha256(node, sibling, hash) : sha256(node, hash, sibling)
  return equalBytes(hash, root)
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
