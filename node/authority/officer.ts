import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { ed25519PublicKey, signEd25519 } from "../../protocol/crypto/sign.ts"
import { groupNamed, insideOf } from "../../protocol/custody.ts"
import { decodeHex, encodeBase64url, encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { verifyCheckpoint } from "../../protocol/log/checkpoint.ts"
import { logOrigin } from "../../protocol/log/entry.ts"
import { checkConsistency, emptyRoot } from "../../protocol/log/merkle.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { type Officer, officerDigest } from "../../protocol/member/officer.ts"
import {
  type Head,
  logKeyOf,
  type Member,
  newestRoot,
  type Root,
  verifyRoots,
} from "../../protocol/member/root.ts"
import { checkRecord, checkRelease } from "../../protocol/profiles/profile.ts"
import { bringProfile, findProfile } from "../../protocol/profiles/registry.ts"
import { judgeQuorum } from "../../protocol/quorum.ts"
import {
  type ComityRecord,
  decodeRecord,
  encodeRecord,
  recordDigest,
} from "../../protocol/record/record.ts"
import { consentSubject, takingBack } from "../../protocol/release/consent.ts"
import {
  decodeGrantValue,
  encodeGrant,
  everybody,
  type Grant,
  grantLeaf,
} from "../../protocol/release/grant.ts"
import { buildGrantTree } from "../../protocol/release/grant-tree.ts"
import { encodeOrder, type Order, orderShape } from "../../protocol/release/order.ts"
import { objectionSubject } from "../../protocol/release/silence.ts"
import {
  decodeShape,
  digest,
  either,
  hex,
  integer,
  json,
  list,
  literal,
  object,
  oneOf,
  optional,
  type ShapeOf,
  text,
} from "../../protocol/shape.ts"
import { type SignatureLine, signLine } from "../../protocol/signed.ts"
import { releaseOf, ruleConditions } from "../../protocol/verify.ts"
import { wordsOf } from "../../protocol/words.ts"
import { NodeError } from "../errors.ts"
import type { OfficerKey } from "./found.ts"

/**
 * The officer's side of an order, on the officer's own machine: it believes nothing that came with the
 * export and recomputes what will be signed from the plaintext. PROTOCOL.md §5
 */

const exportBytes = 64 * 1024 * 1024
const proof = list(digest, { max: 63 })
const historyFields = {
  /** that of the order's base, where witnesses have to have cosigned it */
  baseCheckpoint: optional(text({ min: 1, max: 1024 * 1024 })),
  baseProof: proof,
  checkpoint: text({ min: 1, max: 1024 * 1024 }),
  payload: json,
  roots: list(json, { min: 1, max: 1024 }),
  seen: list(object({ proof, size: integer(0, Number.MAX_SAFE_INTEGER) }), { max: 1024 }),
}
const exportShape = object({
  ...historyFields,
  earlier: list(
    object({
      act: oneOf(["release", "withdraw"]),
      order: hex(16),
      recipient: text({ min: 1, max: 64 }),
      record: hex(16),
      version: integer(1, 1_000_000),
    }),
    { max: 100_000 },
  ),
  grants: list(object({ grant: json, position: integer(0, 1023) }), { min: 1, max: 512 }),
  /** the lists that terms name by `inside` */
  groups: optional(list(json, { min: 1, max: 512 })),
  /** the profile of the records, where it does not come with the software */
  profile: optional(json),
  recipients: list(object({ member: text({ min: 1, max: 64 }), name: text({ max: 64 }) }), {
    max: 512,
  }),
  records: list(json, { min: 1, max: 512 }),
  seed: hex(32),
  type: literal("comity/order-export/v1"),
})

/**
 * A consent, with the export of the release that it is to, or with the consent that it takes back; an
 * objection with the agreement by which our silence would stand for one.
 */
const consentExportShape = object({
  ...historyFields,
  about: either(
    exportShape,
    either(
      object({ consent: orderShape, type: literal("comity/taking-back/v1") }),
      object({
        agreement: json,
        /** what it says, while we hold it */
        content: optional(json),
        record: digest,
        type: literal("comity/objecting/v1"),
      }),
    ),
  ),
  type: literal("comity/consent-export/v1"),
})

type ExportFields = ShapeOf<typeof exportShape>
const eitherExport = either(exportShape, consentExportShape)

/** The newest that this machine has seen of its member: no host shows it anything older again. */
export type Seen = {
  readonly member: string
  readonly rootVersion: number
  readonly epoch: number
  readonly size: number
  readonly root: string
}

/** What the officer is about to sign, as this machine computed it. */
export type Review = {
  readonly member: Member
  readonly order: Order
  readonly payload: Uint8Array
  readonly lines: readonly {
    readonly recipient: string
    /** a name pinned on this machine, else the 12 words */
    readonly known: string
    readonly isPinned: boolean
    readonly record: ComityRecord
    readonly grant: Grant
    /** the list that it may be passed on inside, its members as this machine knows them */
    readonly inside: { readonly name: string; readonly known: readonly string[] } | null
  }[]
  /** what it repeats or ends, as far as this machine was told */
  readonly notes: readonly string[]
  readonly seen: Seen
}

/**
 * @param pins member id → the name under which this machine knows it
 * @throws `order.malformed` when anything of the export does not hang together; `order.base` when the
 * member's log does not continue what this machine has seen
 */
export function reviewExport(
  bytes: Uint8Array,
  pins: ReadonlyMap<string, string>,
  seen: Seen | null,
): Review {
  const value = ingest(bytes, exportBytes)
  const fields = decodeShape(eitherExport, value, "order.malformed")
  return fields.type === "comity/order-export/v1"
    ? reviewRelease(fields, pins, seen)
    : reviewConsent(fields, pins, seen)
}

/** Whose order it is, and that it is made for the root document in force. */
function ownerOf(fields: Pick<ExportFields, "payload" | "roots">) {
  const member = verifyRoots(fields.roots.map((root) => encodeCanonical(root as object)))
  const root = newestRoot(member).payload
  const order = decodeShape(orderShape, fields.payload, "order.malformed")
  if (order.origin !== member.id || order.network !== member.network)
    throw new ProtocolError("order.malformed", { detail: "origin" })
  if (order.rootVersion !== root.version) throw new ProtocolError("order.root-version")
  return { member, order }
}

/** Consenting, an officer looks at the release itself, as if it were to be signed. */
function reviewConsent(
  fields: ShapeOf<typeof consentExportShape>,
  pins: ReadonlyMap<string, string>,
  seen: Seen | null,
): Review {
  const { member, order } = ownerOf(fields)
  const { about } = fields
  if (about.type === "comity/objecting/v1") {
    const notes = reviewObjection(order, about, pins)
    const now = checkLog(fields, member, order, seen)
    return { member, order, payload: encodeOrder(order), lines: [], notes, seen: now }
  }
  const isBack = about.type === "comity/taking-back/v1"
  const release = isBack ? null : reviewRelease(about, pins, null)
  const subject = isBack ? takingBack(about.consent) : consentSubject(release!.order)
  const to = isBack ? about.consent : release!.order
  const isAbout =
    order.act === "consent" &&
    order.subject === subject &&
    order.network === to.network &&
    (to.origin === order.origin) === isBack &&
    isEqual(order.rule, to.rule)
  if (!isAbout) throw new ProtocolError("order.unconsented", { detail: "subject" })
  const origin = release?.member
  const whose = origin === undefined ? "" : (pins.get(origin.id) ?? `words: ${wordsOf(origin.id)}`)
  return {
    member,
    order,
    payload: encodeOrder(order),
    lines: release?.lines ?? [],
    notes: isBack
      ? [`takes back our consent ${to.id}`]
      : [`consents to release ${to.id} of ${whose}`, ...release!.notes],
    seen: checkLog(fields, member, order, seen),
  }
}

type Objecting = Extract<
  ShapeOf<typeof consentExportShape>["about"],
  { readonly type: "comity/objecting/v1" }
>

/** To which record, under which agreement of ours; its title where it came along. */
function reviewObjection(
  order: Order,
  { agreement, content, record }: Objecting,
  pins: ReadonlyMap<string, string>,
): readonly string[] {
  const grant = decodeGrantValue(agreement)
  const leaf = grantLeaf(encodeGrant(grant))
  const isAbout =
    order.act === "consent" &&
    order.subject === objectionSubject(leaf, record) &&
    grant.record.origin === order.origin
  if (!isAbout) throw new ProtocolError("order.unconsented", { detail: "subject" })
  const known = pins.get(grant.recipient) ?? `words: ${wordsOf(grant.recipient)}`
  if (record === grant.record.digest)
    return [`objects to whatever ${known} would release on our silence from now on`]
  const exact = content === undefined ? null : encodeCanonical(content as object)
  if (exact !== null && recordDigest(exact) !== record) throw new ProtocolError("record.mismatch")
  const title = exact === null ? `record ${record}` : `“${decodeRecord(exact).title}”`
  return [`objects to the release of ${title} by ${known}: our silence stands for nothing`]
}

function isEqual(a: Order["rule"], b: Order["rule"]): boolean {
  return equalBytes(encodeCanonical(a), encodeCanonical(b))
}

function reviewRelease(
  fields: ExportFields,
  pins: ReadonlyMap<string, string>,
  seen: Seen | null,
): Review {
  const { member, order } = ownerOf(fields)
  if (order.act === "consent") throw new ProtocolError("order.malformed", { detail: "act" })
  const grants = fields.grants.map(({ grant, position }) => ({
    grant: decodeGrantValue(grant),
    position,
  }))
  const leaves = new Map(
    grants.map(({ grant, position }) => [position, grantLeaf(encodeGrant(grant))]),
  )
  const tree = buildGrantTree(leaves, decodeHex(fields.seed))
  if (leaves.size !== grants.length || encodeHex(tree.root) !== order.root)
    throw new ProtocolError("grant.path")
  // Whatever it is called: records name it by its digest.
  if (fields.profile !== undefined) bringProfile(encodeCanonical(fields.profile as object))
  const records = new Map(
    fields.records.map((record) => {
      const exact = encodeCanonical(record as object)
      return [recordDigest(exact), decodeRecord(exact)]
    }),
  )
  const groups = new Map(
    (fields.groups ?? []).map((one) => [recordDigest(encodeCanonical(one as object)), one]),
  )
  const knownAs = (member: string) =>
    member === everybody ? "EVERYBODY" : (pins.get(member) ?? `words: ${wordsOf(member)}`)
  const lines = grants.map(({ grant }) => {
    const record = records.get(grant.record.digest)
    if (record === undefined || !isAbout(record, grant) || grant.act !== order.act)
      throw new ProtocolError("record.mismatch")
    checkRule(order, record, grant, newestRoot(member).payload)
    const { recipient } = grant
    if (grant.key !== undefined) checkOpens(grant, grant.key, record)
    const list = groups.get(insideOf(grant) ?? "")
    const group = groupNamed(grant, list, order.network)
    const inside = group === null ? null : { name: group.name, known: group.members.map(knownAs) }
    const isPinned = recipient === everybody || pins.has(recipient)
    const known = knownAs(recipient)
    return { recipient, known, isPinned, record, grant, inside }
  })
  const isPaired = lines.every(
    (line, i) =>
      lines.findIndex(
        (other) =>
          other.recipient === line.recipient &&
          other.record.id === line.record.id &&
          other.record.version === line.record.version,
      ) === i,
  )
  if (!isPaired) throw new ProtocolError("order.malformed", { detail: "a grant twice" })

  const now = checkLog(fields, member, order, seen)
  const overrides = lines.flatMap(({ grant }) => grant.after ?? [])
  const repeats = lines.flatMap(({ grant, record }) =>
    fields.earlier
      .filter((one) => one.record === record.id && one.recipient === grant.recipient)
      .map((one) =>
        order.act === "withdraw"
          ? `ends ${one.act} ${one.order} of version ${one.version}`
          : `after ${one.act} ${one.order} of version ${one.version} to the same member`,
      ),
  )
  return {
    member,
    order,
    payload: encodeOrder(order),
    lines,
    notes: [...new Set([...repeats, ...overrides.map((one) => `overrides withdrawal ${one}`)])],
    seen: now,
  }
}

/** The key that everybody gets opens the record that is looked at, and what was sealed is that alone. */
function checkOpens({ sealed }: Grant, key: string, record: ComityRecord): void {
  const object = sealObject(decodeHex(key), 0, encodeRecord(record))
  if (encodeHex(sha256(object)) !== sealed[0]?.digest) throw new ProtocolError("sealed.mismatch")
}

function isAbout(record: ComityRecord, { record: named }: Grant): boolean {
  return (
    record.id === named.id && record.origin === named.origin && record.version === named.version
  )
}

/**
 * Officers approve under the rule that recipients will compute, not one that asks for fewer of them, and
 * nothing that the profile forbids.
 */
function checkRule(order: Order, record: ComityRecord, grant: Grant, { kind: from }: Root): void {
  const profile = findProfile(record.profile.digest)?.profile
  if (profile === undefined)
    throw new ProtocolError("profile.unknown", { detail: record.profile.digest })
  const conditions = order.act === "withdraw" ? [] : ruleConditions(profile, record, grant)
  const isRuled =
    order.rule.kind === record.kind &&
    order.rule.profile === record.profile.digest &&
    order.rule.conditions.join() === conditions.join()
  if (!isRuled) throw new ProtocolError("rule.mismatch")
  if (order.act === "withdraw") return
  checkRecord(profile, record)
  const to = grant.recipient === everybody ? "public" : null
  checkRelease(profile, record, { ...releaseOf(grant), from, to })
}

function checkLog(
  fields: {
    readonly checkpoint: string
    readonly baseCheckpoint?: string
    readonly baseProof: readonly string[]
    readonly seen: readonly { readonly proof: readonly string[]; readonly size: number }[]
  },
  member: Member,
  order: Order,
  seen: Seen | null,
): Seen {
  const root = newestRoot(member).payload
  const origin = logOrigin(member.network, member.id, root.epoch)
  const { checkpoint } = verifyCheckpoint(fields.checkpoint, { origin, logKey: logKeyOf(root) })
  const continues = (size: number, rootHash: string, hashes: readonly string[]) =>
    size === 0
      ? rootHash === encodeHex(emptyRoot)
      : checkConsistency({
          size1: size,
          root1: decodeHex(rootHash),
          size2: checkpoint.size,
          root2: checkpoint.root,
          proof: hashes.map(decodeHex),
        })
  const { base } = order
  const isBased =
    base.epoch === root.epoch &&
    continues(base.size, base.root, fields.baseProof) &&
    (root.quorum === 0 || base.size === 0 || isWitnessed(base, member, fields.baseCheckpoint))
  if (!isBased) throw new ProtocolError("order.base")
  const now: Seen = {
    member: member.id,
    rootVersion: root.version,
    epoch: root.epoch,
    size: checkpoint.size,
    root: encodeHex(checkpoint.root),
  }
  if (seen?.member === member.id)
    checkSeen(seen, now, (size) => {
      const proven = fields.seen.find((one) => one.size === size)
      return proven === undefined ? null : continues(size, seen.root, proven.proof)
    })
  return now
}

/** @param leadsOn whether the log of `seen` leads on to that of `now`; null where no proof came along */
function checkSeen(seen: Seen, now: Seen, leadsOn: (size: number) => boolean | null): void {
  if (now.rootVersion < seen.rootVersion || now.epoch < seen.epoch)
    throw new ProtocolError("root.chain", { detail: "older than this machine has seen" })
  // What survives of an ended log is for root keys to say.
  if (now.epoch > seen.epoch) return
  if (now.size < seen.size)
    throw new ProtocolError("checkpoint.rollback", { detail: "shorter than this machine has seen" })
  const continues = now.size === seen.size ? now.root === seen.root : leadsOn(seen.size)
  if (continues === null)
    throw new NodeError("order.unproven", `The file does not lead on from size ${seen.size}.`, {
      hint: `Have it exported again: comity order export ORDER --seen ${seen.size} -o FILE`,
    })
  if (!continues)
    throw new ProtocolError("checkpoint.forked", { detail: "not what this machine saw before" })
}

/** With witnesses, officers build on nothing that only the server says. PROTOCOL.md §5 */
function isWitnessed(base: Head, member: Member, note: string | undefined): boolean {
  if (note === undefined) return false
  const roots = member.documents
    .map(({ payload }) => payload)
    .filter(({ epoch, quorum }) => epoch === base.epoch && quorum > 0)
  const [first] = roots
  if (first === undefined) return false
  const origin = logOrigin(member.network, member.id, base.epoch)
  const { checkpoint } = verifyCheckpoint(note, { origin, logKey: logKeyOf(first) })
  return (
    checkpoint.size === base.size &&
    encodeHex(checkpoint.root) === base.root &&
    roots.some((root) => judgeQuorum(note, [root]).isQuorate)
  )
}

/** What a signature says: shown before it is given. PROTOCOL.md §5 */
export const signatureMeaning =
  "By signing you authorise this on behalf of the member. It creates no obligation and no admission."

/** The records that by this order, or by the release that it consents to, everybody may read for ever. */
export function madePublic({ lines }: Pick<Review, "lines">): readonly ComityRecord[] {
  const toAll = lines.filter(
    ({ grant }) => grant.act === "release" && grant.recipient === everybody,
  )
  return toAll.map(({ record }) => record)
}

/** Digits of a record's id that are its short id here: enough for nobody to hit another by accident. */
const shortId = 8

/**
 * Each id of a record as it is said again: its first digits, as many as tell it from the others. A server
 * chooses ids: it could give what is meant and what is not the same first digits.
 */
export function saidAs(ids: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    ids.map((id) => {
      const isAlone = (length: number) =>
        ids.every((other) => other === id || !other.startsWith(id.slice(0, length)))
      let length = shortId
      while (!isAlone(length)) length++
      return [id, id.slice(0, length)]
    }),
  )
}

/** Those of the ids that were said again, each by enough of its digits. */
export function saidAgain(ids: readonly string[], said: readonly string[]): readonly string[] {
  const words = said.map((one) => one.toLowerCase())
  const shortest = saidAs(ids)
  return ids.filter((id) =>
    words.some((one) => one.startsWith(shortest.get(id)!) && id.startsWith(one)),
  )
}

/** PROTOCOL.md §5, notAfter */
const orderDays = 90

function daysBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 86_400_000
}

/**
 * The officer's line for the order that was reviewed.
 *
 * @param day UTC, YYYY-MM-DD
 * @param confirmed ids of the records that the officer said again are for everybody
 * @throws `public.unconfirmed` for any other that would be; `officer.unknown` when the root document does not list this officer, or not in this role;
 * `order.malformed` for an order that could be published longer than 90 days from now
 */
export async function signReview(
  review: Pick<Review, "lines" | "member" | "order" | "payload">,
  { officer, seed, member = review.member.id }: OfficerKey,
  day: string,
  role?: string,
  confirmed: readonly string[] = [],
): Promise<SignatureLine> {
  const toAll = madePublic(review)
  const short = saidAs(toAll.map(({ id }) => id))
  for (const { id, title } of toAll)
    if (!confirmed.includes(id))
      throw new NodeError("public.unconfirmed", `“${title}” would be for everybody, for ever.`, {
        hint: `If that is meant: --confirm-public ${short.get(id)}`,
      })
  // A signature is given for now: a server could keep one that never lapses until it suits somebody.
  if (daysBetween(day, review.order.notAfter) > orderDays)
    throw new ProtocolError("order.malformed", { detail: "notAfter" })
  const root = newestRoot(review.member).payload
  if (member !== review.member.id)
    throw new NodeError("officer.unknown", `${officer.person} is an officer of another member.`, {
      hint: "The order speaks for a member with other words: do not sign it.",
    })
  const chosen = role ?? officer.roles[0]
  const isEnrolled = root.officers.includes(officerDigest(officer))
  if (!isEnrolled || encodeBase64url(ed25519PublicKey(seed)) !== officer.key.ed25519)
    throw new NodeError("officer.unknown", `${officer.person} is not an officer of this member.`)
  if (chosen === undefined || !officer.roles.includes(chosen))
    throw new NodeError("officer.unknown", `${officer.person} does not have that role.`, {
      hint: `Roles: ${officer.roles.join(", ")}.`,
    })
  const header = officerHeader(officer, chosen, day, review.order.network, "comity-order+jws")
  return signLine(header, review.payload, (message) => signEd25519(message, seed))
}

/** Opens the officer's own digest in the root document, and nobody else's. */
export function officerHeader(
  officer: Officer,
  role: string,
  day: string,
  network: string,
  typ: string,
) {
  const { key, organisation, person, roles, salt } = officer
  return {
    alg: "Ed25519",
    day,
    key: key.ed25519,
    kid: kidOf(key),
    network,
    organisation,
    person,
    role,
    roles,
    salt,
    typ,
  } as const
}
