import { expect, test } from "vitest"
import { nodePrimitives } from "../../node/crypto-node.ts"

const seed = new Uint8Array(32).fill(7)
const other = new Uint8Array(32).fill(8)
const message = new TextEncoder().encode("a message")
const flipped = (bytes: Uint8Array, at: number) => bytes.with(at, bytes[at]! ^ 1) as Uint8Array

const { ed25519PublicKey, ed25519Sign, ed25519Verify, mlDsaPublicKey, mlDsaSign, mlDsaVerify } =
  nodePrimitives

const algorithms = {
  ed25519: {
    publicKey: ed25519PublicKey,
    sign: (text: Uint8Array) => ed25519Sign(text, seed),
    verify: ed25519Verify,
  },
  "ml-dsa-44": {
    publicKey: (from: Uint8Array) => mlDsaPublicKey(44, from),
    sign: (text: Uint8Array) => mlDsaSign(44, text, seed),
    verify: (signature: Uint8Array, text: Uint8Array, key: Uint8Array) =>
      mlDsaVerify(44, signature, text, key),
  },
}

test.each(Object.entries(algorithms))(
  "%s: what has verified is vouched for again, and nothing that is like it",
  (_name, { publicKey, sign, verify }) => {
    const key = publicKey(seed)
    const signature = sign(message)
    for (let again = 0; again < 3; again++) {
      expect(verify(signature, message, key)).toBe(true)
      expect(verify(signature, message, publicKey(other))).toBe(false)
      for (const at of [0, signature.length - 1])
        expect(verify(flipped(signature, at), message, key)).toBe(false)
      for (const at of [0, message.length - 1])
        expect(verify(signature, flipped(message, at), key)).toBe(false)
      // The same bytes, parted elsewhere.
      const moved = new Uint8Array([...signature.subarray(-1), ...message])
      expect(verify(signature.subarray(0, -1), moved, key)).toBe(false)
    }
  },
)
