import { encodeCanonical, ingest, type Json } from "../../protocol/canonical.ts"
import { decodeHex, encodeHex } from "../../protocol/encoding.ts"
import { enrol, type RootKey, rootKeyShape } from "../../protocol/member/key.ts"
import { decodeShape, hex, literal, object } from "../../protocol/shape.ts"
import type { RootPair } from "../authority/found.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keystore.ts"

/**
 * A root key on its own medium: the sealed pair, which leaves its custodian's hands only to sign, and the
 * public half, which a proposal names.
 */

const pairShape = object({
  ed25519: hex(32),
  mldsa65: hex(32),
  type: literal("comity/root-key/v1"),
})
const publicShape = object({ key: rootKeyShape, type: literal("comity/root-key-public/v1") })

export function sealRootKey(
  { ed25519, mldsa65 }: RootPair,
  unlocking: Unlocking,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const content: Json = {
    ed25519: encodeHex(ed25519),
    mldsa65: encodeHex(mldsa65),
    type: "comity/root-key/v1",
  }
  return sealKeyFileContent(content, unlocking, random)
}

/** @throws `key.unavailable`, `key.malformed` for another kind of key file */
export async function openRootKey(bytes: Uint8Array, unlocking: Unlocking): Promise<RootPair> {
  const content = await openKeyFileContent(bytes, unlocking)
  const { ed25519, mldsa65 } = decodeShape(pairShape, content, "key.malformed")
  return { ed25519: decodeHex(ed25519), mldsa65: decodeHex(mldsa65) }
}

export function encodePublicRootKey(key: RootKey): Uint8Array {
  return encodeCanonical({ key, type: "comity/root-key-public/v1" })
}

/** @throws `key.malformed`, `key.weak`, `json.*` */
export function decodePublicRootKey(bytes: Uint8Array): RootKey {
  const { key } = decodeShape(publicShape, ingest(bytes, 64 * 1024), "key.malformed")
  enrol(key)
  return key
}
