import { encodeCanonical, ingest, type Json } from "./canonical.ts"
import { sha256 } from "./crypto/hash.ts"
import { decodeHex, encodeHex, equalBytes } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"
import { limits } from "./limits.ts"
import {
  type Checkpoint,
  logVerifierKeys,
  parseCheckpoint,
  verifyCheckpointStrict,
} from "./log/checkpoint.ts"
import { blindedEntry, openEntry, parseLogOrigin } from "./log/entry.ts"
import { checkConsistency, checkInclusion, leafHash } from "./log/merkle.ts"
import { formatNote, parseNote } from "./log/note.ts"
import {
  extendRoots,
  logKeyOf,
  type Member,
  newestRoot,
  payloadDigest,
  verifyRoots,
} from "./member/root.ts"
import { approvalsOf, decodeOrderValue } from "./release/order.ts"
import {
  decodeShape,
  digest,
  either,
  integer,
  json,
  list,
  literal,
  object,
  type ShapeOf,
  text,
} from "./shape.ts"

/**
 * Proof that a member has told two histories: one file that needs nobody's word and no network. It is
 * about the member's keys; whether its officers, its operator or a thief did it, they alone can say.
 * docs/spec/inconsistency.md, PROTOCOL.md §7
 */

const index = integer(0, Number.MAX_SAFE_INTEGER)
const note = text({ min: 1, max: 64 * 1024 })
const proof = list(digest, { max: limits.proofLines })
const roots = list(json, { min: 1, max: limits.rootVersions })
const type = literal("comity/inconsistency/v1")

/** Two checkpoints of one log, of which the smaller is no prefix of the larger. */
const checkpointsShape = object({
  kind: literal("checkpoints"),
  larger: note,
  /** consistency of (size of the smaller, `root`) with the larger */
  proof,
  /** of the larger's first so many entries */
  root: digest,
  roots,
  smaller: note,
  type,
})

/** Two payloads of one root version, each signed as the version before asks. */
const rootsShape = object({ first: json, kind: literal("roots"), roots, second: json, type })

/** An order in the log behind the entry of a root version later than the one it names. */
const orderShape = object({
  checkpoint: note,
  index,
  kind: literal("order"),
  order: json,
  path: proof,
  /** entry of the last of `roots`: before the order's */
  rootIndex: index,
  rootPath: proof,
  roots,
  salt: digest,
  type,
})

const shape = either(checkpointsShape, either(rootsShape, orderShape))
export type InconsistencyFields = ShapeOf<typeof shape>
type WithoutType<T> = T extends unknown ? Omit<T, "type"> : never

export type Inconsistency = {
  /** hex SHA-256 of the file */
  readonly digest: string
  readonly kind: InconsistencyFields["kind"]
  readonly member: Member
  /** what it shows, in one line */
  readonly words: string
}

export function encodeInconsistency(fields: WithoutType<InconsistencyFields>): Uint8Array {
  return encodeCanonical({ ...fields, type: "comity/inconsistency/v1" })
}

/** Whether a JSON file claims to be one: what is in it is for `verifyInconsistency` to say. */
export function isInconsistency(bytes: Uint8Array): boolean {
  const value = ingest(bytes, limits.evidenceBytes)
  return (value as { readonly type?: Json } | null)?.type === "comity/inconsistency/v1"
}

/**
 * @throws `inconsistency.malformed`; `inconsistency.unproven` for what is no contradiction; what its root
 * documents, notes and order fail with
 */
export function verifyInconsistency(bytes: Uint8Array): Inconsistency {
  const value = ingest(bytes, limits.evidenceBytes)
  const fields = decodeShape(shape, value, "inconsistency.malformed")
  const member = verifyRoots(fields.roots.map(bytesOf))
  const words = contradiction(fields, member)
  return { digest: encodeHex(sha256(bytes)), kind: fields.kind, member, words }
}

function contradiction(fields: InconsistencyFields, member: Member): string {
  switch (fields.kind) {
    case "checkpoints":
      return twoCheckpoints(fields, member)
    case "roots":
      return twoRoots(fields, member)
    case "order":
      return untimelyOrder(fields, member)
  }
}

function twoCheckpoints(fields: ShapeOf<typeof checkpointsShape>, member: Member): string {
  const smaller = signedCheckpoint(fields.smaller, member)
  const larger = signedCheckpoint(fields.larger, member)
  const root = decodeHex(fields.root)
  const isPrefix =
    smaller.origin === larger.origin &&
    smaller.size > 0 &&
    (smaller.size === larger.size
      ? fields.proof.length === 0 && equalBytes(root, larger.root)
      : checkConsistency({
          size1: smaller.size,
          root1: root,
          size2: larger.size,
          root2: larger.root,
          proof: fields.proof.map(decodeHex),
        }))
  if (!isPrefix || equalBytes(root, smaller.root)) throw unproven()
  return `two trees of log ${smaller.origin}: at size ${smaller.size}, and at size ${larger.size}, which does not continue it`
}

/** Every line is by the log, in the epoch that the origin line names: nothing in the file is unproven. */
function signedCheckpoint(noteText: string, member: Member): Checkpoint {
  const { origin } = parseCheckpoint(parseNote(noteText).text)
  const { network, member: id, epoch } = parseLogOrigin(origin)
  const document = member.documents.find(({ payload }) => payload.epoch === epoch)
  if (network !== member.network || id !== member.id || document === undefined)
    throw new ProtocolError("checkpoint.origin")
  const expected = { origin, logKey: logKeyOf(document.payload), witnesses: [] }
  return verifyCheckpointStrict(noteText, expected).checkpoint
}

function twoRoots(fields: ShapeOf<typeof rootsShape>, member: Member): string {
  const first = newestRoot(extendRoots(member, bytesOf(fields.first)))
  const second = newestRoot(extendRoots(member, bytesOf(fields.second)))
  if (payloadDigest(first) === payloadDigest(second)) throw unproven()
  return `two root documents of version ${first.payload.version}`
}

function untimelyOrder(fields: ShapeOf<typeof orderShape>, member: Member): string {
  const { payload, digest: orderDigest, signatures } = decodeOrderValue(fields.order)
  const checkpoint = signedCheckpoint(fields.checkpoint, member)
  const { epoch } = parseLogOrigin(checkpoint.origin)
  const named = member.documents[payload.rootVersion - 1]?.payload
  const last = newestRoot(member)
  const isIn = (entry: Uint8Array, leafIndex: number, path: readonly string[]) =>
    checkInclusion({
      leafIndex,
      treeSize: checkpoint.size,
      leafHash: leafHash(entry),
      root: checkpoint.root,
      proof: path.map(decodeHex),
    })
  const isUntimely =
    payload.origin === member.id &&
    payload.network === member.network &&
    payload.act !== "withdraw" &&
    named !== undefined &&
    named.version < last.payload.version &&
    last.payload.epoch === epoch &&
    payload.base.epoch === epoch &&
    payload.base.size <= fields.index &&
    fields.rootIndex < fields.index &&
    isIn(openEntry(decodeHex(last.digest)), fields.rootIndex, fields.rootPath) &&
    isIn(blindedEntry(1, decodeHex(fields.salt), decodeHex(orderDigest)), fields.index, fields.path)
  if (!isUntimely) throw unproven()
  // By its officers: a log key alone could enter anything, and would accuse them.
  approvalsOf({ signatures }, named, { revoked: [], epoch, index: fields.index })
  return `order ${payload.id} of root version ${named.version} in the log at index ${fields.index}, after version ${last.payload.version} at ${fields.rootIndex}`
}

/** A signed checkpoint with the lines of its log alone: cosignatures are no part of the matter. */
export function bareCheckpoint(noteText: string, member: Member): string {
  const { text: body, signatures } = parseNote(noteText)
  const { origin } = parseCheckpoint(body)
  const { epoch } = parseLogOrigin(origin)
  const document = member.documents.find(({ payload }) => payload.epoch === epoch)
  if (document === undefined) throw new ProtocolError("checkpoint.origin")
  const keys = logVerifierKeys({ origin, logKey: logKeyOf(document.payload) })
  const own = signatures.filter((line) =>
    keys.some(({ name, keyId }) => name === line.name && equalBytes(keyId, line.keyId)),
  )
  return formatNote(body, own)
}

function bytesOf(value: Json): Uint8Array {
  if (value === null || typeof value !== "object")
    throw new ProtocolError("inconsistency.malformed")
  return encodeCanonical(value)
}

function unproven(): ProtocolError {
  return new ProtocolError("inconsistency.unproven")
}
