import { decodeHex, encodeHex } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import type { PlacedGrant } from "../protocol/exchange/delivery.ts"
import { blindedEntry, dummyEntry, entrySalt } from "../protocol/log/entry.ts"
import { emptyRoot } from "../protocol/log/merkle.ts"
import { missingApprovals } from "../protocol/member/policy.ts"
import { signoffOf } from "../protocol/profiles/profile.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import { grantLeaf, signedGrant } from "../protocol/release/grant.ts"
import { buildGrantTree } from "../protocol/release/grant-tree.ts"
import { approvalsOf, decodeOrder } from "../protocol/release/order.ts"
import { endOf } from "../protocol/release/precedence.ts"
import { encodeSigned } from "../protocol/signed.ts"
import { type Claim, factOf, type Standing } from "../protocol/verify.ts"
import { appendOwn, noteHighWater, stopIfUnsure } from "./append.ts"
import { type Context, ownRoot, today } from "./context.ts"
import { NodeError } from "./errors.ts"
import { queueDeliveries } from "./queue.ts"
import { StoreDamage } from "./store/damage.ts"
import { asFact, isAbout, withdrawalsOf } from "./store/queries/facts.ts"
import { decodeGrants, grantListsOf } from "./store/queries/grants.ts"
import { keepCheckpoint, type LogState, logOf, rootAt } from "./store/queries/logs.ts"
import {
  insertLoggedOrders,
  type OrderRow,
  orderById,
  signaturesOf,
} from "./store/queries/orders.ts"
import type { Db } from "./store/schema.ts"

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

type Waiting = {
  readonly orderId: string
  readonly resolve: (published: Published) => void
  readonly reject: (cause: unknown) => void
}
const queues = new WeakMap<Context, Waiting[]>()

/**
 * Logs and queues a signed order. Orders that wait together share one transaction and one checkpoint.
 *
 * @throws `order.unknown`, `order.unsatisfied`, `order.expired`, `order.stale`, `order.closed`,
 * `order.ended-here`, `signer.stopped`, `store.*`
 */
export function publish(context: Context, orderId: string): Promise<Published> {
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
    const done = await sequence(context, group).catch((cause: unknown) => {
      const failure = stopIfUnsure(context, cause)
      return new Map(group.map((waiting) => [waiting, { failure }]))
    })
    queue.splice(0, group.length)
    for (const [waiting, outcome] of done)
      if ("failure" in outcome) waiting.reject(outcome.failure)
      else waiting.resolve(outcome)
  }
}

type Outcome = Published | { readonly failure: unknown }
type Accepted = Checked & Claim

async function sequence(
  context: Context,
  group: readonly Waiting[],
): Promise<Map<Waiting, Outcome>> {
  const outcomes = new Map<Waiting, Outcome>()
  const log = await context.db.transaction().execute(async (trx) => {
    const before = await logOf(trx, context.self.id)
    if (before === null) throw new NodeError("store.corrupt", "Our own log is missing.")
    const entries: Uint8Array[] = []
    const accepted = new Map<Waiting, Accepted>()
    const held: Held = { log: before, baseRoots: new Map(), ahead: [] }
    for (const waiting of group)
      try {
        const index = before.range.size + entries.length
        const checked = await check(context, trx, held, waiting.orderId, index)
        const digest = decodeHex(checked.order.digest)
        const salt = entrySalt(context.keys.salt, 1, digest)
        entries.push(blindedEntry(1, salt, digest), dummyEntry(context.keys.salt, index + 1))
        held.ahead.push(checked)
        accepted.set(waiting, { ...checked, entry: { index, salt } })
      } catch (cause) {
        if (!(cause instanceof NodeError || cause instanceof ProtocolError)) throw cause
        outcomes.set(waiting, { failure: cause })
      }
    if (accepted.size === 0) return null
    const after = await appendOwn(context, trx, entries)
    await keepCheckpoint(trx, after.id, after.range.size, after.checkpoint!)
    await commitOrders(context, trx, [...accepted.values()])
    for (const [waiting, { grants, entry }] of accepted)
      outcomes.set(waiting, {
        order: waiting.orderId,
        index: entry.index,
        size: after.range.size,
        queued: [...new Set(grants.map(({ grant }) => grant.recipient))],
      })
    return after
  })
  if (log !== null) {
    noteHighWater(context, log)
    context.bell.ring()
    context.env.log.info("log.appended", { size: log.range.size })
  }
  return outcomes
}

/** What the orders of a group are checked against: the log as it was, and the group's own before them. */
type Held = {
  readonly log: LogState
  /** by size: orders made together stand on one base */
  readonly baseRoots: Map<number, Uint8Array | null>
  readonly ahead: Checked[]
}

type Checked = Omit<Claim, "entry"> & { readonly standing: Standing }

/** Everything a recipient will check of the order, from its bytes, and what only we can. PROTOCOL.md §6 */
async function check(
  context: Context,
  trx: Db,
  held: Held,
  orderId: string,
  index: number,
): Promise<Checked> {
  const { log, ahead } = held
  const row = await orderById(trx, orderId)
  if (row.state !== "open" || ahead.some(({ order }) => order.payload.id === row.id))
    throw new NodeError("order.closed", `Order ${row.id} is ${row.state}, not open.`)
  const signatures = await signaturesOf(trx, row.id)
  const root = ownRoot(context)
  if (signatures.length === 0) throw unsatisfied(row.id, ["no officer has signed"])
  const order = decodeOrder(encodeSigned(new Uint8Array(row.payload), signatures))
  const { payload } = order
  if (payload.origin !== context.self.id || payload.network !== context.self.network)
    throw new NodeError("order.unknown", "This order is another member's.")
  if (payload.rootVersion !== root.version)
    throw new NodeError("order.stale", "The root document has changed since this order was made.", {
      hint: "Request the release again; officers sign it anew.",
    })
  const day = today(context)
  if (payload.notAfter < day)
    throw new NodeError(
      "order.expired",
      `Order ${row.id} had to be published by ${payload.notAfter}.`,
      {
        hint: "Request the release again; officers sign it anew.",
      },
    )
  if (root.expires < day)
    throw new NodeError("order.expired", `Our root document expired on ${root.expires}.`, {
      hint: "A root ceremony makes the next version.",
    })

  const { revoked } = root
  const approvals = approvalsOf(order, root, { revoked, epoch: log.epoch, index })
  const profile = findProfile(payload.rule.profile)?.profile
  if (profile === undefined || payload.act === "consent")
    throw new ProtocolError("profile.unknown", { detail: payload.rule.profile })
  const signoff = signoffOf(profile, payload.act, payload.rule.kind)
  const missing = missingApprovals(root.policy, signoff, payload.act, payload.rule, approvals)
  if (missing.length > 0) throw unsatisfied(row.id, missing)

  const { base } = payload
  const baseRoot = await baseRootOf(trx, held, base.size)
  const isBased = base.epoch === log.epoch && baseRoot !== null && encodeHex(baseRoot) === base.root
  if (!isBased) throw new ProtocolError("order.base")

  const grants = await placeGrants(context, trx, row, payload.root ?? "")
  for (const { grant } of grants) {
    if (grant.act !== payload.act) throw new ProtocolError("grant.malformed", { detail: "act" })
    if (grant.record.origin !== context.self.id) throw new ProtocolError("custody.unsupported")
  }
  const standing: Standing = { order: payload, orderId: payload.id, index, root, approvals }
  await refuseEnded(trx, standing, grants, ahead)
  return { order, grants, standing }
}

async function baseRootOf(
  trx: Db,
  { log, baseRoots }: Held,
  size: number,
): Promise<Uint8Array | null> {
  if (size === 0) return emptyRoot
  const known = baseRoots.get(size)
  if (known !== undefined) return known
  const root = await rootAt(trx, log, size)
  baseRoots.set(size, root)
  return root
}

function unsatisfied(orderId: string, missing: readonly string[]): NodeError {
  return new NodeError(
    "order.unsatisfied",
    `Order ${orderId} still needs: ${missing.join("; ")}.`,
    { hint: `comity order sign ${orderId} --as PERSON` },
  )
}

/** The grants in their tree, whose root must be the one that was signed: no row can have been edited. */
async function placeGrants(
  { self }: Context,
  trx: Db,
  order: OrderRow,
  signedRoot: string,
): Promise<readonly PlacedGrant[]> {
  const lists = await grantListsOf(trx, self.id, order.id)
  const listed = lists.flatMap(({ grants }) => decodeGrants(grants))
  const leaves = new Map(listed.map(({ position, bytes }) => [position, grantLeaf(bytes)]))
  const tree = buildGrantTree(leaves, new Uint8Array(order.seed))
  if (leaves.size !== listed.length || encodeHex(tree.root) !== signedRoot)
    throw new ProtocolError("grant.path")
  return listed.map(({ position, bytes }) => ({
    grant: signedGrant(bytes),
    bytes,
    leaf: leaves.get(position)!,
    position,
    path: tree.path(position),
  }))
}

async function refuseEnded(
  trx: Db,
  standing: Standing,
  grants: readonly PlacedGrant[],
  ahead: readonly Checked[],
): Promise<void> {
  if (standing.order.act !== "release") return
  const ids = new Set(grants.map(({ grant }) => grant.record.id))
  const logged = await withdrawalsOf(trx, [...ids])
  const waiting = ahead.filter(({ order }) => order.payload.act === "withdraw")
  if (logged.length === 0 && waiting.length === 0) return
  for (const one of grants) {
    const { record, recipient } = one.grant
    const known = logged.filter((row) => isAbout(row, record, recipient)).map(asFact)
    for (const checked of waiting)
      for (const other of checked.grants)
        if (other.grant.record.id === record.id && other.grant.recipient === recipient)
          known.push(factOf(checked.standing, other))
    const end = endOf(factOf(standing, one), known)
    if (end !== null)
      throw new NodeError(
        "order.ended-here",
        `Record ${record.id} was withdrawn by order ${end.orderId} after this order was made.`,
        { hint: "If it is to be shared again, request a new release." },
      )
  }
}

/** The orders as logged, and what each recipient gets by them. */
async function commitOrders(
  context: Context,
  trx: Db,
  accepted: readonly Accepted[],
): Promise<void> {
  const now = context.env.clock.now()
  await insertLoggedOrders(trx, accepted, now)
  await queueDeliveries(context, trx, accepted)
  const ids = accepted.map(({ order }) => order.payload.id)
  const moved = await trx
    .updateTable("release_order")
    .set({ state: "logged" })
    .where("id", "in", ids)
    .where("state", "=", "open")
    .executeTakeFirst()
  if (moved.numUpdatedRows !== BigInt(ids.length)) throw new StoreDamage("an order logged twice")
}
