import { encodeCanonical, ingest, type Json } from "./canonical.ts"
import { sha256 } from "./crypto/hash.ts"
import { decodeHex, equalBytes } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"
import { type PlacedGrant, placeGrant } from "./exchange/delivery.ts"
import { limits } from "./limits.ts"
import { verifyCheckpointStrict } from "./log/checkpoint.ts"
import { findCheckpoint } from "./log/checkpoint-body.ts"
import { logOrigin, openEntry } from "./log/entry.ts"
import { checkConsistency, checkInclusion, emptyRoot, leafHash } from "./log/merkle.ts"
import { parseNote } from "./log/note.ts"
import { parseTlogProof, signersUnder } from "./log/tlog-proof.ts"
import { isQuorate, quorumMembers, type WitnessPolicy } from "./log/witness-policy.ts"
import { logKeyOf, type Member, newestRoot, type Root, verifyRoots } from "./member/root.ts"
import { decodeProfile, type Profile, profileDigest } from "./profiles/profile.ts"
import {
  describeWitnessing,
  judgeQuorum,
  versionsFor,
  type Witnessing,
  witnessesOf,
} from "./quorum.ts"
import type { ComityRecord } from "./record/record.ts"
import { grantTreeDepth } from "./release/grant-tree.ts"
import { decodeOrderValue, type OrderDocument } from "./release/order.ts"
import {
  decodeShape,
  digest,
  integer,
  json,
  list,
  literal,
  object,
  optional,
  type ShapeOf,
  text,
} from "./shape.ts"
import {
  entryOf,
  type Holder,
  type Logged,
  type Standing,
  type Step,
  verifyOrder,
  verifyRelease,
} from "./verify.ts"
import { parseWords } from "./words.ts"

const index = integer(0, Number.MAX_SAFE_INTEGER)
const proofShape = list(digest, { max: limits.proofLines })

/** One file that verifies offline against pinned members. docs/spec/evidence.md, PROTOCOL.md §10 */
const evidenceShape = object({
  /** consistency from the order's base to the checkpoint */
  base: proofShape,
  consents: list(json, { max: 16 }),
  custody: list(json, { max: 16 }),
  grant: json,
  order: json,
  path: list(digest, { min: grantTreeDepth, max: grantTreeDepth }),
  position: integer(0, (1 << grantTreeDepth) - 1),
  profile: json,
  /** tlog-proof of the order's entry under its first quorate checkpoint */
  proof: text({ min: 1, max: limits.noteBytes }),
  record: optional(json),
  /**
   * versions 1 to the one in force, or to the later one under which the quorum is met, each with its
   * place in this log; none for those of earlier epochs
   */
  roots: list(object({ document: json, index: optional(index), path: optional(proofShape) }), {
    min: 1,
    max: limits.rootVersions,
  }),
  /** opens the order's entry */
  salt: digest,
  type: literal("comity/evidence/v1"),
})
export type EvidenceFields = Omit<ShapeOf<typeof evidenceShape>, "type" | "consents" | "custody">

export type Evidence = {
  readonly order: OrderDocument
  readonly placed: PlacedGrant
  readonly salt: Uint8Array
  readonly proof: string
  readonly base: readonly Uint8Array[]
  readonly profile: { readonly profile: Profile; readonly digest: string }
  readonly roots: readonly {
    readonly bytes: Uint8Array
    readonly place: { readonly index: number; readonly path: readonly Uint8Array[] } | null
  }[]
  /** JCS form */
  readonly record: Uint8Array
}

export function encodeEvidence(fields: EvidenceFields): Uint8Array {
  return encodeCanonical({
    ...fields,
    consents: [],
    custody: [],
    type: "comity/evidence/v1",
  })
}

/**
 * The form alone.
 *
 * @throws `evidence.malformed`, `json.*`, and those of its parts; `feature.unsupported` for consents,
 * custody chains and evidence without its record
 */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const value = ingest(bytes, limits.evidenceBytes)
  const fields = decodeShape(evidenceShape, value, "evidence.malformed")
  if (fields.consents.length > 0)
    throw new ProtocolError("feature.unsupported", { detail: "consents" })
  if (fields.custody.length > 0) throw new ProtocolError("custody.unsupported")
  if (fields.record === undefined)
    throw new ProtocolError("feature.unsupported", { detail: "evidence without its record" })
  const profileBytes = bytesOf(fields.profile)
  return {
    order: decodeOrderValue(fields.order),
    placed: placeGrant(fields),
    salt: decodeHex(fields.salt),
    proof: fields.proof,
    base: fields.base.map(decodeHex),
    profile: { profile: decodeProfile(profileBytes), digest: profileDigest(profileBytes) },
    roots: fields.roots.map(({ document, index, path }) => {
      if ((index === undefined) !== (path === undefined))
        throw new ProtocolError("evidence.malformed", { detail: "root document" })
      const place = index === undefined ? null : { index, path: path!.map(decodeHex) }
      return { bytes: bytesOf(document), place }
    }),
    record: bytesOf(fields.record),
  }
}

function bytesOf(value: Json): Uint8Array {
  if (value === null || typeof value !== "object") throw new ProtocolError("evidence.malformed")
  return encodeCanonical(value)
}

/** A member that the reader trusts to be who it is: a whole id, or the 128 bits of its 12 words. */
export type Pin = { readonly id: string } | { readonly words: Uint8Array }

/** 64 hex digits or 12 words. @throws `words.malformed` */
export function parsePin(pin: string): Pin {
  const trimmed = pin.trim()
  return /^[0-9a-f]{64}$/.test(trimmed) ? { id: trimmed } : { words: parseWords(trimmed) }
}

function isPinned(member: string, pins: readonly Pin[]): boolean {
  return pins.some((pin) =>
    "id" in pin
      ? pin.id === member
      : equalBytes(pin.words, decodeHex(member).subarray(0, pin.words.length)),
  )
}

export type Verdict = {
  readonly verdict: "verified" | "pending" | "failed"
  /** what it rests on, in words */
  readonly ground: readonly string[]
  readonly steps: readonly Step[]
  readonly code?: ProtocolError["code"]
  /** member id and record, once known to be genuine */
  readonly origin?: string
  readonly record?: ComityRecord
  readonly standing?: Standing
}

const stepNames = [
  "form and sender",
  "grant",
  "log",
  "root document in force",
  "officers",
  "precedence",
  "content",
  "record",
  // Only where they are required.
  "witnesses",
] as const

export type EvidenceOptions = {
  /** fail where the origin names no witnesses or their quorum is missing */
  readonly requireWitnesses?: boolean
  /** witnesses that the reader pinned himself: fail where their quorum is missing */
  readonly policy?: WitnessPolicy
}

/** The verdict on an evidence file, without node or network. Never throws for what the file holds. */
export function verifyEvidence(
  bytes: Uint8Array,
  pins: readonly Pin[],
  options: EvidenceOptions = {},
): Verdict {
  const steps: Step[] = []
  try {
    const evidence = decodeEvidence(bytes)
    const { logged, witnessing, note } = verifyProofs(evidence, pins)
    const seen = describeWitnessing(witnessing)
    const report = (step: number, text: string) =>
      void steps.push({ step, ok: true, text: step === 3 ? `${text}; ${seen}` : text })
    const newest = newestRoot(logged.origin).payload
    const claim = {
      order: evidence.order,
      entry: { index: logged.places[0]!, salt: evidence.salt },
      grants: [evidence.placed],
    }
    const holder = readerOf(evidence, newest)
    const standing = verifyOrder(claim, logged, holder, report)
    if (Math.max(standing.root.version, witnessing.root.version) !== newest.version)
      throw new ProtocolError("evidence.malformed", { detail: "superfluous root version" })
    const content = { plaintext: evidence.record }
    const { record } = verifyRelease(standing, evidence.placed, [], content, holder, report)
    const isBare = witnessing.root.quorum === 0 || !witnessing.isQuorate
    if (options.requireWitnesses && isBare) throw new ProtocolError("evidence.witnesses")
    const pinned = options.policy === undefined ? [] : verifyPolicy(note, options.policy)
    return {
      verdict: witnessing.isQuorate ? "verified" : "pending",
      ground: groundOf(standing, evidence, newest, seen, pinned),
      steps,
      origin: logged.origin.id,
      record,
      standing,
    }
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    const step = Math.min(steps.length + 1, stepNames.length)
    const failed = {
      step,
      ok: false,
      code: cause.code,
      text: `${stepNames[step - 1]}: ${cause.message}`,
    }
    return { verdict: "failed", ground: [], steps: [...steps, failed], code: cause.code }
  }
}

/**
 * Who of the reader's own witnesses cosigned. Which log it is, the root documents have said already: a
 * policy that names logs must name it too. @throws `evidence.witnesses`
 */
function verifyPolicy(note: string, policy: WitnessPolicy): readonly string[] {
  const signed = signersUnder(note, policy)
  const cosigned = signed?.witnesses ?? new Set<string>()
  const isTheLog = policy.logs.length === 0 || signed?.isByLog === true
  if (!isTheLog || !isQuorate(policy, cosigned))
    throw new ProtocolError("evidence.witnesses", { detail: "that you pinned" })
  return policy.quorum === "none" ? [] : quorumMembers(policy, cosigned)
}

/** Root versions and the order's entry, all under one checkpoint of the origin's log. */
function verifyProofs(
  evidence: Evidence,
  pins: readonly Pin[],
): { readonly logged: Logged; readonly witnessing: Witnessing; readonly note: string } {
  const proof = parseTlogProof(evidence.proof)
  // An extra line is authenticated by nothing.
  if (proof.extra !== undefined) throw new ProtocolError("evidence.malformed", { detail: "extra" })
  const checkpoint = findCheckpoint(parseNote(proof.checkpoint).text)
  if (checkpoint === null) throw new ProtocolError("checkpoint.malformed")
  const { size: treeSize, root: treeHash } = checkpoint
  const isIn = (entry: Uint8Array, leafIndex: number, path: readonly Uint8Array[]) =>
    checkInclusion({ leafIndex, treeSize, leafHash: leafHash(entry), root: treeHash, proof: path })

  // Hashes first: most damage shows before the first signature is looked at.
  const entry = entryOf({
    order: evidence.order,
    entry: { index: proof.index, salt: evidence.salt },
  })
  if (!isIn(entry, proof.index, proof.proof)) throw new ProtocolError("inclusion.invalid")
  // The first of an epoch is entry 0 of its log; those of earlier epochs hang on it by its chain.
  let after = -1
  for (const { bytes, place } of evidence.roots) {
    if (place === null && after === -1) continue
    const isPlaced =
      place !== null &&
      (after === -1 ? place.index === 0 : place.index > after) &&
      isIn(openEntry(sha256(bytes)), place.index, place.path)
    if (!isPlaced) throw new ProtocolError("inclusion.invalid", { detail: "root document" })
    after = place.index
  }
  const { base } = evidence.order.payload
  const baseRoot = decodeHex(base.root)
  const isConsistent =
    base.size <= treeSize &&
    (base.size === 0
      ? evidence.base.length === 0 && equalBytes(baseRoot, emptyRoot)
      : checkConsistency({
          size1: base.size,
          root1: baseRoot,
          size2: treeSize,
          root2: treeHash,
          proof: evidence.base,
        }))
  if (!isConsistent) throw new ProtocolError("order.base")

  const origin = verifyRoots(evidence.roots.map(({ bytes }) => bytes))
  const { epoch } = newestRoot(origin).payload
  const rootIndexes = evidence.roots.map(({ place }) => place?.index ?? null)
  const isOfEpoch = origin.documents.every(
    ({ payload }, i) => (payload.epoch === epoch) === (rootIndexes[i] !== null),
  )
  if (!isOfEpoch || base.epoch !== epoch)
    throw new ProtocolError("evidence.malformed", { detail: "epoch" })
  if (!isPinned(origin.id, pins)) throw new ProtocolError("evidence.pin", { detail: origin.id })
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

/** Whoever reads the file: the profile is the one it brings, the rest is the origin's own. */
function readerOf({ profile }: Evidence, root: Root): Holder {
  return {
    network: root.network,
    recipient: null,
    ceiling: null,
    profiles: null,
    mapMarking: null,
    kind: null,
    localMark: () => null,
    profile: (wanted) => (wanted === profile.digest ? profile.profile : null),
  }
}

function groundOf(
  { approvals, root, index }: Standing,
  evidence: Evidence,
  newest: Root,
  witnessing: string,
  pinned: readonly string[],
): readonly string[] {
  const { order, placed } = evidence
  const { name, version, network, state } = root
  const who = `${name} (${state}, ${order.payload.origin})`
  const known =
    newest.version === version
      ? "the newest in this file"
      : `where version ${newest.version} is the newest in this file`
  return [
    ...(network === "operational" ? [] : [`network ${network}: not operational`]),
    `authorised by ${approvals.length} officers of ${who}, pinned by you, under root version ${version}, ${known}`,
    `released to member ${placed.grant.recipient}`,
    witnessing,
    ...(pinned.length === 0 ? [] : [`witnessed by ${pinned.join(", ")} that you pinned yourself`]),
    `logged at index ${index}; withdrawal since is not excluded`,
  ]
}
