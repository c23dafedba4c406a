import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeBase64 } from "../../../protocol/encoding.ts"
import {
  formatCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
  verifyCheckpointStrict,
} from "../../../protocol/log/checkpoint.ts"
import { emptyRoot } from "../../../protocol/log/merkle.ts"
import { formatNote, parseNote, signNote, signText } from "../../../protocol/log/note.ts"
import {
  cosigned,
  flipBit,
  logKey,
  logSigners,
  origin,
  refused,
  runs,
  signer,
  witness,
} from "./keys.ts"

const checkpoint = { origin, size: 7, root: emptyRoot }
const text = formatCheckpoint(checkpoint)
const expected = { origin, logKey }

describe("checkpoint", () => {
  test("parse inverts format", () => {
    const originText = fc
      .string({ unit: "binary", minLength: 1 })
      .map((s) => s.replaceAll("\n", "x"))
    const root = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(originText, fc.maxSafeNat(), root, (o, size, r) => {
        const c = { origin: o, size, root: r }
        expect(parseCheckpoint(formatCheckpoint(c))).toEqual(c)
      }),
      runs,
    )
  })

  const root = encodeBase64(emptyRoot)
  test.each([
    ["empty", ""],
    ["no origin", `\n7\n${root}\n`],
    ["no size", `${origin}\n\n${root}\n`],
    ["two lines", `${origin}\n7\n`],
    ["no last newline", `${origin}\n7\n${root}`],
    ["an extension line", `${origin}\n7\n${root}\nextension\n`],
    ["an empty line behind", `${origin}\n7\n${root}\n\n`],
    ["leading zero", `${origin}\n07\n${root}\n`],
    ["sign", `${origin}\n+7\n${root}\n`],
    ["negative", `${origin}\n-7\n${root}\n`],
    ["negative zero", `${origin}\n-0\n${root}\n`],
    ["exponent", `${origin}\n7e3\n${root}\n`],
    ["hexadecimal", `${origin}\n0x7\n${root}\n`],
    ["space", `${origin}\n 7\n${root}\n`],
    ["fraction", `${origin}\n7.5\n${root}\n`],
    ["beyond 2⁵³", `${origin}\n9007199254740992\n${root}\n`],
    ["carriage returns", `${origin}\r\n7\r\n${root}\r\n`],
    ["root of 31 bytes", `${origin}\n7\n${encodeBase64(emptyRoot.slice(1))}\n`],
    ["root with stray bits", `${origin}\n7\n${root.replace(/.=$/, "V=")}\n`],
    ["root in base64url", `${origin}\n7\n${root.replaceAll("/", "_").replaceAll("+", "-")}\n`],
  ])("%s is refused", (_name, bad) => {
    expect(() => parseCheckpoint(bad)).toThrow(refused("checkpoint.malformed"))
  })
})

describe("signed checkpoint", async () => {
  const note = await signCheckpoint(checkpoint, logSigners)

  test("both signatures of the log verify, and all lines come back", () => {
    const verified = verifyCheckpoint(note, expected)
    expect(verified.checkpoint).toEqual(checkpoint)
    expect(verified.signatures.map(({ name }) => name)).toEqual([origin, origin])
  })

  test("one signature of the log is not enough", async () => {
    for (const one of logSigners) {
      const half = await signNote(text, [one])
      expect(() => verifyCheckpoint(half, expected)).toThrow(refused("checkpoint.unverified"))
    }
  })

  test("a signature by another key under the log's name is not the log's", async () => {
    const forger = signer(origin, 0x06, "forger")
    const forged = await signNote(text, [logSigners[0], forger])
    expect(() => verifyCheckpoint(forged, expected)).toThrow(refused("checkpoint.unverified"))
  })

  test("a changed bit in either signature is refused", () => {
    const { signatures } = parseNote(note)
    for (const [at, line] of signatures.entries())
      for (const bit of [0, 100, 8 * line.signature.length - 1]) {
        const changed = { ...line, signature: flipBit(line.signature, bit) }
        const bad = formatNote(text, signatures.with(at, changed))
        expect(() => verifyCheckpoint(bad, expected)).toThrow(refused("checkpoint.unverified"))
      }
  })

  test("the checkpoint of another log, epoch or network is refused as such", () => {
    for (const other of [
      origin.replace("training", "operational"),
      origin.replace(/1$/, "2"),
      origin.replace("ab", "cd"),
    ])
      expect(() => verifyCheckpoint(note, { origin: other, logKey })).toThrow(
        refused("checkpoint.origin"),
      )
  })

  test("a note that is no checkpoint is refused as such", async () => {
    const other = await signNote("hello\n", [logSigners[0]])
    expect(() => verifyCheckpoint(other, expected)).toThrow(refused("checkpoint.malformed"))
    expect(() => verifyCheckpoint(text, expected)).toThrow(refused("note.malformed"))
  })

  test("a log signs with both algorithms, under its origin, a checkpoint that reads back", async () => {
    const [ed25519, mldsa44] = logSigners
    await expect(signCheckpoint(checkpoint, [ed25519])).rejects.toThrow(TypeError)
    await expect(signCheckpoint(checkpoint, [ed25519, ed25519])).rejects.toThrow(TypeError)
    const other = { ...mldsa44, name: "other" }
    await expect(signCheckpoint(checkpoint, [ed25519, other])).rejects.toThrow(TypeError)
    const bad = { ...checkpoint, size: -1 }
    await expect(signCheckpoint(bad, logSigners)).rejects.toThrow(refused("checkpoint.malformed"))
  })
})

describe("checkpoint in evidence", async () => {
  const witnesses = [witness("w1.example"), witness("w2.example")]
  const named = { ...expected, witnesses }
  const note = await signCheckpoint(checkpoint, logSigners)
  const seen = await cosigned(note, witnesses[0]!.signers, 1000)

  test("lines of the log and of named witnesses are all there may be", () => {
    expect(verifyCheckpointStrict(note, named)).toEqual({ checkpoint, witnesses: [] })
    const counted = [{ name: "w1.example", timestamp: 1000 }]
    expect(verifyCheckpointStrict(seen, named)).toEqual({ checkpoint, witnesses: counted })
  })

  test("a line of an unnamed witness is superfluous", () => {
    const fewer = { ...expected, witnesses: witnesses.slice(1) }
    expect(() => verifyCheckpointStrict(seen, fewer)).toThrow(refused("note.unverified"))
  })

  test("a line of a named witness that fails refuses the file", async () => {
    const { signatures } = parseNote(seen)
    const { signature, ...line } = await signText(text, witnesses[1]!.signers[0], 1000)
    const spoilt = { ...line, signature: flipBit(signature, 77) }
    const bad = formatNote(text, [...signatures, spoilt])
    expect(() => verifyCheckpointStrict(bad, named)).toThrow(refused("note.unverified"))
    expect(verifyCheckpoint(bad, expected).checkpoint).toEqual(checkpoint)
  })
})
