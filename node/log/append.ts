import { encodeHex } from "../../protocol/encoding.ts"
import { signCheckpoint } from "../../protocol/log/checkpoint.ts"
import { completedNodes, rangeRoot } from "../../protocol/log/compact-range.ts"
import { dummyEntry } from "../../protocol/log/entry.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import { type Context, stopSigning } from "../context.ts"
import { NodeError } from "../errors.ts"
import { logSigners, type NodeKeys } from "../keys/keys.ts"
import { appendEntries, type LogState, logOf } from "../store/queries/logs.ts"
import type { Db } from "../store/schema.ts"
import { storeFailure } from "../store/sqlite.ts"
import { type HighWater, isBehind, readHighWater, writeHighWater } from "./high-water.ts"

/**
 * The signer of our log: appends, and signs the checkpoint, in one transaction; it never goes below what
 * it has signed, and stops for good when it cannot know what is on the disk. DESIGN.md §4
 */

/** Another log or other keys than those in force: a new epoch begins. */
export type Signing = { readonly log?: LogState; readonly keys?: NodeKeys }

/** Appends to our own log and signs the new checkpoint, inside the caller's transaction. */
export async function appendOwn(
  context: Context,
  trx: Db,
  entries: readonly Uint8Array[],
  { log: begun, keys = context.keys }: Signing = {},
): Promise<LogState> {
  const halt = context.stopped
  if (halt !== null) throw new NodeError(halt.code, halt.message, { hint: halt.hint })
  const log = begun ?? (await logOf(trx, context.self.id))
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  holdHighWater(context, log)
  const { range } = completedNodes(log.range, entries.map(leafHash))
  const root = rangeRoot(range)
  const checkpoint = await signCheckpoint(
    { origin: log.origin, size: range.size, root },
    logSigners(keys, log.origin),
  )
  return appendEntries(trx, log, entries, checkpoint, context.env.clock.now())
}

/** The signer goes on from where it was last, whatever the database says. DESIGN.md §4 */
function holdHighWater(context: Context, log: LogState): void {
  const held = stateOf(log)
  const last = readHighWater(context.env.files)
  if (isBehind(last, held))
    throw new NodeError(
      "store.rolled-back",
      "This log has been signed further than it is held here.",
      {
        hint: "The data seems to come from a backup; nothing is signed until it has caught up.",
      },
    )
  // A crash, or a full disk, came between the last commit and its mark.
  if (held.size > 0 && isBehind(held, last ?? unsigned)) writeHighWater(context.env.files, held)
}

const unsigned: HighWater = { epoch: 0, size: 0, root: "" }

/** After the commit, before anyone is told: the size below which the signer never goes again. */
export function noteHighWater(context: Context, log: LogState): void {
  try {
    writeHighWater(context.env.files, stateOf(log))
  } catch (cause) {
    if (!(cause instanceof NodeError)) throw cause
    // What was committed is out, and is no failure; the mark comes before anything more is signed.
    if (cause.code !== "store.full") stopSigning(context, cause)
    context.env.log.warn("high-water.behind", { code: cause.code })
  }
}

function stateOf({ epoch, range }: LogState): HighWater {
  return { epoch, size: range.size, root: encodeHex(rangeRoot(range)) }
}

/**
 * Logs open entries (documents of ours) in turn with the orders; `store` runs in the same transaction.
 *
 * @param begin the first entries of a new epoch, signed by a key that no checkpoint has seen yet
 */
export async function commitEntries(
  context: Context,
  entries: readonly Uint8Array[],
  store: (trx: Db, log: LogState) => Promise<void>,
  begin: (trx: Db) => Promise<Signing> = async () => ({}),
): Promise<LogState> {
  await context.beforeSigning()
  return context.sequencing.take(async () => {
    try {
      const log = await context.db.transaction().execute(async (trx) => {
        const after = await appendOwn(context, trx, entries, await begin(trx))
        await store(trx, after)
        return after
      })
      noteHighWater(context, log)
      context.bell.ring()
      return log
    } catch (cause) {
      throw stopIfUnsure(context, cause)
    }
  })
}

/**
 * Dummies up to `size`: where a signer elsewhere has signed a size that never reached our disk, the log goes
 * on above it.
 *
 * @throws `log.index` for a size that is no little way above ours
 */
export async function advanceLog(
  context: Context,
  size: number,
): Promise<{ readonly size: number }> {
  const log = await logOf(context.db, context.self.id)
  const held = log?.range.size ?? 0
  if (size <= held || size > held + 1024)
    throw new NodeError("log.index", `Our log has ${held} entries: it can't advance to ${size}.`)
  const dummies = Array.from({ length: size - held }, (_, i) =>
    dummyEntry(context.keys.salt, held + i),
  )
  const after = await commitEntries(context, dummies, async () => {})
  return { size: after.range.size }
}

export function stopIfUnsure(context: Context, cause: unknown): unknown {
  const failure = storeFailure(cause)
  const isUnsure = failure instanceof NodeError && /^store\.(failed|corrupt)$/.test(failure.code)
  if (isUnsure) stopSigning(context, failure)
  return failure
}
