import { encodeCanonical, ingest, type Json, jsonOf } from "../canonical.ts"
import { sha256 } from "../crypto/hash.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { verifyCheckpoint } from "../log/checkpoint.ts"
import { logOrigin, openEntry } from "../log/entry.ts"
import { checkInclusion, leafHash } from "../log/merkle.ts"
import { parseTlogProof } from "../log/tlog-proof.ts"
import { kidOf } from "../member/key.ts"
import { type KeysDocument, keysFormat, verifyKeys } from "../member/keys.ts"
import { logKeyOf, type Member, newestRoot, rootVersion, verifyRoots } from "../member/root.ts"
import { decodeShape, json, list, literal, object, text } from "../shape.ts"
import { decodeSignedValue } from "../signed.ts"

/**
 * All that is needed to add a peer, without a server: its root documents, its newest keys document,
 * and the proof that its log has that one. docs/spec/keys.md, PROTOCOL.md §1 (bootstrap)
 */
const cardShape = object({
  keys: json,
  /** tlog-proof of the keys document's open entry */
  proof: text({ min: 1, max: limits.noteBytes }),
  roots: list(json, { min: 1, max: limits.rootVersions }),
  type: literal("comity/card/v1"),
})

export type Card = {
  readonly member: Member
  readonly keys: KeysDocument
  /** where the log has the keys document */
  readonly index: number
}

export function encodeCard(card: {
  readonly roots: readonly Uint8Array[]
  readonly keys: Uint8Array
  readonly proof: string
}): Uint8Array {
  const { roots, keys, proof } = card
  return encodeCanonical({
    keys: jsonOf(keys),
    proof,
    roots: roots.map(jsonOf),
    type: "comity/card/v1",
  })
}

/** Whether these bytes mean to be a card; what is wrong with one, `verifyCard` says. */
export function isCard(bytes: Uint8Array): boolean {
  const value = ingest(bytes, limits.cardBytes)
  return typeof value === "object" && value !== null && "type" in value
}

/**
 * The member that a card introduces: genuine as far as its own keys go. Whether it is who it says is
 * for people to compare, by the 12 words.
 *
 * @throws `card.malformed`, `inclusion.invalid`, `checkpoint.*`, `root.*`, `keys.*`, `signed.*`, `json.*`
 */
export function verifyCard(bytes: Uint8Array): Card {
  const fields = decodeShape(cardShape, ingest(bytes, limits.cardBytes), "card.malformed")
  const member = verifyRoots(fields.roots.map((root) => bytesOf(root)))
  const document = decodeSignedValue(keysFormat, fields.keys)
  const signer = rootVersion(member, document.payload.rootVersion)
  if (signer === null) throw new ProtocolError("keys.invalid", { detail: "root version" })
  const keys = verifyKeys(document.bytes, member.id, signer.payload)

  const root = newestRoot(member).payload
  // A key that was replaced announces nothing more: a card by it would seal to whoever stole it.
  if (kidOf(signer.payload.nodeKey) !== kidOf(root.nodeKey))
    throw new ProtocolError("keys.invalid", { detail: "replaced node key" })
  const proof = parseTlogProof(fields.proof)
  if (proof.extra !== undefined) throw new ProtocolError("card.malformed", { detail: "extra" })
  const origin = logOrigin(member.network, member.id, root.epoch)
  const { checkpoint } = verifyCheckpoint(proof.checkpoint, { origin, logKey: logKeyOf(root) })
  const isLogged = checkInclusion({
    leafIndex: proof.index,
    treeSize: checkpoint.size,
    leafHash: leafHash(openEntry(sha256(keys.bytes))),
    root: checkpoint.root,
    proof: proof.proof,
  })
  if (!isLogged) throw new ProtocolError("inclusion.invalid", { detail: "keys document" })
  return { member, keys, index: proof.index }
}

function bytesOf(value: Json): Uint8Array {
  if (value === null || typeof value !== "object") throw new ProtocolError("card.malformed")
  return encodeCanonical(value)
}
