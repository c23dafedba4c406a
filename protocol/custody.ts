import { encodeCanonical, type Json } from "./canonical.ts"
import { sha256 } from "./crypto/hash.ts"
import { encodeHex } from "./encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts"
import { type Member, newestRoot } from "./member/root.ts"
import { consentsPerOrder } from "./profiles/consent.ts"
import { decodeProfile, type Profile, profileDigest } from "./profiles/profile.ts"
import { decodeProven, objectBytes, type Proven, provenFields, verifyProven } from "./proven.ts"
import type { Witnessing } from "./quorum.ts"
import { type Group, groupOf } from "./record/group.ts"
import { isAtMost } from "./record/marking.ts"
import { decodeRecord, recordDigest } from "./record/record.ts"
import { type Consent, decodeConsentValue } from "./release/consent.ts"
import { everybody, evidenceTerm, type Grant, type Terms } from "./release/grant.ts"
import { type PlacedGrant, placedFields, placeGrant } from "./release/placed-grant.ts"
import { decodeShape, json, list, literal, object, optional, type ShapeOf } from "./shape.ts"
import { type Holder, type Standing, verifyOrder } from "./verify.ts"

/**
 * How a record came to somebody whom its origin did not name: the release to each holder on the way, as
 * evidence without the record, in the order in which it travelled. docs/spec/custody.md, PROTOCOL.md §4
 */

export const linksPerChain = 16

/** One grant of an order, as whoever follows no log is shown it. */
export const shownFields = {
  ...provenFields,
  consents: list(json, { max: consentsPerOrder }),
  ...placedFields,
  profile: json,
  type: literal("comity/evidence/v1"),
}
const shownShape = object(shownFields)

export type Shown = {
  readonly proven: Proven
  readonly placed: PlacedGrant
  readonly profile: { readonly profile: Profile; readonly digest: string }
  readonly consents: readonly Consent[]
}

/** @param code for what is not of this form @throws it, and those of its parts */
export function decodeShown(fields: ShapeOf<typeof shownShape>, code: ProtocolErrorCode): Shown {
  const profileBytes = objectBytes(fields.profile, code)
  return {
    proven: decodeProven(fields, code),
    placed: placeGrant(fields),
    profile: { profile: decodeProfile(profileBytes), digest: profileDigest(profileBytes) },
    consents: fields.consents.map(decodeConsentValue),
  }
}

// Flat: a link says by its grant's `custody` on which one it rests.
const linkShape = object({
  ...shownFields,
  custody: list(json, { max: 0 }),
  /** the list that its terms name by `inside` */
  group: optional(json),
})
export type LinkFields = Omit<ShapeOf<typeof linkShape>, "type" | "custody">

export type Link = Shown & {
  readonly bytes: Uint8Array
  readonly digest: string
  /** whom it may be passed on to, where its terms say `inside` */
  readonly group: Group | null
}

export function encodeLink(fields: LinkFields): Uint8Array {
  return encodeCanonical({ ...fields, custody: [], type: "comity/evidence/v1" })
}

/** SHA-256 of the evidence without its record, hex: what a grant's `custody` names. PROTOCOL.md §4 */
export function linkDigest(bytes: Uint8Array): string {
  return encodeHex(sha256(bytes))
}

/** @throws `custody.malformed`, and those of its parts */
export function decodeLinkValue(value: Json): Link {
  const fields = decodeShape(linkShape, value, "custody.malformed")
  const bytes = encodeCanonical(value as object)
  const shown = decodeShown(fields, "custody.malformed")
  const { payload } = shown.proven.order
  const group = groupNamed(shown.placed.grant, fields.group, payload.network)
  return { ...shown, bytes, digest: linkDigest(bytes), group }
}

/** Digest of the group version that the terms name; null where they name none. */
export function insideOf({ terms }: Pick<Grant, "terms">): string | null {
  return typeof terms?.onward === "object" ? terms.onward.inside : null
}

/**
 * The list that a grant's terms name, from the record that came with it. Its digest stands in what the
 * origin's officers signed: no other signature is asked for. docs/decisions/0066-inside-a-list.md
 *
 * @param value null exactly where the terms name none
 * @throws `custody.malformed`, `group.malformed`, `network.mismatch`
 */
export function groupNamed(
  grant: Pick<Grant, "terms">,
  value: Json | undefined,
  network: string,
): Group | null {
  const inside = insideOf(grant)
  if (value === undefined && inside === null) return null
  const bytes = encodeCanonical((value ?? {}) as object)
  if (recordDigest(bytes) !== inside)
    throw new ProtocolError("custody.malformed", { detail: "another list" })
  const record = decodeRecord(bytes)
  if (record.network !== network) throw new ProtocolError("network.mismatch")
  if (record.kind !== "group") throw new ProtocolError("group.malformed", { detail: "kind" })
  return groupOf(record)
}

/** The chain behind a grant, the origin's own release first. @throws `custody.malformed` */
export function chainBehind(
  { custody }: Pick<Grant, "custody">,
  links: ReadonlyMap<string, Link>,
): readonly Link[] {
  const chain: Link[] = []
  for (let wanted = custody; wanted !== undefined; wanted = chain[0]!.placed.grant.custody) {
    const link = links.get(wanted)
    if (link === undefined || chain.length === linksPerChain)
      throw new ProtocolError("custody.malformed", { detail: "a link is missing" })
    chain.unshift(link)
  }
  return chain
}

/** A release on the way, proven in the log of the member that made it. */
export type ProvenLink = {
  readonly link: Link
  readonly standing: Standing
  readonly origin: Member
  readonly witnessing: Witnessing
}

/** A chain that leads from the record's origin to whoever released it by this order. */
export type Custody = readonly [ProvenLink, ...ProvenLink[]]

/**
 * Each link stands in its own log, names the next holder, and permits what the next one does, down to
 * the grant that rests on the last. Whether the record is the one that they are about, step 8 sees.
 *
 * @throws `custody.malformed`, `custody.unpermitted`, and as verifyProven and verifyOrder
 */
export function verifyCustody(
  chain: readonly Link[],
  { grant }: PlacedGrant,
  giver: string,
  holder: Holder,
): Custody {
  const [first] = chain
  if (first === undefined) throw new ProtocolError("custody.malformed", { detail: "no link" })
  if (first.proven.order.payload.origin !== grant.record.origin)
    throw new ProtocolError("custody.malformed", { detail: "not from its origin" })
  const proven = chain.map((link, i) => {
    const next = chain[i + 1]
    const nextGrant = next?.placed.grant ?? grant
    const nextGiver = next?.proven.order.payload.origin ?? giver
    if (link.placed.grant.recipient !== nextGiver)
      throw new ProtocolError("custody.malformed", { detail: "another holder" })
    // Only the record's origin needs no permission, and it stands at the beginning alone.
    if (i > 0 && link.proven.order.payload.origin === grant.record.origin)
      throw new ProtocolError("custody.malformed", { detail: "superfluous" })
    assertPassedOn(link, nextGrant)
    return verifyLink(link, holder)
  })
  return proven as unknown as Custody
}

/** The same record under the same seal, to somebody who may have it, under no wider terms. PROTOCOL.md §4 */
export function assertPassedOn({ placed, group }: Link, to: Grant): void {
  const from = placed.grant
  const isSame =
    from.act === "release" &&
    to.act === "release" &&
    sameBytes(from.record, to.record) &&
    sameBytes({ sealed: from.sealed }, { sealed: to.sealed })
  if (!isSame || from.terms === undefined || to.terms === undefined)
    throw new ProtocolError("custody.malformed", { detail: "another record" })
  const widened = permits(from.terms, to.recipient, group)
    ? widerTerm(from.terms, to.terms)
    : "onward"
  if (widened !== null) throw new ProtocolError("custody.unpermitted", { detail: widened })
}

function sameBytes(a: object, b: object): boolean {
  return encodeHex(encodeCanonical(a)) === encodeHex(encodeCanonical(b))
}

/**
 * Whether a holder may give it to this member by an order of its own. With `consent` it may not: the
 * origin, asked, releases it itself. docs/decisions/0041-onward.md
 *
 * @param group the list that the terms name, where they do
 */
export function permits({ onward }: Terms, recipient: string, group: Group | null): boolean {
  if (typeof onward !== "string") return group?.members.includes(recipient) === true
  return onward === "free" && recipient !== everybody
}

/** The first of the terms that are wider than those it was received under; null when none is. */
export function widerTerm(from: Terms, to: Terms): string | null {
  const rank = ({ onward }: Terms) =>
    ["no", "consent", "inside", "free"].indexOf(typeof onward === "string" ? onward : "inside")
  const isSameGroup =
    typeof to.onward === "string" ||
    typeof from.onward === "string" ||
    sameBytes(to.onward, from.onward)
  if (!isAtMost(from.marking, to.marking)) return "marking"
  if (!from.caveats.every((caveat) => to.caveats.includes(caveat))) return "caveats"
  if (evidenceTerm.indexOf(to.evidence) > evidenceTerm.indexOf(from.evidence)) return "evidence"
  if (from.expires !== undefined && (to.expires === undefined || to.expires > from.expires))
    return "expires"
  if (to.purpose !== from.purpose) return "purpose"
  return rank(to) > rank(from) || !isSameGroup ? "onward" : null
}

/**
 * One link by itself, a withdrawal too: steps 1 to 5 in its own log, for a reader who is no party to it.
 *
 * @throws as verifyCustody, `quorum.missing`
 */
export function verifyLink(link: Link, holder: Holder): ProvenLink {
  const { proven, placed, profile, consents } = link
  const { logged, witnessing } = verifyProven(proven, "custody.malformed")
  if (!witnessing.isQuorate) throw new ProtocolError("quorum.missing")
  const claim = {
    order: proven.order,
    entry: { index: logged.places[0]!, salt: proven.salt },
    grants: [placed],
    consents,
  }
  const standing = verifyOrder(claim, logged, {
    ...holder,
    recipient: null,
    ceiling: null,
    profiles: null,
    mapMarking: null,
    profile: (wanted) => (wanted === profile.digest ? profile.profile : null),
  })
  const newest = newestRoot(logged.origin).payload
  if (Math.max(standing.root.version, witnessing.root.version) !== newest.version)
    throw new ProtocolError("custody.malformed", { detail: "superfluous root version" })
  return { link, standing, origin: logged.origin, witnessing }
}
