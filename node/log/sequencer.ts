import { decodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { blindedEntry, dummyEntry, entrySalt } from "../../protocol/log/entry.ts"
import type { Claim } from "../../protocol/verify.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { forgetExport } from "../order/orders.ts"
import { keepConsents } from "../store/queries/consents.ts"
import { type LogState, logOf } from "../store/queries/logs.ts"
import { insertLoggedOrders, markLogged } from "../store/queries/orders.ts"
import { keepUnwitnessed } from "../store/queries/proofs.ts"
import { pendingTags, placeTag } from "../store/queries/tags.ts"
import type { Db } from "../store/schema.ts"
import { type Admitted, admit, type Base } from "./admit.ts"
import { appendOwn, noteHighWater, stopIfUnsure } from "./append.ts"
import { noteEvent } from "./event.ts"
import { queueDeliveries, readersOf } from "./queue.ts"
import { noteTags } from "./tags.ts"

/**
 * The one way out. Everything that leaves this node was put in the log here: checked, appended, signed
 * and queued in one transaction, which has reached the disk before anyone hears of it.
 */

export type Published = {
  readonly order: string
  readonly index: number
  readonly size: number
  /** member ids whose feed has it now */
  readonly queued: readonly string[]
}

/** In line for the next slot of a log with a cadence. */
export type Scheduled = { readonly order: string; readonly slotAt: number }

type Waiting = {
  readonly orderId: string
  readonly resolve: (published: Published) => void
  readonly reject: (cause: unknown) => void
}
const queues = new WeakMap<Context, Waiting[]>()

/**
 * Logs and queues a signed order. Orders that wait together share one transaction and one checkpoint. Where
 * the log has a cadence, the order is judged now, and logged in the next slot with room for it.
 *
 * @throws `order.unknown`, `order.unsatisfied`, `order.expired`, `order.stale`, `order.closed`,
 * `order.ended-here`, `signer.stopped`, `store.*`
 */
export async function publish(context: Context, orderId: string): Promise<Published | Scheduled> {
  if (context.config.cadence !== null) return schedule(context, orderId)
  await context.beforeSigning()
  return new Promise((resolve, reject) => {
    const queue = queues.get(context) ?? []
    queues.set(context, queue)
    queue.push({ orderId, resolve, reject })
    if (queue.length === 1) void context.sequencing.take(() => drain(context, queue))
  })
}

const ordersPerCommit = 64

async function drain(context: Context, queue: Waiting[]): Promise<void> {
  while (queue.length > 0) {
    const group = queue.slice(0, ordersPerCommit)
    const ids = group.map(({ orderId }) => orderId)
    const outcomes = await sequence(context, ids, null).catch((cause: unknown) => {
      const failure = stopIfUnsure(context, cause)
      return group.map(() => ({ failure }))
    })
    queue.splice(0, group.length)
    for (const [i, { resolve, reject }] of group.entries()) {
      const outcome = outcomes[i]!
      if ("failure" in outcome) reject(outcome.failure)
      else resolve(outcome)
    }
  }
}

async function schedule(context: Context, orderId: string): Promise<Scheduled> {
  const now = context.env.clock.now()
  return context.db.transaction().execute(async (trx) => {
    const log = await ownLog(context, trx)
    const base = { log, roots: new Map() }
    const { order } = await admit(context, trx, base, orderId, log.range.size)
    const { id } = order.payload
    await trx
      .updateTable("release_order")
      .set({ state: "scheduled", scheduled_at: now })
      .where("id", "=", id)
      .where("state", "=", "open")
      .execute()
    return { order: id, slotAt: nextSlot(context, now) }
  })
}

/** Slots are where the clock is a multiple of the cadence's period. */
export function nextSlot({ config }: Pick<Context, "config">, now: number): number {
  const period = (config.cadence?.everySeconds ?? 0) * 1000
  return period === 0 ? now : (Math.floor(now / period) + 1) * period
}

/**
 * One slot of a log with a cadence: exactly its number of entries, whatever there is to say. Tags go first,
 * then orders in the order in which they were put in line. PROTOCOL.md §7
 */
export async function fillSlot(context: Context): Promise<void> {
  const { cadence } = context.config
  if (cadence === null) return
  await context.beforeSigning()
  await context.sequencing.take(async () => {
    const rows = await context.db
      .selectFrom("release_order")
      .select("id")
      .where("state", "=", "scheduled")
      .orderBy("scheduled_at")
      .orderBy("id")
      .limit(Math.floor(cadence.entries / 2))
      .execute()
    const ids = rows.map(({ id }) => id)
    try {
      const outcomes = await sequence(context, ids, cadence.entries)
      for (const [i, outcome] of outcomes.entries())
        if ("failure" in outcome) await reopen(context, ids[i]!, outcome.failure)
    } catch (cause) {
      throw stopIfUnsure(context, cause)
    }
  })
}

/** What held when it was put in line does not hold any more: officers see why, and decide. */
async function reopen(context: Context, id: string, failure: unknown): Promise<void> {
  const { code } = failure as { code?: string }
  await context.db
    .updateTable("release_order")
    .set({ state: "open", scheduled_at: null })
    .where("id", "=", id)
    .where("state", "=", "scheduled")
    .execute()
  await noteEvent(context, context.db, "order.unscheduled", id, code ?? "internal")
}

type Outcome = Published | { readonly failure: unknown }

/**
 * @param exactly how many entries the log grows by; null: by as many as the orders need, none for none
 * @returns an outcome for each order
 */
async function sequence(
  context: Context,
  orderIds: readonly string[],
  exactly: number | null,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  const log = await context.db.transaction().execute(async (trx) => {
    const before = await ownLog(context, trx)
    const filler = await Filler.of(context, trx, before, exactly)
    const base = { log: before, roots: new Map() }
    const unwritten: Unwritten[] = []
    for (const orderId of orderIds)
      try {
        if (!filler.hasRoomForOrder) break
        outcomes.push(await logOrder(context, trx, base, orderId, filler, unwritten))
      } catch (cause) {
        if (!(cause instanceof NodeError || cause instanceof ProtocolError)) throw cause
        outcomes.push({ failure: cause })
      }
    await writeOrders(context, trx, unwritten)
    filler.fill()
    if (filler.entries.length === 0) return null
    const after = await appendOwn(context, trx, filler.entries)
    await filler.placeTags(trx)
    // With witnesses, the first checkpoint that enough of them cosign is the orders' proof.
    const logged = outcomes.flatMap((one) => ("failure" in one ? [] : [one.order]))
    await keepUnwitnessed(trx, after, logged)
    return after
  })
  if (log === null) return outcomes
  noteHighWater(context, log)
  context.bell.ring()
  context.env.log.info("log.appended", { size: log.range.size })
  const size = log.range.size
  return outcomes.map((outcome) => ("failure" in outcome ? outcome : { ...outcome, size }))
}

async function ownLog(context: Context, trx: Db): Promise<LogState> {
  const log = await logOf(trx, context.self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  return log
}

/** The entries of one append: each order, and behind it, as in every place that is left, a tag or a dummy. */
class Filler {
  readonly entries: Uint8Array[] = []
  readonly #context: Context
  readonly #log: LogState
  readonly #exactly: number | null
  #tags: Uint8Array[]
  readonly #placed: { readonly entry: Uint8Array; readonly idx: number }[] = []

  static async of(
    context: Context,
    trx: Db,
    log: LogState,
    exactly: number | null,
  ): Promise<Filler> {
    const filler = new Filler(context, log, exactly, [
      ...(await pendingTags(trx, exactly ?? ordersPerCommit)),
    ])
    // In a slot tags do not wait for orders to follow.
    while (exactly !== null && filler.entries.length < exactly && filler.#tags.length > 0)
      filler.#pushOther()
    return filler
  }

  private constructor(context: Context, log: LogState, exactly: number | null, tags: Uint8Array[]) {
    this.#context = context
    this.#log = log
    this.#exactly = exactly
    this.#tags = tags
  }

  get nextIndex(): number {
    return this.#log.range.size + this.entries.length
  }

  get hasRoomForOrder(): boolean {
    return this.#exactly === null || this.entries.length + 2 <= this.#exactly
  }

  /** @param due tags that this order makes due: the first of them stands right behind it */
  pushOrder(entry: Uint8Array, due: readonly Uint8Array[]): void {
    this.entries.push(entry)
    this.#tags = [...due.slice(0, 1), ...this.#tags, ...due.slice(1)]
    this.#pushOther()
  }

  fill(): void {
    while (this.#exactly !== null && this.entries.length < this.#exactly) this.#pushOther()
  }

  #pushOther(): void {
    const tag = this.#tags.shift()
    if (tag !== undefined) this.#placed.push({ entry: tag, idx: this.nextIndex })
    this.entries.push(tag ?? dummyEntry(this.#context.keys.salt, this.nextIndex))
  }

  async placeTags(trx: Db): Promise<void> {
    const { epoch } = this.#log
    for (const { entry, idx } of this.#placed) await placeTag(trx, entry, { epoch, idx })
  }
}

/**
 * One order into the log: the size after it is for the caller to say. Releases are written together;
 * `unwritten` has those that wait for it.
 */
async function logOrder(
  context: Context,
  trx: Db,
  base: Base,
  orderId: string,
  filler: Filler,
  unwritten: Unwritten[],
): Promise<Published> {
  const index = filler.nextIndex
  const admitted = await admit(context, trx, base, orderId, index)
  const { order, placed, consents, standing } = admitted
  const { act, id } = order.payload
  if (!(await markLogged(trx, id))) throw new NodeError("order.closed", `Order ${id} is not open.`)
  const digest = decodeHex(order.digest)
  const salt = entrySalt(context.keys.salt, 1, digest)
  unwritten.push({ order, entry: { index, salt }, grants: placed, consents, standing })
  if (act === "consent") await forgetExport(trx, id)
  // What it ends, or says already, is looked for by orders behind it, and by its tags.
  if (act !== "release") await writeOrders(context, trx, unwritten)
  filler.pushOrder(blindedEntry(1, salt, digest), await noteTags(context, trx, admitted))
  const queued = await readersOf(trx, placed)
  return { order: id, index, size: 0, queued }
}

/** A release whose rows wait for those of its neighbours. */
type Unwritten = Claim & Pick<Admitted, "standing">

/** The orders as logged, and what each recipient gets by them. */
async function writeOrders(context: Context, trx: Db, unwritten: Unwritten[]): Promise<void> {
  if (unwritten.length === 0) return
  const orders = unwritten.splice(0)
  const logged = orders.map((order) => ({ ...order, proof: null }))
  await insertLoggedOrders(trx, logged, context.env.clock.now())
  for (const { order, consents } of orders) await keepConsents(trx, order.payload, consents)
  await queueDeliveries(context, trx, orders)
}
