import type { ReceiptsDocument } from "../../../protocol/exchange/receipt.ts"
import { type Member, newestRoot } from "../../../protocol/member/root.ts"
import {
  type Consent,
  decodeConsent,
  decodeKeptConsent,
  subjectMark,
  takingBack,
} from "../../../protocol/release/consent.ts"
import type { Order } from "../../../protocol/release/order.ts"
import { objectionsTo, objectionTag } from "../../../protocol/release/silence.ts"
import type { Db } from "../schema.ts"
import { hasEntry } from "./logs.ts"
import { memberById } from "./members.ts"

/** The consents that came with an order, or that it was logged with. */
export async function consentsOf(db: Db, { id, origin, rule }: Order): Promise<readonly Consent[]> {
  // Most orders need none: nothing is asked for them.
  if (!rule.conditions.includes("consent")) return []
  const rows = await db
    .selectFrom("order_consent")
    .select("bytes")
    .where("origin", "=", origin)
    .where("order_id", "=", id)
    .orderBy("member")
    .execute()
  return rows.map(({ bytes }) => decodeKeptConsent(new Uint8Array(bytes)))
}

export async function keepConsents(
  db: Db,
  { id, origin }: Order,
  consents: readonly Consent[],
): Promise<void> {
  for (const { proven, bytes } of consents)
    await db
      .insertInto("order_consent")
      .values({ origin, order_id: id, member: proven.order.payload.origin, bytes })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
}

/** A consent order that a member has given here, by what it is the consent to. */
export async function givenConsent(
  db: Db,
  member: string,
  subject: string,
): Promise<Consent | null> {
  const row = await db
    .selectFrom("consent")
    .select("bytes")
    .where("member", "=", member)
    .where("subject", "=", subject)
    .executeTakeFirst()
  return row === undefined ? null : decodeConsent(new Uint8Array(row.bytes))
}

/** Whether the member has said so to us, or its log, as far as it is held here, to everybody. */
export async function hasObjected(
  db: Db,
  member: string,
  subjects: readonly string[],
): Promise<boolean> {
  for (const subject of subjects)
    if ((await givenConsent(db, member, subject)) !== null) return true
  return hasEntry(db, member, subjects.map(objectionTag))
}

/** Whether the member no longer stands by the key of its receipt: anybody may have signed it. */
export function isRevoked(member: Member, { signatures }: ReceiptsDocument): boolean {
  const { revoked } = newestRoot(member).payload
  return signatures.some(({ header }) => revoked.some(({ kid }) => kid === header.kid))
}

/** Whether it is by a logged order of our own that this was taken back: nobody has to tell us. */
async function isOurs(db: Db, subject: string): Promise<boolean> {
  const row = await db
    .selectFrom("consent_asked")
    .innerJoin("release_order", "release_order.id", "consent_asked.order_id")
    .select("consent_asked.order_id")
    .where("consent_asked.subject", "=", subject)
    .where("release_order.state", "=", "logged")
    .executeTakeFirst()
  return row !== undefined
}

/** What is known here of the members that consented, and of what they took back, or objected to, since. */
export async function knowingOf(db: Db, consents: readonly Consent[]) {
  const members = new Map<string, Member>()
  const takenBack = new Set<string>()
  for (const { placed, proven, silence } of consents) {
    const { payload } = proven.order
    const member = await memberById(db, payload.origin)
    if (member !== null) members.set(member.id, member)
    const broken =
      placed === null || silence === null
        ? []
        : objectionsTo(placed, silence.transmittal.record.digest)
    const isDoubtful = member !== null && silence !== null && isRevoked(member, silence.receipt)
    if (isDoubtful || (await hasObjected(db, payload.origin, broken)))
      for (const one of broken) takenBack.add(subjectMark(payload.origin, one))
    const subject = takingBack(payload)
    if ((await givenConsent(db, payload.origin, subject)) !== null || (await isOurs(db, subject)))
      takenBack.add(subjectMark(payload.origin, subject))
  }
  return { members, takenBack }
}
