import { chachaSeal } from "../../../../protocol/crypto/aead.ts"
import { sha256, sha512 } from "../../../../protocol/crypto/hash.ts"
import { pad } from "../../../../protocol/crypto/padding.ts"
import { openSealed, sealObject } from "../../../../protocol/crypto/seal.ts"
import { concat, encodeHex, u32be, utf8 } from "../../../../protocol/encoding.ts"
import { flipBit } from "../../../support/world.ts"
import {
  bytes,
  type Cases,
  type Format,
  filled,
  type Input,
  insist,
  number,
  plaintext,
  type Run,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const key = bytes(input, "key")
  const object = number(input, "object")
  if (input.bytes !== undefined)
    return { plaintext: encodeHex(openSealed(key, object, bytes(input, "bytes"))) }
  if (input.chunks !== undefined)
    return { digest: encodeHex(sha256(openSealed(key, object, ofChunks(input)))) }
  const sealed = sealObject(key, object, plaintext(input))
  const opened = openSealed(key, object, sealed)
  insist(encodeHex(opened) === encodeHex(plaintext(input)), "sealed.mismatch")
  const commitment = encodeHex(sealed.subarray(0, 32))
  return { size: sealed.length, commitment, digest: encodeHex(sha256(sealed)) }
}

type Chunk = readonly [which: number, counter: number, last: number]

/** The padded plaintext in chunks of 64 KiB, sealed as the input says: which one, its counter, its mark. */
function ofChunks(input: Input): Uint8Array {
  const whole = pad(plaintext(input))
  const chunks = input.chunks as readonly Chunk[]
  const parts = chunks.map(([which]) => whole.subarray(which * 65_536, (which + 1) * 65_536))
  const nonces = chunks.map(([, counter, last]) => [counter, last] as const)
  return sealChunks(bytes(input, "key"), parts, nonces)
}

/** A sealed object of any chunks, by the rules of PROTOCOL.md §3. */
function sealChunks(
  contentKey: Uint8Array,
  parts: readonly Uint8Array[],
  nonces: readonly (readonly [counter: number, last: number])[] = [[0, 1]],
): Uint8Array {
  const derived = sha512(utf8("comity-1/seal\0"), contentKey, u32be(0))
  const sealed = parts.map((part, i) => {
    const [counter, last] = nonces[i]!
    const nonce = concat(new Uint8Array(7), u32be(counter), Uint8Array.of(last))
    return chachaSeal(derived.slice(0, 32), nonce, part, new Uint8Array(0))
  })
  return concat(derived.subarray(32), ...sealed)
}

function cases(): Cases {
  const contentKey = sha256(utf8("content key"))
  const k = encodeHex(contentKey)
  const one = sealObject(contentKey, 0, utf8("x"))
  const at = (bytes: Uint8Array) => ({ key: k, object: 0, bytes: shown(bytes) })
  const made = (length: number, object = 0) => ({ key: k, object, length })
  const padded = (length: number, size: number, at?: number) => {
    const whole = new Uint8Array(size)
    whole.set(u32be(length), 4)
    if (at !== undefined) whole[at] = 1
    return whole
  }
  const two = (...chunks: readonly Chunk[]) => ({ ...made(65_529), chunks })
  const other = sealObject(sha256(utf8("another key")), 0, utf8("x"))
  return {
    about:
      "sealed objects; a plaintext given by its length has i mod 251 as its i-th byte; large ones by digest; `chunks`: the padded plaintext in pieces of 64 KiB, each [which, counter, mark]",
    valid: [
      ["opens: one byte", at(one)],
      ["nothing", made(0)],
      ["one byte", made(1)],
      ["the last that fits 4 KiB", made(4088)],
      ["the first that needs 8 KiB", made(4089)],
      ["the last that fits 64 KiB, one chunk", made(65528)],
      ["the first of two chunks", made(65529)],
      ["the last that fits 256 KiB", made(262136)],
      ["the first under Padmé", made(262137)],
      ["an attachment", made(1, 1)],
      ["the last attachment", made(1, 64)],
      ["one MiB", made(1048576)],
      ["two chunks", two([0, 0, 0], [1, 1, 1])],
    ],
    hostile: [
      ["two chunks, exchanged", two([1, 0, 0], [0, 1, 1]), "sealed.padding"],
      ["two chunks, their counters exchanged", two([0, 1, 0], [1, 0, 1]), "sealed.unopenable"],
      ["two chunks with one counter", two([0, 0, 0], [1, 0, 1]), "sealed.unopenable"],
      ["two chunks, both marked as last", two([0, 0, 1], [1, 1, 1]), "sealed.unopenable"],
      ["two chunks, neither marked as last", two([0, 0, 0], [1, 1, 0]), "sealed.unopenable"],
      ["the first of two chunks alone", two([0, 0, 0]), "sealed.unopenable"],
      ["the first of two chunks alone, marked as last", two([0, 0, 1]), "sealed.padding"],
      ["the second of two chunks alone", two([1, 1, 1]), "sealed.unopenable"],
      ["a third chunk", two([0, 0, 0], [1, 1, 0], [1, 2, 1]), "sealed.padding"],
      ["a chunk after the last", two([0, 0, 0], [1, 1, 1], [1, 2, 1]), "sealed.unopenable"],
      ["a counter left out", two([0, 0, 0], [1, 2, 1]), "sealed.unopenable"],
      ["a mark that is neither", two([0, 0, 0], [1, 1, 2]), "sealed.unopenable"],
      ["no object of that number", { ...at(one), object: 2 ** 32 - 1 }, "sealed.uncommitted"],
      [
        "the commitment of another object",
        at(concat(sealObject(contentKey, 1, utf8("x")).slice(0, 32), one.slice(32))),
        "sealed.uncommitted",
      ],
      ["half a commitment", at(one.slice(0, 16)), "sealed.malformed"],
      ["a commitment and a tag less one byte", at(one.slice(0, 47)), "sealed.malformed"],
      ["one bit of the commitment", at(flipBit(one, 7)), "sealed.uncommitted"],
      ["one bit of the chunk", at(flipBit(one, 8 * 40)), "sealed.unopenable"],
      ["one bit of the tag", at(flipBit(one, 8 * one.length - 1)), "sealed.unopenable"],
      ["no bytes", at(new Uint8Array(0)), "sealed.malformed"],
      ["a commitment alone", at(one.slice(0, 32)), "sealed.malformed"],
      ["an empty chunk", at(concat(one.slice(0, 32), new Uint8Array(16))), "sealed.malformed"],
      ["cut short", at(one.slice(0, -1)), "sealed.unopenable"],
      ["one byte more", at(concat(one, Uint8Array.of(0))), "sealed.unopenable"],
      ["another key", { ...at(one), key: filled(32, 1) }, "sealed.uncommitted"],
      ["another object of the record", { ...at(one), object: 1 }, "sealed.uncommitted"],
      [
        "a chunk under another commitment",
        at(concat(one.slice(0, 32), other.slice(32))),
        "sealed.unopenable",
      ],
      [
        "the last chunk not marked as last",
        at(sealChunks(contentKey, [padded(1, 4096)], [[0, 0]])),
        "sealed.unopenable",
      ],
      [
        "the counter begins with 1",
        at(sealChunks(contentKey, [padded(1, 4096)], [[1, 1]])),
        "sealed.unopenable",
      ],
      [
        "padded to more than the least size",
        at(sealChunks(contentKey, [padded(1, 8192)])),
        "sealed.padding",
      ],
      ["not padded", at(sealChunks(contentKey, [padded(1, 9)])), "sealed.padding"],
      [
        "padding that is not zero",
        at(sealChunks(contentKey, [padded(1, 4096, 4095)])),
        "sealed.padding",
      ],
      [
        "a length beyond the end",
        at(sealChunks(contentKey, [padded(4089, 4096)])),
        "sealed.padding",
      ],
      ["a length beyond 2⁵³", at(sealChunks(contentKey, [padded(1, 4096, 0)])), "sealed.padding"],
    ],
  }
}

export const sealed: Format = { run, cases }
