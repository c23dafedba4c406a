import { encodeCanonical, type Json } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { decodeLinkValue, encodeLink, type Link, type LinkFields } from "../../protocol/custody.ts"
import { decodeHex, decodeUtf8, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { type EvidenceFields, encodeEvidence } from "../../protocol/evidence.ts"
import { encodeCard } from "../../protocol/exchange/card.ts"
import { encodeReceipts, type ReceiptItem, type Receipts } from "../../protocol/exchange/receipt.ts"
import { appendLeaves, emptyRange } from "../../protocol/log/compact-range.ts"
import { blindedEntry, dummyEntry, entrySalt, openEntry } from "../../protocol/log/entry.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import type { NoteSigner } from "../../protocol/log/note.ts"
import { general } from "../../protocol/profiles/general.ts"
import { encodeProfile, type Profile, profileDigest } from "../../protocol/profiles/profile.ts"
import type { ProvenFields } from "../../protocol/proven.ts"
import { groupFields } from "../../protocol/record/group.ts"
import { type ComityRecord, recordDigest } from "../../protocol/record/record.ts"
import {
  consentSubject,
  decodeConsent,
  decodeKeptConsent,
  encodeTacit,
} from "../../protocol/release/consent.ts"
import { type Grant, grantLeaf } from "../../protocol/release/grant.ts"
import { buildGrantTree } from "../../protocol/release/grant-tree.ts"
import { decodeOrder, type Order } from "../../protocol/release/order.ts"
import { type PlacedGrant, placeGrant } from "../../protocol/release/placed-grant.ts"
import type { Logged } from "../../protocol/standing.ts"
import { type Claim, type Holder, ruleConditions } from "../../protocol/verify.ts"
import { cosign, type TestLog, testLog } from "./test-log.ts"
import {
  makeMember,
  orderOf,
  type Signer,
  signByNode,
  signOrder,
  type TestMember,
  today,
} from "./world.ts"

/**
 * One practice of a member to another, from the root document to the file that proves it: in memory,
 * without a node, the same bytes every time. Every part can be another than an honest member would make.
 */

export const generalBytes = encodeProfile(general)
export const generalDigest = profileDigest(generalBytes)

export type StoryChanges = {
  readonly origin?: TestMember
  readonly recipient?: TestMember
  /** of the origin, logged after version 1 and before the order, one after another */
  readonly laterRoots?: readonly Uint8Array[]
  readonly record?: Partial<ComityRecord>
  /** instead of the record's JCS form */
  readonly recordBytes?: Uint8Array
  readonly grant?: Partial<Record<keyof Grant, unknown>>
  /** in the same order, beside the one that is shown */
  readonly beside?: readonly Grant[]
  readonly order?: Partial<Order>
  readonly signers?: readonly Signer[]
  readonly profile?: Profile
  /** who consents, each in a log of its own, and otherwise than it should */
  readonly consents?: readonly (ConsentChanges | Memorandum | Silent)[]
}

/** The release of a memorandum by the member that agrees, to the one whose story it is for. */
export type Memorandum = {
  readonly memorandum: Story
  readonly evidence?: Parameters<typeof evidenceOf>[1]
}

/** An agreement to a silence procedure, and what became of it in the log that it is in. */
export type Silent = {
  readonly agreement: Story
  /** entries behind the agreement's: objections, or nothing of note */
  readonly after?: (agreement: Story, record: string) => readonly Uint8Array[]
  readonly cosigners?: readonly (readonly [signers: readonly NoteSigner[], at: string])[]
  readonly receipt?: Partial<ReceiptItem>
  readonly receiptOf?: Partial<Receipts>
  /** in the same batch */
  readonly beside?: readonly ReceiptItem[]
  readonly transmittal?: Partial<Record<keyof Grant, unknown>>
  /** logged behind the agreement, and shown */
  readonly laterRoots?: readonly Uint8Array[]
  /** of the entries, those that are shown */
  readonly shown?: (entries: readonly Uint8Array[]) => readonly Uint8Array[]
  readonly before?: readonly Uint8Array[]
  readonly receiptBy?: TestMember
}

export type ConsentChanges = {
  readonly by: TestMember
  readonly order?: Partial<Order>
  readonly signers?: readonly Signer[]
  readonly cosigners?: readonly NoteSigner[]
  readonly fields?: Partial<ProvenFields>
}

export type Story = {
  readonly origin: TestMember
  readonly recipient: TestMember
  readonly log: TestLog
  /** where root versions are in it */
  readonly rootIndexes: readonly number[]
  readonly record: ComityRecord
  readonly recordBytes: Uint8Array
  readonly contentKey: Uint8Array
  readonly sealed: Uint8Array
  readonly profileBytes: Uint8Array
  /** the grant shown, then those beside it */
  readonly placed: readonly PlacedGrant[]
  readonly claim: Claim
  readonly logged: Logged
  /** the recipient as the judge */
  readonly holder: Holder
}

const jsonOf = (bytes: Uint8Array): Json => JSON.parse(decodeUtf8(bytes))
const seeded = (name: string) => sha256(utf8(`story ${name}`))
const id = (name: string) => encodeHex(seeded(name).slice(0, 16))

export const storyOrigin = await makeMember({ seed: "story a", profiles: [generalDigest] })
export const storyRecipient = await makeMember({
  seed: "story b",
  state: "XB",
  profiles: [generalDigest],
})

export async function makeStory(changes: StoryChanges = {}): Promise<Story> {
  const { origin = storyOrigin, recipient = storyRecipient, profile = general } = changes
  const profileBytes = encodeCanonical(profile)
  const log = testLog(origin)
  const laterRoots = changes.laterRoots ?? []
  const first = origin.roots.slice(0, origin.roots.length - laterRoots.length)
  const rootIndexes = first.map((document) => log.append(openEntry(sha256(document))))
  log.append(openEntry(sha256(origin.keys)))
  rootIndexes.push(...laterRoots.map((document) => log.append(openEntry(sha256(document)))))

  const record: ComityRecord = {
    areas: ["M2"],
    attachments: [],
    body: "Findings are followed up by a unit that did not plan the work.\n",
    fields: {},
    id: id("record"),
    kind: "good-practice",
    language: "en",
    marking: "TLP:AMBER",
    network: origin.network,
    origin: origin.id,
    profile: { digest: profileDigest(profileBytes), id: profile.id },
    title: "Independent follow-up of scheduling findings",
    type: "comity/record/v1",
    version: 1,
    ...changes.record,
  }
  const recordBytes = changes.recordBytes ?? encodeCanonical(record)
  const contentKey = seeded("content key")
  const sealed = sealObject(contentKey, 0, recordBytes)
  const grant = {
    act: "release",
    recipient: recipient.id,
    record: {
      digest: recordDigest(recordBytes),
      id: record.id,
      origin: record.origin,
      version: record.version,
    },
    salt: encodeHex(seeded("grant salt")),
    sealed: [{ digest: encodeHex(sha256(sealed)), size: sealed.length }],
    terms: {
      caveats: [],
      evidence: "members",
      marking: "TLP:AMBER",
      onward: "no",
      purpose: "peer learning",
    },
    type: "comity/grant/v1",
    ...changes.grant,
  } as Grant

  const grants = [grant, ...(changes.beside ?? [])].map((one) => encodeCanonical(defined(one)))
  const positions = grants.map((_, i) => 417 + 100 * i)
  const tree = buildGrantTree(
    new Map(grants.map((bytes, i) => [positions[i]!, grantLeaf(bytes)])),
    seeded("tree seed"),
  )
  const placed = grants.map((bytes, i) =>
    placeGrant({
      grant: jsonOf(bytes),
      path: tree.path(positions[i]!).map(encodeHex),
      position: positions[i]!,
    }),
  )
  const order = orderOf(origin, {
    act: grant.act,
    base: log.head(),
    id: id("order"),
    root: encodeHex(tree.root),
    rule: {
      conditions: grant.act === "withdraw" ? [] : ruleConditions(profile, record, grant),
      kind: record.kind,
      profile: record.profile.digest,
    },
    ...changes.order,
  })
  const consents = await Promise.all(
    (changes.consents ?? []).map(async (one) =>
      "memorandum" in one
        ? decodeKeptConsent(await standingOf(one.memorandum, one.evidence))
        : "agreement" in one
          ? decodeKeptConsent(await tacitOf(one, origin, grant))
          : decodeConsent(await consentOf(order, one)),
    ),
  )
  const document = decodeOrder(await signOrder(origin, order, changes.signers ?? ["p1", "p2"]))
  const digest = decodeHex(document.digest)
  const salt = entrySalt(origin.saltKey, 1, digest)
  const index = log.append(blindedEntry(1, salt, digest))
  log.append(dummyEntry(origin.saltKey, index + 1))

  return {
    origin,
    recipient,
    log,
    rootIndexes,
    record,
    recordBytes,
    contentKey,
    sealed,
    profileBytes,
    placed,
    claim: { order: document, entry: { index, salt }, grants: placed.slice(0, 1), consents },
    logged: {
      origin: origin.member,
      places: [index],
      baseRoot: log.root(order.base.size),
      endRoot: null,
      rootIndexes,
    },
    holder: {
      network: recipient.network,
      recipient: recipient.id,
      ceiling: recipient.root.ceiling,
      profiles: recipient.root.profiles,
      mapMarking: (marking) => marking,
      kind: "state",
      localMark: (marking) => marking,
      profile: (wanted) => (wanted === profileDigest(profileBytes) ? profile : null),
      members: new Map(),
      takenBack: new Set(),
    },
  }
}

/** A member's consent to a release, from the only order in its log. */
export async function consentOf(
  release: Order,
  { by, signers = ["p1", "p2"], cosigners = [], ...changes }: ConsentChanges,
): Promise<Uint8Array> {
  const log = testLog(by)
  const indexes = by.roots.map((document) => log.append(openEntry(sha256(document))))
  const order = orderOf(by, {
    act: "consent",
    base: log.head(),
    id: id(`consent of ${by.id}`),
    rule: release.rule,
    subject: consentSubject(release),
    ...changes.order,
  })
  const document = decodeOrder(await signOrder(by, order, signers))
  const digest = decodeHex(document.digest)
  const salt = entrySalt(by.saltKey, 1, digest)
  const index = log.append(blindedEntry(1, salt, digest))
  log.append(dummyEntry(by.saltKey, index + 1))
  const size = log.entries.length
  return encodeCanonical({
    base: log.consistency(order.base.size, size).map(encodeHex),
    order: jsonOf(document.bytes),
    proof: log.proof(index, await log.checkpoint(size, cosigners), size),
    roots: by.roots.map((root, i) => ({
      document: jsonOf(root),
      index: indexes[i]!,
      path: log.inclusion(indexes[i]!, size).map(encodeHex),
    })),
    salt: encodeHex(salt),
    type: "comity/consent/v1",
    ...changes.fields,
  })
}

/** Without members that are undefined: for a grant that leaves one out. */
function defined(grant: Grant): Grant {
  return JSON.parse(JSON.stringify(grant))
}

/** The file that proves the story's release. */
export async function evidenceOf(
  story: Story,
  changes: {
    readonly cosigners?: readonly NoteSigner[]
    /** instead of the whole log */
    readonly size?: number
    readonly fields?: Partial<EvidenceFields>
  } = {},
): Promise<Uint8Array> {
  const { claim, log, origin, placed, recordBytes, rootIndexes, profileBytes } = story
  const { size = log.entries.length, cosigners = [] } = changes
  const { grant, path, position } = placed[0]!
  const checkpoint = await log.checkpoint(size, cosigners)
  const base = claim.order.payload.base.size
  return encodeEvidence({
    consents: claim.consents.map(({ bytes }) => jsonOf(bytes)),
    base: log.consistency(base, size).map(encodeHex),
    grant: grant as unknown as Json,
    order: jsonOf(claim.order.bytes),
    path: path.map(encodeHex),
    position,
    profile: jsonOf(profileBytes),
    proof: log.proof(claim.entry.index, checkpoint, size),
    record: jsonOf(recordBytes),
    roots: origin.roots.map((document, i) => ({
      document: jsonOf(document),
      index: rootIndexes[i]!,
      path: log.inclusion(rootIndexes[i]!, size).map(encodeHex),
    })),
    salt: encodeHex(claim.entry.salt),
    ...changes.fields,
  })
}

/** The same as a standing consent has it. */
export async function standingOf(
  story: Story,
  changes: Parameters<typeof evidenceOf>[1] = {},
): Promise<Uint8Array> {
  const { consents, custody, profile, record, ...shown } = JSON.parse(
    decodeUtf8(await evidenceOf(story, changes)),
  )
  return encodeCanonical({ ...shown, type: "comity/standing/v1" })
}

/**
 * What a tacit consent has: by the member whose agreement it is, to what `releasing` sent it before. Unless
 * it is said otherwise, the record came on the day of these tests and the silence is over.
 */
export async function tacitOf(
  { agreement, after, cosigners = [], receipt, receiptOf, ...changes }: Silent,
  releasing: TestMember,
  released: Grant,
): Promise<Uint8Array> {
  const { origin: host, log } = agreement
  const { index } = agreement.claim.entry
  const sent = encodeCanonical(
    defined({
      ...released,
      recipient: host.id,
      salt: encodeHex(seeded("transmittal salt")),
      ...changes.transmittal,
    } as Grant),
  )
  const { laterRoots = [] } = changes
  const later = laterRoots.map((document) => log.append(openEntry(sha256(document))))
  log.append(...(after?.(agreement, released.record.digest) ?? []))
  const size = log.entries.length
  let note = await log.checkpoint(size)
  for (const [signers, at] of cosigners) note = await cosign(note, signers, Date.parse(at) / 1000)
  const shown = JSON.parse(decodeUtf8(await evidenceOf(agreement)))
  const { consents, custody, profile, record, ...fields } = shown
  const item = {
    day: today,
    leaf: encodeHex(grantLeaf(sent)),
    order: id("transmittal"),
    state: "delivered",
    ...receipt,
  } as ReceiptItem
  const batch = {
    from: host.id,
    items: [item, ...(changes.beside ?? [])],
    network: host.network,
    to: releasing.id,
    type: "comity/receipts/v1",
    ...receiptOf,
  } as const
  const payload = encodeReceipts(batch)
  const { before = beforeOf(log.entries.slice(0, index + 1)), receiptBy = host } = changes
  const entries = log.entries.slice(index + 1, size)
  return encodeTacit(
    {
      ...fields,
      proof: log.proof(index, note, size),
      roots: [
        ...fields.roots,
        ...laterRoots.map((document, i) => ({
          document: jsonOf(document),
          index: later[i]!,
          path: log.inclusion(later[i]!, size).map(encodeHex),
        })),
      ],
    },
    agreement.placed[0]!,
    {
      before,
      entries: changes.shown?.(entries) ?? entries,
      receipt: await signByNode(receiptBy, "comity-receipts+jws", payload),
      transmittal: sent,
    },
  )
}

function beforeOf(entries: readonly Uint8Array[]): readonly Uint8Array[] {
  return appendLeaves(emptyRange, entries.map(leafHash)).hashes
}

/** The same without the record: what an onward grant rests on. */
export async function linkOf(story: Story, group?: ComityRecord): Promise<Link> {
  const { custody, record, ...shown } = JSON.parse(decodeUtf8(await evidenceOf(story)))
  const fields = group === undefined ? shown : { ...shown, group }
  return decodeLinkValue(jsonOf(encodeLink(fields as LinkFields)))
}

/** A version of the group @harbours as a record, with its digest: what `inside` names. */
export function listOf(
  convener: TestMember,
  members: readonly TestMember[],
  changes: Partial<ComityRecord> = {},
): { readonly list: ComityRecord; readonly digest: string } {
  const ids = [convener, ...members].map((member) => member.id)
  const group = { convener: convener.id, members: ids, name: "harbours", previous: null }
  const list: ComityRecord = {
    areas: [],
    attachments: [],
    body: "Ports.\n",
    fields: groupFields(group),
    id: id("group"),
    kind: "group",
    language: "en",
    marking: "TLP:AMBER",
    network: convener.network,
    origin: convener.id,
    profile: { digest: generalDigest, id: "liaison" },
    title: "Group harbours",
    type: "comity/record/v1",
    version: 1,
    ...changes,
  }
  return { list, digest: recordDigest(encodeCanonical(list)) }
}

/** The card of a member whose log has its root documents and then its keys document. */
export async function cardOf(
  member: TestMember,
  changes: { readonly keys?: Uint8Array; readonly roots?: readonly Uint8Array[] } = {},
): Promise<Uint8Array> {
  const { roots = member.roots, keys = member.keys } = changes
  const log = testLog(member)
  log.append(...member.roots.map((document) => openEntry(sha256(document))))
  const index = log.append(openEntry(sha256(keys)))
  return encodeCard({ roots, keys, proof: log.proof(index, await log.checkpoint()) })
}
