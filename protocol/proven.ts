import { encodeCanonical, type Json } from "./canonical.ts"
import { sha256 } from "./crypto/hash.ts"
import { decodeHex, equalBytes } from "./encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts"
import { limits } from "./limits.ts"
import { verifyCheckpointStrict } from "./log/checkpoint.ts"
import { findCheckpoint } from "./log/checkpoint-body.ts"
import { blindedEntry, logOrigin, openEntry } from "./log/entry.ts"
import { checkConsistency, checkInclusion, emptyRoot, leafHash } from "./log/merkle.ts"
import { parseNote } from "./log/note.ts"
import { parseTlogProof } from "./log/tlog-proof.ts"
import { logKeyOf, type Member, newestRoot, verifyRoots } from "./member/root.ts"
import { judgeQuorum, versionsFor, type Witnessing, witnessesOf } from "./quorum.ts"
import { decodeOrderValue, type OrderDocument } from "./release/order.ts"
import { digest, integer, json, list, object, optional, type ShapeOf, text } from "./shape.ts"
import type { Logged } from "./standing.ts"

/**
 * An order that is proven to be in its own member's log to somebody who follows no log: what evidence, a
 * consent and a link of custody have in common. docs/spec/evidence.md, PROTOCOL.md §10
 */

const proofShape = list(digest, { max: limits.proofLines })

export const provenFields = {
  /** consistency from the order's base to the checkpoint */
  base: proofShape,
  order: json,
  /** tlog-proof of the order's entry under its first quorate checkpoint */
  proof: text({ min: 1, max: limits.noteBytes }),
  /**
   * versions 1 to the one in force, or to the later one under which the quorum is met, each with its
   * place in this log; none for those of earlier epochs
   */
  roots: list(
    object({
      document: json,
      index: optional(integer(0, Number.MAX_SAFE_INTEGER)),
      path: optional(proofShape),
    }),
    { min: 1, max: limits.rootVersions },
  ),
  /** opens the order's entry */
  salt: digest,
}
const provenShape = object(provenFields)
export type ProvenFields = ShapeOf<typeof provenShape>

export type Proven = {
  readonly order: OrderDocument
  readonly salt: Uint8Array
  readonly proof: string
  readonly base: readonly Uint8Array[]
  readonly roots: readonly {
    readonly bytes: Uint8Array
    readonly place: { readonly index: number; readonly path: readonly Uint8Array[] } | null
  }[]
}

/** @param code of the object that it is part of @throws it, and those of its parts */
export function decodeProven(fields: ProvenFields, code: ProtocolErrorCode): Proven {
  return {
    order: decodeOrderValue(fields.order),
    salt: decodeHex(fields.salt),
    proof: fields.proof,
    base: fields.base.map(decodeHex),
    roots: fields.roots.map(({ document, index, path }) => {
      if ((index === undefined) !== (path === undefined))
        throw new ProtocolError(code, { detail: "root document" })
      const place = index === undefined ? null : { index, path: path!.map(decodeHex) }
      return { bytes: objectBytes(document, code), place }
    }),
  }
}

/** The JCS form of an object that stands whole in another. */
export function objectBytes(value: Json, code: ProtocolErrorCode): Uint8Array {
  if (value === null || typeof value !== "object") throw new ProtocolError(code)
  return encodeCanonical(value)
}

/** What is proven of the log, who has cosigned it, and the note that says so. */
export type InLog = {
  readonly logged: Logged
  readonly witnessing: Witnessing
  readonly note: string
}

/**
 * Root versions and the order's entry, all under one checkpoint of the log of their member, whoever that
 * is: whether it is the one that is meant, and whether the order stands, is for the caller to judge.
 *
 * @param code for what contradicts itself or is too much
 * @throws it, `inclusion.invalid`, `order.base`, `order.root-version`, `root.*`, `note.*`, `checkpoint.*`,
 * `tlogproof.malformed`
 */
export function verifyProven(proven: Proven, code: ProtocolErrorCode): InLog {
  const proof = parseTlogProof(proven.proof)
  // An extra line is authenticated by nothing.
  if (proof.extra !== undefined) throw new ProtocolError(code, { detail: "extra" })
  const checkpoint = findCheckpoint(parseNote(proof.checkpoint).text)
  if (checkpoint === null) throw new ProtocolError("checkpoint.malformed")
  const { size: treeSize, root: treeHash } = checkpoint
  const isIn = (entry: Uint8Array, leafIndex: number, path: readonly Uint8Array[]) =>
    checkInclusion({ leafIndex, treeSize, leafHash: leafHash(entry), root: treeHash, proof: path })

  // Hashes first: most damage shows before the first signature is looked at.
  const entry = blindedEntry(1, proven.salt, decodeHex(proven.order.digest))
  if (!isIn(entry, proof.index, proof.proof)) throw new ProtocolError("inclusion.invalid")
  // The first of an epoch is entry 0 of its log; those of earlier epochs hang on it by its chain.
  let after = -1
  for (const { bytes, place } of proven.roots) {
    if (place === null && after === -1) continue
    const isPlaced =
      place !== null &&
      (after === -1 ? place.index === 0 : place.index > after) &&
      isIn(openEntry(sha256(bytes)), place.index, place.path)
    if (!isPlaced) throw new ProtocolError("inclusion.invalid", { detail: "root document" })
    after = place.index
  }
  const { base } = proven.order.payload
  const baseRoot = decodeHex(base.root)
  const isConsistent =
    base.size <= treeSize &&
    (base.size === 0
      ? proven.base.length === 0 && equalBytes(baseRoot, emptyRoot)
      : checkConsistency({
          size1: base.size,
          root1: baseRoot,
          size2: treeSize,
          root2: treeHash,
          proof: proven.base,
        }))
  if (!isConsistent) throw new ProtocolError("order.base")

  const origin = verifyRoots(proven.roots.map(({ bytes }) => bytes))
  const { epoch } = newestRoot(origin).payload
  const rootIndexes = proven.roots.map(({ place }) => place?.index ?? null)
  const isOfEpoch = origin.documents.every(
    ({ payload }, i) => (payload.epoch === epoch) === (rootIndexes[i] !== null),
  )
  if (!isOfEpoch || base.epoch !== epoch) throw new ProtocolError(code, { detail: "epoch" })
  const place = { index: proof.index, size: treeSize }
  const witnessing = verifyWitnessing(proof.checkpoint, origin, rootIndexes, place)
  const logged = { origin, places: [proof.index], baseRoot, endRoot: null, rootIndexes }
  return { logged, witnessing, note: proof.checkpoint }
}

/** Every line is by the log, or by a witness of the version under which the quorum is judged. */
function verifyWitnessing(
  note: string,
  origin: Member,
  rootIndexes: readonly (number | null)[],
  place: { readonly index: number; readonly size: number },
): Witnessing {
  const newest = newestRoot(origin).payload
  const versions = versionsFor(origin, newest.epoch, rootIndexes, place)
  if (versions.length === 0) throw new ProtocolError("order.root-version")
  const witnessing = judgeQuorum(note, versions)
  verifyCheckpointStrict(note, {
    origin: logOrigin(newest.network, origin.id, newest.epoch),
    logKey: logKeyOf(newest),
    witnesses: witnessesOf(witnessing.root),
  })
  return witnessing
}
