import { sql } from "kysely"

/**
 * The conditions of partial indexes, as migrations.ts has them. The value comes first: were it `act = 'withdraw'`,
 * SQLite would hold every value bound in `act = ?` against it, and plan that statement anew for each value.
 */
export const withdrawing = sql<boolean>`'withdraw' = act`
export const forAll = sql<boolean>`'public' = recipient`
export const unsent = sql<boolean>`0 = sent`
export const passedOn = sql<boolean>`'' <> custody`
/** The column first: its plan is the better for it, and it is hardly ever compared with anything else. */
export const ofLiaison = sql<boolean>`profile_id = 'liaison'`
/** of a logged order, beside what says whether it has its proof */
export const asksForWitnesses = sql<boolean>`quorum > 0`
