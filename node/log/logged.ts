import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { endOfEpoch } from "../../protocol/member/root.ts"
import type { Logged } from "../../protocol/standing.ts"
import { type Claim, entryOf } from "../../protocol/verify.ts"
import { type LogState, logOf, placesOfAll, rootAt } from "../store/queries/logs.ts"
import { memberById, rootIndexes } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"

type Logs = Pick<Claim, "order" | "entry">
type Found = { readonly logged: Logged; readonly log: LogState }
/** @throws `root.unknown` when nothing is held of the order's log */
export type LoggedLookup = (claim: Logs) => Found

/**
 * What is held here of the log behind an order of `origin`, in the form the eight steps take.
 *
 * @throws `root.unknown` when nothing is
 */
export async function loggedOf(db: Db, originId: string, claim: Logs): Promise<Found> {
  return (await loggedOfAll(db, originId, [claim]))(claim)
}

/** The same for many orders of one member: what they share is read once. */
export async function loggedOfAll(
  db: Db,
  originId: string,
  claims: readonly Logs[],
): Promise<LoggedLookup> {
  const origin = await memberById(db, originId)
  const indexes = await rootIndexes(db, originId)
  const epochs = new Map<number, Awaited<ReturnType<typeof readEpoch>>>()
  for (const [epoch, same] of Map.groupBy(claims, ({ order }) => order.payload.base.epoch))
    epochs.set(epoch, await readEpoch(epoch, same))

  async function readEpoch(epoch: number, same: readonly Logs[]) {
    const log = await logOf(db, originId, epoch)
    if (log === null || origin === null) return null
    const end = endOfEpoch(origin, epoch)
    const endRoot = end === null ? null : await rootAt(db, log, end.size)
    const baseRoots = new Map<number, Uint8Array | null>()
    for (const size of new Set(same.map(({ order }) => order.payload.base.size)))
      baseRoots.set(size, await rootAt(db, log, size))
    return { log, endRoot, baseRoots, places: await placesOfAll(db, log.id, same.map(entryOf)) }
  }

  return (claim) => {
    const { base } = claim.order.payload
    const held = epochs.get(base.epoch)
    if (held == null || origin === null) throw new ProtocolError("root.unknown")
    const { log, endRoot, baseRoots, places } = held
    const baseRoot = baseRoots.get(base.size) ?? null
    const found = places.get(encodeHex(entryOf(claim))) ?? []
    return { log, logged: { origin, places: found, baseRoot, endRoot, rootIndexes: indexes } }
  }
}
