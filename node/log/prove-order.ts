import { jsonOf } from "../../protocol/canonical.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { proveConsistencyFrom, proveInclusionFrom } from "../../protocol/log/compact-range.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import type { ProvenFields } from "../../protocol/proven.ts"
import { keepLines, type Witnessing } from "../../protocol/quorum.ts"
import type { OrderDocument } from "../../protocol/release/order.ts"
import { type Logged, versionInForce } from "../../protocol/standing.ts"
import { NodeError } from "../errors.ts"
import { fromNodes, type LogState } from "../store/queries/logs.ts"
import type { Db } from "../store/schema.ts"
import { proofOf } from "./prove.ts"

/** An order as it is held here, with what is held of its log. */
export type Held = {
  readonly order: OrderDocument
  readonly entry: { readonly index: number; readonly salt: Uint8Array }
  readonly logged: Logged
  readonly log: LogState
  /** size of the checkpoint that is its proof; null while it has none */
  readonly proof: number | null
}

type Provable = { readonly fields: ProvenFields; readonly witnessing: Witnessing }

/** The order with the proof that its log has it, for somebody who does not follow that log. PROTOCOL.md §10 */
export async function proveOrder(db: Db, held: Held): Promise<Provable> {
  const place = { index: held.entry.index, proof: held.proof }
  const shown = await proofOf(db, held.logged, held.log, place)
  if (shown === null) throw new NodeError("store.corrupt", "No checkpoint covers this order.")
  return { fields: await proveUnder(db, held, shown), witnessing: shown.witnessing }
}

/**
 * The same under a checkpoint of the caller's: one that covers the order, and that is held here.
 *
 * @param until the root version that must be shown at least
 */
export async function proveUnder(
  db: Db,
  { order, entry, logged, log }: Omit<Held, "proof">,
  { size, note, witnessing }: NonNullable<Awaited<ReturnType<typeof proofOf>>>,
  until = 0,
): Promise<ProvenFields> {
  const { index } = entry
  // Nothing superfluous: lines of other witnesses than those it is judged by are not in it.
  const checkpoint = keepLines(note, [witnessing.root])
  const inForce = versionInForce(logged.origin, log.epoch, logged.rootIndexes, index)
  const newest = Math.max(inForce, witnessing.root.version, until)
  const prove = (at: number) => fromNodes(db, log.id, (read) => proveInclusionFrom(read, at, size))
  const base = order.payload.base.size
  const baseProof =
    base === 0 ? [] : await fromNodes(db, log.id, (read) => proveConsistencyFrom(read, base, size))
  return {
    base: baseProof.map(encodeHex),
    order: jsonOf(order.bytes),
    proof: formatTlogProof({ index, proof: await prove(index), checkpoint }),
    roots: await rootsUpTo(logged, log.epoch, newest, prove),
    salt: encodeHex(entry.salt),
  }
}

/** Root versions from 1 to `count`; those of the log's epoch with their entry's path. */
async function rootsUpTo(
  { origin, rootIndexes }: Logged,
  epoch: number,
  count: number,
  prove: (index: number) => Promise<readonly Uint8Array[]>,
) {
  return Promise.all(
    origin.documents.slice(0, count).map(async ({ bytes, payload }) => {
      const document = jsonOf(bytes)
      if (payload.epoch < epoch) return { document }
      const at = rootIndexes[payload.version - 1]
      if (at == null) throw new NodeError("store.corrupt", "A root document is not logged.")
      return { document, index: at, path: (await prove(at)).map(encodeHex) }
    }),
  )
}
