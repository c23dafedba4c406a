import { sha256 } from "../../../../protocol/crypto/hash.ts"
import { decodeHex, encodeHex, utf8 } from "../../../../protocol/encoding.ts"
import { buildGrantTree, isInGrantTree } from "../../../../protocol/release/grant-tree.ts"
import { flipBit, seededRandom } from "../../../support/world.ts"
import {
  bytes,
  type Cases,
  type Format,
  filled,
  insist,
  list,
  number,
  type Run,
} from "../../format.ts"

const run: Run = (input) => {
  if (input.path !== undefined) {
    const path = list(input, "path").map(decodeHex)
    const position = number(input, "position")
    insist(isInGrantTree(bytes(input, "leaf"), position, path, bytes(input, "root")), "grant.path")
    return { isInTree: true }
  }
  const leaves = input.leaves as readonly { position: number; leaf: string }[]
  const placed = new Map(leaves.map(({ position, leaf }) => [position, decodeHex(leaf)]))
  const tree = buildGrantTree(placed, bytes(input, "seed"))
  const paths = leaves.map(({ position }) => tree.path(position).map(encodeHex))
  return { root: encodeHex(tree.root), paths }
}

const flipped = (hex: string) => encodeHex(flipBit(decodeHex(hex), 3))

function cases(): Cases {
  const seed = filled(32, 0x5e)
  const leaf = (i: number) => encodeHex(sha256(utf8(`leaf ${i}`)))
  const tree = (...positions: readonly number[]) => ({
    seed,
    leaves: positions.map((position, i) => ({ position, leaf: leaf(i) })),
  })
  const built = buildGrantTree(
    new Map([
      [5, decodeHex(leaf(0))],
      [700, decodeHex(leaf(1))],
    ]),
    decodeHex(seed),
  )
  const path = built.path(5).map(encodeHex)
  const proof = { leaf: leaf(0), position: 5, path, root: encodeHex(built.root) }
  const random = seededRandom("positions")
  const drawn = new Set<number>()
  while (drawn.size < 7) drawn.add(((random(1)[0]! << 8) | random(1)[0]!) & 1023)
  return {
    about: "the tree of depth 10 that officers sign: root and paths, then single paths",
    valid: [
      ["one grant at the first place", tree(0)],
      ["one grant at the last place", tree(1023)],
      ["two neighbours", tree(6, 7)],
      ["two far apart", tree(5, 700)],
      ["seven", tree(...drawn)],
      ["the first and the last", tree(0, 1023)],
      ["eight in a row", tree(8, 9, 10, 11, 12, 13, 14, 15)],
      ["a path", proof],
    ],
    hostile: [
      ["one bit of the leaf", { ...proof, leaf: flipped(proof.leaf) }, "grant.path"],
      ["one bit of a sibling", { ...proof, path: path.with(9, flipped(path[9]!)) }, "grant.path"],
      ["one bit of the root", { ...proof, root: flipped(proof.root) }, "grant.path"],
      ["the root of another seed", { ...proof, root: filled(32, 0x5f) }, "grant.path"],
      ["a place below zero", { ...proof, position: -1019 }, "grant.path"],
      ["a place between", { ...proof, position: 5.5 }, "grant.path"],
      ["a place beyond 2³²", { ...proof, position: 5 + 2 ** 32 }, "grant.path"],
      ["the other grant's place", { ...proof, position: 700 }, "grant.path"],
      ["a path from the root to the leaf", { ...proof, path: path.toReversed() }, "grant.path"],
      ["no path", { ...proof, path: [] }, "grant.path"],
      ["a sibling of 31 bytes", { ...proof, path: path.with(0, path[0]!.slice(2)) }, "grant.path"],
      ["another leaf", { ...proof, leaf: leaf(1) }, "grant.path"],
      ["another place", { ...proof, position: 4 }, "grant.path"],
      [
        "a place beyond the tree with the same low bits",
        { ...proof, position: 1029 },
        "grant.path",
      ],
      ["a path one too long", { ...proof, path: [...path, path[0]!] }, "grant.path"],
      ["a path one too short", { ...proof, path: path.slice(0, 9) }, "grant.path"],
      [
        "two siblings exchanged",
        { ...proof, path: [path[1]!, path[0]!, ...path.slice(2)] },
        "grant.path",
      ],
      [
        "an inner node as a leaf",
        (() => {
          const parent = sha256(Uint8Array.of(1), decodeHex(path[0]!), decodeHex(leaf(0)))
          return { ...proof, leaf: encodeHex(parent), position: 2, path: path.slice(1) }
        })(),
        "grant.path",
      ],
    ],
  }
}

export const grantTree: Format = { run, cases }
