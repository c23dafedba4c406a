import { equalBytes, u32be, utf8 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { chachaDetached, chachaOpen } from "./aead.ts"
import { sha512 } from "./hash.ts"
import { paddedSize, unpad, withPadded } from "./padding.ts"
import { requireBytes } from "./require-bytes.ts"

const commitmentBytes = 32
const chunkBytes = 64 * 1024
const tagBytes = 16
const sealedChunkBytes = chunkBytes + tagBytes
const label = utf8("comity-1/seal\0")
const noAad = new Uint8Array(0)

/** The object key and the commitment to it. PROTOCOL §3 */
function objectKeys(contentKey: Uint8Array, index: number) {
  requireBytes("content key", contentKey, 32)
  const derived = sha512(label, contentKey, u32be(index))
  return { key: derived.slice(0, 32), commitment: derived.slice(32) }
}

/** Size of a sealed object that holds `length` bytes. PROTOCOL §3 */
export function sealedSize(length: number): number {
  const padded = paddedSize(length)
  return commitmentBytes + padded + tagBytes * Math.ceil(padded / chunkBytes)
}

/**
 * Seals object `index` of a record (0 = the record, 1… = its attachments) under its content key, which
 * must be fresh for every sealing: the chunk nonces repeat under a repeated key. PROTOCOL §3
 */
export function sealObject(
  contentKey: Uint8Array,
  index: number,
  plaintext: Uint8Array,
): Uint8Array {
  const sealed = new Uint8Array(sealedSize(plaintext.length))
  sealInto(sealed, contentKey, index, plaintext)
  return sealed
}

/** The same where it is to lie, in room of just its size. */
export function sealInto(
  sealed: Uint8Array,
  contentKey: Uint8Array,
  index: number,
  plaintext: Uint8Array,
): void {
  requireBytes("plaintext", plaintext)
  requireBytes("room", sealed, sealedSize(plaintext.length))
  const { key, commitment } = objectKeys(contentKey, index)
  sealed.set(commitment)
  withPadded([plaintext], (padded) => {
    const chunks = Math.ceil(padded.length / chunkBytes)
    for (let i = 0; i < chunks; i++) {
      const chunk = padded.subarray(i * chunkBytes, (i + 1) * chunkBytes)
      const { ciphertext, tag } = chachaDetached(key, chunkNonce(i, i === chunks - 1), chunk, noAad)
      const start = commitmentBytes + i * sealedChunkBytes
      sealed.set(ciphertext, start)
      sealed.set(tag, start + ciphertext.length)
    }
  })
}

/**
 * Opens what `sealObject` made, or nothing: no byte is returned before the last chunk has passed.
 * ChaCha20-Poly1305 does not commit to its key; the leading hash does and is compared first.
 * PROTOCOL §3; chunks as in C2SP age
 *
 * @throws `sealed.malformed` `sealed.uncommitted` `sealed.unopenable` `sealed.padding`
 */
export function openSealed(contentKey: Uint8Array, index: number, sealed: Uint8Array): Uint8Array {
  const body = sealed.length - commitmentBytes
  const chunks = Math.ceil(body / sealedChunkBytes)
  const lastChunk = body - (chunks - 1) * sealedChunkBytes
  // Padding leaves no empty plaintext, so a last chunk that is a bare tag is a second form of another.
  if (body <= 0 || lastChunk <= tagBytes) throw new ProtocolError("sealed.malformed")

  const { key, commitment } = objectKeys(contentKey, index)
  if (!equalBytes(sealed.subarray(0, commitmentBytes), commitment))
    throw new ProtocolError("sealed.uncommitted")

  const padded = new Uint8Array(body - chunks * tagBytes)
  for (let i = 0; i < chunks; i++) {
    const start = commitmentBytes + i * sealedChunkBytes
    const chunk = sealed.subarray(start, start + sealedChunkBytes)
    const opened = chachaOpen(key, chunkNonce(i, i === chunks - 1), chunk, noAad)
    if (opened === null) throw new ProtocolError("sealed.unopenable")
    if (chunks === 1) return unpad(opened)
    padded.set(opened, i * chunkBytes)
  }
  return unpad(padded)
}

/** 11-byte big-endian counter ‖ 0x01 for the last chunk. C2SP age */
function chunkNonce(counter: number, last: boolean): Uint8Array {
  const nonce = new Uint8Array(12)
  // 2³² chunks of 64 KiB are far beyond any attachment; the upper seven bytes stay zero.
  nonce.set(u32be(counter), 7)
  nonce[11] = last ? 1 : 0
  return nonce
}
