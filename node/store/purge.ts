import { sql } from "kysely"
import type { Db } from "./schema.ts"

/** What was purged also leaves the write-ahead log before anyone is told that it is gone. */
export async function truncateWal(db: Db): Promise<void> {
  await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db)
}
