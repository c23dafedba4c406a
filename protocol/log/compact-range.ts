import { concat, u64be } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { consistencySpans, emptyRoot, inclusionSpans, nodeHash, splitWidth } from "./merkle.ts"

/**
 * All that is needed of a tree to append to it and to know its root: the hashes of its maximal
 * complete subtrees, leftmost and largest first, one for each 1 in the binary form of `size`.
 */
export type CompactRange = { readonly size: number; readonly hashes: readonly Uint8Array[] }

/** The root of the complete subtree over leaves index·2^level to (index + 1)·2^level. */
export type TreeNode = {
  readonly level: number
  readonly index: number
  readonly hash: Uint8Array
}

/** A store's look-up of a complete subtree; level 0 holds the leaf hashes. */
export type ReadNode = (level: number, index: number) => Uint8Array | undefined

/** The tree without leaves. RFC 6962 §2.1 */
export const emptyRange: CompactRange = { size: 0, hashes: [] }

/** The range after one more leaf. RFC 6962 §2.1 */
export function appendLeaf(range: CompactRange, leafHash: Uint8Array): CompactRange {
  return appendLeaves(range, [leafHash])
}

/** The range after more leaves: two hashes a leaf at most, however large the tree. RFC 6962 §2.1 */
export function appendLeaves(range: CompactRange, leafHashes: readonly Uint8Array[]): CompactRange {
  return grow(range, leafHashes, () => {})
}

/**
 * Every complete subtree that appending these leaves completes, leaves included, in the order in
 * which they complete: what a store adds so that proofs need O(log n) reads. RFC 6962 §2.1
 */
export function completedNodes(
  range: CompactRange,
  leafHashes: readonly Uint8Array[],
): { readonly range: CompactRange; readonly nodes: readonly TreeNode[] } {
  const nodes: TreeNode[] = []
  return { range: grow(range, leafHashes, (node) => nodes.push(node)), nodes }
}

function grow(
  range: CompactRange,
  leafHashes: readonly Uint8Array[],
  completed: (node: TreeNode) => void,
): CompactRange {
  const hashes = [...range.hashes]
  let size = range.size
  for (const leaf of leafHashes) {
    let [level, index, hash] = [0, size, leaf]
    completed({ level, index, hash })
    while (index % 2 === 1) {
      hash = nodeHash(hashes.pop()!, hash)
      level++
      index = (index - 1) / 2
      completed({ level, index, hash })
    }
    hashes.push(hash)
    size++
  }
  return { size, hashes }
}

/** The Merkle tree hash of the whole tree. RFC 6962 §2.1 */
export function rangeRoot(range: CompactRange): Uint8Array {
  const [last, ...larger] = range.hashes.toReversed()
  return last === undefined ? emptyRoot : larger.reduce((root, left) => nodeHash(left, root), last)
}

/** Null unless there are exactly the hashes that the size asks for. */
export function rangeOf(size: number, hashes: readonly Uint8Array[]): CompactRange | null {
  return hashes.length === completeSubtrees(size) ? { size, hashes } : null
}

/** u64be size ‖ hashes: a node's own form for keeping a range, no wire format. */
export function encodeRange(range: CompactRange): Uint8Array {
  return concat(u64be(range.size), ...range.hashes)
}

/** @throws `merkle.malformed` unless there are exactly the hashes that the size asks for */
export function decodeRange(bytes: Uint8Array): CompactRange {
  const size = bytes.length < 8 ? -1 : Number(viewOf(bytes).getBigUint64(0))
  if (!Number.isSafeInteger(size) || size < 0 || bytes.length !== 8 + 32 * completeSubtrees(size))
    throw new ProtocolError("merkle.malformed", { detail: "range" })
  const hashes: Uint8Array[] = []
  for (let at = 8; at < bytes.length; at += 32) hashes.push(bytes.slice(at, at + 32))
  return { size, hashes }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function completeSubtrees(size: number): number {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}

/** The range of the first `size` leaves, from stored nodes. @throws RangeError for a missing node */
export function rangeFrom(read: ReadNode, size: number): CompactRange {
  const hashes: Uint8Array[] = []
  let start = 0
  while (start < size) {
    const width = splitWidth(size - start + 1)
    hashes.push(spanRoot(read, start, start + width))
    start += width
  }
  return { size, hashes }
}

/**
 * `proveInclusion` from stored nodes, at most two reads a level. RFC 6962 §2.1.1
 *
 * @throws RangeError for a missing node
 */
export function proveInclusionFrom(
  read: ReadNode,
  index: number,
  size: number,
): readonly Uint8Array[] {
  return inclusionSpans(index, size).map(([start, end]) => spanRoot(read, start, end))
}

/**
 * `proveConsistency` from stored nodes, at most two reads a level. RFC 6962 §2.1.2
 *
 * @throws RangeError for a missing node
 */
export function proveConsistencyFrom(
  read: ReadNode,
  size1: number,
  size2: number,
): readonly Uint8Array[] {
  return consistencySpans(size1, size2).map(([start, end]) => spanRoot(read, start, end))
}

/** A span of a proof begins at a multiple of its width, rounded up: only its right edge is ragged. */
function spanRoot(read: ReadNode, start: number, end: number): Uint8Array {
  const width = end - start
  const split = width === 1 ? 1 : splitWidth(width)
  if (width === 1 || split * 2 === width) {
    const level = Math.round(Math.log2(width))
    const hash = read(level, start / width)
    if (hash === undefined) throw new RangeError(`no node ${start / width} at level ${level}`)
    return hash
  }
  return nodeHash(spanRoot(read, start, start + split), spanRoot(read, start + split, end))
}
