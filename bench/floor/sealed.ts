import { hash } from "node:crypto"
import { paddedSize } from "../../protocol/crypto/padding.ts"
import { open, seal } from "./primitives.ts"

/** The padding, commitment and sealing of PROTOCOL.md §3, without its checks of our own arguments. */

const lengthBytes = 8
const commitmentBytes = 32

export function pad(bytes: Uint8Array): Buffer {
  const padded = Buffer.alloc(paddedSize(bytes.length))
  padded.writeUInt32BE(bytes.length, 4)
  padded.set(bytes, lengthBytes)
  return padded
}

export function unpad(padded: Uint8Array): Uint8Array {
  const { buffer, byteOffset } = padded
  const length = new DataView(buffer, byteOffset, lengthBytes).getUint32(4)
  return padded.subarray(lengthBytes, lengthBytes + length)
}

function objectKeys(contentKey: Uint8Array): Buffer {
  return Buffer.from(hash("sha512", contentKey, "binary"), "binary")
}

export function sealRecord(contentKey: Uint8Array, bytes: Uint8Array): Buffer {
  const keys = objectKeys(contentKey)
  return Buffer.concat([keys.subarray(32), seal(keys.subarray(0, 32), pad(bytes))])
}

export function openRecord(contentKey: Uint8Array, sealed: Uint8Array): Uint8Array {
  const keys = objectKeys(contentKey)
  if (!keys.subarray(32).equals(sealed.subarray(0, commitmentBytes))) throw new Error("commitment")
  return unpad(open(keys.subarray(0, 32), sealed.subarray(commitmentBytes)))
}
