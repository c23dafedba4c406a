import { createDecipheriv, hash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { chachaSeal } from "../../../protocol/crypto/aead.ts"
import { pad } from "../../../protocol/crypto/padding.ts"
import { openSealed, sealedSize, sealObject } from "../../../protocol/crypto/seal.ts"
import { concat, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { refusal, runs } from "../../support/refusal.ts"
import { flipBit, seededRandom } from "../../support/world.ts"

const random = seededRandom("sealed objects")
const key = random(32)
const chunk = 65_536
const tag = 16
const code = (sealed: Uint8Array, contentKey = key, object = 0) =>
  refusal(() => openSealed(contentKey, object, sealed))

/** PROTOCOL.md §3 read literally, by another library. */
function openByTheBook(contentKey: Uint8Array, object: number, sealed: Uint8Array): Buffer {
  const index = Buffer.alloc(4)
  index.writeUInt32BE(object)
  const derived = Buffer.from(
    hash("sha512", Buffer.concat([Buffer.from("comity-1/seal\0"), contentKey, index])),
    "hex",
  )
  expect(encodeHex(sealed.subarray(0, 32))).toBe(derived.toString("hex", 32))
  const parts: Buffer[] = []
  for (let at = 32, i = 0; at < sealed.length; at += chunk + tag, i++) {
    const sealedChunk = sealed.subarray(at, at + chunk + tag)
    const nonce = Buffer.alloc(12)
    nonce.writeUInt32BE(i, 7)
    nonce[11] = at + chunk + tag >= sealed.length ? 1 : 0
    const options = { authTagLength: tag }
    const cipher = createDecipheriv("chacha20-poly1305", derived.subarray(0, 32), nonce, options)
    cipher.setAuthTag(sealedChunk.subarray(-tag))
    parts.push(Buffer.concat([cipher.update(sealedChunk.subarray(0, -tag)), cipher.final()]))
  }
  const padded = Buffer.concat(parts)
  return padded.subarray(8, 8 + Number(padded.readBigUInt64BE()))
}

describe("a sealed object", () => {
  const lengths = fc.oneof(fc.nat(5000), fc.constantFrom(65_528, 65_529, 131_064, 262_136, 262_137))

  test("opens to what was sealed, in its announced size, as another library reads it", () => {
    fc.assert(
      fc.property(lengths, fc.nat(64), (length, object) => {
        const plaintext = seededRandom(`${length}`)(length)
        const sealed = sealObject(key, object, plaintext)
        expect(sealed.length).toBe(sealedSize(length))
        expect(encodeHex(openSealed(key, object, sealed))).toBe(encodeHex(plaintext))
        expect(openByTheBook(key, object, sealed).toString("hex")).toBe(encodeHex(plaintext))
      }),
      runs,
    )
  })

  test("has one text: no other key, no other object number opens it, before anything is decrypted", () => {
    const sealed = sealObject(key, 3, utf8("one text"))
    for (let bit = 0; bit < 256; bit += 7)
      expect(code(sealed, flipBit(key, bit), 3)).toBe("sealed.uncommitted")
    for (const object of [0, 1, 2, 4, 0xffffffff])
      expect(code(sealed, key, object)).toBe("sealed.uncommitted")
  })

  test("whose chunks were made under another key does not open under the commitment that covers it", () => {
    // What a cipher without commitment allows: chunks that are good for somebody else.
    const other = sealObject(random(32), 0, utf8("another text"))
    const own = sealObject(key, 0, utf8("one text"))
    expect(code(concat(own.subarray(0, 32), other.subarray(32)))).toBe("sealed.unopenable")
  })

  test("that ends at any other byte than its last is refused", () => {
    const small = sealObject(key, 0, utf8("small"))
    for (let end = 0; end < small.length; end += end < 80 ? 1 : 101)
      expect(code(small.subarray(0, end)), `${end}`).toMatch(/^sealed\.(malformed|unopenable)$/)
    const large = sealObject(key, 0, new Uint8Array(3 * chunk))
    for (let chunks = 0; chunks * (chunk + tag) + 32 < large.length; chunks++)
      for (const more of [-1, 0, 1, tag, tag + 1]) {
        const end = 32 + chunks * (chunk + tag) + more
        if (end >= 0 && end < large.length)
          expect(code(large.subarray(0, end)), `${end}`).toMatch(/^sealed\.(malformed|unopenable)$/)
      }
  })

  test("with anything behind it is refused", () => {
    for (const length of [5, 65_528, 65_529]) {
      const sealed = sealObject(key, 0, new Uint8Array(length))
      for (const more of [1, tag, tag + 1, chunk + tag])
        expect(code(concat(sealed, new Uint8Array(more)))).toMatch(
          /^sealed\.(malformed|unopenable)$/,
        )
    }
  })

  test("whose chunks were moved, doubled or dropped is refused", () => {
    const sealed = sealObject(key, 0, new Uint8Array(3 * chunk).fill(7))
    const at = (i: number) => 32 + i * (chunk + tag)
    const parts = [0, 1, 2, 3].map((i) => sealed.subarray(at(i), at(i + 1)))
    for (const order of [
      [1, 0, 2, 3],
      [0, 2, 1, 3],
      [0, 0, 2, 3],
      [0, 1, 3],
      [1, 2, 3],
      [0, 1, 2, 3, 3],
      [0, 1, 2, 2, 3],
      [3],
    ])
      expect(code(concat(sealed.subarray(0, 32), ...order.map((i) => parts[i]!)))).toBe(
        "sealed.unopenable",
      )
  })

  test("is padded in one way: what opens and is padded otherwise is refused", () => {
    const derived = Buffer.from(
      hash("sha512", Buffer.concat([Buffer.from("comity-1/seal\0"), key, Buffer.alloc(4)])),
      "hex",
    )
    const nonce = new Uint8Array(12).with(11, 1) as Uint8Array
    const sealing = (padded: Uint8Array) =>
      concat(
        derived.subarray(32),
        chachaSeal(Uint8Array.from(derived.subarray(0, 32)), nonce, padded, new Uint8Array(0)),
      )
    const good = pad(utf8("text"))
    expect(code(sealing(good))).toBeNull()
    expect(code(sealing(good.subarray(0, 2048)))).toBe("sealed.padding")
    expect(code(sealing(concat(good, new Uint8Array(4096))))).toBe("sealed.padding")
    expect(code(sealing(flipBit(good, 8 * 100)))).toBe("sealed.padding")
    expect(code(sealing(flipBit(good, 8 * 7 + 2)))).toBe("sealed.padding")
  })

  test("keys of another length are a mistake of ours, not of a peer", () => {
    expect(() => openSealed(new Uint8Array(31), 0, new Uint8Array(100))).toThrow(RangeError)
    expect(() => sealObject(key, -1, new Uint8Array(0))).toThrow(RangeError)
  })
})
