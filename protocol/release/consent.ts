import { encodeCanonical, ingest, type Json, jsonOf } from "../canonical.ts"
import { labelled, sha256 } from "../crypto/hash.ts"
import { concat, decodeHex, encodeBase64url, encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import type { Approval } from "../member/policy.ts"
import { type Member, newestRoot, type Root } from "../member/root.ts"
import { type ConsentRule, memberFields, membersNamed } from "../profiles/consent.ts"
import { consentRulesOf, type Profile, signoffOf } from "../profiles/profile.ts"
import {
  decodeProven,
  type InLog,
  type Proven,
  type ProvenFields,
  provenFields,
  verifyProven,
} from "../proven.ts"
import type { Witnessing } from "../quorum.ts"
import type { ComityRecord } from "../record/record.ts"
import { decodeShape, literal, object } from "../shape.ts"
import { findPlace, verifyPermitted } from "../standing.ts"
import { areInGrantTree } from "./grant-tree.ts"
import { encodeOrder, type Order, type OrderDocument, verifyApprovals } from "./order.ts"
import { type PlacedGrant, placedFields, placeGrant } from "./placed-grant.ts"
import {
  decodeSilence,
  objectionsTo,
  receiptVersion,
  type Silence,
  type Silent,
  silenceFields,
  verifySilence,
} from "./silence.ts"

/**
 * What another member says to a release: an order of its own, in its own log, under its own policy.
 * docs/spec/consent.md, PROTOCOL.md §5
 */
const explicitShape = object({ ...provenFields, type: literal("comity/consent/v1") })
/** The release of a memorandum to the member that releases. docs/decisions/0042-standing-consent.md */
const standingShape = object({
  ...provenFields,
  ...placedFields,
  type: literal("comity/standing/v1"),
})

/** The same of an agreement to a silence procedure, and that nothing was said. docs/decisions/0064-silence.md */
const tacitShape = object({
  ...provenFields,
  ...placedFields,
  ...silenceFields,
  type: literal("comity/tacit/v1"),
})

export type Consent = {
  readonly proven: Proven
  /** the grant of what a standing or tacit consent rests on; null for an explicit one */
  readonly placed: PlacedGrant | null
  /** of a tacit consent */
  readonly silence: Silence | null
  /** JCS form */
  readonly bytes: Uint8Array
}

/**
 * @throws `consent.malformed`, `order.malformed`, `grant.malformed`, `signed.malformed`,
 * `receipt.malformed`
 */
export function decodeConsentValue(value: Json): Consent {
  if (isOfType(value, "comity/tacit/v1")) return decodeTacit(value)
  return isOfType(value, "comity/standing/v1") ? decodeStanding(value) : decodeExplicit(value)
}

function decodeExplicit(value: Json): Consent {
  const fields = decodeShape(explicitShape, value, "consent.malformed")
  const rest = { placed: null, silence: null, bytes: encodeObject(value) }
  return { ...decodeProvenAct(fields, "consent"), ...rest }
}

function decodeStanding(value: Json): Consent {
  const fields = decodeShape(standingShape, value, "consent.malformed")
  const rest = { placed: placeGrant(fields), silence: null, bytes: encodeObject(value) }
  return { ...decodeProvenAct(fields, "release"), ...rest }
}

function decodeTacit(value: Json): Consent {
  const fields = decodeShape(tacitShape, value, "consent.malformed")
  const placed = placeGrant(fields)
  const rest = { placed, silence: decodeSilence(fields), bytes: encodeObject(value) }
  return { ...decodeProvenAct(fields, "release"), ...rest }
}

function decodeProvenAct(fields: ProvenFields, act: Order["act"]): Pick<Consent, "proven"> {
  const proven = decodeProven(fields, "consent.malformed")
  if (proven.order.payload.act !== act)
    throw new ProtocolError("consent.malformed", { detail: "act" })
  return { proven }
}

/** An explicit one, as a file of its own. @throws `json.*`, and as decodeConsentValue */
export function decodeConsent(bytes: Uint8Array): Consent {
  return decodeExplicit(ingest(bytes, limits.consentBytes))
}

/** Of any mode, as it is kept with its order. @throws as decodeConsent */
export function decodeKeptConsent(bytes: Uint8Array): Consent {
  return decodeConsentValue(ingest(bytes, limits.consentBytes))
}

export function encodeStanding(
  proven: ProvenFields,
  { bytes, path, position }: PlacedGrant,
): Uint8Array {
  return encodeCanonical({
    ...proven,
    grant: jsonOf(bytes),
    path: path.map(encodeHex),
    position,
    type: "comity/standing/v1",
  })
}

export function encodeTacit(
  proven: ProvenFields,
  { bytes, path, position }: PlacedGrant,
  silence: {
    readonly before: readonly Uint8Array[]
    readonly entries: readonly Uint8Array[]
    readonly receipt: Uint8Array
    readonly transmittal: Uint8Array
  },
): Uint8Array {
  return encodeCanonical({
    ...proven,
    before: silence.before.map(encodeHex),
    entries: encodeBase64url(concat(...silence.entries)),
    grant: jsonOf(bytes),
    path: path.map(encodeHex),
    position,
    receipt: jsonOf(silence.receipt),
    transmittal: jsonOf(silence.transmittal),
    type: "comity/tacit/v1",
  })
}

/** Whether a JSON file claims to be one: what is in it is for `decodeConsent` to say. */
export function isConsent(bytes: Uint8Array): boolean {
  return isOfType(ingest(bytes, limits.evidenceBytes), "comity/consent/v1")
}

function isOfType(value: Json, type: string): boolean {
  return (value as { readonly type?: Json } | null)?.type === type
}

function encodeObject(value: Json): Uint8Array {
  return encodeCanonical(value as object)
}

/** What a consent order's `subject` is: the digest of the payload that is consented to. PROTOCOL.md §5 */
export function consentSubject(release: Order): string {
  return encodeHex(sha256(encodeOrder(release)))
}

/** The `subject` of the order that takes a consent back, or, of a memorandum's release, its mark. docs/decisions/0040-consent-taken-back.md */
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
  readonly mode: "explicit" | "standing" | "tacit"
  /** what a standing or tacit consent is by */
  readonly memorandum: Memorandum | null
  /** of a tacit consent */
  readonly silent: Silent | null
  readonly index: number
  readonly root: Root
  readonly approvals: readonly Approval[]
  readonly witnessing: Witnessing
}

export type Memorandum = { readonly digest: string; readonly kind: string }

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
    const { placed, proven } = consent
    const { payload } = proven.order
    const agreed =
      placed === null
        ? verifyConsentOrder(consent, profile, knowing)
        : verifyBeforehand(consent, placed, release, profile, knowing)
    const isOfAnother = payload.network === release.network && payload.origin !== release.origin
    const isToThis =
      placed === null ? isConsentTo(payload, release) : isGivenTo(payload, placed, release)
    if (!isOfAnother || !isToThis)
      throw new ProtocolError("order.unconsented", { detail: "another order" })
    if (knowing.takenBack.has(subjectMark(agreed.member, takingBack(payload))))
      throw new ProtocolError("order.unconsented", { detail: "taken back" })
    return agreed
  })
}

function isConsentTo({ rule, subject }: Order, release: Order): boolean {
  const isSameRule = encodeHex(encodeCanonical(rule)) === encodeHex(encodeCanonical(release.rule))
  return subject === consentSubject(release) && isSameRule
}

/**
 * Whether whoever reads the release may be shown what was granted under these terms. Who lets everybody
 * be shown its agreement knows that everybody may read what rests on it.
 */
export function isShownUnder(
  terms: PlacedGrant["grant"]["terms"],
  { rule }: Pick<Order, "rule">,
): boolean {
  if (terms === undefined) return false
  const { evidence } = terms
  return rule.conditions.includes("public") ? evidence === "public" : evidence !== "recipient"
}

/** To the member that releases, under terms that let it show this and that last as long as the order. */
function isGivenTo(
  { rule }: Order,
  { grant: { recipient, terms } }: PlacedGrant,
  release: Order,
): boolean {
  return (
    rule.profile === release.rule.profile &&
    recipient === release.origin &&
    isShownUnder(terms, release) &&
    (terms?.expires === undefined || release.notAfter <= terms.expires)
  )
}

/**
 * The release of a memorandum, or of an agreement to be silent, by the member that made it, in its own log,
 * before anybody asked: nobody else had to agree to it, or it would not be that member's word alone.
 *
 * @throws `consent.malformed`, `grant.path`, `quorum.missing`, and as verifyConsentOrder
 */
function verifyBeforehand(
  { proven, silence }: Consent,
  placed: PlacedGrant,
  release: Order,
  profile: Profile,
  knowing: Knowing,
): Agreed {
  const { grant } = placed
  const { origin, root, rule } = proven.order.payload
  const isMemorandum =
    grant.act === "release" &&
    grant.custody === undefined &&
    grant.record.origin === origin &&
    !rule.conditions.includes("consent")
  if (!isMemorandum) throw new ProtocolError("consent.malformed", { detail: "memorandum" })
  if (!areInGrantTree([placed], decodeHex(root ?? ""))) throw new ProtocolError("grant.path")
  const { agreed, inLog } = verifyOwn(proven, profile, knowing, silence)
  if (!agreed.witnessing.isQuorate) throw new ProtocolError("quorum.missing")
  const memorandum = { digest: grant.record.digest, kind: rule.kind }
  if (silence === null) return { ...agreed, mode: "standing", memorandum, silent: null }
  const days = daysOfSilence(profile, release.rule.kind, rule.kind)
  const agreement = { order: proven.order, placed }
  const silent = verifySilence(silence, agreement, inLog, release, days)
  // Known otherwise than by what is shown: by the order itself, or further on in the log.
  const known = objectionsTo(placed, silent.record)
  if (known.some((one) => knowing.takenBack.has(subjectMark(agreed.member, one))))
    throw new ProtocolError("order.unconsented", { detail: "objected to" })
  return { ...agreed, mode: "tacit", memorandum, silent }
}

/** The longest that any line for the kind asks for. @throws `order.unconsented` */
export function daysOfSilence(
  profile: Pick<Profile, "consent">,
  kind: string,
  agreement: string,
): number {
  const days = consentRulesOf(profile, kind).flatMap((rule) =>
    rule.mode === "tacit" && rule.basis?.kind === agreement ? [rule.days ?? 0] : [],
  )
  if (days.length === 0) throw new ProtocolError("order.unconsented", { detail: "no silence" })
  return Math.max(...days)
}

/**
 * Whoever signs on silence signs when it is over: a release is no matter of waiting only.
 *
 * @throws `order.unconsented`
 */
export function verifySignedAfter(
  { signatures }: Pick<OrderDocument, "signatures">,
  consents: readonly Pick<Agreed, "silent">[],
): void {
  const isEarly = consents.some(
    ({ silent }) => silent !== null && signatures.some(({ header }) => header.day < silent.from),
  )
  if (isEarly) throw new ProtocolError("order.unconsented", { detail: "signed too early" })
}

/**
 * Steps 3 to 5 of a consent order in its own log, whatever it is the consent to.
 *
 * @throws `consent.malformed`, `network.mismatch`, and as verifyProven, findPlace, verifyPermitted and
 * verifyApprovals
 */
export function verifyConsentOrder(
  { proven }: Pick<Consent, "proven">,
  profile: Profile,
  knowing: Pick<Knowing, "members">,
): Agreed {
  const { agreed } = verifyOwn(proven, profile, knowing)
  return { ...agreed, mode: "explicit", memorandum: null, silent: null }
}

function verifyOwn(
  proven: Proven,
  profile: Profile,
  { members }: Pick<Knowing, "members">,
  silence: Silence | null = null,
): { readonly agreed: Omit<Agreed, "mode" | "memorandum" | "silent">; readonly inLog: InLog } {
  const { order } = proven
  const inLog = verifyProven(proven, "consent.malformed")
  const { logged, witnessing } = inLog
  const { origin } = logged
  if (order.payload.origin !== origin.id)
    throw new ProtocolError("consent.malformed", { detail: "origin" })
  if (order.payload.network !== origin.network) throw new ProtocolError("network.mismatch")
  const { index, root } = findPlace(order.payload, logged)
  const newest = newestRoot(origin).payload
  const received = silence === null ? 0 : receiptVersion(silence.receipt, origin)
  if (Math.max(root.version, witnessing.root.version, received) !== newest.version)
    throw new ProtocolError("consent.malformed", { detail: "superfluous root version" })
  verifyPermitted(order.payload, root)
  const { act, rule, base } = order.payload
  const { revoked } = laterOf(newest, members.get(origin.id))
  const signoff = signoffOf(profile, act, rule.kind)
  const approvals = verifyApprovals(order, root, signoff, { revoked, epoch: base.epoch, index })
  return { agreed: { member: origin.id, index, root, approvals, witnessing }, inLog }
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
  digest: string,
  agreed: readonly Agreed[],
): void {
  const rules = consentRulesOf(profile, record.kind)
  const isExact = agreed.map(({ member }) => member).join() === membersAsked(profile, record).join()
  if (!isExact) throw new ProtocolError("order.unconsented", { detail: "not those it names" })
  if (!agreed.every((one) => isInMode(profile, record, digest, one)))
    throw new ProtocolError("order.unconsented", { detail: "not in that way" })
  if (!rules.every((rule) => isGroupWhole(rule, record)))
    throw new ProtocolError("order.unconsented", { detail: "not of the group" })
}

/**
 * An order of its own does for every mode; a memorandum where the lines and the record name it, and silence
 * where it was about this very record.
 */
export function isInMode(
  profile: Pick<Profile, "consent">,
  record: Pick<ComityRecord, "fields" | "kind">,
  digest: string,
  { member, memorandum, silent }: Pick<Agreed, "member" | "memorandum" | "silent">,
): boolean {
  if (memorandum === null) return true
  if (silent !== null && silent.record !== digest) return false
  return consentRulesOf(profile, record.kind)
    .filter(({ members }) => membersNamed(record, members).includes(member))
    .every(
      ({ basis, mode }) =>
        mode === (silent === null ? "standing" : "tacit") &&
        basis?.kind === memorandum.kind &&
        Object.hasOwn(record.fields, basis.field) &&
        record.fields[basis.field] === memorandum.digest,
    )
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
