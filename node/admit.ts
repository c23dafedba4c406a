import { assertPassedOn } from "../protocol/custody.ts"
import { encodeHex } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import type { PlacedGrant } from "../protocol/exchange/delivery.ts"
import { emptyRoot } from "../protocol/log/merkle.ts"
import { missingApprovals } from "../protocol/member/policy.ts"
import { type Profile, signoffOf } from "../protocol/profiles/profile.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import {
  type Agreed,
  type Consent,
  consentSubject,
  membersAsked,
  verifyAgreed,
  verifyConsents,
} from "../protocol/release/consent.ts"
import { decodeGrant, type Grant, grantLeaf } from "../protocol/release/grant.ts"
import { buildGrantTree } from "../protocol/release/grant-tree.ts"
import {
  approvalsOf,
  decodeOrder,
  type Order,
  type OrderDocument,
} from "../protocol/release/order.ts"
import { endOf, type Fact } from "../protocol/release/precedence.ts"
import { encodeSigned } from "../protocol/signed.ts"
import { verifyPermitted } from "../protocol/standing.ts"
import { factOf, heldLink, type Standing } from "../protocol/verify.ts"
import { type Context, ownRoot, today } from "./context.ts"
import { recordOf } from "./drafts.ts"
import { NodeError } from "./errors.ts"
import { assertAgreed } from "./mission.ts"
import { stillMissing } from "./orders.ts"
import { assertWitnessed } from "./overdue.ts"
import { refuseUnaccompanied } from "./remarks.ts"
import { givenConsent, knowingOf } from "./store/queries/consents.ts"
import { linksOf } from "./store/queries/custody.ts"
import { asFact, factsAbout, withdrawalsFrom } from "./store/queries/facts.ts"
import { type LogState, rootAt } from "./store/queries/logs.ts"
import { assertOpen, countingSignatures, orderById, requestAgain } from "./store/queries/orders.ts"
import type { Db } from "./store/schema.ts"

/** An order that may be logged, as every recipient will judge it. */
export type Admitted = {
  readonly order: OrderDocument
  readonly placed: readonly PlacedGrant[]
  readonly consents: readonly Consent[]
  readonly standing: Standing
  /** what each grant states, with the chain behind it */
  readonly facts: readonly Fact[]
}

/** Everything a recipient will check of the order, from its bytes, and what only we can. PROTOCOL.md §6 */
export async function admit(
  context: Context,
  trx: Db,
  log: LogState,
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
  const approvals = approvalsOf(order, root, { revoked, epoch: log.epoch, index })
  const profile = findProfile(payload.rule.profile)?.profile
  if (profile === undefined)
    throw new ProtocolError("profile.unknown", { detail: payload.rule.profile })
  verifyPermitted(payload, root)
  const signoff = signoffOf(profile, payload.act, payload.rule.kind)
  const missing = missingApprovals(root.policy, signoff, payload.act, payload.rule, approvals)
  if (missing.length > 0) throw unsatisfied(row.id, missing)

  const { base } = payload
  const baseRoot = base.size === 0 ? emptyRoot : await rootAt(trx, log, base.size)
  const isBased = base.epoch === log.epoch && baseRoot !== null && encodeHex(baseRoot) === base.root
  if (!isBased) throw new ProtocolError("order.base")

  const standing = { order: payload, orderId: payload.id, index, root, approvals }
  if (payload.act === "consent") {
    await refuseConsented(trx, payload)
    return { order, placed: [], consents: [], facts: [], standing: { ...standing, consents: [] } }
  }
  const placed = await placeGrants(trx, row.id, new Uint8Array(row.seed), payload.root ?? "")
  for (const { grant } of placed) {
    if (grant.act !== payload.act) throw new ProtocolError("grant.malformed", { detail: "act" })
    await assertOurs(context, trx, grant)
  }
  const { consents, agreed } = await findConsents(trx, payload, placed, profile)
  const whole: Standing = { ...standing, consents: agreed }
  const facts: Fact[] = []
  for (const one of placed) {
    const chain = (await linksOf(trx, one.grant)).map(heldLink)
    facts.push({ ...factOf(whole, one), ...(chain.length === 0 ? {} : { chain }) })
  }
  await refuseEnded(context, trx, facts, placed)
  if (payload.act === "release")
    for (const { grant } of placed) {
      const within = { ...context, db: trx }
      await refuseUnaccompanied(within, grant.record, grant.recipient)
      if (grant.custody === undefined) await assertAgreed(within, await recordOf(trx, grant.record))
    }
  return { order, placed, consents, facts, standing: whole }
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
  trx: Db,
  orderId: string,
  seed: Uint8Array,
  signedRoot: string,
): Promise<readonly PlacedGrant[]> {
  const rows = await trx
    .selectFrom("order_grant")
    .select(["position", "bytes"])
    .where("order_id", "=", orderId)
    .orderBy("position")
    .execute()
  const grants = rows.map(({ position, bytes }) => {
    const exact = new Uint8Array(bytes)
    return { position, bytes: exact, grant: decodeGrant(exact), leaf: grantLeaf(exact) }
  })
  const tree = buildGrantTree(new Map(grants.map(({ position, leaf }) => [position, leaf])), seed)
  if (encodeHex(tree.root) !== signedRoot) throw new ProtocolError("grant.path")
  return grants.map((grant) => ({ ...grant, path: tree.path(grant.position) }))
}

/**
 * The consents of those whom the records name, as they were given here and not taken back until now.
 *
 * @throws `order.unconsented`
 */
async function findConsents(
  trx: Db,
  order: Order,
  placed: readonly PlacedGrant[],
  profile: Profile,
): Promise<{ readonly consents: readonly Consent[]; readonly agreed: readonly Agreed[] }> {
  if (!order.rule.conditions.includes("consent")) return { consents: [], agreed: [] }
  const records = await Promise.all(placed.map(({ grant }) => recordOf(trx, grant.record)))
  const asked = records.flatMap((record) => membersAsked(profile, record))
  const subject = consentSubject(order)
  const consents: Consent[] = []
  for (const member of [...new Set(asked)].toSorted()) {
    const given = await givenConsent(trx, member, subject)
    if (given === null) throw new ProtocolError("order.unconsented", { detail: member })
    consents.push(given)
  }
  const agreed = verifyConsents(consents, order, profile, await knowingOf(trx, consents))
  for (const record of records) verifyAgreed(profile, record, agreed)
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

/** Ours, or what we hold and may pass on. @throws `custody.malformed`, `custody.unpermitted` */
async function assertOurs({ self }: Context, trx: Db, grant: Grant): Promise<void> {
  if (grant.record.origin === self.id && grant.custody === undefined) return
  if (grant.act === "withdraw") {
    // What we gave on is ours to take back.
    const known = await factsAbout(trx, grant.record, grant.recipient)
    const isGiven = known.some((row) => row.act === "release" && row.order_origin === self.id)
    if (!isGiven) throw new ProtocolError("custody.malformed", { detail: "not given by us" })
    return
  }
  const last = (await linksOf(trx, grant)).at(-1)
  if (last === undefined || last.placed.grant.recipient !== self.id)
    throw new ProtocolError("custody.malformed", { detail: "not held here" })
  assertPassedOn(last.placed.grant, grant)
}

async function refuseEnded(
  { self }: Context,
  trx: Db,
  facts: readonly Fact[],
  placed: readonly PlacedGrant[],
): Promise<void> {
  for (const [i, { grant }] of placed.entries()) {
    const fact = facts[i]!
    if (fact.act !== "release") return
    const { record, recipient } = grant
    const known = (await factsAbout(trx, record, recipient)).map(asFact)
    const fromUs = fact.chain === undefined ? [] : await withdrawalsFrom(trx, self.id, [record.id])
    const end = endOf(fact, [...known, ...fromUs.map((one) => one.fact)])
    if (end !== null)
      throw new NodeError(
        "order.ended-here",
        `Record ${record.id} was withdrawn by order ${end.orderId} after this order was made.`,
        { hint: "If it is to be shared again, request a new release." },
      )
  }
}
