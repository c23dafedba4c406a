import { sql } from "kysely"
import type { Db } from "./schema.ts"

/**
 * A transaction that waits for no disk, for what can be asked for or told again. All is one journal: it
 * survives the end of the process, and whatever is committed behind it takes it to the disk. Only a power
 * cut before that loses it.
 */
export async function commitSoon<T>(db: Db, work: (trx: Db) => Promise<T>): Promise<T> {
  return db.connection().execute(async (held) => {
    await sql`PRAGMA synchronous=NORMAL`.execute(held)
    try {
      return await held.transaction().execute(work)
    } finally {
      await sql`PRAGMA synchronous=FULL`.execute(held)
    }
  })
}
