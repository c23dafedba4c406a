import { type Context, dayOf } from "../context.ts"
import type { Db } from "../store/schema.ts"

/** What an operator may want to know happened: ids and codes only, in the store and in the journal. */
export async function noteEvent(
  context: Context,
  db: Db,
  kind: string,
  subject: string,
  detail: string,
): Promise<void> {
  const at = context.env.clock.now()
  await db.insertInto("event").values({ at, kind, subject, detail }).execute()
  context.env.log.warn(kind, { subject, day: dayOf(at) })
}
