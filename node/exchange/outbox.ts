import { ProtocolError } from "../../protocol/errors.ts"
import { findPeer, isAskable } from "../authority/peers.ts"
import { Bell } from "../bell.ts"
import type { Context } from "../context.ts"
import { PeerUnreachable } from "../env.ts"
import { NodeError, noteFailure } from "../errors.ts"
import { PeerRefusal } from "../http/peer-client.ts"
import { allPeers, type Peer } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { turnIn } from "../turn.ts"
import { feedHead, proofsWanted } from "./deliver.ts"
import { askHeld, handOverFrom } from "./push.ts"
import { changeReader, placeOf, positionOf, type Reader, readerOf } from "./reader.ts"

/**
 * What is queued and has not reached its recipient. Everyone may ask for it; to those whom we push to it
 * is handed over, each apart from the others, again and again at growing intervals. PROTOCOL.md §8
 */

export type HandedOver = {
  readonly peer: string
  readonly member: string
  /** why it did not go over: a code, and what it says */
  readonly code?: string
  readonly error?: string
}

/** Hands over what waits for one peer, from where it says it stands. What goes wrong is in the answer. */
export function handOver(context: Context, peer: Peer, signal: AbortSignal): Promise<HandedOver> {
  const { db, env } = context
  return turnIn(context.handing, peer.member).take(async () => {
    const known = await readerOf(db, peer.member)
    const tried_at = env.clock.now()
    const name = { peer: peer.name, member: peer.member }
    try {
      const held = await handOverOnce(context, peer, known, signal)
      const fields = { ...placeOf(held), tried_at, failures: 0, error: null }
      await changeReader(db, peer.member, fields)
      return name
    } catch (cause) {
      const { code, message } = failureOf(cause)
      const failures = known.failures + 1
      await changeReader(db, peer.member, { tried_at, failures, error: code })
      env.log.warn("handover.failed", { peer: peer.member, code, failures })
      return { ...name, code, error: message }
    }
  })
}

/** From where it was last seen; if it is somewhere else by now, from where it says it is. */
async function handOverOnce(context: Context, peer: Peer, known: Reader, signal: AbortSignal) {
  if (known.failures === 0 && known.tried_at !== null)
    try {
      return await handOverFrom(context, peer, positionOf(known), signal)
    } catch (cause) {
      if (!(cause instanceof PeerRefusal)) throw cause
    }
  return handOverFrom(context, peer, await askHeld(context, peer, signal), signal)
}

function failureOf(cause: unknown): { readonly code: string; readonly message: string } {
  if (cause instanceof PeerUnreachable) return { code: "peer.unreachable", message: cause.message }
  if (cause instanceof PeerRefusal) return { code: cause.theirs, message: cause.message }
  if (cause instanceof NodeError || cause instanceof ProtocolError)
    return { code: cause.code, message: cause.message }
  throw cause
}

/** For whoever waits at a terminal; what did not go over meanwhile is tried again later. */
const patienceMs = 15_000

/** To all whom we push to, or to those of these members, at once; nobody waits for another. */
export async function handOverAll(
  context: Context,
  members?: readonly string[],
): Promise<readonly HandedOver[]> {
  const peers = (await allPeers(context.db)).filter(
    (peer) => isPushed(peer) && members?.includes(peer.member) !== false,
  )
  const [late, done] = [new AbortController(), new AbortController()]
  void context.env.clock.sleep(patienceMs, done.signal).then(() => {
    if (!done.signal.aborted) late.abort()
  })
  try {
    return await Promise.all(peers.map((peer) => handOver(context, peer, late.signal)))
  } finally {
    done.abort()
  }
}

function isPushed(peer: Peer): boolean {
  return peer.push === 1 && isAskable(peer)
}

const firstRetryMs = 1_000
const longestRetryMs = 5 * 60_000
const lookAgainMs = 30_000

/** When it is tried again; 0 for at once. */
function dueAt({ failures, tried_at }: Reader): number {
  if (failures === 0 || tried_at === null) return 0
  return tried_at + Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs)
}

/** As long as the node serves: whatever is queued goes out as soon as it is, and a dead peer holds up nobody. */
export async function keepHandingOver(context: Context, signal: AbortSignal): Promise<void> {
  const busy = new Set<string>()
  const done = new Bell(context.env.clock)
  while (!signal.aborted) {
    const waiting = new AbortController()
    const until = AbortSignal.any([signal, waiting.signal])
    // Armed before the look, so that nothing queued meanwhile is slept over.
    const news = [context.bell.next(until), done.next(until)]
    const now = context.env.clock.now()
    let next = now + lookAgainMs
    const failed = noteFailure(context.env.log, "outbox.failed")
    for (const { peer, reader } of (await waitingPeers(context).catch(failed)) ?? []) {
      if (busy.has(peer.member)) continue
      const due = dueAt(reader)
      if (due > now) {
        next = Math.min(next, due)
        continue
      }
      busy.add(peer.member)
      void handOver(context, peer, signal)
        .catch(noteFailure(context.env.log, "handover.ended", { peer: peer.member }))
        .finally(() => {
          busy.delete(peer.member)
          done.ring()
        })
    }
    await Promise.race([...news, context.env.clock.sleep(next - now, until)])
    waiting.abort()
  }
}

/** Those whom we push to and for whom there is a delivery, or a proof that they wait for. */
async function waitingPeers(
  context: Context,
): Promise<readonly { readonly peer: Peer; readonly reader: Reader }[]> {
  if (context.gap !== null) return []
  const found: { peer: Peer; reader: Reader }[] = []
  for (const peer of (await allPeers(context.db)).filter(isPushed)) {
    const reader = await readerOf(context.db, peer.member)
    const feed = await feedOf(context.db, peer.member)
    if (feed === null) continue
    const { log } = await feedHead(context, peer.member)
    const proofs = await proofsWanted(context, peer.member, log, positionOf(reader))
    if (feed.n > readOf(reader, feed) || proofs.length > 0) found.push({ peer, reader })
  }
  return found
}

async function feedOf(db: Db, peer: string) {
  return (
    (await db.selectFrom("feed").selectAll().where("peer", "=", peer).executeTakeFirst()) ?? null
  )
}

/** The last delivery of this feed that the peer has; none of a feed that is new to it. */
function readOf(reader: Reader, feed: { readonly feed: string }): number {
  return reader.feed === feed.feed ? reader.n : 0
}

export type OutboxView = {
  readonly peer: string
  readonly member: string
  /** whether we hand it over, or the peer asks for it */
  readonly mode: "push" | "pull"
  /** deliveries that the peer has neither asked beyond nor stated anything about */
  readonly waiting: number
  /** since when the oldest of them waits */
  readonly since: string | null
  readonly orders: readonly string[]
  /** when the peer last asked for its feed */
  readonly asked: string | null
  readonly tried: string | null
  /** how often handing over failed since it last went well, why, and when it is tried again */
  readonly failures: number
  readonly code: string | null
  readonly next: string | null
}

/** What waits, for each peer that anything was ever queued for. */
export async function outbox(context: Context): Promise<{ readonly peers: readonly OutboxView[] }> {
  const views: OutboxView[] = []
  for (const peer of await allPeers(context.db)) {
    const feed = await feedOf(context.db, peer.member)
    if (feed !== null) views.push(await viewOf(context, peer, feed))
  }
  return { peers: views }
}

async function viewOf(
  { db }: Context,
  peer: Peer,
  feed: { readonly feed: string },
): Promise<OutboxView> {
  const reader = await readerOf(db, peer.member)
  const rows = await db
    .selectFrom("delivery")
    .select(["order_id", "at"])
    .where("peer", "=", peer.member)
    .where("n", ">", readOf(reader, feed))
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("receipt_in")
            .select("receipt_in.leaf")
            .whereRef("receipt_in.peer", "=", "delivery.peer")
            .whereRef("receipt_in.order_id", "=", "delivery.order_id"),
        ),
      ),
    )
    .orderBy("n")
    .execute()
  const isFailing = reader.failures > 0 && peer.push === 1
  return {
    peer: peer.name,
    member: peer.member,
    mode: peer.push === 1 ? "push" : "pull",
    waiting: rows.length,
    since: timeOf(rows[0]?.at ?? null),
    orders: rows.map(({ order_id }) => order_id),
    asked: timeOf(reader.asked_at),
    tried: timeOf(reader.tried_at),
    failures: reader.failures,
    code: reader.error,
    next: isFailing && rows.length > 0 ? timeOf(dueAt(reader)) : null,
  }
}

export function timeOf(at: number | null): string | null {
  return at === null ? null : `${new Date(at).toISOString().slice(0, 19)}Z`
}

/** Now, without waiting for the next try. @throws `peer.unknown` */
export async function handOverNow(context: Context, name?: string): Promise<readonly HandedOver[]> {
  if (name === undefined) return handOverAll(context)
  const peer = await findPeer(context, name)
  if (isPushed(peer)) return handOverAll(context, [peer.member])
  throw new NodeError("request.malformed", `Nothing is handed over to ${peer.name}.`, {
    hint: `It asks for what waits; to push to it: comity peer push ${peer.name}`,
  })
}
