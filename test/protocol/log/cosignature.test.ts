import { describe, expect, test } from "vitest"
import { concat, encodeHex, u64be, utf8 } from "../../../protocol/encoding.ts"
import { formatCheckpoint, signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import {
  cosignatureMessage,
  countWitnesses,
  signCosignature,
  verifyCosignature,
} from "../../../protocol/log/cosignature.ts"
import { subtreeMessage } from "../../../protocol/log/cosigned-message.ts"
import { emptyRoot } from "../../../protocol/log/merkle.ts"
import {
  formatNote,
  type NoteSignature,
  parseNote,
  signNote,
  signText,
  verifierKey,
} from "../../../protocol/log/note.ts"
import { cosigned, flipBit, logSigners, origin, refused, signer, witness } from "./keys.ts"

const checkpoint = { origin, size: 258, root: emptyRoot }
const text = formatCheckpoint(checkpoint)
const note = await signCheckpoint(checkpoint, logSigners)
const [w1, w2, w3] = [witness("w1.example"), witness("w2.example"), witness("w3.example")]

function withLines(...added: readonly NoteSignature[]): string {
  const { signatures } = parseNote(note)
  return formatNote(text, [...signatures, ...added])
}

describe("signed messages of C2SP tlog-cosignature", () => {
  test("Ed25519: a header, the time, the note text", () => {
    const message = new TextDecoder().decode(cosignatureMessage(1679315147, text))
    expect(message).toBe(`cosignature/v1\ntime 1679315147\n${text}`)
  })

  test("ML-DSA-44: label, name, time, origin, the subtree from 0 to the size, its root", () => {
    const fields = [
      "737562747265652f76310a00", // "subtree/v1\n\0"
      "02",
      "7731", // "w1"
      "000000006418504b", // 1679315019
      "03",
      "6c6f67", // "log"
      "0000000000000000",
      "0000000000000102", // 258
      encodeHex(emptyRoot),
    ]
    const message = subtreeMessage("w1", 0x6418504b, { ...checkpoint, origin: "log" })
    expect(encodeHex(message)).toBe(fields.join(""))
  })
})

describe("cosignature", () => {
  test.each([0, 1] as const)("what is signed verifies and gives its time (%d)", async (at) => {
    const cosigner = w1.signers[at]
    const line = await signCosignature(note, 1_790_000_000, cosigner)
    const key = verifierKey(cosigner.name, cosigner.algorithm, cosigner.publicKey)
    expect(verifyCosignature(withLines(line), key)).toEqual({ timestamp: 1_790_000_000 })
  })

  test("missing, spoilt, moved to another checkpoint or another time is invalid", async () => {
    for (const cosigner of w1.signers) {
      const key = verifierKey(cosigner.name, cosigner.algorithm, cosigner.publicKey)
      const invalid = refused("cosignature.invalid")
      expect(() => verifyCosignature(note, key)).toThrow(invalid)
      const line = await signCosignature(note, 1000, cosigner)
      for (const bit of [7, 63, 64, 200, 8 * line.signature.length - 1]) {
        const spoilt = { ...line, signature: flipBit(line.signature, bit) }
        expect(() => verifyCosignature(withLines(spoilt), key)).toThrow(invalid)
      }
      for (const signature of [line.signature.slice(0, 7), line.signature.slice(0, -1)])
        expect(() => verifyCosignature(withLines({ ...line, signature }), key)).toThrow(invalid)
      const other = formatNote(text.replace("258", "259"), [line])
      expect(() => verifyCosignature(other, key)).toThrow(invalid)
    }
  })

  test("a time beyond 2⁵³ is invalid, not another number", async () => {
    const [ed25519] = w1.signers
    const far = 2n ** 53n + 1n
    const signature = await ed25519.sign(utf8(`cosignature/v1\ntime ${far}\n${text}`))
    const stamp = new Uint8Array(8)
    new DataView(stamp.buffer).setBigUint64(0, far)
    const key = verifierKey(ed25519.name, 0x04, ed25519.publicKey)
    const line = { name: key.name, keyId: key.keyId, signature: concat(stamp, signature) }
    expect(() => verifyCosignature(withLines(line), key)).toThrow(refused("cosignature.invalid"))
  })

  test("a key that does not cosign, a note without checkpoint: refused as such", async () => {
    const plain = signer("w", 0x01)
    const key = verifierKey("w", 0x01, plain.publicKey)
    expect(() => verifyCosignature(note, key)).toThrow(refused("vkey.malformed"))
    await expect(signCosignature(note, 1, plain)).rejects.toThrow(TypeError)
    await expect(signCosignature(note, 0, w1.signers[1])).rejects.toThrow(RangeError)
    const other = await signNote("hello\n", [plain])
    const cosigner = verifierKey(w1.name, 0x04, w1.ed25519)
    expect(() => verifyCosignature(other, cosigner)).toThrow(refused("checkpoint.malformed"))
    await expect(signCosignature(other, 1, w1.signers[0])).rejects.toThrow(
      refused("checkpoint.malformed"),
    )
  })
})

describe("counting witnesses", () => {
  test("a witness counts with both algorithms, at the later of its times", async () => {
    const first = await cosigned(note, [w1.signers[0]], 1000)
    const second = await cosigned(first, [w1.signers[1]], 1060)
    const third = await cosigned(second, w2.signers, 900)
    expect(countWitnesses(third, [w1, w2, w3])).toEqual([
      { name: "w1.example", timestamp: 1060 },
      { name: "w2.example", timestamp: 900 },
    ])
    expect(countWitnesses(note, [w1, w2, w3])).toEqual([])
  })

  test("one algorithm alone does not count", async () => {
    for (const one of w1.signers)
      expect(countWitnesses(await cosigned(note, [one], 1000), [w1])).toEqual([])
  })

  test("a spoilt line only fails to count", async () => {
    const lines = await Promise.all(
      [...w1.signers, ...w2.signers].map((s) => signText(text, s, 1000)),
    )
    for (const at of [0, 1]) {
      const line = lines[at]!
      const spoilt = lines.with(at, { ...line, signature: flipBit(line.signature, 90) })
      const counted = countWitnesses(withLines(...spoilt), [w1, w2])
      expect(counted.map(({ name }) => name)).toEqual(["w2.example"])
    }
  })

  test("an ML-DSA-44 cosignature without a time is no witness's", async () => {
    const timed = await signText(text, w1.signers[0], 1000)
    const timeless = await signText(text, w1.signers[1], 0)
    expect(timeless.signature.slice(0, 8)).toEqual(u64be(0))
    expect(countWitnesses(withLines(timed, timeless), [w1])).toEqual([])
  })

  test("one witness named twice, or one key under two names, has one vote", async () => {
    const seen = await cosigned(note, w1.signers, 1000)
    expect(countWitnesses(seen, [w1, w1]).length).toBe(1)
    // Ed25519 cosignatures do not commit to the name, so the thief of a vote need only rename.
    const renamed = w1.signers.map((s) => ({ ...s, name: "w9.example" }))
    const both = await cosigned(seen, renamed, 1000)
    expect(countWitnesses(both, [w1, { ...w1, name: "w9.example" }]).length).toBe(1)
  })

  test("the log is not its own witness", () => {
    const self = {
      name: origin,
      ed25519: logSigners[0].publicKey,
      mldsa44: logSigners[1].publicKey,
    }
    expect(countWitnesses(note, [self])).toEqual([])
  })
})
