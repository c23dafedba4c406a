import { type Context, ownRoot, today } from "../context.ts"
import { keysInForce } from "../store/queries/members.ts"
import { listOfficers } from "./authority.ts"

/** What of ours ends by itself on a day. */
export type Expiry = {
  readonly what: "root-document" | "encryption-key" | "contact" | "deputy"
  readonly day: string
  /** until that day; below 0 when it is over */
  readonly days: number
  /** for a deputy */
  readonly person?: string
}

/** Each of them, those of one kind by their day. */
export async function expiries(context: Context): Promise<readonly Expiry[]> {
  const keys = (await keysInForce(context.db, context.self))?.payload
  const found: Omit<Expiry, "days">[] = [
    { what: "root-document", day: ownRoot(context).expires },
    ...(keys?.kem ?? []).map(({ notAfter: day }) => ({ what: "encryption-key" as const, day })),
  ]
  const contactEnds = keys?.card.validUntil
  if (contactEnds !== undefined) found.push({ what: "contact", day: contactEnds })
  for (const { person, until } of await listOfficers(context))
    if (until !== undefined) found.push({ what: "deputy", day: until, person })
  return found
    .map((one) => ({ ...one, days: daysUntil(context, one.day) }))
    .sort((a, b) => a.days - b.days)
}

const dayMs = 86_400_000

export function daysUntil(context: Context, day: string): number {
  return Math.floor((Date.parse(day) - Date.parse(today(context))) / dayMs)
}
