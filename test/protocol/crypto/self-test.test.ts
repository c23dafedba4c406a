import { hashes, verify } from "@noble/ed25519"
import { afterEach, describe, expect, test } from "vitest"
import { nodePrimitives } from "../../../node/crypto-node.ts"
import {
  installPrimitives,
  type Primitives,
  portablePrimitives,
} from "../../../protocol/crypto/primitives.ts"
import { selfTest } from "../../../protocol/crypto/sign.ts"
import { speccheckVectors } from "../../../protocol/crypto/speccheck.ts"
import { decodeHex } from "../../../protocol/encoding.ts"
import { refusal } from "../../support/refusal.ts"

afterEach(() => installPrimitives(portablePrimitives))

const judge = (backend: Primitives) => {
  installPrimitives(backend)
  return refusal(selfTest)
}
const flipped = (bytes: Uint8Array) => bytes.with(0, bytes[0]! ^ 1) as Uint8Array

describe("the self-test", () => {
  test("passes the backends that we ship", () => {
    expect(judge(portablePrimitives)).toBeNull()
    expect(judge(nodePrimitives)).toBeNull()
  })

  test("finds a backend that gives one wrong answer, whichever it is", () => {
    const good = portablePrimitives
    const wrong: { readonly [name: string]: Partial<Primitives> } = {
      sha256: { sha256: (bytes) => flipped(good.sha256(bytes)) },
      sha512: { sha512: (bytes) => flipped(good.sha512(bytes)) },
      hmac: { hmacSha256: (key, message) => flipped(good.hmacSha256(key, message)) },
      hkdf: { hkdfSha256: (...args) => flipped(good.hkdfSha256(...args)) },
      "Ed25519 key": { ed25519PublicKey: (seed) => flipped(good.ed25519PublicKey(seed)) },
      "Ed25519 signature": { ed25519Sign: (...args) => flipped(good.ed25519Sign(...args)) },
      "Ed25519, everything is valid": { ed25519Verify: () => true },
      "Ed25519, nothing is valid": { ed25519Verify: () => false },
      "ML-DSA key": { mlDsaPublicKey: (...args) => flipped(good.mlDsaPublicKey(...args)) },
      "ML-DSA, everything is valid": { mlDsaVerify: () => true },
      "ML-DSA, nothing is valid": { mlDsaVerify: () => false },
      "ML-DSA of one level": {
        mlDsaVerify: (level, ...args) => level === 65 || good.mlDsaVerify(level, ...args),
      },
      "ChaCha20-Poly1305 sealing": {
        chacha20Poly1305Seal: (...args) => {
          const { ciphertext, tag } = good.chacha20Poly1305Seal(...args)
          return { ciphertext: flipped(ciphertext), tag }
        },
      },
      "ChaCha20-Poly1305 tag": {
        chacha20Poly1305Seal: (...args) => {
          const { ciphertext, tag } = good.chacha20Poly1305Seal(...args)
          return { ciphertext, tag: flipped(tag) }
        },
      },
      "ChaCha20-Poly1305 without its tag": {
        chacha20Poly1305Open: (key, nonce, ciphertext, aad) =>
          good.chacha20Poly1305Open(key, nonce, ciphertext, aad) ??
          ciphertext.slice(0, ciphertext.length - 16),
      },
    }
    for (const [name, change] of Object.entries(wrong))
      expect(judge({ ...good, ...change }), name).toBe("self-test.failed")
  })

  test("finds a backend that throws instead of answering", () => {
    const failing = () => {
      throw new Error("no such curve")
    }
    expect(judge({ ...portablePrimitives, sha512: failing })).toBe("self-test.failed")
    expect(judge({ ...portablePrimitives, mlDsaSign: failing })).toBe("self-test.failed")
  })

  test("finds a library whose Ed25519 has the cofactor (ZIP 215)", () => {
    hashes.sha512 = (message) => portablePrimitives.sha512(message).slice()
    const withCofactor: Primitives["ed25519Verify"] = (signature, message, publicKey) =>
      verify(signature, message, publicKey, { zip215: true })
    const { signature, message, publicKey } = speccheckVectors[4]
    expect(withCofactor(decodeHex(signature), decodeHex(message), decodeHex(publicKey))).toBe(true)
    expect(judge({ ...portablePrimitives, ed25519Verify: withCofactor })).toBe("self-test.failed")
  })
})
