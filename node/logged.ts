import { ProtocolError } from "../protocol/errors.ts"
import { endOfEpoch, type Member } from "../protocol/member/root.ts"
import type { Logged } from "../protocol/standing.ts"
import { type Claim, entryOf } from "../protocol/verify.ts"
import { type LogState, logOf, placesOf, rootAt } from "./store/queries/logs.ts"
import { memberById, rootIndexes } from "./store/queries/members.ts"
import type { Db } from "./store/schema.ts"

/**
 * What is held here of the log behind an order of `origin`, in the form the eight steps take.
 *
 * @throws `root.unknown` when nothing is
 */
export async function loggedOf(
  db: Db,
  originId: string,
  claim: Pick<Claim, "order" | "entry">,
): Promise<{ readonly logged: Logged; readonly log: LogState }> {
  const { base } = claim.order.payload
  const origin = await memberById(db, originId)
  const log = await logOf(db, originId, base.epoch)
  if (log === null || origin === null) throw new ProtocolError("root.unknown")
  const logged = {
    origin,
    places: await placesOf(db, log.id, entryOf(claim)),
    baseRoot: await rootAt(db, log, base.size),
    endRoot: await endRootOf(db, origin, log),
    rootIndexes: await rootIndexes(db, originId),
  }
  return { logged, log }
}

async function endRootOf(db: Db, origin: Member, log: LogState): Promise<Uint8Array | null> {
  const end = endOfEpoch(origin, log.epoch)
  return end === null ? null : rootAt(db, log, end.size)
}
