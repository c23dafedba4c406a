import { type Context, dayOf } from "../context.ts"
import { NodeError } from "../errors.ts"
import { noteEvent } from "../log/event.ts"
import { allPending } from "../store/queries/proofs.ts"
import type { Db } from "../store/schema.ts"

/**
 * Orders that wait for witnesses longer than they should. Reading goes on, and publishing too unless the
 * member's own rule says otherwise. PROTOCOL.md §7
 */

const hourMs = 3_600_000
export const overdueHours = 72

/** The members whose orders, ours among them, have waited for more than 72 hours. */
export async function overdue({ db, env }: Context) {
  const pending = await allPending(db)
  return pending.filter(({ since }) => env.clock.now() - since > overdueHours * hourMs)
}

/** One alarm for a member, and another one only when those orders have been proven and others wait. */
export async function noteOverdue(context: Context): Promise<void> {
  for (const { origin, since, orders } of await overdue(context)) {
    const noted = await context.db
      .selectFrom("event")
      .select("id")
      .where("kind", "=", "quorum.overdue")
      .where("subject", "=", origin)
      .where("at", ">", since)
      .executeTakeFirst()
    if (noted === undefined)
      await noteEvent(
        context,
        context.db,
        "quorum.overdue",
        origin,
        `${orders} since ${dayOf(since)}`,
      )
  }
}

/**
 * The member's own rule, if it has one, for releases: what is taken back is taken back at any time.
 *
 * @throws `witness.missing`
 */
export async function assertWitnessed({ config, env, self }: Context, db: Db): Promise<void> {
  if (config.witnessHours === null) return
  const own = (await allPending(db)).find(({ origin }) => origin === self.id)
  if (own === undefined || env.clock.now() - own.since <= config.witnessHours * hourMs) return
  throw new NodeError(
    "witness.missing",
    `Our witnesses have been missing since ${dayOf(own.since)}: by our own rule no release is published.`,
    { hint: "comity witness list says which; comity witness stop-after changes the rule." },
  )
}
