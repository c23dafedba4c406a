import { describe, expect, test } from "vitest"
import { logOps } from "../../../cli/conform/log.ts"
import { encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { leafHash, proveInclusion, treeRoot } from "../../../protocol/log/merkle.ts"
import { formatVkey, type NoteSigner } from "../../../protocol/log/note.ts"
import { formatTlogProof } from "../../../protocol/log/tlog-proof.ts"
import { cosigned, logSigners, origin, refused, witness } from "../../protocol/log/keys.ts"

const vkey = ({ name, algorithm, publicKey }: NoteSigner) => formatVkey(name, algorithm, publicKey)

describe("conform over logs", async () => {
  const leaves = ["one", "two", "three"].map((entry) => leafHash(utf8(entry)))
  const root = treeRoot(leaves)
  const w1 = witness("w1.example")
  const bare = await signCheckpoint({ origin, size: 3, root }, logSigners)
  const note = await cosigned(bare, w1.signers, 1000)

  test("a note opens to its text and the names that verified", () => {
    const text = bare.slice(0, bare.indexOf("\n\n") + 1)
    const vkeys = logSigners.map(vkey)
    expect(logOps["note.open"]({ text: note, vkeys })).toEqual({ text, names: [origin, origin] })
    expect(logOps["checkpoint.parse"]({ text })).toEqual({ origin, size: 3, root: encodeHex(root) })
  })

  test("cosignatures of both algorithms give their time", () => {
    for (const cosigner of w1.signers) {
      const input = { text: note, vkey: vkey(cosigner) }
      expect(logOps["cosignature.verify"](input)).toEqual({ timestamp: 1000 })
      expect(() => logOps["cosignature.verify"]({ ...input, text: bare })).toThrow(
        refused("cosignature.invalid"),
      )
    }
  })

  test("a tlog-proof is judged under its policy", () => {
    const text = formatTlogProof({ index: 1, proof: proveInclusion(leaves, 1), checkpoint: note })
    const log = `log ${vkey(logSigners[0])}\n`
    const policy = `${log}witness w1 ${vkey(w1.signers[1])}\nquorum w1\n`
    const verify = logOps["tlogproof.verify"]
    expect(verify({ text, leafHash: encodeHex(leaves[1]!), policy })).toBe(true)
    expect(verify({ text, leafHash: encodeHex(leaves[0]!), policy })).toBe(false)
    expect(() => verify({ text, leafHash: "", policy: "" })).toThrow(refused("policy.malformed"))
  })

  test("the root of no leaves is that of the empty tree", () => {
    const { "merkle.root": merkleRoot } = logOps
    expect(merkleRoot({ leaves: [] })).toBe(encodeHex(treeRoot([])))
  })

  test("ill-typed fields are refused as such", () => {
    for (const op of Object.values(logOps)) expect(() => op({})).toThrow(refused("op.malformed"))
    for (const vkeys of [undefined, "", [1], {}])
      expect(() => logOps["note.open"]({ text: note, vkeys })).toThrow(refused("op.malformed"))
  })
})
