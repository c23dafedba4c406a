import type { Json } from "../protocol/canonical.ts"
import { decodeHex, encodeHex } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import type { PlacedGrant } from "../protocol/exchange/delivery.ts"
import { deliveryDigest, encodeDelivery, firstPrev } from "../protocol/exchange/delivery.ts"
import { blindedEntry, dummyEntry, entrySalt } from "../protocol/log/entry.ts"
import { emptyRoot } from "../protocol/log/merkle.ts"
import { missingApprovals } from "../protocol/member/policy.ts"
import { signoffOf } from "../protocol/profiles/profile.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import { decodeGrant, grantLeaf } from "../protocol/release/grant.ts"
import { buildGrantTree } from "../protocol/release/grant-tree.ts"
import { approvalsOf, decodeOrder, type OrderDocument } from "../protocol/release/order.ts"
import { endOf } from "../protocol/release/precedence.ts"
import { encodeSigned } from "../protocol/signed.ts"
import { type Claim, factOf, type Standing } from "../protocol/verify.ts"
import { appendOwn, noteHighWater, stopIfUnsure } from "./append.ts"
import { type Context, ownRoot, today } from "./context.ts"
import { NodeError } from "./errors.ts"
import { asFact, factRow, factsAbout, insertFacts } from "./store/queries/facts.ts"
import { keepCheckpoint, type LogState, logOf, rootAt } from "./store/queries/logs.ts"
import { orderById } from "./store/queries/orders.ts"
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

async function sequence(
  context: Context,
  group: readonly Waiting[],
): Promise<Map<Waiting, Outcome>> {
  const outcomes = new Map<Waiting, Outcome>()
  const log = await context.db.transaction().execute(async (trx) => {
    const before = await logOf(trx, context.self.id)
    if (before === null) throw new NodeError("store.corrupt", "Our own log is missing.")
    const entries: Uint8Array[] = []
    const accepted: { waiting: Waiting; checked: Checked; index: number; salt: Uint8Array }[] = []
    for (const waiting of group)
      try {
        const index = before.range.size + entries.length
        const checked = await check(context, trx, before, waiting.orderId, index, accepted)
        const digest = decodeHex(checked.order.digest)
        const salt = entrySalt(context.keys.salt, 1, digest)
        entries.push(blindedEntry(1, salt, digest), dummyEntry(context.keys.salt, index + 1))
        accepted.push({ waiting, checked, index, salt })
      } catch (cause) {
        if (!(cause instanceof NodeError || cause instanceof ProtocolError)) throw cause
        outcomes.set(waiting, { failure: cause })
      }
    if (accepted.length === 0) return null
    const after = await appendOwn(context, trx, entries)
    await keepCheckpoint(trx, after.id, after.range.size, after.checkpoint!)
    for (const { waiting, checked, index, salt } of accepted) {
      const queued = await commitOrder(context, trx, checked, index, salt)
      const { orderId: order } = waiting
      outcomes.set(waiting, { order, index, size: after.range.size, queued })
    }
    return after
  })
  if (log !== null) {
    noteHighWater(context, log)
    context.bell.ring()
    context.env.log.info("log.appended", { size: log.range.size })
  }
  return outcomes
}

type Checked = {
  readonly order: OrderDocument
  readonly placed: readonly PlacedGrant[]
  readonly standing: Standing
}

/** Everything a recipient will check of the order, from its bytes, and what only we can. PROTOCOL.md §6 */
async function check(
  context: Context,
  trx: Db,
  log: LogState,
  orderId: string,
  index: number,
  ahead: readonly { readonly checked: Checked }[],
): Promise<Checked> {
  const row = await orderById(trx, orderId)
  if (row.state !== "open" || ahead.some(({ checked }) => checked.order.payload.id === row.id))
    throw new NodeError("order.closed", `Order ${row.id} is ${row.state}, not open.`)
  const signatures = await trx
    .selectFrom("order_signature")
    .selectAll()
    .where("order_id", "=", row.id)
    .execute()
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
  const baseRoot = base.size === 0 ? emptyRoot : await rootAt(trx, log, base.size)
  const isBased = base.epoch === log.epoch && baseRoot !== null && encodeHex(baseRoot) === base.root
  if (!isBased) throw new ProtocolError("order.base")

  const placed = await placeGrants(trx, row.id, new Uint8Array(row.seed), payload.root ?? "")
  for (const { grant } of placed) {
    if (grant.act !== payload.act) throw new ProtocolError("grant.malformed", { detail: "act" })
    if (grant.record.origin !== context.self.id) throw new ProtocolError("custody.unsupported")
  }
  const standing: Standing = { order: payload, orderId: payload.id, index, root, approvals }
  await refuseEnded(trx, standing, placed, ahead)
  return { order, placed, standing }
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
  trx: Db,
  orderId: string,
  seed: Uint8Array,
  signedRoot: string,
): Promise<readonly PlacedGrant[]> {
  const rows = await trx
    .selectFrom("order_grant")
    .select(["position", "bytes"])
    .where("order_id", "=", orderId)
    .orderBy("position")
    .execute()
  const grants = rows.map(({ position, bytes }) => {
    const exact = new Uint8Array(bytes)
    return { position, bytes: exact, grant: decodeGrant(exact), leaf: grantLeaf(exact) }
  })
  const tree = buildGrantTree(new Map(grants.map(({ position, leaf }) => [position, leaf])), seed)
  if (encodeHex(tree.root) !== signedRoot) throw new ProtocolError("grant.path")
  return grants.map((grant) => ({ ...grant, path: tree.path(grant.position) }))
}

async function refuseEnded(
  trx: Db,
  standing: Standing,
  placed: readonly PlacedGrant[],
  ahead: readonly { readonly checked: Checked }[],
): Promise<void> {
  if (standing.order.act !== "release") return
  for (const one of placed) {
    const { record, recipient } = one.grant
    const known = (await factsAbout(trx, record, recipient)).map(asFact)
    for (const { checked } of ahead)
      for (const other of checked.placed)
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

/** Order, facts and one delivery for each recipient. */
async function commitOrder(
  context: Context,
  trx: Db,
  { order, placed, standing }: Checked,
  index: number,
  salt: Uint8Array,
): Promise<readonly string[]> {
  const now = context.env.clock.now()
  const { id } = order.payload
  await trx
    .insertInto("logged_order")
    .values({
      origin: context.self.id,
      id,
      digest: order.digest,
      document: order.bytes,
      idx: index,
      salt,
    })
    .execute()
  const rows = placed.map((one) => factRow(factOf(standing, one), one, encodeHex(one.leaf), now))
  await insertFacts(trx, rows)
  const recipients = Map.groupBy(placed, ({ grant }) => grant.recipient)
  for (const [recipient, grants] of recipients) {
    const claim = { order, entry: { index, salt }, grants }
    await queueDelivery(trx, recipient, claim, context.env.random(16), now)
  }
  const moved = await trx
    .updateTable("release_order")
    .set({ state: "logged" })
    .where("id", "=", id)
    .where("state", "=", "open")
    .executeTakeFirst()
  if (moved.numUpdatedRows !== 1n) throw new NodeError("order.closed", `Order ${id} is not open.`)
  return [...recipients.keys()]
}

/** Fixed when queued: the next number of the recipient's feed, chained to the one before. */
async function queueDelivery(
  trx: Db,
  peer: string,
  claim: Claim,
  newFeed: Uint8Array,
  now: number,
): Promise<void> {
  const last = await trx.selectFrom("feed").selectAll().where("peer", "=", peer).executeTakeFirst()
  const feed = last?.feed ?? encodeHex(newFeed)
  const n = (last?.n ?? 0) + 1
  const bytes = encodeDelivery({
    entry: { index: claim.entry.index, salt: encodeHex(claim.entry.salt) },
    feed,
    grants: claim.grants.map(({ bytes, path, position }) => ({
      grant: jsonOf(bytes),
      path: path.map(encodeHex),
      position,
    })),
    n,
    order: jsonOf(claim.order.bytes),
    prev: last?.prev ?? firstPrev,
  })
  const prev = deliveryDigest(bytes)
  await trx
    .insertInto("delivery")
    .values({ peer, n, feed, order_id: claim.order.payload.id, bytes, at: now })
    .execute()
  await trx
    .insertInto("feed")
    .values({ peer, feed, n, prev })
    .onConflict((conflict) => conflict.column("peer").doUpdateSet({ n, prev }))
    .execute()
}

function jsonOf(bytes: Uint8Array): Json {
  return JSON.parse(new TextDecoder().decode(bytes))
}
