import { hash } from "node:crypto"
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js"
import { nodePrimitives } from "../../node/crypto-node.ts"
import { prepareCrypto } from "../../node/node.ts"
import {
  installPrimitives,
  type MlDsaLevel,
  type Primitives,
} from "../../protocol/crypto/primitives.ts"

const mlDsa = { 44: ml_dsa44, 65: ml_dsa65 }

/** Remembers what a pure function answered: the same few documents are verified all the time. */
class Answers<T> {
  readonly #known = new Map<string, T>()
  readonly #bound: number

  constructor(bound: number) {
    this.#bound = bound
  }

  get(parts: readonly Uint8Array[], compute: () => T): T {
    const key = hash("sha256", Buffer.concat(parts.flatMap((part) => [lengthOf(part), part])))
    let answer = this.#known.get(key)
    if (answer === undefined) {
      answer = compute()
      if (this.#known.size >= this.#bound) this.#known.clear()
      this.#known.set(key, answer)
    }
    return answer
  }
}

function lengthOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(bytes.length >> 16, bytes.length >> 8, bytes.length)
}

const edVerified = new Answers<boolean>(20_000)
const mlVerified = new Answers<boolean>(5_000)
const edPublic = new Answers<Uint8Array>(1_000)
const mlKeys = { 44: new Answers<Keys>(500), 65: new Answers<Keys>(500) }
type Keys = { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }

function keysOf(level: MlDsaLevel, seed: Uint8Array): Keys {
  return mlKeys[level].get([seed], () => mlDsa[level].keygen(seed))
}

/**
 * node:crypto's primitives, but ML-DSA signs as FIPS 204 §3.4 does without hedging, through noble:
 * OpenSSL's signatures differ each time, and with them every digest over a document that has one.
 */
const repeatable: Primitives = {
  ...nodePrimitives,
  name: "simulation",
  ed25519PublicKey: (seed) => edPublic.get([seed], () => nodePrimitives.ed25519PublicKey(seed)),
  ed25519Verify: (signature, message, publicKey) =>
    edVerified.get([signature, message, publicKey], () =>
      nodePrimitives.ed25519Verify(signature, message, publicKey),
    ),
  mlDsaPublicKey: (level, seed) => keysOf(level, seed).publicKey,
  mlDsaSign: (level, message, seed) =>
    mlDsa[level].sign(message, keysOf(level, seed).secretKey, { extraEntropy: false }),
  mlDsaVerify: (level, signature, message, publicKey) =>
    mlVerified.get([signature, message, publicKey], () =>
      nodePrimitives.mlDsaVerify(level, signature, message, publicKey),
    ),
}

/** In place of what a node installs, after its self-test has passed. */
export function installRepeatable(): void {
  prepareCrypto()
  installPrimitives(repeatable)
}
