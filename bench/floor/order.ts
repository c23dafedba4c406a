import { generateKeyPairSync, randomFillSync, sign, verify } from "node:crypto"
import { sha256, treeRoot } from "./primitives.ts"

/**
 * What an order is made of, and nothing else: a leaf for each record and recipient, a tree, a signature
 * over its root, and a log checkpoint signed with both algorithms. All of it binary.
 */

export const recordsPerSignature = 500
export const keyBytes = 32
export const saltBytes = 32
export const signatureBytes = 64

const officer = generateKeyPairSync("ed25519")
const logKeys = [generateKeyPairSync("ed25519"), generateKeyPairSync("ml-dsa-44")] as const
/** As long as an order; which bytes they are changes no cost. */
const order = randomFillSync(Buffer.alloc(640))
export const orderSignature = sign(null, order, officer.privateKey)

export function verifyOrder(signatures: number): void {
  for (let i = 0; i < signatures; i++)
    if (!verify(null, order, officer.publicKey, orderSignature)) throw new Error("signature")
}

export function signCheckpoint(root: Uint8Array): readonly Buffer[] {
  return logKeys.map(({ privateKey }) => sign(null, root, privateKey))
}

export function verifyCheckpoint(root: Uint8Array, signatures: readonly Uint8Array[]): void {
  for (const [i, { publicKey }] of logKeys.entries())
    if (!verify(null, root, publicKey, signatures[i]!)) throw new Error("checkpoint")
}

const leafBytes = Buffer.alloc(1 + saltBytes + 64 + 32)

/** SHA-256(0x00 ‖ salt ‖ recipient ‖ digest of the record). */
export function leafOf(salt: Uint8Array, recipient: number, digest: Uint8Array): Uint8Array {
  leafBytes.set(salt, 1)
  leafBytes[1 + saltBytes] = recipient
  leafBytes.set(digest, 1 + saltBytes + 64)
  return sha256(leafBytes)
}

/** The root over each recipient's own subtree, so that a recipient needs one path for all its leaves. */
export function orderRoot(leaves: readonly Uint8Array[][]): {
  readonly root: Uint8Array
  readonly subtrees: readonly Uint8Array[]
} {
  const subtrees = leaves.map((own) => treeRoot([...own]))
  return { root: treeRoot([...subtrees]), subtrees }
}
