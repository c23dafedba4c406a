import { type Context, dayOf } from "../context.ts"

/**
 * Whether what is held of a member may lack something: its feed has a gap or went back, nothing was heard of
 * it or of its witnesses for longer than agreed, or others have seen more of its log than it shows us. Shown
 * beside every verdict, and never part of one: clocks decide nothing. PROTOCOL.md §8
 */
export type Stale = { readonly since: string; readonly why: string }

/** Unless an arrangement with the member says otherwise. */
const periodMs = 72 * 3_600_000

export async function staleOf(context: Context, member: string): Promise<Stale | null> {
  if (member === context.self.id) return null
  const { db, env } = context
  const now = env.clock.now()
  const source = await db
    .selectFrom("source")
    .selectAll()
    .where("peer", "=", member)
    .executeTakeFirst()
  const signs: { readonly at: number; readonly why: string }[] = []
  if (source?.stale_at != null)
    signs.push({
      at: source.stale_at,
      why: reasons[source.stale_why ?? ""] ?? "its feed is not whole",
    })
  if (source !== undefined && now - source.at > periodMs)
    signs.push({ at: source.at, why: "nothing was heard of it since" })
  const witnessedAt = source?.cosigned_at ?? null
  if (witnessedAt !== null && now - witnessedAt > periodMs)
    signs.push({ at: witnessedAt, why: "its witnesses have not cosigned its log since" })
  const heard = await db
    .selectFrom("heard")
    .innerJoin("log", (join) =>
      join.onRef("log.member", "=", "heard.member").onRef("log.epoch", "=", "heard.epoch"),
    )
    .select("heard.at")
    .where("heard.member", "=", member)
    .whereRef("heard.size", ">", "log.size")
    .where("heard.at", "<", now - periodMs)
    .orderBy("heard.at")
    .limit(1)
    .executeTakeFirst()
  if (heard !== undefined)
    signs.push({
      at: heard.at,
      why: "others have seen entries of its log that it does not show us",
    })
  if (signs.length === 0) return null
  const first = signs.reduce((a, b) => (b.at < a.at ? b : a))
  return { since: dayOf(first.at), why: first.why }
}

const reasons: Readonly<Record<string, string>> = {
  "delivery.gap": "its feed has a gap",
  "delivery.fork": "its feed contradicts what it sent before",
  "feed.behind": "its feed went back behind what it had shown",
  "checkpoint.rollback": "its log went back behind what it had shown",
  "checkpoint.forked": "its log contradicts what it had shown",
}

/** What a reading of a member's feed ended with; null when it was whole. */
export function staleWhy(code: string | null): string | null {
  return code !== null && Object.hasOwn(reasons, code) ? code : null
}
