import { encodeCanonical, type Json } from "../canonical.ts"
import { labelled } from "../crypto/hash.ts"
import { concat, decodeBase64url, decodeHex, encodeHex, equalBytes } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { decodeReceipts, type ReceiptsDocument } from "../exchange/receipt.ts"
import { limits } from "../limits.ts"
import { parseCheckpoint } from "../log/checkpoint-body.ts"
import { appendLeaves, rangeOf, rangeRoot } from "../log/compact-range.ts"
import { entryBytes, isEntry } from "../log/entry.ts"
import { leafHash } from "../log/merkle.ts"
import { parseNote } from "../log/note.ts"
import { kidOf } from "../member/key.ts"
import { verifyNodeSignature } from "../member/keys.ts"
import { type Member, rootVersion } from "../member/root.ts"
import { type InLog, objectBytes } from "../proven.ts"
import type { Witnessing } from "../quorum.ts"
import { digest, json, list, text } from "../shape.ts"
import { decodeGrantValue, type Grant, grantLeaf } from "./grant.ts"
import type { Order, OrderDocument } from "./order.ts"
import type { PlacedGrant } from "./placed-grant.ts"

/**
 * That a member agreed beforehand to a silence procedure, had the record, and said nothing against it in
 * time: its own log says so, entry by entry. docs/spec/consent.md, docs/decisions/0064-silence.md
 */
export const silenceFields = {
  /** the compact range of the entries up to the agreement's own */
  before: list(digest, { min: 1, max: limits.proofLines }),
  /** base64url: every entry behind it, to the checkpoint's last */
  entries: text({ max: limits.consentBytes }),
  /** of one item: that the member has what was transmitted to it */
  receipt: json,
  /** the grant by which it has it */
  transmittal: json,
}

export type Silence = {
  readonly before: readonly Uint8Array[]
  readonly entries: readonly Uint8Array[]
  readonly receipt: ReceiptsDocument
  readonly transmittal: Grant
  readonly leaf: string
}

type SilenceFields = {
  readonly before: readonly string[]
  readonly entries: string
  readonly receipt: Json
  readonly transmittal: Json
}

/** @throws `consent.malformed`, `receipt.malformed`, `grant.malformed`, `signed.malformed` */
export function decodeSilence(fields: SilenceFields): Silence {
  const transmittal = decodeGrantValue(fields.transmittal)
  return {
    before: fields.before.map(decodeHex),
    entries: splitEntries(fields.entries),
    receipt: decodeReceipts(objectBytes(fields.receipt, "consent.malformed")),
    transmittal,
    leaf: encodeHex(grantLeaf(encodeCanonical(fields.transmittal as object))),
  }
}

/** @throws `consent.malformed` for what is no base64url, or no entries */
function splitEntries(joined: string): readonly Uint8Array[] {
  const bytes = decodeEntries(joined)
  const entries: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += entryBytes)
    entries.push(bytes.subarray(at, at + entryBytes))
  if (!entries.every(isEntry)) throw new ProtocolError("consent.malformed", { detail: "entries" })
  return entries
}

function decodeEntries(joined: string): Uint8Array {
  try {
    return decodeBase64url(joined)
  } catch (cause) {
    throw new ProtocolError("consent.malformed", { detail: "entries", cause })
  }
}

/**
 * What an objection is to: a record, under one agreement. With the digest of the agreement itself it is to
 * all records under it, from then on. Nobody knows it but those who hold the agreement's grant.
 */
export function objectionSubject(agreement: Uint8Array, record: string): string {
  return encodeHex(labelled("comity/objection/v1", agreement, decodeHex(record)))
}

/** The entry behind an objection's own: whoever holds the consent's evidence knows it among all others. */
export function objectionTag(subject: string): Uint8Array {
  return concat(Uint8Array.of(1), decodeHex(subject))
}

/** Both subjects under which silence about this record is broken. */
export function objectionsTo(
  agreement: Pick<PlacedGrant, "grant" | "leaf">,
  record: string,
): readonly string[] {
  return [record, agreement.grant.record.digest].map((one) => objectionSubject(agreement.leaf, one))
}

/** The first day on which officers may sign: `days` whole ones lie behind the later of the two. */
export function signableFrom(
  received: string,
  agreement: Pick<OrderDocument, "signatures">,
  days: number,
): string {
  const agreed = agreement.signatures.map(({ header }) => header.day)
  const since = [received, ...agreed].toSorted().at(-1)!
  return new Date(Date.parse(since) + (days + 1) * dayMs).toISOString().slice(0, 10)
}

const dayMs = 86_400_000

export type Silent = {
  /** digest of the record that nothing was said against */
  readonly record: string
  /** the first day on which officers of the releasing member may sign */
  readonly from: string
}

/**
 * @param agreement the order that released the agreement, and its grant, proven under the checkpoint
 * @param days of silence that the profile asks for
 * @throws `order.unconsented`, `quorum.missing`, `inclusion.invalid`, `receipt.invalid`,
 * `consent.malformed`, `network.mismatch`, `signed.*`
 */
export function verifySilence(
  silence: Silence,
  agreement: { readonly order: OrderDocument; readonly placed: PlacedGrant },
  { logged, note, witnessing }: InLog,
  release: Order,
  days: number,
): Silent {
  const { order, placed } = agreement
  const { transmittal, receipt, entries } = silence
  const { origin } = logged
  const isTransmitted =
    transmittal.act === "release" &&
    transmittal.custody === undefined &&
    transmittal.recipient === origin.id &&
    transmittal.record.origin === release.origin
  if (!isTransmitted) throw new ProtocolError("consent.malformed", { detail: "transmittal" })

  // Hashes first. Every entry behind the agreement's own, to the last: none is left out.
  const [index] = logged.places as readonly [number]
  const { size, root } = parseCheckpoint(parseNote(note).text)
  const range = rangeOf(index + 1, silence.before)
  const isWhole =
    range !== null &&
    entries.length === size - index - 1 &&
    equalBytes(rangeRoot(appendLeaves(range, entries.map(leafHash))), root)
  if (!isWhole) throw new ProtocolError("inclusion.invalid", { detail: "entries" })
  const tags = objectionsTo(placed, transmittal.record.digest).map(objectionTag)
  if (entries.some((entry) => tags.some((tag) => equalBytes(entry, tag))))
    throw new ProtocolError("order.unconsented", { detail: "objected to" })

  const received = receivedOn(silence, receipt, origin.id, release)
  verifyByNode(receipt, origin)
  const from = signableFrom(received, order, days)
  verifyTerm(witnessing, release.origin, Date.parse(from) / 1000)
  return { record: transmittal.record.digest, from }
}

/** The day on which the member says that it had the record. */
function receivedOn(
  { leaf }: Silence,
  { payload }: ReceiptsDocument,
  from: string,
  { network, origin }: Order,
): string {
  if (payload.network !== network) throw new ProtocolError("network.mismatch")
  const [item, ...more] = payload.items
  const isOfThis =
    payload.from === from &&
    payload.to === origin &&
    item !== undefined &&
    more.length === 0 &&
    item.state === "delivered" &&
    item.leaf === leaf
  if (!isOfThis) throw new ProtocolError("receipt.invalid", { detail: "of another transmittal" })
  return item.day
}

/**
 * The first root version that names the node key of a receipt, 0 where none does. Which one was in force on
 * its day, a log does not say.
 */
export function receiptVersion(
  { signatures }: Pick<ReceiptsDocument, "signatures">,
  { documents }: Pick<Member, "documents">,
): number {
  const kid = signatures[0]?.header.kid
  const first = documents.find(({ payload }) => kidOf(payload.nodeKey) === kid)
  return first?.payload.version ?? 0
}

/** @throws `signed.unknown-key`, `signed.superfluous`, `signed.invalid` */
function verifyByNode(receipt: ReceiptsDocument, origin: Member): void {
  const root = rootVersion(origin, receiptVersion(receipt, origin))
  if (root === null) throw new ProtocolError("signed.unknown-key")
  verifyNodeSignature(receipt.signatures, root.payload)
}

/** A quorum without the member that wants to release, each of whom saw the log when the term was over. */
function verifyTerm({ root, witnesses }: Witnessing, releasing: string, from: number): void {
  const theirs = new Set(
    root.witnesses.filter(({ member }) => member === releasing).map(({ name }) => name),
  )
  const others = witnesses.filter(({ name }) => !theirs.has(name))
  if (root.quorum === 0 || others.length < root.quorum)
    throw new ProtocolError("quorum.missing", { detail: "of others than the releasing member" })
  if (others.filter(({ timestamp }) => timestamp >= from).length < root.quorum)
    throw new ProtocolError("order.unconsented", { detail: "the silence is not over" })
}
