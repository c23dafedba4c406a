import { sql } from "kysely"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { consentRulesOf } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import {
  consentSubject,
  decodeConsent,
  membersAsked,
  takingBack,
  verifyConsentOrder,
} from "../../protocol/release/consent.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { decodeOrder, type Order } from "../../protocol/release/order.ts"
import { type Review, reviewExport } from "../authority/officer.ts"
import { assertVerified, findPeer, nameOf } from "../authority/peers.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { noteEvent } from "../log/event.ts"
import { loggedOf } from "../log/logged.ts"
import { proveOrder } from "../log/prove-order.ts"
import { knowingOf } from "../store/queries/consents.ts"
import { memberById } from "../store/queries/members.ts"
import { orderById } from "../store/queries/orders.ts"
import { prepared } from "../store/queries/prepared.ts"
import { isAny } from "../store/queries/remembered.ts"
import type { Db } from "../store/schema.ts"
import { insertOrder, neededFor } from "./release.ts"

/**
 * Consents: what our officers say to another member's release, and what others say to ours. The order is
 * ours, in our log; the other side gets it with its proof. docs/spec/consent.md, PROTOCOL.md §5
 */

export type ConsentMade = {
  /** our own order, for our officers to sign */
  readonly order: string
  readonly subject: string
  /** the order that it is about, and whose it is */
  readonly about: string
  readonly origin: string
  readonly needs: number
}

/**
 * Makes the order by which we consent to the release that was exported to us.
 *
 * @throws `peer.unverified`, `order.unasked` when it needs no consent of ours, and as reviewExport
 */
export async function makeConsent(context: Context, exported: Uint8Array): Promise<ConsentMade> {
  const review = reviewExport(exported, new Map(), null)
  const { order } = review
  assertVerified(await findPeer(context, review.member.id))
  if (!asksUs(context, review))
    throw new NodeError("consent.unasked", "This order needs no consent of ours.")
  const subject = consentSubject(order)
  const recipients = [...new Set(review.lines.map(({ recipient }) => recipient))]
  return context.db.transaction().execute(async (trx) => {
    const id = await insertOrder(context, trx, {
      act: "consent",
      subject,
      rule: order.rule,
      seed: new Uint8Array(0),
      reason: null,
    })
    await trx
      .insertInto("consent_asked")
      .values({
        order_id: id,
        subject,
        origin: order.origin,
        recipients: recipients.join(" "),
        says: "consent",
        export: exported,
      })
      .execute()
    return madeOf(context, id, subject, order)
  })
}

function asksUs({ self }: Context, { order, lines }: Review): boolean {
  const profile = findProfile(order.rule.profile)?.profile
  if (profile === undefined || order.act !== "release") return false
  return (
    order.rule.conditions.includes("consent") &&
    consentRulesOf(profile, order.rule.kind).length > 0 &&
    lines.every(({ record }) => membersAsked(profile, record).includes(self.id))
  )
}

function madeOf(context: Context, order: string, subject: string, about: Order): ConsentMade {
  const needs = neededFor(ownRoot(context), "consent", about.rule)
  return { order, subject, about: about.id, origin: about.origin, needs }
}

/**
 * Makes the order that takes a published consent of ours back: it counts as long as the release has not
 * been logged. docs/decisions/0040-consent-taken-back.md
 *
 * @throws `order.unknown` for one that is no published consent
 */
export async function takeConsentBack(
  context: Context,
  prefix: string,
  reason: string,
): Promise<ConsentMade> {
  if (reason.trim() === "") throw new NodeError("terms.invalid", "Taking back states its reason.")
  const { order: consent } = await ownConsent(context, prefix)
  const subject = takingBack(consent)
  return context.db.transaction().execute(async (trx) => {
    const asked = await trx
      .selectFrom("consent_asked")
      .selectAll()
      .where("order_id", "=", consent.id)
      .executeTakeFirstOrThrow()
    const id = await insertOrder(context, trx, {
      act: "consent",
      subject,
      rule: consent.rule,
      seed: new Uint8Array(0),
      reason,
    })
    const { origin, recipients } = asked
    const about = encodeCanonical({ consent, type: "comity/taking-back/v1" } as object)
    await trx
      .insertInto("consent_asked")
      .values({ order_id: id, subject, origin, recipients, says: "back", export: about })
      .execute()
    const made = madeOf(context, id, subject, consent)
    return { ...made, origin }
  })
}

async function ownConsent(context: Context, prefix: string) {
  const { db, self } = context
  const { id, act } = await orderById(db, prefix)
  const logged = await db
    .selectFrom("logged_order")
    .selectAll()
    .where("origin", "=", self.id)
    .where("id", "=", id)
    .executeTakeFirst()
  if (act !== "consent" || logged === undefined)
    throw new NodeError("order.unknown", `Order ${id} is no consent that is published.`, {
      hint: "comity order list shows what is there.",
    })
  const document = decodeOrder(new Uint8Array(logged.document))
  const entry = { index: logged.idx, salt: new Uint8Array(logged.salt) }
  return { document, entry, proof: logged.proof, order: document.payload }
}

/**
 * A published consent of ours, or its taking back, with its proof, for the member whose release it is.
 *
 * @throws `order.unknown`, `consent.pending` while our witnesses have not cosigned it
 */
export async function giveConsent(context: Context, prefix: string): Promise<Uint8Array> {
  const bytes = await provenConsent(context, prefix)
  if (bytes === null)
    throw new NodeError("consent.pending", "Our witnesses have not cosigned it yet.", {
      hint: "It can be given as soon as they have: comity witness list.",
    })
  return bytes
}

/** Null while it is pending: what was logged with a release stays as it is. */
export async function provenConsent(context: Context, prefix: string): Promise<Uint8Array | null> {
  const { document: order, entry, proof } = await ownConsent(context, prefix)
  const held = await loggedOf(context.db, context.self.id, { order, entry })
  const { fields, witnessing } = await proveOrder(context.db, { order, entry, proof, ...held })
  if (!witnessing.isQuorate) return null
  return encodeCanonical({ ...fields, type: "comity/consent/v1" })
}

export type ConsentTaken = {
  readonly member: string
  readonly name: string
  readonly order: string
  readonly subject: string
}

/**
 * A consent order of another member, as a file or frame brought it: it is kept when it stands in that
 * member's log, whatever it is the consent to.
 *
 * @param from the peer that gave it, null where an operator did @throws `consent.*`, `root.unknown`, and
 * as verifyConsentOrder
 */
export async function takeConsent(
  context: Context,
  bytes: Uint8Array,
  from: string | null,
): Promise<ConsentTaken> {
  const { db, env } = context
  const consent = decodeConsent(bytes)
  const { payload } = consent.proven.order
  // Each member speaks for itself: nobody fills our store with the words of others.
  if (from !== null && payload.origin !== from)
    throw new ProtocolError("consent.malformed", { detail: "origin" })
  if ((await memberById(db, payload.origin)) === null) throw new ProtocolError("root.unknown")
  if (payload.network !== context.self.network) throw new ProtocolError("network.mismatch")
  const profile = findProfile(payload.rule.profile)?.profile
  if (profile === undefined) throw new ProtocolError("profile.unknown")
  const { witnessing } = verifyConsentOrder(consent, profile, await knowingOf(db, [consent]))
  if (!witnessing.isQuorate) throw new ProtocolError("quorum.missing")
  const subject = payload.subject ?? ""
  const inserted = await db
    .insertInto("consent")
    .values({ member: payload.origin, subject, bytes, at: env.clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  if (inserted.numInsertedOrUpdatedRows === 1n)
    await noteEvent(context, db, "consent.taken", payload.origin, payload.id)
  const name = await nameOf(context, payload.origin)
  return { member: payload.origin, name, order: payload.id, subject }
}

/**
 * Those of our consent orders that `peer` is to have and was not given yet: consents to its own releases,
 * and what was taken back that it may be shown a release under.
 */
export async function consentsFor(db: Db, peer: string): Promise<readonly string[]> {
  if (!(await isAsked(db))) return []
  return (await untold(db, peer))
    .filter(
      ({ origin, recipients, says }) =>
        origin === peer ||
        (says === "back" && recipients.split(" ").some((one) => one === peer || one === everybody)),
    )
    .map(({ order_id }) => order_id)
}

const isAsked = isAny(
  "consent_asked",
  prepared((db) => db.selectFrom("consent_asked").select("order_id").limit(sql.lit(1))),
)

const untold = prepared((db, peer: string) =>
  db
    .selectFrom("consent_asked")
    // In this order: every poll asks, and there are more orders than consents.
    .crossJoin("release_order")
    .leftJoin("told", (join) =>
      join.onRef("told.subject", "=", "consent_asked.order_id").on("told.peer", "=", peer),
    )
    .select(["order_id", "origin", "recipients", "says"])
    .whereRef("release_order.id", "=", "consent_asked.order_id")
    .where("release_order.state", "=", "logged")
    .where("told.state", "is", null)
    .orderBy("release_order.created_at"),
)
