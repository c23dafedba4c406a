import { encodeCanonical, ingest, type Json } from "../canonical.ts"
import { labelled, sha256 } from "../crypto/hash.ts"
import { decodeHex, encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import type { Approval } from "../member/policy.ts"
import { type Member, newestRoot, type Root } from "../member/root.ts"
import { type ConsentRule, memberFields, membersNamed } from "../profiles/consent.ts"
import { consentRulesOf, type Profile, signoffOf } from "../profiles/profile.ts"
import { decodeProven, type Proven, provenFields, verifyProven } from "../proven.ts"
import type { Witnessing } from "../quorum.ts"
import type { ComityRecord } from "../record/record.ts"
import { decodeShape, literal, object } from "../shape.ts"
import { findPlace, verifyPermitted } from "../standing.ts"
import { encodeOrder, type Order, verifyApprovals } from "./order.ts"

/**
 * What another member says to a release: an order of its own, in its own log, under its own policy.
 * docs/spec/consent.md, PROTOCOL.md §5
 */
const consentShape = object({ ...provenFields, type: literal("comity/consent/v1") })

export type Consent = {
  readonly proven: Proven
  /** JCS form */
  readonly bytes: Uint8Array
}

/** @throws `consent.malformed`, `order.malformed`, `signed.malformed` */
export function decodeConsentValue(value: Json): Consent {
  const fields = decodeShape(consentShape, value, "consent.malformed")
  const proven = decodeProven(fields, "consent.malformed")
  if (proven.order.payload.act !== "consent")
    throw new ProtocolError("consent.malformed", { detail: "act" })
  return { proven, bytes: encodeCanonical(value as object) }
}

/** @throws `json.*`, and as decodeConsentValue */
export function decodeConsent(bytes: Uint8Array): Consent {
  return decodeConsentValue(ingest(bytes, limits.consentBytes))
}

/** Whether a JSON file claims to be one: what is in it is for `decodeConsent` to say. */
export function isConsent(bytes: Uint8Array): boolean {
  const value = ingest(bytes, limits.evidenceBytes)
  return (value as { readonly type?: Json } | null)?.type === "comity/consent/v1"
}

/** What a consent order's `subject` is: the digest of the payload that is consented to. PROTOCOL.md §5 */
export function consentSubject(release: Order): string {
  return encodeHex(sha256(encodeOrder(release)))
}

/** The `subject` of the order that takes a consent back. docs/decisions/0040-consent-taken-back.md */
export function takingBack(consent: Order): string {
  return encodeHex(labelled("comity/taken-back/v1", decodeHex(consentSubject(consent))))
}

/** A consent order of `member` with this subject, as a holder remembers it. */
export function subjectMark(member: string, subject: string): string {
  return `${member} ${subject}`
}

/** A member that agrees, and by whom it does. */
export type Agreed = {
  readonly member: string
  readonly mode: "explicit"
  readonly index: number
  readonly root: Root
  readonly approvals: readonly Approval[]
  readonly witnessing: Witnessing
}

/** What the judge knows beyond the consents that are shown. */
export type Knowing = {
  readonly members: ReadonlyMap<string, Member>
  readonly takenBack: ReadonlySet<string>
}

/**
 * Step 5 for the consents of one order: as many as there are members, sorted by their ids, each verified
 * in its own log. Whether they are those that a record names, step 8 sees.
 *
 * @throws `order.unconsented`, `consent.malformed` for one too many, and as verifyConsentOrder
 */
export function verifyConsents(
  consents: readonly Consent[],
  release: Order,
  profile: Profile,
  knowing: Knowing,
): readonly Agreed[] {
  const isAsked = release.rule.conditions.includes("consent")
  if (!isAsked && consents.length > 0)
    throw new ProtocolError("consent.malformed", { detail: "superfluous" })
  if (isAsked && consents.length === 0) throw new ProtocolError("order.unconsented")
  const members = consents.map(({ proven }) => proven.order.payload.origin)
  if (members.some((member, i) => i > 0 && member <= members[i - 1]!))
    throw new ProtocolError("consent.malformed", { detail: "order" })
  return consents.map((consent) => {
    const agreed = verifyConsentOrder(consent, profile, knowing)
    const { payload } = consent.proven.order
    const isToThis =
      payload.subject === consentSubject(release) &&
      payload.network === release.network &&
      payload.origin !== release.origin &&
      encodeHex(encodeCanonical(payload.rule)) === encodeHex(encodeCanonical(release.rule))
    if (!isToThis) throw new ProtocolError("order.unconsented", { detail: "another order" })
    if (knowing.takenBack.has(subjectMark(agreed.member, takingBack(payload))))
      throw new ProtocolError("order.unconsented", { detail: "taken back" })
    return agreed
  })
}

/**
 * Steps 3 to 5 of a consent order in its own log, whatever it is the consent to.
 *
 * @throws `consent.malformed`, `network.mismatch`, and as verifyProven, findPlace, verifyPermitted and
 * verifyApprovals
 */
export function verifyConsentOrder(
  { proven }: Consent,
  profile: Profile,
  { members }: Pick<Knowing, "members">,
): Agreed {
  const { order } = proven
  const { logged, witnessing } = verifyProven(proven, "consent.malformed")
  const { origin } = logged
  if (order.payload.origin !== origin.id)
    throw new ProtocolError("consent.malformed", { detail: "origin" })
  if (order.payload.network !== origin.network) throw new ProtocolError("network.mismatch")
  const { index, root } = findPlace(order.payload, logged)
  const newest = newestRoot(origin).payload
  if (Math.max(root.version, witnessing.root.version) !== newest.version)
    throw new ProtocolError("consent.malformed", { detail: "superfluous root version" })
  verifyPermitted(order.payload, root)
  const { rule, base } = order.payload
  const { revoked } = laterOf(newest, members.get(origin.id))
  const signoff = signoffOf(profile, "consent", rule.kind)
  const approvals = verifyApprovals(order, root, signoff, { revoked, epoch: base.epoch, index })
  return { member: origin.id, mode: "explicit", index, root, approvals, witnessing }
}

function laterOf(shown: Root, known: Member | undefined): Root {
  const newest = known === undefined ? shown : newestRoot(known).payload
  return newest.version > shown.version ? newest : shown
}

/**
 * Step 8: those who agreed are those whom the record names, each in a way that the profile's lines allow.
 *
 * @throws `order.unconsented`
 */
export function verifyAgreed(
  profile: Pick<Profile, "consent">,
  record: Pick<ComityRecord, "fields" | "kind" | "origin">,
  agreed: readonly Agreed[],
): void {
  const rules = consentRulesOf(profile, record.kind)
  const isExact = agreed.map(({ member }) => member).join() === membersAsked(profile, record).join()
  if (!isExact) throw new ProtocolError("order.unconsented", { detail: "not those it names" })
  if (!rules.every((rule) => isGroupWhole(rule, record)))
    throw new ProtocolError("order.unconsented", { detail: "not of the group" })
}

/** The members that a record's release to others needs, sorted; its origin signs the release itself. */
export function membersAsked(
  profile: Pick<Profile, "consent">,
  record: Pick<ComityRecord, "fields" | "kind" | "origin">,
): readonly string[] {
  const named = membersNamed(record, memberFields(consentRulesOf(profile, record.kind)))
  return named.filter((member) => member !== record.origin)
}

/** A consensus is of a group of which the releasing member is one. */
function isGroupWhole(
  { mode, members }: ConsentRule,
  record: Pick<ComityRecord, "fields" | "origin">,
): boolean {
  const group = membersNamed(record, members)
  return mode !== "consensus" || group.length === 0 || group.includes(record.origin)
}
