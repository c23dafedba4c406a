import {
  ed25519PublicKey,
  mlDsaPublicKey,
  signEd25519,
  signMlDsa,
} from "../../protocol/crypto/sign.ts"
import { decodeBase64url, decodeHex, encodeBase64url, encodeHex } from "../../protocol/encoding.ts"
import type { NoteSigner } from "../../protocol/log/note.ts"
import { kidOf, type LogKeyFields, type SigningKey } from "../../protocol/member/key.ts"
import type { Root } from "../../protocol/member/root.ts"
import { NodeError } from "../errors.ts"
import { readMeta, writeMeta } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"

type LogSeeds = { readonly ed25519: Uint8Array; readonly mldsa44: Uint8Array }

/** A private key that is elsewhere: with an agent, later in a token. It signs what it finds sound. */
export type Elsewhere<Key> = {
  readonly publicKey: Key
  sign(algorithm: "ed25519" | "mldsa44", message: Uint8Array): Promise<Uint8Array>
}

/**
 * What the running node holds: never a root key, never an officer's. Seeds are 32 bytes. The node key and
 * the log key may be elsewhere.
 */
export type NodeKeys = {
  readonly node: Uint8Array | Elsewhere<SigningKey>
  readonly log: LogSeeds | Elsewhere<LogKeyFields>
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

/** As it lies in the sealed key file: what is elsewhere is not there. */
export function storeNodeKeys(keys: NodeKeys): StoredKeys {
  const { database, log, node, salt, witness } = keys
  return {
    database: encodeHex(database),
    ...("sign" in log
      ? {}
      : { logEd25519: encodeHex(log.ed25519), logMldsa44: encodeHex(log.mldsa44) }),
    ...("sign" in node ? {} : { node: encodeHex(node) }),
    salt: encodeHex(salt),
    witnessEd25519: encodeHex(witness.ed25519),
    witnessMldsa44: encodeHex(witness.mldsa44),
  }
}

/**
 * @param elsewhere who signs for the keys that are not in `stored`
 * @throws `key.unavailable`
 */
export function loadNodeKeys(
  stored: StoredKeys,
  elsewhere: Pick<NodeKeys, "node" | "log"> | null = null,
): NodeKeys {
  const seed = (name: string): Uint8Array => {
    const text = stored[name]
    if (text === undefined || !/^[0-9a-f]{64}$/.test(text))
      throw new NodeError("key.unavailable", "The node's key file is not one of this version.")
    return decodeHex(text)
  }
  const isAway = (name: string) => elsewhere !== null && stored[name] === undefined
  return {
    node: isAway("node") ? elsewhere!.node : seed("node"),
    log: isAway("logEd25519")
      ? elsewhere!.log
      : { ed25519: seed("logEd25519"), mldsa44: seed("logMldsa44") },
    witness: { ed25519: seed("witnessEd25519"), mldsa44: seed("witnessMldsa44") },
    salt: seed("salt"),
    database: seed("database"),
  }
}

export function publicSigningKey(key: NodeKeys["node"]): SigningKey {
  return "sign" in key ? key.publicKey : { ed25519: encodeBase64url(ed25519PublicKey(key)) }
}

export function publicLogKey(pair: NodeKeys["log"]): LogKeyFields {
  if ("sign" in pair) return pair.publicKey
  return {
    ed25519: encodeBase64url(ed25519PublicKey(pair.ed25519)),
    mldsa44: encodeBase64url(mlDsaPublicKey(44, pair.mldsa44)),
  }
}

export function nodeKid(keys: NodeKeys): string {
  return kidOf(publicSigningKey(keys.node))
}

/** Signs with the node key: keys documents, receipts, HTTP. */
export function nodeSigner({
  node,
}: NodeKeys): (message: Uint8Array) => Uint8Array | Promise<Uint8Array> {
  return (message) => ("sign" in node ? node.sign("ed25519", message) : signEd25519(message, node))
}

/** The two lines under every checkpoint. */
export function logSigners({ log }: NodeKeys, origin: string): readonly NoteSigner[] {
  const { ed25519, mldsa44 } = publicLogKey(log)
  return [
    {
      name: origin,
      algorithm: 0x01,
      publicKey: decodeBase64url(ed25519),
      sign: (message) =>
        "sign" in log ? log.sign("ed25519", message) : signEd25519(message, log.ed25519),
    },
    {
      name: origin,
      algorithm: 0x06,
      publicKey: decodeBase64url(mldsa44),
      sign: (message) =>
        "sign" in log ? log.sign("mldsa44", message) : signMlDsa(44, message, log.mldsa44),
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
  return loadNodeKeys({ ...stored, database: encodeHex(base.database) }, base)
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
