import { ProtocolError } from "../../protocol/errors.ts"
import { consentRulesOf, type Profile } from "../../protocol/profiles/profile.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import {
  type Consent,
  consentSubject,
  decodeKeptConsent,
  encodeStanding,
  isInMode,
  verifyConsents,
} from "../../protocol/release/consent.ts"
import type { Grant } from "../../protocol/release/grant.ts"
import type { Order } from "../../protocol/release/order.ts"
import type { Context } from "../context.ts"
import { proveOrder } from "../log/prove-order.ts"
import { claimOf, liveFacts } from "../reading/records.ts"
import { givenConsent, knowingOf } from "../store/queries/consents.ts"
import type { Db } from "../store/schema.ts"
import { procedureWith } from "./silence.ts"

/** A record of the order, and what its grants name it by. */
export type Released = { readonly record: ComityRecord; readonly given: Grant["record"] }

/**
 * What a member has said to this order; where it has said nothing, the memorandum that all its records
 * name, if it has given us one that stands, or its silence, if it has agreed to be taken by it. One that was
 * said and taken back is not made good by either.
 */
export async function findConsent(
  context: Context,
  member: string,
  order: Order,
  released: readonly Released[],
  profile: Profile,
): Promise<Consent | null> {
  const given = await givenConsent(context.db, member, consentSubject(order))
  if (given !== null) return given
  const standing = await standingConsent(context, member, order, released, profile)
  if (standing !== null) return standing
  const silence = await procedureWith(context, member, order, released, profile)
  const tacit = silence?.consent ?? null
  return tacit !== null && (await isEnough(context.db, tacit, order, released, profile))
    ? tacit
    : null
}

async function standingConsent(
  context: Context,
  member: string,
  release: Order,
  released: readonly Released[],
  profile: Profile,
): Promise<Consent | null> {
  const { db, self } = context
  const named = new Set(
    released.flatMap(({ record: { fields, kind } }) =>
      consentRulesOf(profile, kind).flatMap(({ basis, mode }) =>
        mode === "standing" && basis !== undefined ? [fields[basis.field] ?? ""] : [],
      ),
    ),
  )
  if (named.size === 0) return null
  const rows = await db
    .selectFrom("record")
    .select(["origin", "id", "version"])
    .where("origin", "=", member)
    .where("digest", "in", [...named])
    .execute()
  for (const row of rows) {
    const live = await liveFacts(context, row)
    const fact = live.find(({ recipient }) => recipient === self.id)
    if (fact?.standing !== "verified" || fact.order_origin !== member) continue
    const { entry, log, logged, order, placed, proof } = await claimOf(context, fact)
    const at = { index: fact.idx, salt: entry.salt }
    const { fields } = await proveOrder(db, { order, entry: at, logged, log, proof })
    const consent = decodeKeptConsent(encodeStanding(fields, placed))
    if (await isEnough(db, consent, release, released, profile)) return consent
  }
  return null
}

async function isEnough(
  db: Db,
  consent: Consent,
  release: Order,
  released: readonly Released[],
  profile: Profile,
): Promise<boolean> {
  try {
    const agreed = verifyConsents([consent], release, profile, await knowingOf(db, [consent]))
    return released.every(({ record, given: { digest } }) =>
      agreed.every((one) => isInMode(profile, record, digest, one)),
    )
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}
