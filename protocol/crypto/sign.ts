import { Point } from "@noble/ed25519"
import { decodeHex, encodeHex, equalBytes } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { knownAnswers } from "./known-answers.ts"
import { type MlDsaLevel, portablePrimitives, primitives } from "./primitives.ts"
import { requireBytes } from "./require-bytes.ts"
import { speccheckAccepted, speccheckVectors } from "./speccheck.ts"

/** The bare verification of one library, to be put behind the checks of `verifyStrictWith`. */
export interface Ed25519Backend {
  readonly name: string
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}

const installedEd25519: Ed25519Backend = {
  name: "installed",
  verify: (signature, message, publicKey) =>
    primitives().ed25519Verify(signature, message, publicKey),
}

/** libsodium's `crypto_sign_verify_detached`, whatever is installed. */
export const libsodiumEd25519: Ed25519Backend = {
  name: "libsodium",
  verify: portablePrimitives.ed25519Verify,
}

/**
 * RFC 8032 §5.1.7 without the cofactor, on noble's points: some 2 ms, for cross-checking only. noble's
 * own `verify` multiplies by the cofactor even with `zip215: false`, and a torsion check of R on top
 * would still part from libsodium where A is of mixed order.
 */
export const nobleEd25519: Ed25519Backend = {
  name: "noble",
  verify: (signature, message, publicKey) => {
    try {
      const r = signature.subarray(0, 32)
      const s = littleEndian(signature.subarray(32))
      const a = Point.fromBytes(publicKey, false)
      const hashed = new Uint8Array(64 + message.length)
      hashed.set(r)
      hashed.set(publicKey, 32)
      hashed.set(message, 64)
      const k = littleEndian(portablePrimitives.sha512(hashed)) % Point.CURVE().n
      const expected = Point.BASE.multiply(s, false).subtract(a.multiply(k, false))
      return equalBytes(expected.toBytes(), r)
    } catch {
      // fromBytes throws for what is no point, multiply for a scalar out of range
      return false
    }
  },
}

/**
 * The only verifier of Ed25519: canonical A, R and S, neither A nor R of small order, cofactorless
 * equation. That A is free of torsion is checked once, at enrolment. PROTOCOL §0, RFC 8032 §5.1.7
 */
export function verifyStrict(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  return verifyStrictWith(installedEd25519, signature, message, publicKey)
}

/** `verifyStrict` on a library of choice; our checks come first so that all of them agree. */
export function verifyStrictWith(
  backend: Ed25519Backend,
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  requireBytes("signature", signature)
  requireBytes("message", message)
  requireBytes("public key", publicKey)
  if (signature.length !== 64 || publicKey.length !== 32) return false
  if (!isCanonicalY(publicKey) || isSmallOrder(publicKey)) return false
  if (!isCanonicalY(signature) || isSmallOrder(signature)) return false
  if (!isCanonicalScalar(signature)) return false
  return backend.verify(signature, message, publicKey)
}

/** y < 2²⁵⁵ − 19, in the first 32 bytes, the sign bit aside. */
function isCanonicalY(bytes: Uint8Array): boolean {
  if ((bytes[31]! & 0x7f) !== 0x7f || bytes[0]! < 0xed) return true
  for (let i = 1; i < 31; i++) if (bytes[i] !== 0xff) return true
  return false
}

/** The y of the eight points of order 1, 2, 4 and 8; each but y = ±1 has two signs. */
const smallOrderY = [
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
].map(decodeHex)

/** By y alone: this also refuses x = 0 with a sign bit, the other encoding that is not canonical. */
function isSmallOrder(bytes: Uint8Array): boolean {
  return smallOrderY.some((y) => {
    for (let i = 0; i < 31; i++) if (bytes[i] !== y[i]) return false
    return (bytes[31]! & 0x7f) === y[31]
  })
}

const groupOrder = decodeHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")

/** S < L, in the last 32 bytes: otherwise S + L would be a second signature. */
function isCanonicalScalar(signature: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = signature[32 + i]! - groupOrder[i]!
    if (difference !== 0) return difference < 0
  }
  return false
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes.toReversed())}`)
}

type Enrolment = "enrollable" | "key.malformed" | "key.weak"

const enrolments = new Map<string, Enrolment>()
const enrolmentsKept = 4096

/** The torsion check costs most of a millisecond, and the same keys come back in every document. */
function enrolment(publicKey: Uint8Array): Enrolment {
  if (publicKey.length !== 32 || !isCanonicalY(publicKey)) return "key.malformed"
  if (isSmallOrder(publicKey)) return "key.weak"
  const key = encodeHex(publicKey)
  let verdict = enrolments.get(key)
  if (verdict === undefined) {
    verdict = torsion(publicKey)
    if (enrolments.size >= enrolmentsKept) enrolments.delete(enrolments.keys().next().value!)
    enrolments.set(key, verdict)
  }
  return verdict
}

function torsion(publicKey: Uint8Array): Enrolment {
  try {
    return Point.fromBytes(publicKey, false).isTorsionFree() ? "enrollable" : "key.weak"
  } catch {
    return "key.malformed"
  }
}

/** Canonical, on the curve, not of small order, free of torsion. PROTOCOL §0 */
export function isEnrollable(publicKey: Uint8Array): boolean {
  return enrolment(publicKey) === "enrollable"
}

/**
 * Called once for a key, where it is enrolled; a key that passes has one signature equation. PROTOCOL §0
 *
 * @throws `key.malformed` `key.weak`
 */
export function assertEnrollable(publicKey: Uint8Array): void {
  const verdict = enrolment(publicKey)
  if (verdict !== "enrollable") throw new ProtocolError(verdict)
}

/** RFC 8032 §5.1.5. */
export function ed25519PublicKey(seed: Uint8Array): Uint8Array {
  requireBytes("seed", seed, 32)
  return primitives().ed25519PublicKey(seed)
}

/** RFC 8032 §5.1.6, deterministic; the public key is derived from the seed every time. */
export function signEd25519(message: Uint8Array, seed: Uint8Array): Uint8Array {
  requireBytes("message", message)
  requireBytes("seed", seed, 32)
  return primitives().ed25519Sign(message, seed)
}

const mlDsaSizes = {
  44: { publicKey: 1312, signature: 2420 },
  65: { publicKey: 1952, signature: 3309 },
} as const

/** FIPS 204 §5.1 from the 32-byte seed. */
export function mlDsaPublicKey(level: MlDsaLevel, seed: Uint8Array): Uint8Array {
  requireBytes("seed", seed, 32)
  return primitives().mlDsaPublicKey(level, seed)
}

/** FIPS 204 §5.2 with an empty context; hedged or deterministic as the backend has it. */
export function signMlDsa(level: MlDsaLevel, message: Uint8Array, seed: Uint8Array): Uint8Array {
  requireBytes("message", message)
  requireBytes("seed", seed, 32)
  return primitives().mlDsaSign(level, message, seed)
}

/** FIPS 204 §5.3 with an empty context; false for wrong lengths. */
export function verifyMlDsa(
  level: MlDsaLevel,
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  requireBytes("message", message)
  const sizes = mlDsaSizes[level]
  if (signature.length !== sizes.signature || publicKey.length !== sizes.publicKey) return false
  return primitives().mlDsaVerify(level, signature, message, publicKey)
}

/**
 * Judges the installed backend by what it does, not by its version: the speccheck cases of Ed25519 and
 * one known answer for every other primitive. Run at start-up. DESIGN §9
 *
 * @throws `self-test.failed`
 */
export function selfTest(): void {
  speccheckVectors.forEach((vector, number) => {
    const accepted = verifyStrict(
      decodeHex(vector.signature),
      decodeHex(vector.message),
      decodeHex(vector.publicKey),
    )
    if (accepted !== (number === speccheckAccepted)) fail(`Ed25519 speccheck ${number}`)
  })
  for (const [name, holds] of knownAnswers) if (!passes(holds)) fail(name)
}

function passes(holds: () => boolean): boolean {
  try {
    return holds()
  } catch {
    return false
  }
}

function fail(what: string): never {
  throw new ProtocolError("self-test.failed", { detail: `${primitives().name}: ${what}` })
}
