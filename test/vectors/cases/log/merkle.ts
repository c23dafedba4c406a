import { encodeHex, utf8 } from "../../../../protocol/encoding.ts"
import { appendLeaves, emptyRange, rangeRoot } from "../../../../protocol/log/compact-range.ts"
import {
  checkConsistency,
  checkInclusion,
  emptyRoot,
  leafHash,
  nodeHash,
  proveConsistency,
  proveInclusion,
  treeRoot,
} from "../../../../protocol/log/merkle.ts"
import {
  bytes,
  bytesList,
  type Cases,
  type Format,
  filled,
  type Input,
  insist,
  number,
  type Run,
} from "../../format.ts"

const run: Run = (input) => {
  if (input.leaves !== undefined) {
    const leaves = bytesList(input, "leaves").map(leafHash)
    const root = treeRoot(leaves)
    insist(
      encodeHex(rangeRoot(appendLeaves(emptyRange, leaves))) === encodeHex(root),
      "merkle.malformed",
    )
    return { root: encodeHex(root), leafHashes: leaves.map(encodeHex) }
  }
  const proof = bytesList(input, "proof")
  if (input.leafHash !== undefined) {
    const claim = {
      leafIndex: number(input, "leafIndex"),
      treeSize: number(input, "treeSize"),
      leafHash: bytes(input, "leafHash"),
      root: bytes(input, "root"),
      proof,
    }
    insist(checkInclusion(claim), "inclusion.invalid")
    return { included: true }
  }
  const claim = {
    size1: number(input, "size1"),
    size2: number(input, "size2"),
    root1: bytes(input, "root1"),
    root2: bytes(input, "root2"),
    proof,
  }
  insist(checkConsistency(claim), "consistency.invalid")
  return { consistent: true }
}

const data = Array.from({ length: 9 }, (_, i) => utf8(`entry ${i}`))
const leaves = data.map(leafHash)
const rootOf = (size: number) => encodeHex(treeRoot(leaves.slice(0, size)))
const hexes = (hashes: readonly Uint8Array[]) => hashes.map(encodeHex)

const inclusion = (leafIndex: number, treeSize: number, changes: Input = {}): Input => ({
  leafIndex,
  treeSize,
  leafHash: encodeHex(leaves[leafIndex] ?? new Uint8Array(32)),
  root: rootOf(treeSize),
  proof: leafIndex < treeSize ? hexes(proveInclusion(leaves, leafIndex, treeSize)) : [],
  ...changes,
})
const consistency = (size1: number, size2: number, changes: Input = {}): Input => ({
  size1,
  size2,
  root1: rootOf(size1),
  root2: rootOf(size2),
  proof: size1 <= size2 ? hexes(proveConsistency(leaves, size1, size2)) : [],
  ...changes,
})

function cases(): Cases {
  const path = hexes(proveInclusion(leaves, 4, 9))
  const bridge = hexes(proveConsistency(leaves, 6, 9))
  const parent = encodeHex(nodeHash(leaves[4]!, leaves[5]!))
  const not = "inclusion.invalid"
  const forked = "consistency.invalid"
  return {
    about: "trees of RFC 6962 with SHA-256: roots of entries, inclusion, consistency",
    valid: [
      ...Array.from(
        { length: 9 },
        (_, size) => [`a tree of ${size}`, { leaves: hexes(data.slice(0, size)) }] as const,
      ),
      ["a tree of one empty entry", { leaves: [""] }],
      ["in a tree of one", inclusion(0, 1)],
      ["the first of a full tree", inclusion(0, 8)],
      ["the last of a full tree", inclusion(7, 8)],
      ["in the ragged edge", inclusion(8, 9)],
      ["in the middle", inclusion(4, 9)],
      ["in a tree of six", inclusion(5, 6)],
      ["nothing and anything", consistency(0, 5)],
      ["nothing and nothing", consistency(0, 0)],
      ["the same", consistency(5, 5)],
      ["a node of the later tree", consistency(4, 9)],
      ["one and two", consistency(1, 2)],
      ["six and nine", consistency(6, 9)],
      ["seven and eight", consistency(7, 8)],
    ],
    hostile: [
      ["another leaf", inclusion(4, 9, { leafHash: encodeHex(leaves[5]!) }), not],
      ["another place", inclusion(4, 9, { leafIndex: 5 }), not],
      ["a place with the same low bits", inclusion(4, 9, { leafIndex: 12 }), not],
      ["a size that asks for another path", inclusion(4, 9, { treeSize: 17 }), not],
      ["a place outside", inclusion(9, 9), not],
      ["a place below zero", inclusion(4, 9, { leafIndex: -1 }), not],
      ["a place between", inclusion(4, 9, { leafIndex: 4.5 }), not],
      ["a size beyond 2⁵³", inclusion(4, 9, { treeSize: 2 ** 60 }), not],
      ["in the empty tree", inclusion(0, 1, { treeSize: 0 }), not],
      ["another root", inclusion(4, 9, { root: rootOf(8) }), not],
      ["one hash too few", inclusion(4, 9, { proof: path.slice(1) }), not],
      ["one hash too many", inclusion(4, 9, { proof: [...path, filled(32, 0)] }), not],
      ["hashes in another order", inclusion(4, 9, { proof: path.toReversed() }), not],
      ["a hash of 31 bytes", inclusion(4, 9, { proof: path.with(0, filled(31, 1)) }), not],
      ["no proof", inclusion(4, 9, { proof: [] }), not],
      [
        "an inner node as a leaf",
        inclusion(4, 9, { leafIndex: 2, leafHash: parent, proof: path.slice(1) }),
        not,
      ],
      [
        "the entry itself as its hash",
        inclusion(0, 1, { leafHash: encodeHex(emptyRoot), root: rootOf(1) }),
        not,
      ],
      [
        "a tree that shrinks",
        consistency(6, 9, { size1: 9, size2: 6, root1: rootOf(9), root2: rootOf(6) }),
        forked,
      ],
      ["another first root", consistency(6, 9, { root1: rootOf(5) }), forked],
      ["another second root", consistency(6, 9, { root2: rootOf(8) }), forked],
      ["another first size", consistency(6, 9, { size1: 5 }), forked],
      ["a second size that asks for another path", consistency(6, 9, { size2: 17 }), forked],
      ["bridge: one hash too few", consistency(6, 9, { proof: bridge.slice(1) }), forked],
      [
        "bridge: one hash too many",
        consistency(6, 9, { proof: [...bridge, filled(32, 0)] }),
        forked,
      ],
      [
        "bridge: hashes in another order",
        consistency(6, 9, { proof: bridge.toReversed() }),
        forked,
      ],
      ["bridge: none", consistency(6, 9, { proof: [] }), forked],
      ["the same size, another root", consistency(5, 5, { root2: rootOf(4) }), forked],
      ["the same size, with a proof", consistency(5, 5, { proof: [filled(32, 0)] }), forked],
      ["from nothing, with a proof", consistency(0, 5, { proof: [filled(32, 0)] }), forked],
      ["from nothing that has a root", consistency(0, 5, { root1: rootOf(1) }), forked],
      ["from below zero", consistency(0, 5, { size1: -1 }), forked],
    ],
  }
}

export const merkle: Format = { run, cases }
