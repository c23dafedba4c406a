import { encodeHex } from "../../protocol/encoding.ts"
import { parseCheckpoint } from "../../protocol/log/checkpoint.ts"
import { appendLeaves, emptyRange, rangeRoot } from "../../protocol/log/compact-range.ts"
import { verifyCosignature } from "../../protocol/log/cosignature.ts"
import { checkConsistency, checkInclusion, leafHash } from "../../protocol/log/merkle.ts"
import { openNote, parseVkey } from "../../protocol/log/note.ts"
import { verifyTlogProof } from "../../protocol/log/tlog-proof.ts"
import { parseWitnessPolicy } from "../../protocol/log/witness-policy.ts"
import {
  bytesField,
  bytesListField,
  malformed,
  type Op,
  type OpInput,
  textField,
} from "./fields.ts"

export const logOps = {
  "merkle.inclusion": (input) =>
    checkInclusion({
      leafIndex: numberField(input, "leafIndex"),
      treeSize: numberField(input, "treeSize"),
      leafHash: bytesField(input, "leafHash"),
      root: bytesField(input, "root"),
      proof: bytesListField(input, "proof"),
    }),

  "merkle.consistency": (input) =>
    checkConsistency({
      size1: numberField(input, "size1"),
      size2: numberField(input, "size2"),
      root1: bytesField(input, "root1"),
      root2: bytesField(input, "root2"),
      proof: bytesListField(input, "proof"),
    }),

  "merkle.root": (input) => {
    const leaves = bytesListField(input, "leaves").map(leafHash)
    return encodeHex(rangeRoot(appendLeaves(emptyRange, leaves)))
  },

  "note.open": (input) => {
    const keys = textListField(input, "vkeys").map(parseVkey)
    const { text, verified } = openNote(textField(input, "text"), keys)
    return { text, names: verified.map(({ name }) => name) }
  },

  "checkpoint.parse": (input) => {
    const { origin, size, root } = parseCheckpoint(textField(input, "text"))
    return { origin, size, root: encodeHex(root) }
  },

  "cosignature.verify": (input) =>
    verifyCosignature(textField(input, "text"), parseVkey(textField(input, "vkey"))),

  "tlogproof.verify": (input) => {
    const policy = parseWitnessPolicy(textField(input, "policy"))
    return verifyTlogProof(textField(input, "text"), bytesField(input, "leafHash"), policy)
  },
} satisfies Record<string, Op>

function textListField(input: OpInput, name: string): readonly string[] {
  const list = input[name]
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) throw malformed(name)
  return list
}

/** Any number: what is no size is a false claim, not an ill-typed one. */
function numberField(input: OpInput, name: string): number {
  const value = input[name]
  if (typeof value !== "number") throw malformed(name)
  return value
}
