import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { concat, encodeBase64, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { limits } from "../../../protocol/limits.ts"
import { formatCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { emptyRoot } from "../../../protocol/log/merkle.ts"
import {
  formatNote,
  formatSignatures,
  formatVkey,
  isSignedBy,
  keyId,
  openNote,
  parseNote,
  parseSignatures,
  parseVkey,
  signNote,
  signText,
  verifierKey,
} from "../../../protocol/log/note.ts"
import { flipBit, logSigners, origin, refused, runs, signer } from "./keys.ts"

const alice = signer("alice.example/log", 0x01)
const bob = signer("bob.example/log", 0x01)
const aliceKey = verifierKey(alice.name, 0x01, alice.publicKey)
const bobKey = verifierKey(bob.name, 0x01, bob.publicKey)
const text = "A note.\n\nIts second paragraph.\n"

describe("verifier key", () => {
  test.each([0x01, 0x04, 0x06] as const)("parse inverts format for algorithm %d", (algorithm) => {
    const { name, publicKey } = signer("witness.example/w1", algorithm)
    const vkey = formatVkey(name, algorithm, publicKey)
    expect(parseVkey(vkey)).toEqual(verifierKey(name, algorithm, publicKey))
  })

  test("one key under another name or algorithm has another id", () => {
    const ids = [
      keyId("a", 0x01, alice.publicKey),
      keyId("b", 0x01, alice.publicKey),
      keyId("a", 0x04, alice.publicKey),
    ].map(encodeHex)
    expect(new Set(ids).size).toBe(3)
  })

  const vkey = formatVkey("alice", 0x01, alice.publicKey)
  const [, id = "", material = ""] = vkey.split(/\+(.{8})\+/)
  const other = encodeHex(keyId("alic", 0x01, alice.publicKey))
  const ecdsa = encodeBase64(concat(Uint8Array.of(2), alice.publicKey))
  const spaced = encodeHex(keyId("al ice", 0x01, alice.publicKey))
  test.each([
    ["empty", ""],
    ["no parts", "alice"],
    ["id in capitals", `alice+${id.toUpperCase()}+${material}`],
    ["another key's id", `alice+${other}+${material}`],
    ["a name that the id is not for", `alic+${id}+${material}`],
    ["a name with a space", `al ice+${spaced}+${material}`],
    ["an empty name", `+${id}+${material}`],
    ["a newline behind", `${vkey}\n`],
    ["another algorithm", `alice+${id}+${ecdsa}`],
    ["a key cut short", `alice+${id}+${encodeBase64(alice.publicKey)}`],
    ["base64 cut short", vkey.slice(0, -1)],
    ["no end", `alice+${id}+${material.repeat(200)}`],
  ])("%s is refused", (_name, bad) => {
    expect(bad).not.toBe(vkey)
    expect(() => parseVkey(bad)).toThrow(refused("vkey.malformed"))
  })

  test("a key of small order is refused before it verifies anything", () => {
    const weak = new Uint8Array(32)
    weak[0] = 1
    for (const algorithm of [0x01, 0x04] as const)
      expect(() => parseVkey(formatVkey("weak", algorithm, weak))).toThrow(refused("key.weak"))
  })

  test("names that no note can hold are our mistake", () => {
    for (const name of ["", "a b", "a+b", "a\u00a0b", "a\u2003b", "a\u0085b", "a\0", "\ud800"])
      expect(() => verifierKey(name, 0x01, alice.publicKey)).toThrow(TypeError)
    const { publicKey } = logSigners[1]
    expect(() => verifierKey("n".repeat(256), 0x06, publicKey)).toThrow(TypeError)
  })
})

describe("note", () => {
  test("parse inverts format", () => {
    const line = fc.string({ unit: "grapheme" }).map((s) => s.replace(/[\0-\x1f]/g, ""))
    const name = fc.stringMatching(/^[a-z0-9./:-]{1,40}$/)
    const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max })
    const signature = fc.record({ name, keyId: bytes(4, 4), signature: bytes(1, 80) })
    const signatures = fc.uniqueArray(signature, {
      minLength: 1,
      maxLength: 16,
      selector: ({ name, keyId }) => `${name} ${encodeHex(keyId)}`,
    })
    fc.assert(
      fc.property(fc.array(line), signatures, (lines, lineSignatures) => {
        const body = `${lines.join("\n")}\n`
        const parsed = parseNote(formatNote(body, lineSignatures))
        expect(parsed).toEqual({ text: body, signatures: lineSignatures })
      }),
      runs,
    )
  })

  test("the text ends at the last empty line", async () => {
    const note = await signNote("a\n\n— b c\n\n", [alice])
    expect(parseNote(note).text).toBe("a\n\n— b c\n\n")
  })

  test("each form that is no note is refused", async () => {
    const note = await signNote(text, [alice])
    const [line = ""] = note.split("\n\n").slice(-1)
    const many = Array.from({ length: limits.noteSignatures + 1 }, (_, i) =>
      line.replace("alice", `alice${i}`),
    )
    expect(parseNote(`a\n\n${many.slice(1).join("")}`).signatures.length).toBe(many.length - 1)
    for (const bad of [
      "",
      "\n\n",
      text,
      "no signature\n\n",
      note.slice(0, -1),
      `${note}\n`,
      note.replace("\n\n— ", "\n— "),
      `${note}${line}`,
      `a\n\n${many.join("")}`,
      `\t${note}`,
      `\r${note}`,
      `\0${note}`,
      `\ud800${note}`,
      note.replace("— ", "- "),
      note.replace("— ", "—  "),
      note.replace("alice.example/log", ""),
      note.replace("alice", "al+ice"),
      note.replace("alice", "al\u2003ice"),
      note.replace(/=\n$/, "\n"),
      note.replace(/\n$/, " \n"),
      "a\n\n— alice AAAAAA==\n",
      "a\n\n— alice \n",
      "a\n\n— alice\n",
      `${"a".repeat(limits.noteBytes)}${note}`,
      `${"é".repeat(limits.noteBytes / 2)}${note}`,
    ]) {
      expect(() => parseNote(bad), JSON.stringify(bad.slice(0, 80))).toThrow(
        refused("note.malformed"),
      )
    }
    expect(() => formatNote("no newline", parseNote(note).signatures)).toThrow(
      refused("note.malformed"),
    )
    expect(() => formatNote(text, [])).toThrow(refused("note.malformed"))
  })

  test("signature lines read back by themselves, as a witness answers", async () => {
    const { signatures } = parseNote(await signNote(text, [alice, bob]))
    expect(parseSignatures(formatSignatures(signatures))).toEqual(signatures)
    expect(() => parseSignatures("")).toThrow(refused("note.malformed"))
    expect(() => parseSignatures(`\n${formatSignatures(signatures)}`)).toThrow(
      refused("note.malformed"),
    )
  })
})

describe("opening", () => {
  test("verified keys and lines of unknown keys come back apart", async () => {
    const note = await signNote(text, [alice, bob])
    const both = openNote(note, [bobKey, aliceKey])
    expect(both).toEqual({ text, verified: [aliceKey, bobKey], unverified: [] })
    const one = openNote(note, [bobKey])
    expect(one.verified).toEqual([bobKey])
    expect(one.unverified.map(({ name }) => name)).toEqual([alice.name])
  })

  test("a note that no given key signed is refused", async () => {
    const note = await signNote(text, [alice])
    expect(() => openNote(note, [])).toThrow(refused("note.unverified"))
    expect(() => openNote(note, [bobKey])).toThrow(refused("note.unverified"))
  })

  test("one failing line of a known key refuses the note, though another verifies", async () => {
    const { signatures } = parseNote(await signNote(text, [alice, bob]))
    const [first, second] = signatures
    expect.assert(first !== undefined && second !== undefined)
    const spoilt = { ...second, signature: flipBit(second.signature, 9) }
    const note = formatNote(text, [first, spoilt])
    expect(() => openNote(note, [aliceKey, bobKey])).toThrow(refused("note.unverified"))
    expect(openNote(note, [aliceKey]).verified).toEqual([aliceKey])
  })

  test("a name or an id alone does not make a line that of a known key", async () => {
    const { signatures } = parseNote(await signNote(text, [alice]))
    const line = signatures[0]!
    for (const other of [
      { ...line, name: "mallory.example" },
      { ...line, keyId: bobKey.keyId },
    ]) {
      const note = formatNote(text, [other, line])
      expect(openNote(note, [aliceKey]).unverified).toEqual([other])
    }
  })

  test("any changed bit of the text is refused", async () => {
    const note = await signNote("one line\n", [alice])
    const bytes = utf8(note)
    for (let bit = 0; bit < 8 * 8; bit++) {
      const changed = new TextDecoder().decode(flipBit(bytes, bit))
      expect(() => openNote(changed, [aliceKey])).toThrow(/note\.(unverified|malformed)/)
    }
  })

  test("a key given twice is refused", async () => {
    const note = await signNote(text, [alice])
    expect(() => openNote(note, [aliceKey, aliceKey])).toThrow(refused("vkey.malformed"))
  })
})

describe("algorithms", () => {
  const checkpoint = formatCheckpoint({ origin, size: 7, root: emptyRoot })
  const cosigner = signer("witness.example/w1", 0x04)

  test("a signature of one algorithm is none of another, though the key bytes are the same", async () => {
    const plain = signer("w", 0x01, "same")
    const cosigning = { ...plain, algorithm: 0x04 as const }
    const signature = (await signText(checkpoint, plain, 0)).signature
    const cosignature = (await signText(checkpoint, cosigning, 5)).signature
    const plainKey = verifierKey("w", 0x01, plain.publicKey)
    const cosigningKey = verifierKey("w", 0x04, plain.publicKey)
    expect(isSignedBy(plainKey, checkpoint, signature)).toBe(true)
    expect(isSignedBy(cosigningKey, checkpoint, cosignature)).toBe(true)
    expect(isSignedBy(plainKey, checkpoint, cosignature)).toBe(false)
    expect(isSignedBy(plainKey, checkpoint, cosignature.slice(8))).toBe(false)
    expect(isSignedBy(cosigningKey, checkpoint, signature)).toBe(false)
  })

  test("a log's ML-DSA-44 signature states no time", async () => {
    const { signature } = await signText(checkpoint, logSigners[1], 0)
    expect(signature.length).toBe(8 + 2420)
    expect(signature.slice(0, 8)).toEqual(new Uint8Array(8))
    const key = verifierKey(origin, 0x06, logSigners[1].publicKey)
    expect(isSignedBy(key, checkpoint, signature)).toBe(true)
    for (const bit of [0, 63, 64, 8 * 2427])
      expect(isSignedBy(key, checkpoint, flipBit(signature, bit))).toBe(false)
    expect(isSignedBy({ ...key, name: "other" }, checkpoint, signature)).toBe(false)
    const { publicKey } = signer(origin, 0x06, "other")
    expect(isSignedBy({ ...key, publicKey }, checkpoint, signature)).toBe(false)
    expect(isSignedBy(key, checkpoint.replace("\n7\n", "\n8\n"), signature)).toBe(false)
  })

  test("cosignatures are over checkpoints only", async () => {
    for (const s of [cosigner, logSigners[1]]) {
      await expect(signText(text, s, 1)).rejects.toThrow(TypeError)
      const key = verifierKey(s.name, s.algorithm, s.publicKey)
      const { signature } = await signText(checkpoint, s, 1)
      expect(isSignedBy(key, checkpoint, signature)).toBe(true)
      expect(isSignedBy(key, `${checkpoint}extension\n`, signature)).toBe(false)
    }
  })

  test("times are where they belong, or it is our mistake", async () => {
    await expect(signText(checkpoint, cosigner, 0)).rejects.toThrow(TypeError)
    await expect(signText(text, alice, 1)).rejects.toThrow(TypeError)
    await expect(signText(checkpoint, cosigner, 1.5)).rejects.toThrow(RangeError)
    await expect(signText(checkpoint, cosigner, 2 ** 53)).rejects.toThrow(RangeError)
  })

  test("an origin too long for the ML-DSA-44 message verifies nothing, and does not throw", async () => {
    const long = formatCheckpoint({ origin: "o".repeat(256), size: 7, root: emptyRoot })
    const key = verifierKey(origin, 0x06, logSigners[1].publicKey)
    expect(isSignedBy(key, long, new Uint8Array(2428))).toBe(false)
    await expect(signText(long, logSigners[1], 0)).rejects.toThrow(RangeError)
  })
})
