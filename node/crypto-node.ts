import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto"
import { hchacha } from "@noble/ciphers/chacha.js"
import type { Detached, Primitives } from "../protocol/crypto/primitives.ts"
import type { Ed25519Backend } from "../protocol/crypto/sign.ts"

type KeyType = "ed25519" | "ml-dsa-44" | "ml-dsa-65"

const mlDsaType = { 44: "ml-dsa-44", 65: "ml-dsa-65" } as const
const tagBytes = 16

/** Parsing a key costs about as much as verifying with it, and few signers sign nearly everything. */
class KeyCache {
  readonly #kept = new Map<string, KeyObject>()
  readonly #bound: number

  constructor(bound: number) {
    this.#bound = bound
  }

  get(name: string, parse: () => KeyObject): KeyObject {
    let key = this.#kept.get(name)
    if (key === undefined) {
      key = parse()
      if (this.#kept.size >= this.#bound) this.#kept.delete(this.#kept.keys().next().value!)
      this.#kept.set(name, key)
    }
    return key
  }
}

const publicKeys = new KeyCache(2048)
const privateKeys = new KeyCache(16)
const secretKeys = new KeyCache(16)

function publicKeyOf(type: KeyType, bytes: Uint8Array): KeyObject {
  const key = view(bytes)
  return publicKeys.get(type + key.toString("latin1"), () =>
    createPublicKey({ key, format: "raw-public", asymmetricKeyType: type }),
  )
}

/** Kept under a digest: a seed is not to lie about in strings, which cannot be wiped. */
function privateKeyOf(type: KeyType, seed: Uint8Array): KeyObject {
  const format = type === "ed25519" ? "raw-private" : "raw-seed"
  return privateKeys.get(type + hash("sha256", seed), () =>
    createPrivateKey({ key: view(seed), format, asymmetricKeyType: type }),
  )
}

/** As above: a key in bytes makes an HMAC cost five times as much. */
function secretKeyOf(key: Uint8Array): KeyObject {
  return secretKeys.get(hash("sha256", key), () => createSecretKey(view(key)))
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A Buffer is a Uint8Array whose `slice` shares memory; protocol/ is promised the other one. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

/** One for each character: up to 64 lie in V8's own heap, where they cost the least. */
function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

function publicKeyFromSeed(type: KeyType, seed: Uint8Array): Uint8Array {
  return plain(createPublicKey(privateKeyOf(type, seed)).export({ format: "raw-public" }))
}

/**
 * Digests of what has verified of late, oldest first. Most signatures are met again soon: an officer's when
 * it is handed in and when its order is logged, a cosignature when it is given and when a quorum is counted.
 */
const verified = new Set<string>()
const verifiedKept = 1024

/** False, too, for what is no key: OpenSSL may refuse it already when it is parsed. */
function verifyWith(
  type: KeyType,
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  // With their lengths, or a byte of the signature could pass for one of the message.
  const lengths = Buffer.from(`${type} ${publicKey.length} ${signature.length} `)
  const name = hash("sha256", Buffer.concat([lengths, publicKey, signature, message]), "binary")
  if (verified.has(name)) return true
  try {
    if (!verify(null, message, publicKeyOf(type, publicKey), signature)) return false
  } catch {
    return false
  }
  if (verified.size >= verifiedKept) verified.delete(verified.values().next().value!)
  verified.add(name)
  return true
}

/** In bytes it makes Node take as long to find out that it is no object as to encrypt 20 KiB. */
function cipherKey(key: Uint8Array): KeyObject {
  return createSecretKey(view(key))
}

function seal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Detached {
  const cipher = createCipheriv("chacha20-poly1305", cipherKey(key), nonce, {
    authTagLength: tagBytes,
  })
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  const ciphertext = plain(cipher.update(plaintext))
  cipher.final()
  return { ciphertext, tag: plain(cipher.getAuthTag()) }
}

function open(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  aad: Uint8Array,
): Uint8Array | null {
  const end = ciphertext.length - tagBytes
  if (end < 0) return null
  const decipher = createDecipheriv("chacha20-poly1305", cipherKey(key), nonce, {
    authTagLength: tagBytes,
  })
  decipher.setAAD(aad, { plaintextLength: end })
  decipher.setAuthTag(ciphertext.subarray(end))
  const plaintext = decipher.update(ciphertext.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return null
  }
  return plain(plaintext)
}

const sigma = words(Buffer.from("expand 32-byte k"))

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer)
}

/** The key and the nonce of ChaCha20 that XChaCha20 stands for: draft-irtf-cfrg-xchacha-03 §2.3. */
function innerOf(key: Uint8Array, nonce: Uint8Array) {
  const subkey = new Uint32Array(8)
  hchacha(sigma, words(key), words(nonce.subarray(0, 16)), subkey)
  const rest = new Uint8Array(12)
  rest.set(nonce.subarray(16), 4)
  return [new Uint8Array(subkey.buffer), rest] as const
}

/** OpenSSL through node:crypto: seven to ten times as fast as noble, twice as fast as libsodium. */
export const nodePrimitives: Primitives = {
  name: "node:crypto",
  // As text, which Node gives in half the time that it takes to make a buffer of its own for a digest.
  sha256: (bytes) => bytesOf(hash("sha256", bytes, "binary")),
  sha512: (bytes) => bytesOf(hash("sha512", bytes, "binary")),
  hmacSha256: (key, message) =>
    plain(createHmac("sha256", secretKeyOf(key)).update(message).digest()),
  hkdfSha256: (ikm, salt, info, length) =>
    new Uint8Array(hkdfSync("sha256", ikm, salt, info, length)),
  ed25519PublicKey: (seed) => publicKeyFromSeed("ed25519", seed),
  ed25519Sign: (message, seed) => plain(sign(null, message, privateKeyOf("ed25519", seed))),
  ed25519Verify: (signature, message, publicKey) =>
    verifyWith("ed25519", signature, message, publicKey),
  mlDsaPublicKey: (level, seed) => publicKeyFromSeed(mlDsaType[level], seed),
  // OpenSSL hedges (FIPS 204 §3.4) and Node has no switch for it: two signatures of one message differ.
  mlDsaSign: (level, message, seed) =>
    plain(sign(null, message, privateKeyOf(mlDsaType[level], seed))),
  mlDsaVerify: (level, signature, message, publicKey) =>
    verifyWith(mlDsaType[level], signature, message, publicKey),
  chacha20Poly1305Seal: seal,
  chacha20Poly1305Open: open,
  xchacha20Poly1305Seal: (key, nonce, plaintext, aad) =>
    seal(...innerOf(key, nonce), plaintext, aad),
  xchacha20Poly1305Open: (key, nonce, ciphertext, aad) =>
    open(...innerOf(key, nonce), ciphertext, aad),
}

/** OpenSSL's Ed25519 for `verifyStrictWith`. */
export const nodeEd25519: Ed25519Backend = {
  name: "node",
  verify: nodePrimitives.ed25519Verify,
}
