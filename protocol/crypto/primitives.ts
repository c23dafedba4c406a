import { hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js"
import sodium from "libsodium-wrappers"

/** FIPS 204 parameter sets in use: 44 for witness cosignatures, 65 for root keys. */
export type MlDsaLevel = 44 | 65

/** A ciphertext and its tag, for whoever puts them where they belong. */
export type Detached = { readonly ciphertext: Uint8Array; readonly tag: Uint8Array }

/**
 * What the protocol needs from a library: DESIGN §9. Every method is a pure function of its
 * arguments; lengths are checked by the callers in protocol/crypto, which are the only ones.
 */
export interface Primitives {
  readonly name: string
  sha256(bytes: Uint8Array): Uint8Array
  sha512(bytes: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
  hkdfSha256(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array
  ed25519PublicKey(seed: Uint8Array): Uint8Array
  ed25519Sign(message: Uint8Array, seed: Uint8Array): Uint8Array
  /** The bare equation of the library; `verifyStrict` in sign.ts is the only caller. */
  ed25519Verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
  mlDsaPublicKey(level: MlDsaLevel, seed: Uint8Array): Uint8Array
  mlDsaSign(level: MlDsaLevel, message: Uint8Array, seed: Uint8Array): Uint8Array
  mlDsaVerify(
    level: MlDsaLevel,
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
  ): boolean
  chacha20Poly1305Seal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
  ): Detached
  /** Null when the tag does not match. */
  chacha20Poly1305Open(
    key: Uint8Array,
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    aad: Uint8Array,
  ): Uint8Array | null
  xchacha20Poly1305Seal(
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    aad: Uint8Array,
  ): Detached
  /** Null when the tag does not match. */
  xchacha20Poly1305Open(
    key: Uint8Array,
    nonce: Uint8Array,
    ciphertext: Uint8Array,
    aad: Uint8Array,
  ): Uint8Array | null
}

await sodium.ready

/** Already resolved: importing this module waits for libsodium. */
export const cryptoReady: Promise<void> = sodium.ready

const mlDsa = { 44: ml_dsa44, 65: ml_dsa65 }

/** libsodium and noble: what runs where there is no node:crypto, a browser for one. */
export const portablePrimitives: Primitives = {
  name: "libsodium+noble",
  sha256,
  sha512,
  hmacSha256: (key, message) => hmac(sha256, key, message),
  hkdfSha256: (ikm, salt, info, length) => hkdf(sha256, ikm, salt, info, length),
  ed25519PublicKey: (seed) => sodium.crypto_sign_seed_keypair(seed).publicKey,
  // The public key is always derived: one that a caller supplies would leak the private key.
  ed25519Sign: (message, seed) =>
    sodium.crypto_sign_detached(message, sodium.crypto_sign_seed_keypair(seed).privateKey),
  ed25519Verify: (signature, message, publicKey) =>
    sodium.crypto_sign_verify_detached(signature, message, publicKey),
  mlDsaPublicKey: (level, seed) => mlDsa[level].keygen(seed).publicKey,
  // Deterministic (FIPS 204 §3.4), because protocol/ draws no randomness of its own.
  mlDsaSign: (level, message, seed) =>
    mlDsa[level].sign(message, mlDsa[level].keygen(seed).secretKey, { extraEntropy: false }),
  mlDsaVerify: (level, signature, message, publicKey) =>
    mlDsa[level].verify(signature, message, publicKey),
  chacha20Poly1305Seal: (key, nonce, plaintext, aad) =>
    detached(sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, aad, null, nonce, key)),
  chacha20Poly1305Open: (key, nonce, ciphertext, aad) => {
    try {
      return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, ciphertext, aad, nonce, key)
    } catch {
      // The wrapper throws a plain Error with nothing to tell it apart by.
      return null
    }
  },
  xchacha20Poly1305Seal: (key, nonce, plaintext, aad) =>
    detached(sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, null, nonce, key)),
  xchacha20Poly1305Open: (key, nonce, ciphertext, aad) => {
    try {
      return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, ciphertext, aad, nonce, key)
    } catch {
      return null
    }
  },
}

function detached(sealed: Uint8Array): Detached {
  const end = sealed.length - sodium.crypto_aead_chacha20poly1305_IETF_ABYTES
  return { ciphertext: sealed.subarray(0, end), tag: sealed.subarray(end) }
}

let installed = portablePrimitives

/** The installed backend. */
export function primitives(): Primitives {
  return installed
}

/** Called once, at start-up, before anything is verified; `selfTest` in sign.ts judges the result. */
export function installPrimitives(backend: Primitives): void {
  installed = backend
}
