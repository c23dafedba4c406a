import canonicalize from "canonicalize"
import { nodeEd25519 } from "../../node/crypto-node.ts"
import { ingest } from "../../protocol/canonical.ts"
import { chachaOpen, xchachaOpen } from "../../protocol/crypto/aead.ts"
import { hkdfSha256 } from "../../protocol/crypto/hash.ts"
import { decapsulate, hpkeSetupRecipient } from "../../protocol/crypto/kem.ts"
import { openSealed } from "../../protocol/crypto/seal.ts"
import {
  type Ed25519Backend,
  isEnrollable,
  libsodiumEd25519,
  nobleEd25519,
  verifyStrictWith,
} from "../../protocol/crypto/sign.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { bytesField, integerField, malformed, type Op, type OpInput, textField } from "./fields.ts"

export const cryptoOps = {
  "ed25519.verify": (input) => {
    const backend = ed25519Backend(input)
    const publicKey = bytesField(input, "publicKey")
    const message = bytesField(input, "message")
    const signature = bytesField(input, "signature")
    return isEnrollable(publicKey) && verifyStrictWith(backend, signature, message, publicKey)
  },

  "aead.open": (input) => {
    const cipher = aead(input)
    const key = bytesField(input, "key")
    const nonce = bytesField(input, "nonce")
    const ciphertext = bytesField(input, "ciphertext")
    const aad = bytesField(input, "aad")
    // A key or nonce of another size belongs to another cipher: nothing here opens it.
    if (key.length !== 32 || nonce.length !== cipher.nonceBytes)
      throw new ProtocolError("aead.unopenable", { detail: "size" })
    const plaintext = cipher.open(key, nonce, ciphertext, aad)
    if (plaintext === null) throw new ProtocolError("aead.unopenable")
    return encodeHex(plaintext)
  },

  "kem.decap": (input) => {
    const seed = sized(input, "seed", 32)
    return encodeHex(decapsulate(bytesField(input, "ciphertext"), seed))
  },

  "hpke.export": async (input) => {
    const seed = sized(input, "seed", 32)
    const enc = bytesField(input, "enc")
    const info = bytesField(input, "info")
    const context = bytesField(input, "context")
    const length = outputLength(input)
    const recipient = await hpkeSetupRecipient(enc, seed, info)
    return encodeHex(await recipient.export(context, length))
  },

  hkdf: (input) => {
    const ikm = bytesField(input, "ikm")
    const salt = bytesField(input, "salt")
    const info = bytesField(input, "info")
    return encodeHex(hkdfSha256(ikm, salt, info, outputLength(input)))
  },

  jcs: (input) => {
    const json = textField(input, "json")
    let text: string | undefined
    try {
      // canonicalize also refuses what JSON.parse lets through: lone surrogates, 1e400
      text = canonicalize(JSON.parse(json))
    } catch (cause) {
      throw new ProtocolError("json.malformed", { cause })
    }
    if (text === undefined) throw new ProtocolError("json.malformed")
    return text
  },

  "json.ingest": (input) => {
    ingest(bytesField(input, "bytes"), limits.requestBytes)
    return true
  },

  "sealed.open": (input) => {
    const key = sized(input, "key", 32)
    const index = integerField(input, "object")
    if (index > 0xffffffff) throw malformed("object")
    return encodeHex(openSealed(key, index, bytesField(input, "bytes")))
  },
} satisfies Record<string, Op>

const ed25519Backends: Record<string, Ed25519Backend> = {
  libsodium: libsodiumEd25519,
  node: nodeEd25519,
  noble: nobleEd25519,
}

function ed25519Backend(input: OpInput): Ed25519Backend {
  const name = input.backend === undefined ? "libsodium" : textField(input, "backend")
  if (!Object.hasOwn(ed25519Backends, name)) throw malformed("backend")
  return ed25519Backends[name]!
}

const xchacha = { open: xchachaOpen, nonceBytes: 24 }
const chacha = { open: chachaOpen, nonceBytes: 12 }

function aead(input: OpInput) {
  const name = input.alg === undefined ? "xchacha20-poly1305" : textField(input, "alg")
  if (name === "xchacha20-poly1305") return xchacha
  if (name === "chacha20-poly1305") return chacha
  throw malformed("alg")
}

function sized(input: OpInput, name: string, length: number): Uint8Array {
  const bytes = bytesField(input, name)
  if (bytes.length !== length) throw malformed(name)
  return bytes
}

/** RFC 5869 §2.3: at most 255 blocks. */
function outputLength(input: OpInput): number {
  const length = integerField(input, "length")
  if (length < 1 || length > 255 * 32) throw malformed("length")
  return length
}
