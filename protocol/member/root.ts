import { encodeCanonical, ingest } from "../canonical.ts"
import { labelled, sha256 } from "../crypto/hash.ts"
import { verifyMlDsa, verifyStrict } from "../crypto/sign.ts"
import { decodeBase64url, encodeHex, utf8 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { maxCosignedNameBytes } from "../log/cosigned-message.ts"
import { markingShape } from "../record/marking.ts"
import { textLine } from "../record/plain-text.ts"
import {
  base64url,
  day,
  decodeShape,
  digest,
  flag,
  integer,
  list,
  literal,
  network,
  object,
  oneOf,
  optional,
  refine,
  type ShapeOf,
  sortedSet,
  text,
} from "../shape.ts"
import { decodeSigned, type Signed, type SignedFormat } from "../signed.ts"
import { enrol, kidOf, logKeyShape, type RootKey, rootKeyShape, signingKeyShape } from "./key.ts"
import { policyShape } from "./policy.ts"

/** A name that a cosignature can hold, in the words of C2SP signed-note. */
const keyNameShape = refine(
  text({ min: 1, max: 128, pattern: /^[^\s+\p{C}]+$/u }),
  (name) => utf8(name).length <= maxCosignedNameBytes,
)
export const stateShape = text({ min: 2, max: 2, pattern: /^[A-Z]{2}$/ })
export const nameShape = text({ min: 1, max: 128, pattern: /^[^\p{Cc}\p{Cf}]+$/u })
const sizeShape = integer(0, Number.MAX_SAFE_INTEGER)
export const headShape = object({ epoch: integer(1, 1_000_000), root: digest, size: sizeShape })

const witnessKeyFields = { ed25519: base64url(32), mldsa44: base64url(1312), name: keyNameShape }
const witnessKeyShape = object(witnessKeyFields)
const witnessShape = object({ ...witnessKeyFields, member: digest })

export const rootShape = object({
  closing: optional(
    object({ answers: textLine({ max: 256 }), day, keep: flag, successor: optional(digest) }),
  ),
  ceiling: markingShape,
  epoch: integer(1, 1_000_000),
  expires: day,
  kind: oneOf(["state", "operator", "secretariat", "team"]),
  logKey: logKeyShape,
  member: optional(digest),
  name: nameShape,
  network,
  next: digest,
  nodeKey: signingKeyShape,
  officers: sortedSet(digest, limits.officers),
  policy: policyShape,
  prev: optional(digest),
  profiles: sortedSet(digest, 256),
  quorum: integer(0, limits.witnesses),
  revoked: list(
    object({
      from: object({ epoch: integer(1, 1_000_000), root: optional(digest), size: sizeShape }),
      kid: digest,
    }),
    { max: 4096 },
  ),
  rootKeys: list(rootKeyShape, { min: 1, max: 32 }),
  state: stateShape,
  succeeds: optional(sortedSet(digest, 16)),
  survives: optional(headShape),
  threshold: integer(1, 32),
  type: literal("comity/root/v1"),
  version: integer(1, limits.rootVersions),
  witnessKey: witnessKeyShape,
  witnesses: list(witnessShape, { max: limits.witnesses }),
})
export type Root = ShapeOf<typeof rootShape>
/** A place in one of the member's logs: its first `size` entries have this root. */
export type Head = ShapeOf<typeof headShape>

const headerShape = object({
  alg: oneOf(["Ed25519", "ML-DSA-65"]),
  kid: digest,
  network,
  typ: literal("comity-root+jws"),
})
type RootHeader = ShapeOf<typeof headerShape>

export const rootFormat: SignedFormat<Root, RootHeader> = {
  typ: "comity-root+jws",
  payload: refine(rootShape, isCoherent),
  header: headerShape,
  code: "root.malformed",
}
export type RootDocument = Signed<Root, RootHeader>

/** A member as its root documents tell it: version 1 first, each verified. */
export type Member = {
  /** hex SHA-256("comity/member/v1\0" ‖ payload of version 1) */
  readonly id: string
  readonly network: string
  readonly documents: readonly RootDocument[]
}

/** Rules inside one version that a field's shape can't say. PROTOCOL.md §1 */
function isCoherent(root: Root): boolean {
  const isFirst = root.version === 1
  const { witnesses, quorum } = root
  const names = new Set(witnesses.map(({ name }) => name))
  const members = new Set(witnesses.map(({ member }) => member))
  const keys = new Set([root.witnessKey, ...witnesses].map(({ ed25519 }) => ed25519))
  return (
    isFirst === (root.member === undefined) &&
    isFirst === (root.prev === undefined) &&
    root.threshold <= root.rootKeys.length &&
    new Set(root.rootKeys.map(({ ed25519 }) => ed25519)).size === root.rootKeys.length &&
    new Set(root.rootKeys.map(({ mldsa65 }) => mldsa65)).size === root.rootKeys.length &&
    names.size === witnesses.length &&
    members.size === witnesses.length &&
    keys.size === witnesses.length + 1 &&
    (root.member === undefined || !members.has(root.member)) &&
    (root.member === undefined || !root.succeeds?.includes(root.member)) &&
    (witnesses.length === 0 ? quorum === 0 : quorum > witnesses.length / 2) &&
    quorum <= witnesses.length &&
    (!isFirst || (root.epoch === 1 && root.survives === undefined && root.closing === undefined)) &&
    keysDiffer(root) &&
    revocationsAreWhole(root)
  )
}

/** Under a revoked log key only what a known checkpoint proves counts: size alone would not say which. */
function revocationsAreWhole({ logKey, revoked }: Root): boolean {
  const logKid = kidOf(logKey)
  return revoked.every(({ kid, from }) => kid !== logKid || from.root !== undefined)
}

/** No key has two jobs: a signature can't be moved from one to the other. */
function keysDiffer(root: Root): boolean {
  const { logKey, nodeKey, witnessKey, rootKeys, witnesses } = root
  const jobs = [logKey, nodeKey, witnessKey, ...rootKeys, ...witnesses]
  const cosigners = [logKey, witnessKey, ...witnesses]
  return (
    new Set(jobs.map(({ ed25519 }) => ed25519)).size === jobs.length &&
    new Set(cosigners.map(({ mldsa44 }) => mldsa44)).size === cosigners.length
  )
}

export function memberId(payloadOfVersion1: Uint8Array): string {
  return encodeHex(labelled("comity/member/v1", payloadOfVersion1))
}

/** What `next` commits to: SHA-256("comity/next/v1\0" ‖ JCS{rootKeys, threshold}), hex. */
export function nextDigest(rootKeys: readonly RootKey[], threshold: number): string {
  return encodeHex(labelled("comity/next/v1", encodeCanonical({ rootKeys, threshold })))
}

/** hex SHA-256 of a version's payload: what the next one's `prev` names. */
export function payloadDigest(document: RootDocument): string {
  return encodeHex(sha256(document.payloadBytes))
}

/**
 * The member whose root documents these are, versions 1..n in order, each verified under its own
 * keys and those of the version before. PROTOCOL.md §1, TUF client rules: no skipping, no rollback.
 *
 * @throws `root.malformed`, `root.chain`, `root.threshold`, `root.invalid`, `signed.*`, `key.weak`,
 * `network.mismatch`
 */
export function verifyRoots(documents: readonly Uint8Array[]): Member {
  if (documents.length === 0) throw new ProtocolError("root.malformed", { detail: "no version" })
  if (documents.length > limits.rootVersions) throw new ProtocolError("json.too-large")
  const first = decodeSigned(rootFormat, documents[0]!)
  if (first.payload.version !== 1) throw new ProtocolError("root.chain", { detail: "version 1" })
  verifyVersion(first, undefined)
  let member: Member = {
    id: memberId(first.payloadBytes),
    network: first.payload.network,
    documents: [first],
  }
  for (const bytes of documents.slice(1)) member = extendRoots(member, bytes)
  return member
}

/** One version more. @throws as verifyRoots */
export function extendRoots(member: Member, bytes: Uint8Array): Member {
  const before = newestRoot(member)
  const document = decodeSigned(rootFormat, bytes)
  const { payload } = document
  const follows =
    payload.version === before.payload.version + 1 &&
    payload.member === member.id &&
    payload.prev === payloadDigest(before)
  if (!follows) throw new ProtocolError("root.chain")
  if (payload.network !== member.network) throw new ProtocolError("network.mismatch")
  // What has closed stays closed: after that entry only withdrawals count, for good.
  if (before.payload.closing !== undefined && payload.closing === undefined)
    throw new ProtocolError("root.chain", { detail: "closing" })
  verifyEpoch(member, payload)
  verifyVersion(document, before.payload)
  return { ...member, documents: [...member.documents, document] }
}

/** Log key and epoch change only together, and say what of the last log survives. PROTOCOL.md §1 */
function verifyEpoch(member: Member, root: Root): void {
  const before = newestRoot(member).payload
  const isNew = root.epoch !== before.epoch
  const kid = kidOf(root.logKey)
  const earlier = new Set(member.documents.map(({ payload }) => kidOf(payload.logKey)))
  const isSound = isNew
    ? root.epoch === before.epoch + 1 &&
      root.survives?.epoch === before.epoch &&
      // A key that has signed a log of its own never signs another.
      !earlier.has(kid)
    : kid === kidOf(before.logKey) && root.survives === undefined
  if (!isSound) throw new ProtocolError("root.chain", { detail: "epoch" })
  if (root.revoked.some((revoked) => earlier.has(revoked.kid) && revoked.from.root === undefined))
    throw new ProtocolError("root.malformed", { detail: "revoked log key" })
}

/**
 * Where a log of the member stops counting: at what the epoch after it says survives, or at the
 * revocation of its key, whichever is earlier; null while it goes on. PROTOCOL.md §1
 */
export function endOfEpoch(member: Member, epoch: number): Head | null {
  const last = member.documents.findLast(({ payload }) => payload.epoch === epoch)
  if (last === undefined) return null
  const next = rootVersion(member, last.payload.version + 1)?.payload.survives
  const kid = kidOf(last.payload.logKey)
  const ends = newestRoot(member)
    .payload.revoked.filter((revoked) => revoked.kid === kid)
    .map(({ from }) => ({ epoch, root: from.root ?? "", size: from.size }))
  if (next !== undefined) ends.push(next)
  return ends.length === 0 ? null : ends.reduce((a, b) => (b.size < a.size ? b : a))
}

/** Whether `heir` has taken over from `member`: each names the other in its newest root. PROTOCOL.md §1 */
export function isSuccessor(heir: Member, member: Member): boolean {
  const { closing } = newestRoot(member).payload
  const { succeeds = [] } = newestRoot(heir).payload
  return closing?.successor === heir.id && succeeds.includes(member.id)
}

export function newestRoot(member: Member): RootDocument {
  return member.documents[member.documents.length - 1]!
}

export function rootVersion(member: Member, version: number): RootDocument | null {
  return member.documents[version - 1] ?? null
}

function verifyVersion(document: RootDocument, before: Root | undefined): void {
  const root = document.payload
  const keeps =
    before === undefined ||
    (nextDigest(root.rootKeys, root.threshold) === nextDigest(before.rootKeys, before.threshold) &&
      root.next === before.next)
  if (!keeps && nextDigest(root.rootKeys, root.threshold) !== before.next)
    throw new ProtocolError("root.chain", { detail: "next" })
  for (const key of [
    ...root.rootKeys,
    root.logKey,
    root.nodeKey,
    root.witnessKey,
    ...root.witnesses,
  ])
    enrol(key)
  const signers = verifySignatures(document, [...root.rootKeys, ...(before?.rootKeys ?? [])])
  const reached = (keys: readonly RootKey[], threshold: number) =>
    keys.filter((key) => signers.has(kidOf(key))).length >= threshold
  const enough =
    reached(root.rootKeys, root.threshold) &&
    (before === undefined || reached(before.rootKeys, before.threshold))
  if (!enough) throw new ProtocolError("root.threshold")
}

/** Every signature by a named root key, every pair whole, all of them good. */
function verifySignatures(document: RootDocument, keys: readonly RootKey[]): ReadonlySet<string> {
  const named = new Map(keys.map((key) => [kidOf(key), key]))
  const algorithms = new Map<string, number>()
  for (const { header, signature, input } of document.signatures) {
    const key = named.get(header.kid)
    if (key === undefined) throw new ProtocolError("signed.unknown-key")
    const isGood =
      header.alg === "Ed25519"
        ? verifyStrict(signature, input, decodeBase64url(key.ed25519))
        : verifyMlDsa(65, signature, input, decodeBase64url(key.mldsa65))
    if (!isGood) throw new ProtocolError("root.invalid")
    algorithms.set(header.kid, (algorithms.get(header.kid) ?? 0) + 1)
  }
  for (const count of algorithms.values())
    if (count !== 2) throw new ProtocolError("root.threshold", { detail: "half a pair" })
  return new Set(algorithms.keys())
}

/** A root payload, before it is signed. @throws `json.*` */
export function encodeRoot(root: Root): Uint8Array {
  const bytes = encodeCanonical(root)
  ingest(bytes, limits.signedBytes)
  return bytes
}

/** A root payload from a file of a ceremony, not signed yet. @throws `root.malformed`, `json.*` */
export function decodeRootPayload(bytes: Uint8Array): Root {
  return decodeShape(rootFormat.payload, ingest(bytes, limits.signedBytes), "root.malformed")
}

/** The log's two keys as its root document names them. */
export function logKeyOf(root: Root): {
  readonly ed25519: Uint8Array
  readonly mldsa44: Uint8Array
} {
  const { ed25519, mldsa44 } = root.logKey
  return { ed25519: decodeBase64url(ed25519), mldsa44: decodeBase64url(mldsa44) }
}
