import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeBase64 } from "../../../protocol/encoding.ts"
import { formatCheckpoint, signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { proveInclusion, treeRoot } from "../../../protocol/log/merkle.ts"
import { formatNote, formatVkey, parseNote } from "../../../protocol/log/note.ts"
import {
  formatTlogProof,
  parseTlogProof,
  verifyTlogProof,
} from "../../../protocol/log/tlog-proof.ts"
import { parseWitnessPolicy } from "../../../protocol/log/witness-policy.ts"
import { cosigned, flipBit, leaves, logSigners, origin, refused, runs, witness } from "./keys.ts"

const [w1, w2] = [witness("w1.example"), witness("w2.example")]
const checkpoint = { origin, size: 300, root: treeRoot(leaves) }
const bare = await signCheckpoint(checkpoint, logSigners)
const seen = await cosigned(bare, [...w1.signers, ...w2.signers], 1000)
const index = 200
const leafHash = leaves[index]!
const proof = proveInclusion(leaves, index)
const text = formatTlogProof({ index, proof, checkpoint: seen })

const vkeyOf = ({ name, algorithm, publicKey }: (typeof logSigners)[number]) =>
  formatVkey(name, algorithm, publicKey)
const logLines = logSigners.map((s) => `log ${vkeyOf(s)}\n`).join("")
const witnessLines = `witness w1 ${vkeyOf(w1.signers[1])}\nwitness w2 ${vkeyOf(w2.signers[0])}\n`
const policy = parseWitnessPolicy(`${logLines}${witnessLines}group both all w1 w2\nquorum both\n`)

describe("tlog-proof", () => {
  test("has the lines of the specification", () => {
    const lines = text.split("\n")
    expect(lines[0]).toBe("c2sp.org/tlog-proof@v1")
    expect(lines[1]).toBe("index 200")
    expect(lines[2]).toBe(encodeBase64(proof[0]!))
    expect(lines[2 + proof.length]).toBe("")
    expect(lines.slice(3 + proof.length).join("\n")).toBe(seen)
  })

  test("parse inverts format", () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const value = fc.record(
      {
        extra: fc.uint8Array({ minLength: 1, maxLength: 99 }),
        index: fc.maxSafeNat(),
        proof: fc.array(hash, { maxLength: 63 }),
        checkpoint: fc.constantFrom(bare, seen),
      },
      { requiredKeys: ["index", "proof", "checkpoint"] },
    )
    fc.assert(
      fc.property(value, (p) => {
        expect(parseTlogProof(formatTlogProof(p))).toEqual(p)
      }),
      runs,
    )
  })

  test.each([
    ["empty", ""],
    ["another version", text.replace("@v1", "@v2")],
    ["a space before", ` ${text}`],
    ["no index", text.replace("index 200\n", "")],
    ["leading zero", text.replace("index 200", "index 0200")],
    ["negative index", text.replace("index 200", "index -1")],
    ["index beyond 2⁵³", text.replace("index 200", "index 9007199254740993")],
    ["index in words", text.replace("index 200", "index ")],
    ["extra that is empty", text.replace("index", "extra \nindex")],
    ["extra that is no base64", text.replace("index", "extra A\nindex")],
    ["extra twice", text.replace("index", "extra AAAA\nextra AAAA\nindex")],
    ["extra behind the index", text.replace("index 200\n", "index 200\nextra AAAA\n")],
    ["a short hash", text.replace(encodeBase64(proof[0]!), encodeBase64(proof[0]!.slice(1)))],
    ["no empty line", text.replace("\n\n", "\n")],
    ["no checkpoint", text.slice(0, text.indexOf("\n\n") + 2)],
    ["an unsigned checkpoint", formatTlogProof({ index, proof, checkpoint: "a\n1\nb\n" })],
    ["64 hashes", formatTlogProof({ index, proof: leaves.slice(0, 64), checkpoint: seen })],
    ["100,000 hashes", text.replace("index 200\n", `index 200\n${"A\n".repeat(100_000)}`)],
    ["text behind", `${text}more`],
  ])("%s is refused", (_name, bad) => {
    expect(() => parseTlogProof(bad)).toThrow(refused("tlogproof.malformed"))
  })

  test("a signed note that is no checkpoint is refused", async () => {
    const { signatures } = parseNote(bare)
    const other = formatNote("a\nb\nc\n", signatures)
    expect(() => parseTlogProof(formatTlogProof({ index, proof, checkpoint: other }))).toThrow(
      refused("tlogproof.malformed"),
    )
  })
})

describe("verifying a tlog-proof", () => {
  const of = (changed: object) => formatTlogProof({ index, proof, checkpoint: seen, ...changed })

  test("leaf, log and quorum together are accepted, extra or not", () => {
    expect(verifyTlogProof(text, leafHash, policy)).toBe(true)
    expect(verifyTlogProof(of({ extra: Uint8Array.of(1) }), leafHash, policy)).toBe(true)
  })

  test("another leaf, index or path is not", () => {
    expect(verifyTlogProof(text, leaves[201]!, policy)).toBe(false)
    expect(verifyTlogProof(text, new Uint8Array(0), policy)).toBe(false)
    expect(verifyTlogProof(of({ index: 201 }), leafHash, policy)).toBe(false)
    expect(verifyTlogProof(of({ proof: proof.slice(1) }), leafHash, policy)).toBe(false)
    for (const [at, hash] of proof.entries()) {
      const changed = of({ proof: proof.with(at, flipBit(hash, 31)) })
      expect(verifyTlogProof(changed, leafHash, policy)).toBe(false)
    }
  })

  test("a log that the policy does not name is not", () => {
    const noLogs = parseWitnessPolicy(`${witnessLines}quorum w1\n`)
    expect(verifyTlogProof(text, leafHash, noLogs)).toBe(false)
    const renamed = logSigners.map((s) => `log ${vkeyOf({ ...s, name: "other.example" })}\n`)
    const other = parseWitnessPolicy(`${renamed.join("")}${witnessLines}quorum w1\n`)
    expect(verifyTlogProof(text, leafHash, other)).toBe(false)
  })

  test("a quorum missed by one witness is not", async () => {
    const one = await cosigned(bare, w1.signers, 1000)
    expect(verifyTlogProof(of({ checkpoint: one }), leafHash, policy)).toBe(false)
    expect(verifyTlogProof(of({ checkpoint: bare }), leafHash, policy)).toBe(false)
    const none = parseWitnessPolicy(`${logLines}quorum none\n`)
    expect(verifyTlogProof(of({ checkpoint: bare }), leafHash, none)).toBe(true)
  })

  test("cosignatures without the log's own signature are not", () => {
    const { text: body, signatures } = parseNote(seen)
    const unsigned = formatNote(body, signatures.slice(2))
    expect(verifyTlogProof(of({ checkpoint: unsigned }), leafHash, policy)).toBe(false)
  })

  test("a failing line by any key of the policy refuses the whole", () => {
    const { text: body, signatures } = parseNote(seen)
    const any = parseWitnessPolicy(`${logLines}${witnessLines}group g any w1 w2\nquorum g\n`)
    for (const [at, line] of signatures.entries()) {
      const isNamed = at < 2 || at === 3 || at === 4
      const spoilt = signatures.with(at, { ...line, signature: flipBit(line.signature, 99) })
      const checkpointNote = formatNote(body, spoilt)
      expect(verifyTlogProof(of({ checkpoint: checkpointNote }), leafHash, any)).toBe(!isNamed)
    }
  })

  test("a checkpoint of another tree is not", async () => {
    const body = formatCheckpoint({ ...checkpoint, size: 299 })
    const other = formatNote(body, parseNote(seen).signatures)
    expect(verifyTlogProof(of({ checkpoint: other }), leafHash, policy)).toBe(false)
  })
})
