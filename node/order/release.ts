import { permits } from "../../protocol/custody.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import {
  type Act,
  describeLine,
  personsNeeded,
  publicLines,
  type Rule,
} from "../../protocol/member/policy.ts"
import { newestRoot, type Root } from "../../protocol/member/root.ts"
import type { Reader } from "../../protocol/profiles/audience.ts"
import { memberFields, membersNamed } from "../../protocol/profiles/consent.ts"
import { namingAudience } from "../../protocol/profiles/naming.ts"
import {
  checkRelease,
  consentRulesOf,
  findKind,
  type Profile,
  signoffOf,
} from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import type { Group } from "../../protocol/record/group.ts"
import { isAtMost } from "../../protocol/record/marking.ts"
import { textLine } from "../../protocol/record/plain-text.ts"
import { type ComityRecord, decodeRecord, encodeRecord } from "../../protocol/record/record.ts"
import { membersAsked } from "../../protocol/release/consent.ts"
import {
  encodeGrant,
  everybody,
  type Grant,
  grantLeaf,
  type Terms,
} from "../../protocol/release/grant.ts"
import { buildGrantTree, drawPositions } from "../../protocol/release/grant-tree.ts"
import { encodeOrder, type Order } from "../../protocol/release/order.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import { day, decodeShape, type Shape } from "../../protocol/shape.ts"
import { releaseOf, ruleConditions } from "../../protocol/verify.ts"
import { assertVerified, findPeer, nameOf } from "../authority/peers.ts"
import { type Context, dayOf, ownRoot, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { type Held, holdingOf, narrowed } from "../exchange/pass-on.ts"
import { newestBase } from "../log/prove.ts"
import { findRecord } from "../reading/records.ts"
import { recordsWithContent } from "../store/queries/contents.ts"
import { keepLists } from "../store/queries/custody.ts"
import { asFact, factsAbout } from "../store/queries/facts.ts"
import { insertGrants } from "../store/queries/grants.ts"
import { memberById } from "../store/queries/members.ts"
import { insertRows } from "../store/queries/rows.ts"
import type { Db } from "../store/schema.ts"
import { draftById, freezeDraft, type RecordRow, recordRow } from "./drafts.ts"
import { type Foreseeable, type Foreseen, foresee } from "./foresee.ts"
import { findGroup, groupsKnown, verifyGroup } from "./groups.ts"
import { type Asked, verifyInterest, whoAsked } from "./interests.ts"
import { assertAgreed } from "./mission.ts"
import { remarksFor } from "./remarks.ts"
import { tracesIn } from "./state-names.ts"

export type ReleaseRequest = {
  readonly records: readonly string[]
  readonly to: readonly string[]
  /** `inside:@GROUP` names the version of the group that is in force */
  readonly onward?: "no" | "consent" | "free" | `inside:${string}`
  readonly evidence?: Terms["evidence"]
  readonly purpose?: string
  readonly caveats?: readonly string[]
  /** last day of use, YYYY-MM-DD */
  readonly until?: string
  readonly dryRun?: boolean
  /** its origin has decided to go further than the profile does by itself */
  readonly beyondDefault?: boolean
}

export type Requested = {
  readonly order: string
  readonly orders: readonly string[]
  readonly needs: number
  readonly signed: number
  readonly grants: number
  readonly preview: readonly Foreseen[]
  /** of a release: who has asked for such records, named as a recipient or not */
  readonly asked?: readonly Asked[]
  /** of a release to groups: whom a group lists that has closed, and is given nothing */
  readonly leftOut?: readonly LeftOut[]
}

type LeftOut = { readonly group: string; readonly peer: string }

const dayMs = 86_400_000
/** Days until our own sequencer refuses an unpublished order. PROTOCOL.md §5 */
const orderDays = 14

/** A grant in the making, with what decides which order it falls into. */
type Planned = Foreseeable & {
  readonly rule: Rule
  /** members whose consent it needs: those of one order are asked for the same */
  readonly asked: readonly string[]
  /** as in Recipient */
  readonly listed?: string | null
}

class DryRun extends Error {
  readonly requested: Requested

  constructor(requested: Requested) {
    super("dry run")
    this.requested = requested
  }
}

/**
 * Makes the orders that officers are asked to sign: one for each rule, at most 512 grants in each.
 * Nothing leaves by it.
 *
 * @throws `peer.*`, `recipient.*`, `draft.*`, `marking.ceiling`, `profile.unadopted`, `terms.invalid`,
 * `root.closed`, `order.unsatisfied` for everybody where our policy does not say so
 */
export async function requestRelease(
  context: Context,
  request: ReleaseRequest,
): Promise<Requested> {
  if (request.records.length === 0) throw new NodeError("order.nothing", "No record was named.")
  if (request.to.length === 0) throw new NodeError("recipient.none", "No recipient was named.")
  if (ownRoot(context).closing !== undefined) throw new ProtocolError("root.closed")
  assertTerms(context, request)
  const { recipients, leftOut } = await findRecipients(context, request.to)
  return inTransaction(context, request.dryRun === true, async (trx) => {
    const planned: Planned[] = []
    const within = { ...context, db: trx }
    for (const prefix of new Set(request.records)) {
      const { row, held } = await releasable(within, prefix)
      const onward = await onwardTerm(within, held, request.onward)
      planned.push(...(await planRemarks(within, trx, row, recipients, request)))
      for (const recipient of recipients)
        planned.push(await planRelease(within, trx, row, held, recipient, { ...request, onward }))
    }
    const requested = await makeOrders(context, trx, "release", planned)
    const asked = await whoAsked({ ...context, db: trx }, planned)
    return { ...requested, asked, ...(leftOut.length === 0 ? {} : { leftOut }) }
  })
}

/** A draft of ours as a version, or what we hold of another member and may pass on. */
async function releasable(
  context: Context,
  prefix: string,
): Promise<{ readonly row: RecordRow; readonly held: Held | null }> {
  const { db, self } = context
  const draft = await draftById(context, prefix, db).catch(async (cause: unknown) => {
    if (cause instanceof NodeError && cause.code === "record.not-ours") return null
    throw cause
  })
  if (draft !== null) return { row: await freezeDraft(context, db, draft), held: null }
  const reference = await findRecord(context, prefix)
  if (reference.origin === self.id) throw new NodeError("record.unknown", "No such record.")
  const row = await recordRow(db, reference.origin, reference.id, reference.version)
  return { row, held: await holdingOf(context, reference) }
}

type Onward = { readonly onward: Terms["onward"]; readonly group: Group | null }

/**
 * What was asked for as a term; of a group the list that travels with it. Passing on, a holder means the
 * list that it got, whatever is in force by now. @throws `group.*`
 */
async function onwardTerm(
  context: Context,
  held: Held | null,
  wanted: ReleaseRequest["onward"],
): Promise<Onward | undefined> {
  if (wanted === undefined) return undefined
  if (!isInside(wanted)) return { onward: wanted, group: null }
  const name = wanted.slice("inside:".length)
  if (held !== null && typeof held.terms.onward !== "string" && held.group?.name === bareName(name))
    return { onward: held.terms.onward, group: held.group }
  const { digest, group, record } = await findGroup(context, name)
  await keepLists(context.db, new Map([[digest, encodeRecord(record)]]))
  return { onward: { inside: digest }, group }
}

function isInside(wanted: NonNullable<ReleaseRequest["onward"]>): wanted is `inside:${string}` {
  return wanted.startsWith("inside:")
}

/** `name` of `@name` and of `@convener/name`. */
function bareName(group: string): string {
  return group.slice(group.lastIndexOf("/") + 1).replace(/^@/, "")
}

async function inTransaction(
  context: Context,
  isDry: boolean,
  work: (trx: Db) => Promise<Requested>,
): Promise<Requested> {
  try {
    return await context.db.transaction().execute(async (trx) => {
      const requested = await work(trx)
      // Thrown to roll back: a dry run takes the same path to the end and leaves nothing.
      if (isDry) throw new DryRun(requested)
      return requested
    })
  } catch (cause) {
    if (cause instanceof DryRun) return cause.requested
    throw cause
  }
}

/** What was typed, before it becomes terms that officers sign. @throws `terms.invalid` */
function assertTerms(context: Context, request: ReleaseRequest): void {
  const { until, purpose, caveats = [] } = request
  const isLine = (text: string) => holds(textLine({ min: 1, max: 256 }), text)
  if (until !== undefined && !holds(day, until))
    throw new NodeError("terms.invalid", `${JSON.stringify(until)} is not a day.`, {
      hint: "Write the last day of use as 2027-12-31.",
    })
  if (until !== undefined && until < today(context))
    throw new NodeError("terms.invalid", `${until} is past: the terms would have ended already.`)
  if (purpose !== undefined && !isLine(purpose))
    throw new NodeError("terms.invalid", "A purpose is one line of 1 to 256 characters.")
  if (caveats.length > 16 || !caveats.every(isLine))
    throw new NodeError("terms.invalid", "Caveats are at most 16 lines of 1 to 256 characters.")
  const { evidence = "public", onward = "no", to } = request
  if (to.includes(everybody) && (evidence !== "public" || onward !== "no"))
    throw new NodeError("terms.invalid", "What everybody may read, everybody may show.", {
      hint: "A release to public is under evidence public and onward no; name members in another.",
    })
}

function holds(shape: Shape<unknown>, value: string): boolean {
  try {
    decodeShape(shape, value, "grant.malformed")
    return true
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}

type Recipient = {
  readonly id: string
  readonly name: string
  /** digest of the group version that lists it, where it was named by a group alone */
  readonly listed: string | null
}

async function findRecipients(
  context: Context,
  wanted: readonly string[],
): Promise<{ readonly recipients: readonly Recipient[]; readonly leftOut: readonly LeftOut[] }> {
  const found = new Map<string, Recipient>()
  const { names, leftOut } = await listedMembers(context, wanted)
  for (const { name, listed } of names) {
    if (name === everybody) {
      found.set(everybody, { id: everybody, name: everybody, listed })
      continue
    }
    const peer = await findPeer(context, name).catch((cause: unknown) => {
      const isUs = name === context.self.id || name.toUpperCase() === ownRoot(context).state
      if (!isUs) throw cause
      throw new NodeError("recipient.self", "A release goes to others, not to ourselves.")
    })
    assertVerified(peer)
    const before = found.get(peer.member)
    found.set(peer.member, {
      id: peer.member,
      name: peer.name,
      listed: before?.listed === null ? null : listed,
    })
  }
  if (found.size === 0)
    throw new NodeError("recipient.none", `Nobody but us is left in ${wanted.join(", ")}.`)
  return { recipients: [...found.values()], leftOut }
}

/** What parties to the record have to say on it, to the same members, in orders before its own. */
async function planRemarks(
  context: Context,
  trx: Db,
  row: RecordRow,
  recipients: readonly Recipient[],
  request: ReleaseRequest,
): Promise<readonly Planned[]> {
  const planned: Planned[] = []
  const ids = recipients.map(({ id }) => id)
  for (const { id, to } of await remarksFor(context, row, ids)) {
    const { row: remark, held } = await releasable(context, id)
    // It goes as far as the record may; another member's words keep the terms that they came under.
    const onward: Onward = { onward: "free", group: null }
    const terms = held === null ? { ...request, onward } : { onward }
    for (const recipient of recipients)
      if (to.includes(recipient.id))
        planned.push(
          await planRelease(context, trx, remark, held, recipient, {
            records: [],
            to: [],
            ...terms,
          }),
        )
  }
  return planned
}

/**
 * The names, with each group as the members whom its version in force lists and who have not closed.
 *
 * @throws `group.*`
 */
async function listedMembers(
  context: Context,
  wanted: readonly string[],
): Promise<{
  readonly names: readonly { readonly name: string; readonly listed: string | null }[]
  readonly leftOut: readonly LeftOut[]
}> {
  const names: { name: string; listed: string | null }[] = []
  const leftOut: LeftOut[] = []
  for (const name of wanted) {
    if (!name.startsWith("@")) names.push({ name, listed: null })
    else {
      const { group, digest } = await findGroup(context, name)
      const { members } = (await groupsKnown(context)).present(group)
      const others = members.filter((member) => member !== context.self.id)
      names.push(...others.map((member) => ({ name: member, listed: digest })))
      for (const member of group.members.filter((one) => !members.includes(one)))
        leftOut.push({ group: name, peer: await nameOf(context, member) })
    }
  }
  return { names, leftOut }
}

const usualTerms = {
  caveats: [],
  evidence: "members",
  onward: "no",
  purpose: "peer learning",
} as const
/** Whoever reads it may show that it was released. */
const publicTerms = { evidence: "public", purpose: "public information" } as const

async function planRelease(
  context: Context,
  trx: Db,
  row: RecordRow,
  held: Held | null,
  recipient: Recipient,
  request: Omit<ReleaseRequest, "onward"> & { readonly onward?: Onward | undefined },
): Promise<Planned> {
  if (recipient.id === row.origin)
    throw new NodeError("recipient.self", `${recipient.name} wrote that record.`)
  const isForAll = recipient.id === everybody
  if (held !== null && isForAll)
    throw new NodeError("onward.refused", "Only its origin releases a record to everybody.")
  if (held !== null && !permits(held.terms, recipient.id, held.group))
    throw new NodeError(
      "onward.refused",
      `${recipient.name} is not on the list of @${held.group?.name} inside which it may be passed on.`,
      { hint: "The list is the version that its terms name: comity show says who is on it." },
    )
  const content = await trx
    .selectFrom("content")
    .select(["bytes", "content_key"])
    .where("origin", "=", row.origin)
    .where("id", "=", row.id)
    .where("version", "=", row.version)
    .executeTakeFirstOrThrow()
  const bytes = new Uint8Array(content.bytes)
  const record = decodeRecord(bytes)
  await verifyGroup(context, trx, record)
  verifyInterest(record)
  const to = isForAll ? "public" : await takerOf(trx, recipient, row, record)
  const ours = ownRoot(context)
  if (!isAtMost(record.marking, ours.ceiling))
    throw new ProtocolError("marking.ceiling", { detail: record.marking })
  const profile = profileOf(row.profile_digest)
  // What it may be passed on to its origin has decided.
  const isDecided = held !== null || request.beyondDefault === true
  assertAudience(profile, record, recipient, to, isDecided)
  const wanted = {
    ...(request.caveats === undefined ? {} : { caveats: request.caveats }),
    ...(request.evidence === undefined ? {} : { evidence: request.evidence }),
    ...(request.until === undefined ? {} : { expires: request.until }),
    ...(request.onward === undefined || isForAll ? {} : { onward: request.onward.onward }),
    ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
  }
  const { marking } = record
  const usual: Terms = { ...usualTerms, ...(isForAll ? publicTerms : {}), marking, ...wanted }
  const terms = held === null ? usual : narrowed(held.terms, wanted)
  const after = await overridden(context, trx, row, recipient.id)
  const grant: Grant = {
    act: "release",
    ...(after.length === 0 ? {} : { after }),
    ...(held === null ? {} : { custody: held.custody }),
    ...(isForAll ? { key: encodeHex(new Uint8Array(content.content_key)) } : {}),
    recipient: recipient.id,
    record: { digest: row.digest, id: row.id, origin: row.origin, version: row.version },
    salt: encodeHex(context.env.random(32)),
    sealed: held?.sealed ?? [{ digest: row.sealed_digest, size: row.sealed_size }],
    terms,
    type: "comity/grant/v1",
  }
  const origin = held === null ? context.self : await memberById(trx, row.origin)
  if (origin === null)
    throw new NodeError("store.corrupt", "Its origin's root documents are missing.")
  const from = newestRoot(origin).payload.kind
  if (held === null) await assertAgreed({ ...context, db: trx }, record)
  checkRelease(profile, record, { ...releaseOf(grant), from, to })
  assertUnnamed(profile, record, grant)
  const conditions = ruleConditions(profile, record, grant)
  const rule = { conditions, kind: row.kind, profile: row.profile_digest }
  const asked = conditions.includes("consent") ? membersAsked(profile, record) : []
  const whole = { content: record, bytes: bytes.length }
  const group = request.onward?.group ?? null
  const { listed } = recipient
  const allowedBy = isForAll ? allowance(ours, profile, record, rule) : null
  return { grant, rule, asked, title: record.title, record: whole, group, listed, allowedBy }
}

/** What would make the member refuse it there. @returns the kind of member it is */
async function takerOf(
  trx: Db,
  recipient: Recipient,
  row: RecordRow,
  { marking, title }: ComityRecord,
): Promise<Root["kind"]> {
  const member = await memberById(trx, recipient.id)
  if (member === null) throw new NodeError("store.corrupt", "A peer's root documents are missing.")
  const { ceiling, kind, profiles } = newestRoot(member).payload
  if (!isAtMost(marking, ceiling))
    throw new NodeError(
      "recipient.ceiling",
      `${recipient.name} takes nothing above ${ceiling}; “${title}” is ${marking}.`,
    )
  if (!profiles.includes(row.profile_digest))
    throw new NodeError(
      "recipient.profile",
      `${recipient.name} has not adopted profile ${row.profile_id} in this version.`,
      { hint: "It would refuse the record; ask it to adopt the profile first." },
    )
  return kind
}

/** By what everybody may read it, a clause each. @throws `order.unsatisfied` */
function allowance(
  { policy }: Root,
  profile: Profile,
  record: ComityRecord,
  rule: Rule,
): readonly string[] {
  const lines = publicLines(policy, rule)
  if (lines.length === 0)
    throw new NodeError(
      "order.unsatisfied",
      "No line of our policy says when: public, so nothing of ours goes to everybody.",
      { hint: "Root keys put one there: comity key propose --policy FILE -o next.root" },
    )
  const audience = findKind(profile, record.kind)?.audience
  const how =
    audience === undefined
      ? "says nothing of who may read it"
      : audience.default.includes("public")
        ? `gives a ${record.kind} to everybody`
        : `lets its origin give a ${record.kind} to everybody`
  return [
    `its marking, ${record.marking}, sets no limit to who reads it`,
    ...lines.map((line) => `our policy: ${describeLine(line)}`),
    `profile ${profile.id} ${how}`,
  ]
}

const overridesPerGrant = 64

/**
 * Withdrawals that are logged and would end this release, because its base is lower than the log: they
 * are known, and overridden knowingly. PROTOCOL.md §4
 */
async function overridden(
  context: Context,
  trx: Db,
  { origin, id }: RecordRow,
  recipient: string,
): Promise<readonly string[]> {
  // Without witnesses the base is the whole log: nothing lies beyond it.
  if (ownRoot(context).quorum === 0) return []
  const { base } = await newestBase(context, trx)
  const facts = await factsAbout(trx, { origin, id }, recipient)
  const known = facts.filter(
    ({ act, epoch, index, names }) =>
      act === "withdraw" &&
      names === undefined &&
      (epoch > base.epoch || (epoch === base.epoch && index >= base.size)),
  )
  return [...new Set(known.map(({ orderId }) => orderId))].slice(-overridesPerGrant).sort()
}

/** Those whom the record names as parties to it are shown it in any case. */
function assertAudience(
  profile: Profile,
  record: ComityRecord,
  { id, name }: Recipient,
  kind: Reader,
  isBeyondDefault: boolean,
): void {
  const audience = findKind(profile, record.kind)?.audience
  if (audience === undefined) return
  if (!audience.ceiling.includes(kind))
    throw new NodeError(
      "recipient.audience",
      kind === "public"
        ? `Under ${profile.id} a ${record.kind} never goes to everybody.`
        : `${name} is a member of kind ${kind}; under ${profile.id} a ${record.kind} goes to no such member.`,
    )
  const parties = membersNamed(record, memberFields(consentRulesOf(profile, record.kind)))
  if (isBeyondDefault || audience.default.includes(kind) || parties.includes(id)) return
  throw new NodeError(
    "recipient.audience",
    `Under ${profile.id} a ${record.kind} does not go to ${kind === "public" ? "everybody" : name} unless its origin so decides.`,
    { hint: "If it does: --beyond-default. Officers see each recipient before they sign." },
  )
}

/** A text that names whom the profile wants unnamed there does not go there. */
function assertUnnamed(profile: Profile, record: ComityRecord, grant: Grant): void {
  const { recipient, onward } = releaseOf(grant)
  const naming = findKind(profile, record.kind)?.naming
  if (naming === undefined) return
  const audience = namingAudience(recipient, onward)
  const traces = tracesIn(record, {
    facility: naming.facility[audience] !== "named",
    state: naming.state[audience] !== "named",
  })
  if (traces.length > 0)
    throw new NodeError(
      "recipient.naming",
      `“${record.title}” names ${traces.join(" and ")}: not where ${profile.id} wants none named.`,
      { hint: "Take the names out in a draft of its own, or release it to members one by one." },
    )
}

/**
 * Makes the order that takes a record back, from everyone who holds it or from those named: its newest
 * live version there and with it all lower ones.
 *
 * @throws `record.unknown`, `record.withdrawn`, `peer.unknown`
 */
export async function requestWithdrawal(
  context: Context,
  request: { readonly record: string; readonly reason: string; readonly from?: readonly string[] },
): Promise<Requested> {
  if (request.reason.trim() === "")
    throw new NodeError("terms.invalid", "A withdrawal states its reason.")
  const { db, self } = context
  const record = await ownedOrHeld(context, request.record)
  const only = new Set<string>()
  for (const name of request.from ?? [])
    only.add(name === everybody ? everybody : (await findPeer(context, name)).member)
  return db.transaction().execute(async (trx) => {
    const rows = await trx
      .selectFrom("fact")
      .selectAll()
      .where("record_origin", "=", record.origin)
      .where("record_id", "=", record.id)
      .where("order_origin", "=", self.id)
      .execute()
    const planned: Planned[] = []
    for (const [recipient, facts] of Map.groupBy(rows, (row) => row.recipient)) {
      if (only.size > 0 && !only.has(recipient)) continue
      const known = facts.map(asFact)
      const live = facts.filter(
        (row) => row.act === "release" && endOf(asFact(row), known) === null,
      )
      // Sign-off is by rule: a version under another kind or profile needs its own withdrawal.
      for (const same of Map.groupBy(live, ruleOf).values()) {
        const newest = same.reduce((a, b) => (b.version > a.version ? b : a))
        planned.push(await planWithdrawal(context, trx, record, newest.version, recipient))
      }
    }
    if (planned.length === 0)
      throw new NodeError("record.withdrawn", "Nobody holds this record by a release of ours.", {
        hint: `comity receipts ${record.id} shows what became of it.`,
      })
    return makeOrders(context, trx, "withdraw", planned, request.reason)
  })
}

/** A record of ours, or another member's that we may have passed on. */
async function ownedOrHeld(context: Context, prefix: string) {
  try {
    return { origin: context.self.id, id: (await draftById(context, prefix)).id }
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code !== "record.not-ours") throw cause
    const { origin, id } = await findRecord(context, prefix)
    const passedOn = await context.db
      .selectFrom("fact")
      .select("order_id")
      .where("record_id", "=", id)
      .where("record_origin", "=", origin)
      .where("order_origin", "=", context.self.id)
      .executeTakeFirst()
    if (passedOn === undefined) throw cause
    return { origin, id }
  }
}

function ruleOf(row: { readonly rule_profile: string; readonly rule_kind: string }): string {
  return `${row.rule_profile} ${row.rule_kind}`
}

async function planWithdrawal(
  context: Context,
  trx: Db,
  { origin, id }: { readonly origin: string; readonly id: string },
  version: number,
  recipient: string,
): Promise<Planned> {
  const row = await recordsWithContent(trx)
    .select(["record.digest", "record.kind", "record.profile_digest", "content.title"])
    .where("record.origin", "=", origin)
    .where("record.id", "=", id)
    .where("record.version", "=", version)
    .executeTakeFirstOrThrow()
  const grant: Grant = {
    act: "withdraw",
    recipient,
    record: { digest: row.digest, id, origin, version },
    salt: encodeHex(context.env.random(32)),
    sealed: [],
    type: "comity/grant/v1",
  }
  // Taking back asks for nobody's consent: conditions bind releases only.
  const rule = { conditions: [], kind: row.kind, profile: row.profile_digest }
  return { grant, rule, asked: [], title: row.title ?? "" }
}

/** One order for each rule and each 512 grants. PROTOCOL.md §5 */
async function makeOrders(
  context: Context,
  trx: Db,
  act: Exclude<Act, "consent">,
  planned: readonly Planned[],
  reason: string | null = null,
): Promise<Requested> {
  const root = ownRoot(context)
  const orders: string[] = []
  let needs = 0
  // What is for everybody is in no order with what is for one: each feed has an order once, whole.
  for (const group of Map.groupBy(planned, ({ rule, asked, grant }) =>
    JSON.stringify([rule, asked, grant.recipient === everybody]),
  ).values())
    for (let i = 0; i < group.length; i += limits.grantsPerOrder) {
      const part = group.slice(i, i + limits.grantsPerOrder)
      orders.push(await makeOrder(context, trx, act, part, reason))
      needs = Math.max(needs, neededFor(root, act, part[0]!.rule))
    }
  const preview = await foresee({ ...context, db: trx }, planned)
  return { order: orders[0]!, orders, needs, signed: 0, grants: planned.length, preview }
}

function profileOf(digest: string): Profile {
  const found = findProfile(digest)
  if (found === null) throw new ProtocolError("profile.unknown", { detail: digest })
  return found.profile
}

export function neededFor(root: ReturnType<typeof ownRoot>, act: Act, rule: Rule): number {
  const profile = findProfile(rule.profile)?.profile
  const signoff = profile === undefined ? [] : signoffOf(profile, act, rule.kind)
  return personsNeeded(root.policy, signoff, act, rule)
}

async function makeOrder(
  context: Context,
  trx: Db,
  act: Exclude<Act, "consent">,
  part: readonly Planned[],
  reason: string | null,
): Promise<string> {
  const { env } = context
  const seed = env.random(32)
  const positions = drawPositions(part.length, (bytes) => env.random(bytes))
  const unplaced = part.map(({ grant }, i) => {
    const bytes = encodeGrant(grant)
    return { grant, bytes, leaf: grantLeaf(bytes), position: positions[i]! }
  })
  const tree = buildGrantTree(new Map(unplaced.map((one) => [one.position, one.leaf])), seed)
  const id = await insertOrder(context, trx, {
    act,
    root: encodeHex(tree.root),
    rule: part[0]!.rule,
    seed,
    reason,
  })
  const grants = unplaced.map((one) => ({ ...one, path: tree.path(one.position) }))
  await insertGrants(trx, [{ origin: context.self.id, id, grants }])
  const listed = new Map(
    part.flatMap(({ grant, listed }) => (listed == null ? [] : [[grant.recipient, listed]])),
  )
  const rows = [...listed].map(([recipient, version]) => ({ order_id: id, recipient, version }))
  await insertRows(trx, "order_listed", rows)
  return id
}

/** The row of a new order, with the payload that officers sign. @returns its id */
export async function insertOrder(
  context: Context,
  trx: Db,
  order: Pick<Order, "act" | "root" | "rule" | "subject"> & {
    readonly seed: Uint8Array
    readonly reason: string | null
  },
): Promise<string> {
  const { env, self } = context
  const { seed, reason, ...fields } = order
  const { base } = await newestBase(context, trx)
  const now = env.clock.now()
  const id = encodeHex(env.random(16))
  const rootVersion = ownRoot(context).version
  const notAfter = dayOf(now + orderDays * dayMs)
  const { network, id: origin } = self
  const type = "comity/order/v1"
  const payload = encodeOrder({ ...fields, base, id, network, notAfter, origin, rootVersion, type })
  await trx
    .insertInto("release_order")
    .values({
      id,
      act: order.act,
      payload,
      seed,
      root_version: rootVersion,
      not_after: notAfter,
      state: "open",
      reason,
      created_at: now,
      scheduled_at: null,
    })
    .execute()
  return id
}
