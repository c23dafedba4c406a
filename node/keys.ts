import {
  ed25519PublicKey,
  mlDsaPublicKey,
  signEd25519,
  signMlDsa,
} from "../protocol/crypto/sign.ts"
import { decodeHex, encodeBase64url, encodeHex } from "../protocol/encoding.ts"
import type { NoteSigner } from "../protocol/log/note.ts"
import { kidOf, type LogKeyFields, type SigningKey } from "../protocol/member/key.ts"
import type { Root } from "../protocol/member/root.ts"
import { NodeError } from "./errors.ts"
import { readMeta, writeMeta } from "./store/queries/members.ts"
import type { Db } from "./store/schema.ts"

/**
 * What the running node holds: never a root key, never an officer's. Seeds are 32 bytes. Where the
 * log key lives is a seam: `LogSigner` may be an agent or a token.
 */
export type NodeKeys = {
  readonly node: Uint8Array
  readonly log: { readonly ed25519: Uint8Array; readonly mldsa44: Uint8Array }
  readonly witness: { readonly ed25519: Uint8Array; readonly mldsa44: Uint8Array }
  /** blinds log entries, PROTOCOL.md §7 */
  readonly salt: Uint8Array
  readonly database: Uint8Array
}

export function makeNodeKeys(random: (bytes: number) => Uint8Array): NodeKeys {
  return {
    node: random(32),
    log: { ed25519: random(32), mldsa44: random(32) },
    witness: { ed25519: random(32), mldsa44: random(32) },
    salt: random(32),
    database: random(32),
  }
}

export type StoredKeys = { readonly [name: string]: string }

/** As it lies in the sealed key file. */
export function storeNodeKeys(keys: NodeKeys): StoredKeys {
  return {
    database: encodeHex(keys.database),
    logEd25519: encodeHex(keys.log.ed25519),
    logMldsa44: encodeHex(keys.log.mldsa44),
    node: encodeHex(keys.node),
    salt: encodeHex(keys.salt),
    witnessEd25519: encodeHex(keys.witness.ed25519),
    witnessMldsa44: encodeHex(keys.witness.mldsa44),
  }
}

/** @throws `key.unavailable` */
export function loadNodeKeys(stored: StoredKeys): NodeKeys {
  const seed = (name: string): Uint8Array => {
    const text = stored[name]
    if (text === undefined || !/^[0-9a-f]{64}$/.test(text))
      throw new NodeError("key.unavailable", "The node's key file is not one of this version.")
    return decodeHex(text)
  }
  return {
    node: seed("node"),
    log: { ed25519: seed("logEd25519"), mldsa44: seed("logMldsa44") },
    witness: { ed25519: seed("witnessEd25519"), mldsa44: seed("witnessMldsa44") },
    salt: seed("salt"),
    database: seed("database"),
  }
}

export function publicSigningKey(seed: Uint8Array): SigningKey {
  return { ed25519: encodeBase64url(ed25519PublicKey(seed)) }
}

export function publicLogKey(pair: NodeKeys["log"]): LogKeyFields {
  return {
    ed25519: encodeBase64url(ed25519PublicKey(pair.ed25519)),
    mldsa44: encodeBase64url(mlDsaPublicKey(44, pair.mldsa44)),
  }
}

export function nodeKid(keys: NodeKeys): string {
  return kidOf(publicSigningKey(keys.node))
}

/** Signs with the node key: keys documents, receipts, HTTP. */
export function nodeSigner(keys: NodeKeys): (message: Uint8Array) => Uint8Array {
  return (message) => signEd25519(message, keys.node)
}

/** The two lines under every checkpoint. */
export function logSigners(keys: NodeKeys, origin: string): readonly NoteSigner[] {
  const { ed25519, mldsa44 } = keys.log
  return [
    {
      name: origin,
      algorithm: 0x01,
      publicKey: ed25519PublicKey(ed25519),
      sign: (message) => signEd25519(message, ed25519),
    },
    {
      name: origin,
      algorithm: 0x06,
      publicKey: mlDsaPublicKey(44, mldsa44),
      sign: (message) => signMlDsa(44, message, mldsa44),
    },
  ]
}

/** The two lines of a cosignature that this node gives as a witness. */
export function witnessSigners(keys: NodeKeys, name: string): readonly NoteSigner[] {
  const { ed25519, mldsa44 } = keys.witness
  return [
    {
      name,
      algorithm: 0x04,
      publicKey: ed25519PublicKey(ed25519),
      sign: (message) => signEd25519(message, ed25519),
    },
    {
      name,
      algorithm: 0x06,
      publicKey: mlDsaPublicKey(44, mldsa44),
      sign: (message) => signMlDsa(44, message, mldsa44),
    },
  ]
}

const metaNames = { inForce: "keys", proposed: "keys-proposed" } as const

/** Keys that a root document has named since founding; they lie in the encrypted database. */
export async function readKeys(
  db: Db,
  base: NodeKeys,
  which: keyof typeof metaNames = "inForce",
): Promise<NodeKeys | null> {
  const bytes = await readMeta(db, metaNames[which])
  if (bytes === null) return null
  const stored = JSON.parse(new TextDecoder().decode(bytes)) as StoredKeys
  return { ...loadNodeKeys({ ...stored, database: encodeHex(base.database) }) }
}

/** All but the key of the database itself. */
export async function writeKeys(
  db: Db,
  keys: NodeKeys,
  which: keyof typeof metaNames = "inForce",
): Promise<void> {
  const { database: _, ...stored } = storeNodeKeys(keys)
  await writeMeta(db, metaNames[which], new TextEncoder().encode(JSON.stringify(stored)))
}

/** Whether this root document names these very keys of a node. */
export function areNamedBy(root: Root, keys: NodeKeys): boolean {
  const { name: _, ...witnessKey } = root.witnessKey
  return (
    kidOf(root.nodeKey) === kidOf(publicSigningKey(keys.node)) &&
    kidOf(root.logKey) === kidOf(publicLogKey(keys.log)) &&
    kidOf(witnessKey) === kidOf(publicLogKey(keys.witness))
  )
}
