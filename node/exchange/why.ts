import { ProtocolError } from "../../protocol/errors.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import { findPeer, nameOf } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { draftById } from "../order/drafts.ts"
import { stillMissing } from "../order/orders.ts"
import { findRecord, liveFacts } from "../reading/records.ts"
import { asFact } from "../store/queries/facts.ts"
import type { Peer } from "../store/queries/members.ts"
import { type OrderRow, orderById } from "../store/queries/orders.ts"
import { sourceOf } from "../store/queries/sources.ts"
import { epochFor } from "./deliver.ts"
import { timeOf } from "./outbox.ts"
import { readerOf } from "./reader.ts"
import { toEach } from "./receipts.ts"
import { staleOf } from "./staleness.ts"

export type Why = {
  readonly record: string
  readonly peer: string
  readonly have: boolean
  readonly reason: string
  readonly detail: string
  /** what an order still lacks, a line of policy or sign-off each */
  readonly missing?: readonly string[]
  /** what it, or we, refused with; or what the network, or its keys, failed with last */
  readonly code?: string
  /** when handing over, or reading, was tried last */
  readonly tried?: string
}

type Answer = Omit<Why, "record" | "peer">

/**
 * Why a member has a record, or does not, or why everybody does; or why we have one of its, or do not: what
 * is known here.
 */
export async function why(context: Context, prefix: string, name: string): Promise<Why> {
  if (name === everybody) return whyEverybody(context, prefix)
  const peer = await findPeer(context, name)
  const reference = await draftOrRecord(context, prefix, peer)
  const { origin, id } = reference
  const answer =
    origin === context.self.id
      ? await whyTheyHave(context, peer, id)
      : origin === peer.member
        ? await whyWeHave(context, peer, id)
        : no(
            "not-ours",
            "That record is another member's: who else was given it is not known here, and not ours to know.",
          )
  return { record: id, peer: peer.name, ...answer }
}

function no(reason: string, detail: string, more: Partial<Answer> = {}): Answer {
  return { have: false, reason, detail, ...more }
}

function yes(reason: string, detail: string): Answer {
  return { have: true, reason, detail }
}

/** A draft that no order has named is no record yet, and one that we refused is not here: both can be asked about. */
async function draftOrRecord(context: Context, prefix: string, peer: Peer | null) {
  try {
    const { id } = await draftById(context, prefix)
    return { origin: context.self.id, id }
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code === "record.ambiguous") throw cause
  }
  try {
    return await findRecord(context, prefix)
  } catch (cause) {
    const isUnknown = cause instanceof NodeError && cause.code === "record.unknown"
    if (!isUnknown || peer === null) throw cause
    const refused = await refusalOf(context, peer.member, prefix)
    const id = refused?.record_id ?? (/^[0-9a-f]{32}$/.test(prefix) ? prefix : null)
    if (id === null) throw cause
    return { origin: peer.member, id }
  }
}

/** What we last refused of this record to this peer. */
function refusalOf({ db }: Context, peer: string, prefix: string) {
  return db
    .selectFrom("receipt_out")
    .selectAll()
    .where("peer", "=", peer)
    .where("state", "=", "refused")
    .where("record_id", ">=", prefix)
    .where("record_id", "<=", `${prefix}g`)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst()
}

/** About the member; of what it was given itself and what everybody was, the part that stands, or that came last. */
async function factsOf({ db }: Context, origin: string, id: string, recipient: string) {
  const rows = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "=", id)
    .where("record_origin", "=", origin)
    .where("recipient", "in", [recipient, everybody])
    .orderBy("idx")
    .execute()
  const parts = [everybody, recipient].map((one) => rows.filter((row) => row.recipient === one))
  const standing = parts.find((part) => {
    const release = part.findLast(({ act }) => act === "release")
    return release !== undefined && endOf(asFact(release), part.map(asFact)) === null
  })
  const last = rows.at(-1)?.recipient
  return standing ?? rows.filter((row) => row.recipient === last)
}

function whom({ recipient }: { readonly recipient: string }, otherwise: string): string {
  return recipient === everybody ? "everybody" : otherwise
}

async function whyWeHave(context: Context, peer: Peer, id: string): Promise<Answer> {
  const { name, member } = peer
  const facts = await factsOf(context, member, id, context.self.id)
  const known = facts.map(asFact)
  const release = facts.findLast((row) => row.act === "release")
  if (release === undefined) return whyNotHere(context, peer, id)
  const end = endOf(asFact(release), known)
  if (end !== null)
    return no(
      "origin",
      `${name} wrote it, and withdrew it from ${whom(release, "us")} by order ${end.orderId}.`,
    )
  const place = `by order ${release.order_id}, at index ${release.idx} of its log`
  const [live] = await liveFacts(context, { origin: member, id, version: release.version })
  if (live === undefined)
    return no("unopened", `${name} released it ${place}, but it came without what opens it.`)
  const { standing } = live
  const held = `${name} wrote it and released it to ${whom(release, "us")} ${place}`
  return yes("origin", standing === "verified" ? `${held}.` : `${held}; it is ${standing}.`)
}

/** Nothing of it stands here: we refused it, or it has not come, or it was never for us. */
async function whyNotHere(context: Context, peer: Peer, id: string): Promise<Answer> {
  const { name, member } = peer
  const refused = await refusalOf(context, member, id)
  if (refused !== undefined)
    return no(
      "refused-here",
      `We refused it on ${refused.day}, under order ${refused.order_id}: ${refused.code ?? "without a code"}.`,
      refused.code === null ? {} : { code: refused.code },
    )
  const source = await sourceOf(context.db, member)
  const read = source.at === 0 ? {} : { tried: timeOf(source.at)! }
  if (source.error !== null)
    return no(
      "not-read",
      `Nothing of it is here, and ${name} could not be read to the end last time: ${source.error}.`,
      { code: source.error, ...read },
    )
  if (source.at === 0)
    return no("not-read", `Nothing of it is here: ${name} has never been read. comity sync ${name}`)
  const stale = await staleOf(context, member)
  if (stale !== null)
    return no("stale", `Nothing of it is here; but since ${stale.since} ${stale.why}.`, read)
  return no(
    "not-released",
    `${name} has not released it to us: everything it has for us is here.`,
    read,
  )
}

async function whyTheyHave(context: Context, peer: Peer, id: string): Promise<Answer> {
  const { db } = context
  const { name, member } = peer
  const facts = await factsOf(context, context.self.id, id, member)
  const release = facts.findLast((row) => row.act === "release")
  if (release === undefined) return whyNotOrdered(context, peer, id)
  const end = endOf(asFact(release), facts.map(asFact))
  const receipts = await db
    .selectFrom("receipt_in")
    .selectAll()
    .where("peer", "=", member)
    .where("order_id", "in", [release.order_id, ...(end === null ? [] : [end.orderId])])
    .orderBy("at")
    .execute()
  const newest = receipts.at(-1)
  if (end !== null) {
    const ending = receipts.findLast((one) => one.order_id === end.orderId)
    const by = `Withdrawn${release.recipient === everybody ? " from everybody" : ""} by order ${end.orderId}; ${name}`
    if (ending?.state === "purged")
      return no("withdrawn", `${by} stated on ${ending.day} that it was purged.`)
    const had = receipts.some(({ state }) => state === "delivered")
    const detail =
      ending === undefined
        ? `${by} has not yet stated that it was purged.`
        : `${by} stated ${ending.state} on ${ending.day}.`
    return { have: had, reason: "withdrawn", detail, ...(await unsent(context, peer)) }
  }
  const to = release.recipient === everybody ? " to everybody" : ""
  const place = `Released${to} by order ${release.order_id} at index ${release.idx}`
  if (newest === undefined) return whyQueued(context, peer, place)
  if (newest.state === "refused")
    return no(
      "refused",
      `${name} refused it on ${newest.day}: ${newest.code ?? "without a code"}.`,
      newest.code === null ? {} : { code: newest.code },
    )
  return yes(newest.state, `${place}; ${name} stated ${newest.state} on ${newest.day}.`)
}

/** Whether everybody may read it, whosever it is. */
async function whyEverybody(context: Context, prefix: string): Promise<Why> {
  const { origin, id } = await draftOrRecord(context, prefix, null)
  const answer = await whyAllHave(context, origin, id)
  return { record: id, peer: everybody, ...answer }
}

async function whyAllHave(context: Context, origin: string, id: string): Promise<Answer> {
  const facts = await factsOf(context, origin, id, everybody)
  const release = facts.findLast((row) => row.act === "release" && row.chain !== null)
  const isOurs = origin === context.self.id
  const name = isOurs ? "" : await nameOf(context, origin)
  if (release === undefined)
    return isOurs
      ? whyNotOrdered(context, { name: "everybody", member: everybody }, id)
      : no(
          "not-released",
          `${name} wrote it, and has released it to everybody by no order that is here.`,
        )
  const end = endOf(asFact(release), facts.map(asFact))
  const order = end?.orderId ?? release.order_id
  const told = isOurs
    ? `; ${await answersTo(context, order, end === null ? "delivered" : "purged")}`
    : ""
  if (end !== null)
    return no(
      "withdrawn",
      `Withdrawn from everybody by order ${order}${told}. What was copied stays.`,
    )
  const place = `to everybody by order ${order} at index ${release.idx} of ${isOurs ? "our" : "its"} log`
  if (isOurs) return yes("released", `Released ${place}${told}.`)
  const live = await liveFacts(context, { origin, id, version: release.version })
  const standing = live.find(({ recipient }) => recipient === everybody)?.standing ?? "verified"
  const doubt = standing === "verified" ? "" : `; it is ${standing}`
  return yes("released", `${name} released it ${place}${doubt}.`)
}

/** Of the members whose feeds have the order, how many have said so of it. */
async function answersTo({ db }: Context, order: string, state: "delivered" | "purged") {
  const given = await toEach(db, [{ order_id: order, recipient: everybody }])
  const rows = await db
    .selectFrom("receipt_in")
    .select("peer")
    .distinct()
    .where("order_id", "=", order)
    .where("state", "=", state)
    .execute()
  return `${rows.length} of ${given.length} members that follow stated ${state}`
}

/** No order that names the peer for it was ever logged: what became of the last that was asked for. */
async function whyNotOrdered(
  context: Context,
  { name, member }: Pick<Peer, "name" | "member">,
  id: string,
): Promise<Answer> {
  const row = await context.db
    .selectFrom("order_grant")
    .innerJoin("release_order", "release_order.id", "order_grant.order_id")
    .select(["release_order.id", "order_grant.recipient"])
    .where("order_grant.order_origin", "=", context.self.id)
    .where("order_grant.record_id", "=", id)
    .where("order_grant.recipient", "in", [member, everybody])
    .where("release_order.act", "=", "release")
    .orderBy("release_order.created_at", "desc")
    .executeTakeFirst()
  if (row === undefined)
    return no("not-released", `No order has ever named ${name} for this record.`)
  const order = await orderById(context.db, row.id)
  return whyNotLogged(context, whom(row, name), order)
}

async function whyNotLogged(context: Context, name: string, order: OrderRow): Promise<Answer> {
  const { id, state, reason, not_after } = order
  if (state === "scheduled")
    return no("order-scheduled", `Order ${id} names ${name} and waits for a slot of the log.`)
  if (state !== "open")
    return no(`order-${state}`, `Order ${id} was ${state}${reason === null ? "" : ` (${reason})`}.`)
  if (not_after < today(context))
    return no("order-expired", `Order ${id} names ${name} and expired on ${not_after} unpublished.`)
  const missing = await stillMissing(context, order)
  return missing.length === 0
    ? no("order-open", `Order ${id} names ${name}, is signed, and waits to be published.`)
    : no("order-open", `Order ${id} names ${name} and still needs: ${missing.join("; ")}.`, {
        missing,
      })
}

/** It is in the peer's feed, and the peer has said nothing of it. */
async function whyQueued(context: Context, peer: Peer, place: string): Promise<Answer> {
  const { name } = peer
  if (peer.blocked === 1)
    return no("blocked", `${place}; ${name} is blocked here: nothing is served to it.`)
  if (peer.verified_on === null)
    return no("unverified", `${place}; ${name} is not verified here: nothing is served to it.`)
  const sealable = await keysOf(context, peer)
  if (sealable !== null)
    return no("unsealable", `${place}; it can't be sealed to ${name}: ${sealable}.`, {
      code: sealable,
    })
  const reader = await readerOf(context.db, peer.member)
  const { code, tried } = await unsent(context, peer)
  if (code !== undefined)
    return no(
      "unsent",
      `${place}; handing it over to ${name} failed ${reader.failures} times, the last time at ${tried}: ${code}.`,
      { code, tried: tried! },
    )
  const asked =
    reader.asked_at === null
      ? `${name} has never asked for its feed`
      : `${name} last asked for its feed at ${timeOf(reader.asked_at)}`
  return no("queued", `${place}; ${name} has not fetched it yet: ${asked}.`)
}

async function keysOf(context: Context, peer: Peer): Promise<string | null> {
  try {
    await epochFor(context, peer.member)
    return null
  } catch (cause) {
    if (cause instanceof ProtocolError) return cause.code
    throw cause
  }
}

/** How handing over failed, where it is tried. */
async function unsent({ db }: Context, peer: Peer): Promise<{ code?: string; tried?: string }> {
  const { error, failures, tried_at } = await readerOf(db, peer.member)
  if (peer.push === 0 || failures === 0 || error === null) return {}
  return { code: error, tried: timeOf(tried_at)! }
}
