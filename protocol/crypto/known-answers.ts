import { decodeHex, encodeHex, utf8 } from "../encoding.ts"
import { chachaOpen, chachaSeal, xchachaOpen, xchachaSeal } from "./aead.ts"
import { decapsulate, encapsulate, kemKeyPair } from "./kem.ts"
import { type MlDsaLevel, primitives } from "./primitives.ts"

const abc = utf8("abc")
const sunscreen = utf8(
  "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
)
/** Backends may take a text of this size another way than a short one. */
const long = new Uint8Array(16 * 1024).map((_, i) => i)
const aeadKey = decodeHex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f")
const aeadAad = decodeHex("50515253c0c1c2c3c4c5c6c7")

/** One known answer for each primitive but Ed25519 verification, which has the speccheck cases. */
export const knownAnswers: ReadonlyArray<readonly [name: string, holds: () => boolean]> = [
  [
    "SHA-256 (FIPS 180-4)",
    () =>
      is(
        primitives().sha256(abc),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      ),
  ],
  [
    "SHA-512 (FIPS 180-4)",
    () =>
      is(
        primitives().sha512(abc),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      ),
  ],
  [
    "HMAC-SHA-256 (RFC 4231 §4.2)",
    () =>
      is(
        primitives().hmacSha256(new Uint8Array(20).fill(0x0b), utf8("Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      ),
  ],
  [
    "HKDF-SHA-256 (RFC 5869 §A.1)",
    () =>
      is(
        primitives().hkdfSha256(
          new Uint8Array(22).fill(0x0b),
          decodeHex("000102030405060708090a0b0c"),
          decodeHex("f0f1f2f3f4f5f6f7f8f9"),
          42,
        ),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
      ),
  ],
  [
    "Ed25519 signing (RFC 8032 §7.1, test 2)",
    () => {
      const seed = decodeHex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
      return (
        is(
          primitives().ed25519PublicKey(seed),
          "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        ) &&
        is(
          primitives().ed25519Sign(decodeHex("72"), seed),
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )
      )
    },
  ],
  [
    "ML-DSA-44 (FIPS 204)",
    () => mlDsa(44, "87aaf92df03fa72b7448fa04397bb25da0d750848ccf77d0f3a7e72ebbca3ad0"),
  ],
  [
    "ML-DSA-65 (FIPS 204)",
    () => mlDsa(65, "b39d9cfb66082c7394809ef152542aa88200ff9ce7f52f46d9cf8040dadc4913"),
  ],
  [
    "ChaCha20-Poly1305 (RFC 8439 §2.8.2)",
    () => {
      const nonce = decodeHex("070000004041424344454647")
      const sealed = chachaSeal(aeadKey, nonce, sunscreen, aeadAad)
      const open = (bytes: Uint8Array) => chachaOpen(aeadKey, nonce, bytes, aeadAad)
      return (
        is(sealed.subarray(-16), "1ae10b594f09e26a7e902ecbd0600691") &&
        opensOnly(sealed, open, sunscreen)
      )
    },
  ],
  [
    "XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03 §A.3.1)",
    () => {
      const nonce = decodeHex("404142434445464748494a4b4c4d4e4f5051525354555657")
      const sealed = xchachaSeal(aeadKey, nonce, sunscreen, aeadAad)
      const open = (bytes: Uint8Array) => xchachaOpen(aeadKey, nonce, bytes, aeadAad)
      return (
        is(sealed.subarray(-16), "c0875924c1c7987947deafd8780acf49") &&
        opensOnly(sealed, open, sunscreen)
      )
    },
  ],
  [
    "ChaCha20-Poly1305 of 16 KiB",
    () => {
      const nonce = decodeHex("070000004041424344454647")
      const sealed = chachaSeal(aeadKey, nonce, long, aeadAad)
      const open = (bytes: Uint8Array) => chachaOpen(aeadKey, nonce, bytes, aeadAad)
      return (
        is(sealed.subarray(-16), "b4266a8a509fbb2cde101711c596db6c") &&
        opensOnly(sealed, open, long)
      )
    },
  ],
  [
    "XChaCha20-Poly1305 of 16 KiB",
    () => {
      const nonce = decodeHex("404142434445464748494a4b4c4d4e4f5051525354555657")
      const sealed = xchachaSeal(aeadKey, nonce, long, aeadAad)
      const open = (bytes: Uint8Array) => xchachaOpen(aeadKey, nonce, bytes, aeadAad)
      return (
        is(sealed.subarray(-16), "56425899ec4c1dd822fef7fc12b6de6f") &&
        opensOnly(sealed, open, long)
      )
    },
  ],
  [
    "X-Wing (draft-connolly-cfrg-xwing-kem, vector 1)",
    () => {
      const seed = decodeHex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
      const coins = decodeHex(
        "3cb1eea988004b93103cfb0aeefd2a686e01fa4a58e8a3639ca8a1e3f9ae57e235b8cc873c23dc62b8d260169afa2f75ab916a58d974918835d25e6a435085b2",
      )
      const secret = "d2df0522128f09dd8e2c92b1e905c793d8f57a54c3da25861f10bf4ca613e384"
      const { ciphertext, sharedSecret } = encapsulate(kemKeyPair(seed).publicKey, coins)
      return is(sharedSecret, secret) && is(decapsulate(ciphertext, seed), secret)
    },
  ],
]

/**
 * The answer known is the key's digest, on which noble and OpenSSL agree; a signature may be hedged.
 * The seed is the level, 32 times.
 */
function mlDsa(level: MlDsaLevel, publicKeyDigest: string): boolean {
  const seed = new Uint8Array(32).fill(level)
  const publicKey = primitives().mlDsaPublicKey(level, seed)
  const signature = primitives().mlDsaSign(level, abc, seed)
  return (
    is(primitives().sha256(publicKey), publicKeyDigest) &&
    primitives().mlDsaVerify(level, signature, abc, publicKey) &&
    !primitives().mlDsaVerify(level, signature, sunscreen, publicKey)
  )
}

function opensOnly(
  sealed: Uint8Array,
  open: (bytes: Uint8Array) => Uint8Array | null,
  plaintext: Uint8Array,
): boolean {
  const opened = open(sealed)
  const forged = sealed.slice()
  forged[0]! ^= 1
  return opened !== null && is(opened, encodeHex(plaintext)) && open(forged) === null
}

function is(bytes: Uint8Array, hex: string): boolean {
  return encodeHex(bytes) === hex
}
