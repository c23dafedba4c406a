import { concat, equalBytes, u64be, utf8 } from "../encoding.ts"
import type { Checkpoint } from "./checkpoint-body.ts"

/**
 * What an Ed25519 cosignature (0x04) is over: two lines of its own, then the note text of the
 * checkpoint. C2SP tlog-cosignature, Ed25519 signed message
 */
export function cosignatureMessage(timestamp: number, body: string): Uint8Array {
  requireTimestamp(timestamp)
  return utf8(`cosignature/v1\ntime ${timestamp}\n${body}`)
}

const subtreeLabel = utf8("subtree/v1\n\0")

/** The cosigner's name and the origin each stand behind one byte of length. */
export const maxCosignedNameBytes = 255

/**
 * What an ML-DSA-44 cosignature (0x06), a log's own included, is over: the tree as the subtree from 0
 * to its size, under the cosigner's name. C2SP tlog-cosignature, ML-DSA-44 signed message
 */
export function subtreeMessage(
  cosigner: string,
  timestamp: number,
  checkpoint: Checkpoint,
): Uint8Array {
  requireTimestamp(timestamp)
  return concat(
    subtreeLabel,
    shortText(cosigner),
    u64be(timestamp),
    shortText(checkpoint.origin),
    u64be(0),
    u64be(checkpoint.size),
    checkpoint.root,
  )
}

/**
 * What an ML-DSA-44 message is over, for a signer that looks before it signs; null for another message.
 *
 * @param cosigner whose name it must be under
 */
export function readSubtreeMessage(
  cosigner: string,
  timestamp: number,
  message: Uint8Array,
): Checkpoint | null {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  const nameAt = subtreeLabel.length + 1 + utf8(cosigner).length + 8
  const originBytes = message[nameAt] ?? 0
  const sizeAt = nameAt + 1 + originBytes + 8
  if (message.length !== sizeAt + 8 + 32) return null
  const origin = new TextDecoder().decode(message.subarray(nameAt + 1, nameAt + 1 + originBytes))
  const size = Number(view.getBigUint64(sizeAt))
  if (!Number.isSafeInteger(size) || origin.length === 0) return null
  const checkpoint = { origin, size, root: message.slice(sizeAt + 8) }
  const isSame = equalBytes(subtreeMessage(cosigner, timestamp, checkpoint), message)
  return isSame ? checkpoint : null
}

function shortText(text: string): Uint8Array {
  const bytes = utf8(text)
  if (bytes.length < 1 || bytes.length > maxCosignedNameBytes) throw new RangeError("name length")
  return concat(Uint8Array.of(bytes.length), bytes)
}

function requireTimestamp(timestamp: number): void {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw new RangeError("timestamp")
}

/** A `timestamped_signature`; seconds since 1970. C2SP tlog-cosignature, Format */
export type TimestampedSignature = { readonly timestamp: number; readonly signature: Uint8Array }

/** u64be timestamp ‖ signature. C2SP tlog-cosignature, Format */
export function encodeTimestamped(timestamped: TimestampedSignature): Uint8Array {
  return concat(u64be(timestamped.timestamp), timestamped.signature)
}

/** Null when there is no signature of that length behind a timestamp within 2⁵³. */
export function findTimestamped(
  bytes: Uint8Array,
  signatureBytes: number,
): TimestampedSignature | null {
  if (bytes.length !== 8 + signatureBytes) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const timestamp = Number(view.getBigUint64(0))
  return Number.isSafeInteger(timestamp) ? { timestamp, signature: bytes.slice(8) } : null
}
