import { sha256 } from "../crypto/hash.ts"
import { equalBytes } from "../encoding.ts"

/** The root of the tree without leaves, SHA-256(""). RFC 6962 §2.1 */
export const emptyRoot: Uint8Array = sha256(new Uint8Array(0))

/** SHA-256(0x00 ‖ entry). RFC 6962 §2.1 */
export function leafHash(entry: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(1 + entry.length)
  prefixed.set(entry, 1)
  return sha256(prefixed)
}

/** SHA-256(0x01 ‖ left ‖ right). RFC 6962 §2.1 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(65)
  prefixed[0] = 1
  prefixed.set(left, 1)
  prefixed.set(right, 33)
  return sha256(prefixed)
}

/** The Merkle tree hash of all the leaves. RFC 6962 §2.1 */
export function treeRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  let row = leafHashes
  while (row.length > 1) {
    const above: Uint8Array[] = []
    for (let i = 0; i + 1 < row.length; i += 2) above.push(nodeHash(row[i]!, row[i + 1]!))
    // A last node without a sibling stands for itself one row up: the unbalanced edge of RFC 6962.
    if (row.length % 2 === 1) above.push(row.at(-1)!)
    row = above
  }
  return row[0] ?? emptyRoot
}

/** The leaves from `start` to before `end`, whose root is one hash of a proof. */
export type Span = readonly [start: number, end: number]

/** The largest power of two below `width`, for width ≥ 2; exact to 2⁵³, where Math.log2 is not. */
export function splitWidth(width: number): number {
  let split = 1
  while (split * 2 < width) split *= 2
  return split
}

/** What the hashes of an inclusion proof cover, the leaf's sibling first. RFC 6962 §2.1.1 */
export function inclusionSpans(index: number, size: number): readonly Span[] {
  requireSize(size)
  if (!Number.isSafeInteger(index) || index < 0 || index >= size)
    throw new RangeError("no such leaf")
  const spans: Span[] = []
  let [start, end] = [0, size]
  while (end - start > 1) {
    const middle = start + splitWidth(end - start)
    if (index < middle) {
      spans.push([middle, end])
      end = middle
    } else {
      spans.push([start, middle])
      start = middle
    }
  }
  return spans.reverse()
}

/** What the hashes of a consistency proof cover, in the order of RFC 6962 §2.1.2. */
export function consistencySpans(size1: number, size2: number): readonly Span[] {
  requireSize(size1)
  requireSize(size2)
  if (size1 > size2) throw new RangeError("a tree does not shrink")
  if (size1 === 0 || size1 === size2) return []
  const spans: Span[] = []
  let [start, end] = [0, size2]
  while (end !== size1) {
    const middle = start + splitWidth(end - start)
    if (size1 <= middle) {
      spans.push([middle, end])
      end = middle
    } else {
      spans.push([start, middle])
      start = middle
    }
  }
  // A first tree that is itself a node of the second needs no base: the verifier holds its root.
  if (start > 0) spans.push([start, end])
  return spans.reverse()
}

/** The audit path of a leaf in the tree of the first `size` leaves. RFC 6962 §2.1.1 */
export function proveInclusion(
  leafHashes: readonly Uint8Array[],
  index: number,
  size: number = leafHashes.length,
): readonly Uint8Array[] {
  if (size > leafHashes.length) throw new RangeError("fewer leaves than the size")
  return inclusionSpans(index, size).map((span) => treeRoot(leafHashes.slice(...span)))
}

/** The proof that the tree of `size1` leaves is a prefix of that of `size2`. RFC 6962 §2.1.2 */
export function proveConsistency(
  leafHashes: readonly Uint8Array[],
  size1: number,
  size2: number,
): readonly Uint8Array[] {
  if (size2 > leafHashes.length) throw new RangeError("fewer leaves than the size")
  return consistencySpans(size1, size2).map((span) => treeRoot(leafHashes.slice(...span)))
}

export type InclusionClaim = {
  readonly leafIndex: number
  readonly treeSize: number
  readonly leafHash: Uint8Array
  readonly root: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/** Whether the proof leads from the leaf to the root; false, never an exception. RFC 9162 §2.1.3.2 */
export function checkInclusion(claim: InclusionClaim): boolean {
  const { leafIndex, treeSize, root, proof } = claim
  if (!isSize(leafIndex) || !isSize(treeSize) || leafIndex >= treeSize) return false
  if (!areHashes([claim.leafHash, root, ...proof])) return false
  let node = leafIndex
  let last = treeSize - 1
  let hash = claim.leafHash
  for (const sibling of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash)
      for (; node % 2 === 0 && node !== 0; node /= 2) last = half(last)
    } else hash = nodeHash(hash, sibling)
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalBytes(hash, root)
}

export type ConsistencyClaim = {
  readonly size1: number
  readonly size2: number
  readonly root1: Uint8Array
  readonly root2: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/**
 * Whether the first tree is a prefix of the second; false, never an exception. The empty tree is one
 * of every tree and needs an empty proof, as in C2SP tlog-witness. RFC 9162 §2.1.4.2
 */
export function checkConsistency(claim: ConsistencyClaim): boolean {
  const { size1, size2, root1, root2, proof } = claim
  if (!isSize(size1) || !isSize(size2) || size1 > size2) return false
  if (size1 === 0 && !equalBytes(root1, emptyRoot)) return false
  if (size1 === size2) return proof.length === 0 && equalBytes(root1, root2)
  if (!areHashes([root1, root2, ...proof])) return false
  if (size1 === 0) return proof.length === 0
  if (proof.length === 0) return false

  let node = size1 - 1
  let last = size2 - 1
  for (; node % 2 === 1; node = half(node)) last = half(last)
  // node 0: the first tree is a node of the second, and its root, left out of the proof, is the base.
  const [base, rest] = node === 0 ? [root1, proof] : [proof[0]!, proof.slice(1)]
  let hash1 = base
  let hash2 = base
  for (const sibling of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash1 = nodeHash(sibling, hash1)
      hash2 = nodeHash(sibling, hash2)
      for (; node % 2 === 0 && node !== 0; node /= 2) last = half(last)
    } else hash2 = nodeHash(hash2, sibling)
    node = half(node)
    last = half(last)
  }
  return last === 0 && equalBytes(hash1, root1) && equalBytes(hash2, root2)
}

/** Shifts by one place beyond 32 bits, where `>>` would cut. */
function half(n: number): number {
  return Math.floor(n / 2)
}

function isSize(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0
}

function requireSize(size: number): void {
  if (!isSize(size)) throw new RangeError("no tree size")
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((hash) => hash.length === 32)
}
