import { argon2 } from "node:crypto"
import { encodeCanonical, ingest, type Json } from "../../protocol/canonical.ts"
import { xchachaOpen, xchachaSeal } from "../../protocol/crypto/aead.ts"
import {
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
  utf8,
} from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  decodeShape,
  either,
  hex,
  integer,
  literal,
  object,
  refine,
  type ShapeOf,
  text,
} from "../../protocol/shape.ts"
import { NodeError } from "../errors.ts"

/** Key files: secrets sealed by a passphrase, or by a raw key that a service is given. */

/** What opens a key file: text is a passphrase, 32 bytes are the key itself. */
export type Unlocking = string | Uint8Array

/** Whatever the owner of the file needs to keep together: seeds, database key, officers' keys. */
export type KeyFileContent = Json

const maxFileBytes = 1024 * 1024

/** RFC 9106 §4, second recommendation (64 MiB, 3 passes) in one lane: 0.2 s on an office machine. */
const cost = { memoryKiB: 64 * 1024, passes: 3, parallelism: 1 }

const argon2idShape = object({
  alg: literal("argon2id"),
  // The bounds keep a file from elsewhere from taking the machine; more than ours may come later.
  memoryKiB: integer(8 * 1024, 1024 * 1024),
  parallelism: integer(1, 4),
  passes: integer(1, 16),
  salt: hex(16),
})

const headerFields = {
  type: literal("comity/key-file/v1"),
  aead: literal("xchacha20-poly1305"),
  kdf: either(argon2idShape, object({ alg: literal("none") })),
  nonce: hex(24),
}

const keyFile = object({
  ...headerFields,
  ciphertext: refine(text({ min: 22, max: maxFileBytes }), isBase64url),
})

type KeyFile = ShapeOf<typeof keyFile>
type Kdf = KeyFile["kdf"]

/** @throws `key.unavailable` for an empty passphrase or a raw key of another length */
export async function sealKeyFile(
  secret: Uint8Array,
  unlocking: Unlocking,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const kdf: Kdf =
    typeof unlocking === "string"
      ? { alg: "argon2id", ...cost, salt: encodeHex(random(16)) }
      : { alg: "none" }
  const nonce = random(24)
  const header = {
    type: "comity/key-file/v1",
    aead: "xchacha20-poly1305",
    kdf,
    nonce: encodeHex(nonce),
  } as const
  const key = await keyFor(kdf, unlocking)
  const ciphertext = encodeBase64url(xchachaSeal(key, nonce, secret, encodeCanonical(header)))
  key.fill(0)
  return encodeCanonical({ ...header, ciphertext })
}

/** @throws `key.unavailable` when the file is damaged or this does not open it */
export async function openKeyFile(bytes: Uint8Array, unlocking: Unlocking): Promise<Uint8Array> {
  const { ciphertext, ...header } = decodeKeyFile(bytes)
  const key = await keyFor(header.kdf, unlocking)
  const sealed = decodeBase64url(ciphertext)
  const secret = xchachaOpen(key, decodeHex(header.nonce), sealed, encodeCanonical(header))
  key.fill(0)
  if (secret !== null) return secret
  const what = typeof unlocking === "string" ? "passphrase" : "raw key"
  throw new NodeError("key.unavailable", `The ${what} does not open the key file.`, {
    hint: "Check for Caps Lock and the keyboard layout, and that the key file is the one of this home.",
  })
}

export function sealKeyFileContent(
  content: KeyFileContent,
  unlocking: Unlocking,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  return sealKeyFile(encodeCanonical(content), unlocking, random)
}

/** @throws `key.unavailable` */
export async function openKeyFileContent(
  bytes: Uint8Array,
  unlocking: Unlocking,
): Promise<KeyFileContent> {
  const secret = await openKeyFile(bytes, unlocking)
  try {
    return ingest(secret, maxFileBytes)
  } catch (cause) {
    throw damaged(cause)
  } finally {
    secret.fill(0)
  }
}

/**
 * The key that Argon2id makes of the passphrase for this very file: given to a service in its stead, it
 * opens the same file without the passphrase and without the wait. Sealing anew makes it useless.
 *
 * @throws `key.unavailable`
 */
export async function deriveRawKey(bytes: Uint8Array, passphrase: string): Promise<Uint8Array> {
  const secret = await openKeyFile(bytes, passphrase)
  secret.fill(0)
  return keyFor(decodeKeyFile(bytes).kdf, passphrase)
}

/** A raw key file: 32 bytes, or 64 hexadecimal digits and a line end. @throws `key.unavailable` */
export function parseRawKey(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 32) return bytes.slice()
  const digits = new TextDecoder().decode(bytes.subarray(0, 80)).trim().toLowerCase()
  if (bytes.length <= 80 && /^[0-9a-f]{64}$/.test(digits)) return decodeHex(digits)
  throw new NodeError("key.unavailable", "The raw key file does not hold a key.", {
    hint: "It must hold 32 bytes, or 64 hexadecimal digits.",
  })
}

function keyFor(kdf: Kdf, unlocking: Unlocking): Promise<Uint8Array> {
  if (typeof unlocking !== "string") {
    if (unlocking.length !== 32) throw new RangeError("raw key: 32 bytes")
    return Promise.resolve(unlocking.slice())
  }
  if (kdf.alg === "none")
    throw new NodeError("key.unavailable", "The key file opens with a raw key, not a passphrase.", {
      hint: "Name the raw key file in COMITY_KEY_FILE.",
    })
  if (unlocking === "") throw new NodeError("key.unavailable", "The passphrase is empty.")
  return stretch(unlocking, kdf)
}

/** NFC as in RFC 8265 §4.2: one passphrase, whichever keyboard composed its accents. */
function stretch(passphrase: string, kdf: ShapeOf<typeof argon2idShape>): Promise<Uint8Array> {
  const message = utf8(passphrase.normalize("NFC"))
  const parameters = {
    message,
    nonce: decodeHex(kdf.salt),
    parallelism: kdf.parallelism,
    tagLength: 32,
    memory: kdf.memoryKiB,
    passes: kdf.passes,
  }
  return new Promise((resolve, reject) => {
    argon2("argon2id", parameters, (error, key) => {
      message.fill(0)
      if (error) reject(error)
      else resolve(new Uint8Array(key.buffer, key.byteOffset, key.length))
    })
  })
}

function decodeKeyFile(bytes: Uint8Array): KeyFile {
  try {
    return decodeShape(keyFile, ingest(bytes, maxFileBytes), "json.profile")
  } catch (cause) {
    throw damaged(cause)
  }
}

function damaged(cause: unknown): unknown {
  if (!(cause instanceof ProtocolError)) return cause
  return new NodeError("key.unavailable", "The key file is damaged or is no key file.", {
    hint: "Bring it back from a backup of the home.",
    cause,
  })
}

function isBase64url(value: string): boolean {
  try {
    decodeBase64url(value)
    return true
  } catch {
    return false
  }
}
