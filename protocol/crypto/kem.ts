import { expand, extract } from "@noble/hashes/hkdf.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { AEAD_EXPORT_ONLY, CipherSuite, type KDF, type KEM, type Key } from "hpke"
import sodium from "libsodium-wrappers"
import { ProtocolError } from "../errors.ts"
import { requireBytes } from "./require-bytes.ts"

/** X-Wing sizes, draft-connolly-cfrg-xwing-kem §5. */
export const kemSizes = {
  seed: 32,
  publicKey: 1216,
  ciphertext: 1120,
  sharedSecret: 32,
  coins: 64,
} as const

/** X-Wing (ML-KEM-768 with X25519) from its 32-byte seed, which is the private key. */
export function kemKeyPair(seed: Uint8Array): { publicKey: Uint8Array; seed: Uint8Array } {
  requireBytes("seed", seed, kemSizes.seed)
  return { publicKey: sodium.crypto_kem_xwing_seed_keypair(seed).publicKey, seed }
}

/**
 * X-Wing encapsulation; `coins` are 64 fresh random bytes, since nothing here draws its own.
 * draft-connolly-cfrg-xwing-kem §5.4
 *
 * @throws `kem.malformed` for a key of the wrong length, with ML-KEM coefficients out of range
 * (FIPS 203 §7.2) or an X25519 point of small order
 */
export function encapsulate(
  publicKey: Uint8Array,
  coins: Uint8Array,
): { ciphertext: Uint8Array; sharedSecret: Uint8Array } {
  requireBytes("public key", publicKey)
  requireBytes("coins", coins, kemSizes.coins)
  if (publicKey.length !== kemSizes.publicKey) throw new ProtocolError("kem.malformed")
  try {
    return sodium.crypto_kem_xwing_enc_deterministic(publicKey, coins)
  } catch (cause) {
    throw new ProtocolError("kem.malformed", { cause })
  }
}

/**
 * X-Wing decapsulation. ML-KEM rejects implicitly: a wrong ciphertext gives another secret, no error.
 * draft-connolly-cfrg-xwing-kem §5.5
 *
 * @throws `kem.malformed` for a wrong length or an X25519 point of small order
 */
export function decapsulate(ciphertext: Uint8Array, seed: Uint8Array): Uint8Array {
  requireBytes("ciphertext", ciphertext)
  requireBytes("seed", seed, kemSizes.seed)
  if (ciphertext.length !== kemSizes.ciphertext) throw new ProtocolError("kem.malformed")
  try {
    return sodium.crypto_kem_xwing_dec(ciphertext, seed)
  } catch (cause) {
    throw new ProtocolError("kem.malformed", { cause })
  }
}

/** What both sides of an export-only HPKE context can do (RFC 9180 §5.3). */
export interface HpkeExporter {
  export(context: Uint8Array, length: number): Promise<Uint8Array>
}

/**
 * HPKE SetupBaseS (RFC 9180 §5.1.1), KEM 0x647a, KDF 0x0001, AEAD 0xFFFF. PROTOCOL §8
 *
 * @throws `kem.malformed`
 */
export async function hpkeSetupSender(
  publicKey: Uint8Array,
  info: Uint8Array,
  coins: Uint8Array,
): Promise<HpkeExporter & { enc: Uint8Array }> {
  const suite = new CipherSuite(() => xWing(coins), hkdfSha256, AEAD_EXPORT_ONLY)
  const { encapsulatedSecret, ctx } = await kemFailures(() =>
    suite.SetupSender(bytesKey("public", publicKey), { info }),
  )
  return { enc: encapsulatedSecret, export: (context, length) => ctx.Export(context, length) }
}

/**
 * HPKE SetupBaseR (RFC 9180 §5.1.1) of the same suite. PROTOCOL §8
 *
 * @throws `kem.malformed`
 */
export async function hpkeSetupRecipient(
  enc: Uint8Array,
  seed: Uint8Array,
  info: Uint8Array,
): Promise<HpkeExporter> {
  const suite = new CipherSuite(() => xWing(null), hkdfSha256, AEAD_EXPORT_ONLY)
  const ctx = await kemFailures(() =>
    suite.SetupRecipient(bytesKey("private", seed), enc, { info }),
  )
  return { export: (context, length) => ctx.Export(context, length) }
}

/** hpke wraps what its KEM throws, and has an error of its own for an enc of the wrong length. */
async function kemFailures<T>(setup: () => Promise<T>): Promise<T> {
  try {
    return await setup()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (error.cause instanceof TypeError || error.cause instanceof RangeError) throw error.cause
    if (error.cause instanceof ProtocolError) throw error.cause
    if (error.name === "DecapError") throw new ProtocolError("kem.malformed", { cause: error })
    throw error
  }
}

interface BytesKey extends Key {
  readonly bytes: Uint8Array
}

function bytesKey(type: "public" | "private", bytes: Uint8Array): BytesKey {
  return { algorithm: { name: "X-Wing" }, extractable: true, type, bytes }
}

/** libsodium's X-Wing in the shape hpke asks for; the same for tests that pair it with an AEAD. */
export function xWing(coins: Uint8Array | null): KEM<BytesKey> {
  return {
    id: 0x647a,
    type: "KEM",
    name: "X-Wing",
    Nsecret: kemSizes.sharedSecret,
    Nenc: kemSizes.ciphertext,
    Npk: kemSizes.publicKey,
    Nsk: kemSizes.seed,
    Encap: async (publicKey) => {
      if (coins === null) throw new TypeError("a recipient does not encapsulate")
      const { ciphertext, sharedSecret } = encapsulate(publicKey.bytes, coins)
      return { shared_secret: sharedSecret, enc: ciphertext }
    },
    Decap: async (enc, privateKey) => decapsulate(enc, privateKey.bytes),
    SerializePublicKey: async (key) => key.bytes,
    SerializePrivateKey: async (key) => key.bytes,
    DeserializePublicKey: async (bytes) => bytesKey("public", bytes),
    DeserializePrivateKey: async (bytes) => bytesKey("private", bytes),
    DeriveKeyPair: notOurs,
    GenerateKeyPair: notOurs,
  }
}

/** hpke's own goes through WebCrypto's thread pool, whose order no simulation could replay. */
export function hkdfSha256(): KDF {
  return {
    id: 0x0001,
    type: "KDF",
    name: "HKDF-SHA256",
    Nh: 32,
    stages: 2,
    Extract: async (salt, ikm) => extract(sha256, ikm, salt),
    Expand: async (prk, info, length) => expand(sha256, prk, info, length),
    Derive: notOurs,
  }
}

/** Seeds are made by the node; HKDF is a two-stage KDF. */
async function notOurs(): Promise<never> {
  throw new TypeError("not part of this suite")
}
