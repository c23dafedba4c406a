import { assertPassedOn } from "../../protocol/custody.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { emptyRoot } from "../../protocol/log/merkle.ts"
import { missingApprovals } from "../../protocol/member/policy.ts"
import { type Profile, signoffOf } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { decodeRecord } from "../../protocol/record/record.ts"
import {
  type Agreed,
  type Consent,
  membersAsked,
  verifyAgreed,
  verifyConsents,
  verifySignedAfter,
} from "../../protocol/release/consent.ts"
import { type Grant, grantLeaf, signedGrants } from "../../protocol/release/grant.ts"
import { buildGrantTree } from "../../protocol/release/grant-tree.ts"
import {
  approvalsOf,
  decodeOrder,
  type Order,
  type OrderDocument,
} from "../../protocol/release/order.ts"
import type { PlacedGrant } from "../../protocol/release/placed-grant.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import { encodeSigned } from "../../protocol/signed.ts"
import { verifyPermitted } from "../../protocol/standing.ts"
import { factOf, heldLink, type Standing } from "../../protocol/verify.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, ownRoot, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { assertWitnessed } from "../exchange/overdue.ts"
import { recordOf } from "../order/drafts.ts"
import { findConsent } from "../order/find-consent.ts"
import { groupsKnown, verifyGroup } from "../order/groups.ts"
import { assertAgreed } from "../order/mission.ts"
import { stillMissing } from "../order/orders.ts"
import { refuseUnaccompanied } from "../order/remarks.ts"
import { knowingOf } from "../store/queries/consents.ts"
import { heldContents } from "../store/queries/contents.ts"
import { linksOf } from "../store/queries/custody.ts"
import { factsAbout, factsTowards, withdrawalsOf } from "../store/queries/facts.ts"
import { decodeGrants, grantListsOf } from "../store/queries/grants.ts"
import { type LogState, rootAt } from "../store/queries/logs.ts"
import {
  assertOpen,
  countingSignatures,
  type OrderRow,
  orderById,
  requestAgain,
} from "../store/queries/orders.ts"
import { ofLiaison } from "../store/queries/partial.ts"
import type { Db } from "../store/schema.ts"

/** An order that may be logged, as every recipient will judge it. */
export type Admitted = {
  readonly order: OrderDocument
  readonly placed: readonly PlacedGrant[]
  readonly consents: readonly Consent[]
  readonly standing: Standing
}

/** The log that orders are admitted to, and its roots by size: orders made together stand on one. */
export type Base = {
  readonly log: LogState
  readonly roots: Map<number, Uint8Array | null>
}

/** Everything a recipient will check of the order, from its bytes, and what only we can. PROTOCOL.md §6 */
export async function admit(
  context: Context,
  trx: Db,
  base: Base,
  orderId: string,
  index: number,
): Promise<Admitted> {
  const row = await orderById(trx, orderId)
  const day = today(context)
  const state = row.state === "scheduled" ? "open" : row.state
  assertOpen({ ...row, state }, day)
  const signatures = await countingSignatures(trx, row.id, day)
  const root = ownRoot(context)
  if (signatures.length === 0)
    throw unsatisfied(row.id, await stillMissing({ ...context, db: trx }, row))
  const order = decodeOrder(encodeSigned(new Uint8Array(row.payload), signatures))
  const { payload } = order
  if (payload.origin !== context.self.id || payload.network !== context.self.network)
    throw new NodeError("order.unknown", "This order is another member's.")
  if (payload.rootVersion !== root.version)
    throw new NodeError("order.stale", "The root document has changed since this order was made.", {
      hint: requestAgain,
    })
  // The day that was signed, whatever the row says.
  assertOpen({ ...row, state, not_after: payload.notAfter }, day)
  if (root.expires < day)
    throw new NodeError("order.expired", `Our root document expired on ${root.expires}.`, {
      hint: "A root ceremony makes the next version.",
    })

  if (payload.act === "release") await assertWitnessed(context, trx)

  const { revoked } = root
  const approvals = approvalsOf(order, root, { revoked, epoch: base.log.epoch, index })
  const profile = findProfile(payload.rule.profile)?.profile
  if (profile === undefined)
    throw new ProtocolError("profile.unknown", { detail: payload.rule.profile })
  verifyPermitted(payload, root)
  const signoff = signoffOf(profile, payload.act, payload.rule.kind)
  const missing = missingApprovals(root.policy, signoff, payload.act, payload.rule, approvals)
  if (missing.length > 0) throw unsatisfied(row.id, missing)

  await assertBased(trx, base, payload.base)

  const standing = { order: payload, orderId: payload.id, index, root, approvals }
  if (payload.act === "consent") {
    await refuseConsented(trx, payload)
    return { order, placed: [], consents: [], standing: { ...standing, consents: [] } }
  }
  const placed = await placeGrants(context, trx, row, payload.root ?? "")
  for (const { grant } of placed) {
    if (grant.act !== payload.act) throw new ProtocolError("grant.malformed", { detail: "act" })
    if (!isOwn(context, grant)) await assertGivable(context, trx, grant)
  }
  const { consents, agreed } = await findConsents({ ...context, db: trx }, payload, placed, profile)
  verifySignedAfter(order, agreed)
  const whole: Standing = { ...standing, consents: agreed }
  await refuseEnded(trx, whole, placed)
  if (payload.rule.kind === "group") await refuseUnaccepted(context, trx, placed)
  await refuseUnlisted(context, trx, row.id)
  if (payload.act === "release") {
    const within = { ...context, db: trx }
    const grants = placed.map(({ grant }) => grant)
    await refuseUnaccompanied(within, grants)
    // Recipients hold every record to the rule that was signed, its kind among it.
    if (profile.agreement?.includes(payload.rule.kind))
      for (const { custody, record } of grants)
        if (custody === undefined) await assertAgreed(within, await recordOf(trx, record))
  }
  return { order, placed, consents, standing: whole }
}

/** @throws `order.base` */
async function assertBased(
  trx: Db,
  { log, roots }: Base,
  named: OrderDocument["payload"]["base"],
): Promise<void> {
  const { epoch, root, size } = named
  const known = size === 0 ? emptyRoot : (roots.get(size) ?? (await rootAt(trx, log, size)))
  roots.set(size, known)
  if (epoch !== log.epoch || known === null || encodeHex(known) !== root)
    throw new ProtocolError("order.base")
}

function unsatisfied(orderId: string, missing: readonly string[]): NodeError {
  return new NodeError(
    "order.unsatisfied",
    `Order ${orderId} still needs: ${missing.join("; ")}.`,
    { hint: `comity order sign ${orderId.slice(0, 12)} --as PERSON` },
  )
}

/** The grants in their tree, whose root must be the one that was signed: no row can have been edited. */
async function placeGrants(
  { self }: Context,
  trx: Db,
  order: OrderRow,
  signedRoot: string,
): Promise<readonly PlacedGrant[]> {
  const lists = await grantListsOf(trx, self.id, order.id)
  const listed = lists.flatMap(({ grants }) => decodeGrants(grants))
  const leaves = new Map(listed.map(({ position, bytes }) => [position, grantLeaf(bytes)]))
  const tree = buildGrantTree(leaves, new Uint8Array(order.seed))
  if (leaves.size !== listed.length || encodeHex(tree.root) !== signedRoot)
    throw new ProtocolError("grant.path")
  const grants = signedGrants(listed.map(({ bytes }) => bytes))
  return listed.map(({ position, bytes }, i) => ({
    grant: grants[i]!,
    bytes,
    leaf: leaves.get(position)!,
    position,
    path: tree.path(position),
  }))
}

/**
 * The consents of those whom the records name, as they were given here and not taken back until now, or
 * the memoranda that stand for them.
 *
 * @throws `order.unconsented`
 */
async function findConsents(
  context: Context & { readonly db: Db },
  order: Order,
  placed: readonly PlacedGrant[],
  profile: Profile,
): Promise<{ readonly consents: readonly Consent[]; readonly agreed: readonly Agreed[] }> {
  if (!order.rule.conditions.includes("consent")) return { consents: [], agreed: [] }
  const { db } = context
  const released = await Promise.all(
    placed.map(async ({ grant: { record: given } }) => ({
      record: await recordOf(db, given),
      given,
    })),
  )
  const asked = released.flatMap(({ record }) => membersAsked(profile, record))
  const consents: Consent[] = []
  for (const member of [...new Set(asked)].toSorted()) {
    const given = await findConsent(context, member, order, released, profile)
    if (given === null) throw new ProtocolError("order.unconsented", { detail: member })
    consents.push(given)
  }
  const agreed = verifyConsents(consents, order, profile, await knowingOf(db, consents))
  for (const { record, given } of released) verifyAgreed(profile, record, given.digest, agreed)
  return { consents, agreed }
}

/** One answer to one question: a second consent to the same would outlive the first one's taking back. */
async function refuseConsented(trx: Db, { id, origin, subject }: Order): Promise<void> {
  const earlier = await trx
    .selectFrom("consent_asked")
    .innerJoin("logged_order", "logged_order.id", "consent_asked.order_id")
    .select("logged_order.id")
    .where("logged_order.origin", "=", origin)
    .where("consent_asked.subject", "=", subject ?? "")
    .where("logged_order.id", "!=", id)
    .executeTakeFirst()
  if (earlier !== undefined)
    throw new NodeError("order.closed", `Order ${earlier.id} says the same already.`)
}

function isOwn({ self }: Context, { custody, record }: Grant): boolean {
  return record.origin === self.id && custody === undefined
}

/** What we hold and may pass on. @throws `custody.malformed`, `custody.unpermitted` */
async function assertGivable({ self }: Context, trx: Db, grant: Grant): Promise<void> {
  if (grant.act === "withdraw") {
    // What we gave on is ours to take back.
    const known = await factsAbout(trx, grant.record, grant.recipient)
    const isGiven = known.some((fact) => fact.act === "release" && fact.orderOrigin === self.id)
    if (!isGiven) throw new ProtocolError("custody.malformed", { detail: "not given by us" })
    return
  }
  const last = (await linksOf(trx, grant)).at(-1)
  if (last === undefined || last.placed.grant.recipient !== self.id)
    throw new ProtocolError("custody.malformed", { detail: "not held here" })
  assertPassedOn(last, grant)
}

async function refuseEnded(
  trx: Db,
  standing: Standing,
  placed: readonly PlacedGrant[],
): Promise<void> {
  if (standing.order.act !== "release") return
  const ids = new Set(placed.map(({ grant }) => grant.record.id))
  const withdrawals = await withdrawalsOf(trx, [...ids])
  if (withdrawals.length === 0) return
  for (const one of placed) {
    const { record, recipient } = one.grant
    const chain = (await linksOf(trx, one.grant)).map(heldLink)
    const fact = { ...factOf(standing, one), ...(chain.length === 0 ? {} : { chain }) }
    const end = endOf(fact, factsTowards(withdrawals, record, recipient))
    if (end !== null)
      throw new NodeError(
        "order.ended-here",
        `Record ${record.id} was withdrawn by order ${end.orderId} after this order was made.`,
        { hint: "If it is to be shared again, request a new release." },
      )
  }
}

/** Whoever was named by a group alone has to be in what is in force of it. @throws `recipient.left` */
async function refuseUnlisted(context: Context, trx: Db, orderId: string): Promise<void> {
  const rows = await trx
    .selectFrom("order_listed")
    .selectAll()
    .where("order_id", "=", orderId)
    .execute()
  if (rows.length === 0) return
  const groups = await groupsKnown(context, trx)
  for (const { recipient, version } of rows) {
    const group = groups.inForce(version)?.group
    if (group !== undefined && groups.present(group).members.includes(recipient)) continue
    const [gone, was] = [await nameOf({ ...context, db: trx }, recipient), groups.byDigest(version)]
    throw new NodeError(
      "recipient.left",
      `${gone} is not in ${was === null ? "that group" : `@${was.group.name}`} any more.`,
      { hint: requestAgain },
    )
  }
}

/** Who was asked for may have left a group since. @throws `group.unaccepted`, `group.succession` */
async function refuseUnaccepted(
  context: Context,
  trx: Db,
  placed: readonly PlacedGrant[],
): Promise<void> {
  const versions = new Set<string>()
  for (const { grant } of placed) if (grant.act === "release") versions.add(grant.record.digest)
  if (versions.size === 0) return
  const rows = await heldContents(trx)
    .select("content.bytes")
    .where(ofLiaison)
    .where("record.kind", "=", "group")
    .where("record.digest", "in", [...versions])
    .execute()
  for (const { bytes } of rows) await verifyGroup(context, trx, decodeRecord(new Uint8Array(bytes)))
}
