import { sha256 } from "./crypto/hash.ts"
import { openSealed } from "./crypto/seal.ts"
import type { Custody, Link } from "./custody.ts"
import { decodeHex, encodeHex } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"
import { blindedEntry } from "./log/entry.ts"
import type { Approval, Rule } from "./member/policy.ts"
import { type Member, newestRoot, type Root } from "./member/root.ts"
import {
  checkRecord,
  checkRelease,
  conditionsOf,
  type Profile,
  signoffOf,
} from "./profiles/profile.ts"
import { isAtMost, type Marking } from "./record/marking.ts"
import { type ComityRecord, decodeRecord, recordDigest } from "./record/record.ts"
import {
  type Agreed,
  type Consent,
  verifyAgreed,
  verifyConsents,
  verifySignedAfter,
} from "./release/consent.ts"
import { everybody, type Grant } from "./release/grant.ts"
import { areInGrantTree } from "./release/grant-tree.ts"
import { type Order, type OrderDocument, verifyApprovals } from "./release/order.ts"
import type { PlacedGrant } from "./release/placed-grant.ts"
import { type Fact, type FactLink, verifyNotEnded } from "./release/precedence.ts"
import { findPlace, type Logged, verifyPermitted } from "./standing.ts"

/**
 * The eight steps of PROTOCOL.md §10, for parcels that arrive and for evidence in a file alike:
 * `verifyOrder` takes the steps that an order's grants share, `verifyRelease` those of one release; a
 * withdrawal has no more. Cheap before costly; the first that fails throws its code.
 */

/** An order with the grants of it that are shown, and where its log has it. */
export type Claim = {
  readonly order: OrderDocument
  readonly entry: { readonly index: number; readonly salt: Uint8Array }
  readonly grants: readonly PlacedGrant[]
  readonly consents: readonly Consent[]
}

/** Who judges: a node that receives, or the reader of a file, who has neither ceiling nor profiles. */
export type Holder = {
  readonly network: string
  /** member ids that a grant may name; null: whoever it names (evidence) */
  readonly recipient: string | null
  readonly ceiling: Marking | null
  /** digests of the profiles adopted here; null: the origin's own suffice */
  readonly profiles: readonly string[] | null
  /** the marking as it is handled here, null when nothing corresponds */
  readonly mapMarking: ((marking: Marking) => Marking | null) | null
  /** the kind of member that a profile's audience knows us as; null: nobody can tell (evidence) */
  readonly kind: Root["kind"] | null
  /** our own mark beside a marking, null where none has been decided on */
  localMark(marking: Marking): string | null
  profile(digest: string): Profile | null
  /** what is known of members beyond what is shown of them, by id: for revocations since */
  readonly members: ReadonlyMap<string, Member>
  /** subjects of consent orders that are known, each behind the id of its member */
  readonly takenBack: ReadonlySet<string>
}

/** An order that stands: where it counts, under which root version, by whom. */
export type Standing = {
  readonly order: Order
  readonly orderId: string
  readonly index: number
  readonly root: Root
  readonly approvals: readonly Approval[]
  readonly consents: readonly Agreed[]
}

/** One line of provenance, as `show` and `verify` print it. */
export type Step = {
  readonly step: number
  readonly ok: boolean
  readonly text: string
  readonly code?: string
}
export type Report = (step: number, text: string) => void
const silent: Report = () => {}

/**
 * Steps 1 to 5: form, place, log, root version, officers.
 *
 * @throws `network.mismatch`, `marking.ceiling`, `marking.unmapped`, `grant.recipient`, `grant.path`,
 * `entry.mismatch`, `order.base`, `order.repudiated`, `order.root-version`, `root.closed`, `profile.*`,
 * `order.unauthorised`, `order.unconsented`, `signed.*`
 */
export function verifyOrder(
  claim: Claim,
  logged: Logged,
  holder: Holder,
  report: Report = silent,
): Standing {
  const { order } = claim
  const { origin } = logged
  // 1: form, sender, network, ceiling
  if (order.payload.act === "consent" || claim.grants.length === 0)
    throw new ProtocolError("order.malformed", { detail: "act" })
  if (order.payload.network !== holder.network || origin.network !== holder.network)
    throw new ProtocolError("network.mismatch")
  if (order.payload.origin !== origin.id)
    throw new ProtocolError("order.malformed", { detail: "origin" })
  for (const { grant } of claim.grants) verifyHandling(grant.terms?.marking, holder)
  report(1, `an order of ${origin.id} in network ${order.payload.network}, well formed`)

  // 2: it names us, and its path leads to what the officers signed
  const orderRoot = decodeHex(order.payload.root ?? "")
  for (const { grant } of claim.grants) {
    const isForUs = holder.recipient === null || isFor(holder, grant)
    if (!isForUs) throw new ProtocolError("grant.recipient")
    if (grant.act !== order.payload.act) throw new ProtocolError("grant.malformed")
  }
  if (!areInGrantTree(claim.grants, orderRoot)) throw new ProtocolError("grant.path")
  if (!areDistinct(claim.grants))
    throw new ProtocolError("order.malformed", { detail: "a grant twice" })
  report(2, `${claim.grants.length} of its grants lead to the root that was signed`)

  // 3 and 4: in its origin's log, after its base, while the root version it names was in force
  if (!logged.places.includes(claim.entry.index)) throw new ProtocolError("entry.mismatch")
  const { index, root } = findPlace(order.payload, logged)
  report(
    3,
    `in the log of its origin at index ${index}, after its base of size ${order.payload.base.size}`,
  )
  report(4, `root version ${root.version} was in force there`)

  // 5: officers
  const { rule, act } = order.payload
  // Taking back asks for nobody's consent: a withdrawal has no conditions.
  if (act === "withdraw" && rule.conditions.length > 0) throw new ProtocolError("rule.mismatch")
  const profile = holder.profile(rule.profile)
  if (profile === null) throw new ProtocolError("profile.unknown", { detail: rule.profile })
  verifyPermitted(order.payload, root)
  const { revoked } = newestKnown(origin, holder.members.get(origin.id))
  const revocation = { revoked, epoch: order.payload.base.epoch, index }
  const signoff = signoffOf(profile, act, rule.kind)
  const approvals = verifyApprovals(order, root, signoff, revocation)
  const roles = approvals.map(({ person, role }) => `${person} as ${role}`).join(", ")
  const consents = verifyConsents(claim.consents, order.payload, profile, holder)
  verifySignedAfter(order, consents)
  const agreed = consents.map(({ member, mode }) => `; ${mode} consent of ${member}`).join("")
  report(5, `authorised by ${approvals.length} officers: ${roles}${agreed}`)
  return { order: order.payload, orderId: order.payload.id, index, root, approvals, consents }
}

/** A grant that names it, or everybody: whoever only reads a file holds nothing by either. */
function isFor({ recipient: holder }: Holder, { recipient }: Grant): boolean {
  return holder !== null && (recipient === holder || recipient === everybody)
}

/** A member that is shown may be known to have gone on since: what it revoked then counts. */
function newestKnown(shown: Member, known: Member | undefined): Root {
  const [a, b] = [newestRoot(shown).payload, known && newestRoot(known).payload]
  return b !== undefined && b.version > a.version ? b : a
}

/** One grant for each version of a record and recipient: two could give it under two terms. PROTOCOL.md §4 */
function areDistinct(grants: readonly PlacedGrant[]): boolean {
  const names = grants.map(({ grant: { record, recipient } }) =>
    [record.origin, record.id, record.version, recipient].join(" "),
  )
  return new Set(names).size === names.length
}

function verifyHandling(marking: Marking | undefined, holder: Holder): void {
  if (marking === undefined || holder.mapMarking === null) return
  const mapped = holder.mapMarking(marking)
  if (mapped === null) throw new ProtocolError("marking.unmapped", { detail: marking })
  if (holder.ceiling !== null && !isAtMost(mapped, holder.ceiling))
    throw new ProtocolError("marking.ceiling", { detail: marking })
}

/** What the log has of the claim's order: `Logged.places` are the places of these 33 bytes. */
export function entryOf(claim: Pick<Claim, "order" | "entry">): Uint8Array {
  return blindedEntry(1, claim.entry.salt, decodeHex(claim.order.digest))
}

/** The fact that a grant of a standing order states. */
export function factOf(
  standing: Standing,
  { grant }: PlacedGrant,
  custody: Custody | null = null,
): Fact {
  const { order, index } = standing
  return {
    ...(custody === null ? {} : { chain: custody.map(({ link }) => heldLink(link)) }),
    act: grant.act,
    orderId: order.id,
    orderOrigin: order.origin,
    recordOrigin: grant.record.origin,
    version: grant.record.version,
    rule: { profile: order.rule.profile, kind: order.rule.kind },
    epoch: order.base.epoch,
    index,
    baseEpoch: order.base.epoch,
    baseSize: order.base.size,
    after: grant.after ?? [],
  }
}

/** What a link says to precedence, whether or not it was verified here. */
export function heldLink({ proven, placed }: Link): FactLink {
  const { base, origin } = proven.order.payload
  const { recipient, after = [] } = placed.grant
  return { after, baseEpoch: base.epoch, baseSize: base.size, origin, recipient }
}

/**
 * Steps 6 to 8 of a release: nothing has ended it, the objects are those that were signed, the record
 * is what the order says.
 *
 * @param known other facts about this record and recipient; @param content how the record came
 * @param custody how it came to the member whose order this is, where that is not its origin
 * @throws `order.ended`, `sealed.*`, `record.*`, `rule.mismatch`, `profile.*`, `custody.malformed`,
 * `grant.malformed` for a withdrawal
 */
export function verifyRelease(
  standing: Standing,
  placed: PlacedGrant,
  known: readonly Fact[],
  content: Content,
  holder: Holder,
  report: Report = silent,
  custody: Custody | null = null,
): { readonly record: ComityRecord; readonly bytes: Uint8Array } {
  const { grant } = placed
  if (grant.act !== "release") throw new ProtocolError("grant.malformed", { detail: "act" })
  // 6: precedence
  verifyNotEnded(factOf(standing, placed, custody), known)
  report(6, "no withdrawal that is known here ends it")

  // 7: each object
  if (grant.sealed.length > 1)
    throw new ProtocolError("feature.unsupported", { detail: "attachments" })
  const bytes = verifyObject(content, grant.sealed[0]!)
  if (recordDigest(bytes) !== grant.record.digest) throw new ProtocolError("record.mismatch")
  report(7, "the content is the one that was released, to the last bit")

  // 8: the record
  const record = decodeRecord(bytes)
  if ((record.origin !== standing.order.origin) !== (custody !== null))
    throw new ProtocolError("custody.malformed", { detail: "no chain from its origin" })
  const from = (custody?.[0].standing ?? standing).root.kind
  for (const { link, standing: passed } of custody ?? [])
    verifyRecord(record, passed, link.placed, { ...holder, profiles: null, mapMarking: null }, from)
  verifyRecord(record, standing, placed, holder, from)
  const passedOn = (custody ?? []).map(({ origin }) => `, passed on by ${origin.id}`).slice(1)
  const by = custody === null ? "" : `${passedOn.join("")}, passed on by ${standing.order.origin}`
  report(8, `a ${record.kind} under profile ${record.profile.id}, as the order's rule says${by}`)
  return { record, bytes }
}

/** What the sign-off depended on, as the grant and the record say it. */
export function ruleConditions(
  profile: Pick<Profile, "consent">,
  record: Pick<ComityRecord, "fields" | "kind" | "origin">,
  grant: Pick<Grant, "custody" | "recipient" | "terms">,
): Rule["conditions"] {
  // Who had to agree did so to the origin's release, and to its onward term.
  const asking = grant.custody === undefined ? profile : {}
  return conditionsOf(asking, record, grant.recipient, releaseOf(grant).onward)
}

/** What a profile judges of a grant. */
export function releaseOf({ recipient, terms }: Pick<Grant, "recipient" | "terms">) {
  const onward = terms?.onward ?? "no"
  return {
    recipient,
    onward: typeof onward === "string" ? onward : "inside",
    marking: terms?.marking ?? "TLP:RED",
  }
}

/**
 * A sealed object and its key, or, in evidence and at home, the plaintext alone. `digest` is the hex
 * SHA-256 of the object where whoever took it in has computed that already.
 */
export type Content =
  | { readonly key: Uint8Array; readonly sealed: Uint8Array; readonly digest?: string }
  | { readonly plaintext: Uint8Array }

function verifyObject(
  content: Content,
  expected: { readonly digest: string; readonly size: number },
): Uint8Array {
  if ("plaintext" in content) return content.plaintext
  const { key, sealed, digest = encodeHex(sha256(sealed)) } = content
  const isExpected = sealed.length === expected.size && digest === expected.digest
  if (!isExpected) throw new ProtocolError("sealed.mismatch")
  return openSealed(key, 0, sealed)
}

function verifyRecord(
  record: ComityRecord,
  standing: Standing,
  { grant }: PlacedGrant,
  holder: Holder,
  /** the kind of member that the record is of, whoever passed it on */
  from: Root["kind"],
): void {
  const { order } = standing
  const named = grant.record
  if (record.network !== order.network) throw new ProtocolError("network.mismatch")
  const isNamed =
    record.origin === named.origin && record.id === named.id && record.version === named.version
  if (!isNamed) throw new ProtocolError("record.mismatch")
  if (record.attachments.length !== grant.sealed.length - 1)
    throw new ProtocolError("record.mismatch", { detail: "attachments" })
  const { digest, id } = record.profile
  // The rule's own profile judged the officers: the record's is no other.
  if (digest !== order.rule.profile) throw new ProtocolError("rule.mismatch")
  const profile = holder.profile(digest)
  if (profile === null || profile.id !== id) throw new ProtocolError("profile.unknown")
  const conditions = ruleConditions(profile, record, grant)
  if (record.kind !== order.rule.kind || conditions.join() !== order.rule.conditions.join())
    throw new ProtocolError("rule.mismatch")
  if (holder.profiles !== null && !holder.profiles.includes(digest))
    throw new ProtocolError("profile.unadopted")
  if (conditions.includes("consent")) verifyAgreed(profile, record, named.digest, standing.consents)
  verifyHandling(record.marking, holder)
  checkRecord(profile, record)
  const isForUs = isFor(holder, grant)
  const to = grant.recipient === everybody ? "public" : isForUs ? holder.kind : null
  checkRelease(profile, record, { ...releaseOf(grant), from, to })
  if (isForUs && profile.localMark === true && holder.localMark(record.marking) === null)
    throw new ProtocolError("marking.unmapped", {
      detail: `no mark of our own for ${record.marking}`,
    })
}
