import { createCipheriv } from "node:crypto"
import { chachaOpen } from "../../../protocol/crypto/aead.ts"
import { sha512 } from "../../../protocol/crypto/hash.ts"
import { concat, u32be, utf8 } from "../../../protocol/encoding.ts"

/**
 * A sealed object whose ciphertext passes its authentication under two content keys: Poly1305 is linear, so
 * one block of the text can be chosen such that both tags are the same. The commitment in front is the one
 * thing that can't be made for two keys.
 */
export function salamander(first: Uint8Array, second: Uint8Array): Uint8Array {
  const keys = [objectKey(first), objectKey(second)]
  const [one, two] = keys.map(({ key }) => polyKey(key)) as [PolyKey, PolyKey]
  const ciphertext = new Uint8Array(4096)
  for (let attempt = 0; ; attempt++) {
    new DataView(ciphertext.buffer).setUint32(0, attempt)
    const blocks = blocksOf(ciphertext)
    const chosen = blocks.length - 2
    const power = BigInt(blocks.length - chosen)
    const [a, b] = [one, two].map(({ r }) => accumulate(blocks.with(chosen, 1n << 128n), r))
    const slope = mod(pow(one.r, power) - pow(two.r, power))
    const x = mod((two.s - one.s - a! + b!) * inverse(slope))
    if (x >= 1n << 128n) continue
    ciphertext.set(littleEndian(x), chosen * 16)
    const tags = [one, two].map((key) => tagOf(ciphertext, key))
    if (tags[0] !== tags[1]) continue
    const body = concat(ciphertext, littleEndian(tags[0]!))
    const nonce = new Uint8Array(12)
    nonce[11] = 1
    if (keys.some(({ key }) => chachaOpen(key, nonce, body, new Uint8Array(0)) === null))
      throw new Error("not a ciphertext of both keys")
    return concat(keys[0]!.commitment, body)
  }
}

/** PROTOCOL.md §3 */
function objectKey(contentKey: Uint8Array) {
  const derived = sha512(concat(utf8("comity-1/seal\0"), contentKey, u32be(0)))
  return { key: derived.subarray(0, 32), commitment: derived.subarray(32) }
}

type PolyKey = { readonly r: bigint; readonly s: bigint }

/** RFC 8439 §2.6: the first block of the key stream, for the nonce of a last chunk. */
function polyKey(key: Uint8Array): PolyKey {
  const iv = new Uint8Array(16)
  iv[15] = 1
  const block = createCipheriv("chacha20", key, iv).update(new Uint8Array(32))
  const clamp = 0x0ffffffc0ffffffc0ffffffc0fffffffn
  return { r: number(block.subarray(0, 16)) & clamp, s: number(block.subarray(16, 32)) }
}

const p = (1n << 130n) - 5n

function blocksOf(ciphertext: Uint8Array): bigint[] {
  const lengths = new Uint8Array(16)
  new DataView(lengths.buffer).setUint32(8, ciphertext.length, true)
  const all = concat(ciphertext, lengths)
  return Array.from(
    { length: all.length / 16 },
    (_, i) => number(all.subarray(16 * i, 16 * i + 16)) + (1n << 128n),
  )
}

function accumulate(blocks: readonly bigint[], r: bigint): bigint {
  return blocks.reduce((sum, block) => mod((sum + block) * r), 0n)
}

function tagOf(ciphertext: Uint8Array, { r, s }: PolyKey): bigint {
  return (accumulate(blocksOf(ciphertext), r) + s) % (1n << 128n)
}

function mod(value: bigint): bigint {
  return ((value % p) + p) % p
}

function pow(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let bit = exponent, square = base; bit > 0n; bit >>= 1n, square = mod(square * square))
    if (bit & 1n) result = mod(result * square)
  return result
}

function inverse(value: bigint): bigint {
  return pow(value, p - 2n)
}

function number(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`)
}

function littleEndian(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(32, "0"), "hex").reverse())
}
