import { sql } from "kysely"

/**
 * The conditions of partial indexes, as migrations.ts has them. What is compared with such a column elsewhere
 * stands in the statement too: SQLite holds every bound value against the condition, and plans the statement
 * anew for each.
 */
export const withdrawing = sql<boolean>`act = 'withdraw'`
export const releasing = sql<boolean>`act = 'release'`
export const ofLiaison = sql<boolean>`profile_id = 'liaison'`
export const unsent = sql<boolean>`sent = 0`
export const passedOn = sql<boolean>`custody <> ''`
/** By no equality, as recipients have to be bound: ids of members, in hex, are all less. */
export const forAll = sql<boolean>`recipient >= 'public'`
/** of a logged order, beside what says whether it has its proof */
export const asksForWitnesses = sql<boolean>`quorum > 0`
