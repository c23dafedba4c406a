import { decodeUtf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { decodeEntries, readFrames } from "../../protocol/exchange/frames.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import { assertVerified, findPeer, isReadable } from "../authority/peers.ts"
import { refreshRoots } from "../authority/refresh.ts"
import type { Context } from "../context.ts"
import { PeerUnreachable } from "../env.ts"
import { afterFailedWrite, NodeError, signerStopped } from "../errors.ts"
import { askPeer, PeerRefusal } from "../http/peer-client.ts"
import { askWitnesses } from "../log/cosign.ts"
import { noteEvent } from "../log/event.ts"
import { freshen } from "../log/freshen.ts"
import { compareTrees } from "../log/inconsistency.ts"
import { logOf } from "../store/queries/logs.ts"
import { allPeers, memberById, type Peer } from "../store/queries/members.ts"
import { changeSource, sourceOf } from "../store/queries/sources.ts"
import { Turn, turnOf } from "../turn.ts"
import { feedQuery } from "./feed-query.ts"
import { fetchSealed } from "./fetch-sealed.ts"
import { assertNotHeld } from "./held.ts"
import { noteOverdue } from "./overdue.ts"
import { followOrigins } from "./pass-on.ts"
import { askHeld, pushLog, tellConcerned, tellPeer } from "./push.ts"
import { FeedReader, type Received, receive } from "./receive.ts"
import { sendReceipts } from "./send-receipts.ts"
import { staleWhy } from "./staleness.ts"

export type Synced = Received & {
  readonly name: string
  /** in words, when the peer could not be read to the end */
  readonly error?: string
  /** of what was refused the latest, and why */
  readonly refusals?: readonly { readonly record: string; readonly code: string }[]
}

const refusalsAtMost = 8

/**
 * Pulls from every verified peer, or from the one named; with all of them, our witnesses are asked for
 * what they have not cosigned yet.
 *
 * @throws `peer.unknown`, `peer.unverified`, `peer.blocked` for a named one; what goes wrong with a
 * peer is in its line
 */
export async function sync(
  context: Context,
  name?: string,
): Promise<{ readonly peers: readonly Synced[] }> {
  if (name !== undefined) {
    const peer = await findPeer(context, name)
    assertVerified(peer)
    return { peers: [await syncPeer(context, peer)] }
  }
  const peers = (await allPeers(context.db)).filter(isReadable)
  const [synced] = await Promise.all([
    Promise.all(peers.map((peer) => syncPeer(context, peer))),
    askWitnesses(context),
  ])
  await noteOverdue(context)
  return { peers: synced }
}

async function syncPeer(context: Context, peer: Peer): Promise<Synced> {
  const none = { name: peer.name, received: 0, already: 0, refused: 0, failed: 0 }
  const read = () => turnOf(context, peer.member).take(() => readPeer(context, peer))
  try {
    const received = await read().catch(async (cause: unknown) => {
      if (!isOutOfTouch(cause)) throw cause
      await pushLog(context, peer, await askHeld(context, peer))
      return read()
    })
    if (received.refused === 0) return { ...none, ...received }
    const refusals = await latestRefusals(context, peer.member, received.refused)
    return { ...none, ...received, refusals }
  } catch (cause) {
    return { ...none, failed: 1, ...(await failureOf(context, peer, cause)) }
  } finally {
    await tellConcerned(context)
  }
}

async function latestRefusals({ db }: Context, peer: string, count: number) {
  const rows = await db
    .selectFrom("receipt_out")
    .select(["record_id", "code"])
    .where("peer", "=", peer)
    .where("state", "=", "refused")
    .orderBy("id", "desc")
    .limit(Math.min(count, refusalsAtMost))
    .execute()
  return rows.map(({ record_id: record, code }) => ({ record, code: code ?? "" }))
}

/**
 * A peer that has not read us for longer than a KEM key lives has nothing to seal to, so it serves nothing;
 * and if that goes for both, neither would ever learn the other's new key. Our log brings ours.
 */
function isOutOfTouch(cause: unknown): boolean {
  return cause instanceof PeerRefusal && cause.theirs === "keys.expired"
}

async function readPeer(context: Context, peer: Peer): Promise<Received> {
  if (context.stopped?.code === afterFailedWrite.code) throw signerStopped()
  await assertNotHeld(context, peer)
  const received = await pull(context, peer)
  await freshen(context, peer)
  await followOrigins(context, peer)
  await tellPeer(context, peer)
  return received
}

async function pull(context: Context, peer: Peer): Promise<Received> {
  try {
    return await pullOnce(context, peer)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    if (cause.code === "checkpoint.forked") await seekProof(context, peer).catch(unlessOurs)
    // Its keys may have changed: then its root documents say so, and it is asked once more.
    if (!rotated.has(cause.code) || !(await refreshRoots(context, peer))) throw cause
    return pullOnce(context, peer)
  }
}

/** Whatever a peer answers now, what it has shown before is not undone by it. */
function unlessOurs(cause: unknown): void {
  const isTheirs =
    cause instanceof ProtocolError ||
    cause instanceof PeerUnreachable ||
    (cause instanceof NodeError && cause.code.startsWith("peer."))
  if (!isTheirs) throw cause
}

/** Its log does not continue what is held of it: the whole of it, as it shows it now, settles the matter. */
async function seekProof(context: Context, peer: Peer): Promise<void> {
  const member = await memberById(context.db, peer.member)
  const log = await logOf(context.db, peer.member)
  if (member === null || log === null) return
  const path = `/log/${peer.member}?epoch=${log.epoch}&size=0`
  const { body } = await askPeer(context, peer, { method: "GET", path })
  let checkpoint = ""
  const leaves: Uint8Array[] = []
  for await (const { type, bytes } of readFrames(body))
    if (type === "checkpoint") checkpoint = decodeUtf8(bytes)
    else if (type === "entries") {
      const frame = decodeEntries(bytes)
      if (frame.origin === log.origin) leaves.push(...frame.entries.map(leafHash))
      if (leaves.length > maxEntriesSought) return
    }
  if (checkpoint !== "") await compareTrees(context, member, checkpoint, leaves)
}

const maxEntriesSought = 10_000_000

/** What the answer of a node looks like whose node key or log key is newer than what we hold. */
const rotated: ReadonlySet<string> = new Set(["http.signature", "checkpoint.origin"])

async function pullOnce(context: Context, peer: Peer): Promise<Received> {
  // What is owed first: the peer may be waiting for it more than we for news.
  await sendReceipts(context, peer)
  const answer = await askPeer(context, peer, {
    method: "GET",
    path: `/feed?${await feedQuery(context, peer.member)}`,
  })
  const received = await receive(context, peer.member, readFrames(answer.body), (digest, size) =>
    fetchSealed(context, peer, digest, size),
  )
  await sendReceipts(context, peer)
  return received
}

/** Codes that say the peer's log has two histories, or went back: an alarm, not a hiccup. */
const alarms = new Set(["checkpoint.forked", "checkpoint.rollback", "delivery.fork", "root.chain"])

async function failureOf(
  context: Context,
  peer: Peer,
  cause: unknown,
): Promise<{ readonly code: string; readonly error: string }> {
  const isKnown =
    cause instanceof ProtocolError || cause instanceof NodeError || cause instanceof PeerUnreachable
  if (!isKnown) throw cause
  const code = cause instanceof PeerUnreachable ? "peer.unreachable" : cause.code
  context.env.log.warn("sync.failed", { peer: peer.member, code })
  // Our own disk: it says nothing about the peer, and could not be noted.
  if (/^(store|signer)\./.test(code)) return { code, error: cause.message }
  const source = await sourceOf(context.db, peer.member)
  const why = staleWhy(code)
  const stale =
    why === null ? {} : { stale_at: source.stale_at ?? context.env.clock.now(), stale_why: why }
  await changeSource(context.db, source, { error: code, ...stale })
  if (alarms.has(code)) await noteEvent(context, context.db, "peer.alarm", peer.member, code)
  return { code, error: cause.message }
}

const firstRetryMs = 1_000
const longestRetryMs = 5 * 60_000
/** On a stream held open: how often it is looked whether cosignatures have grown old. */
const freshenMs = 3_600_000
/** Of what comes close together the receipts go out together, and nothing that comes waits for them. */
const receiptsAfterMs = 100

/**
 * Follows a peer until `signal`: the same stream as a pull, held open, and begun again when it breaks.
 * Yields whenever something was taken over.
 */
export async function* follow(
  context: Context,
  name: string,
  signal: AbortSignal,
): AsyncGenerator<Synced> {
  const peer = await findPeer(context, name)
  assertVerified(peer)
  await context.db
    .updateTable("peer")
    .set({ subscribed: 1 })
    .where("member", "=", peer.member)
    .execute()
  const { clock } = context.env
  let retry = firstRetryMs
  while (!signal.aborted) {
    const caughtUp = await syncPeer(context, peer)
    yield caughtUp
    if (caughtUp.code === undefined) {
      const since = clock.monotonic()
      yield* followLive(context, peer, signal)
      // Whoever answers a pull and breaks off a stream at once is not asked every second either.
      if (clock.monotonic() - since >= retry) retry = firstRetryMs
    }
    if (signal.aborted) return
    await clock.sleep(retry, signal)
    retry = Math.min(retry * 2, longestRetryMs)
  }
}

async function* followLive(
  context: Context,
  peer: Peer,
  signal: AbortSignal,
): AsyncGenerator<Synced> {
  const none = { name: peer.name, received: 0, already: 0, refused: 0, failed: 0 }
  const reader = new FeedReader(context, peer.member, (digest, size) =>
    fetchSealed(context, peer, digest, size),
  )
  const { clock } = context.env
  const [sending, unsent] = [new Turn(), new AbortController()]
  let isSending = false
  const send = async () => {
    await clock.sleep(receiptsAfterMs)
    isSending = false
    if (!signal.aborted) await sendReceipts(context, peer)
  }
  let last: Received = none
  let freshenAt = clock.monotonic() + freshenMs
  try {
    await assertNotHeld(context, peer)
    const path = `/feed?${await feedQuery(context, peer.member)}&live`
    const until = AbortSignal.any([signal, unsent.signal])
    const answer = await askPeer(context, peer, { method: "GET", path, signal: until })
    for await (const frame of readFrames(answer.body)) {
      await turnOf(context, peer.member).take(() => reader.take(frame))
      if (frame.type === "head" && clock.monotonic() >= freshenAt) {
        freshenAt = clock.monotonic() + freshenMs
        await turnOf(context, peer.member).take(() => freshen(context, peer))
      }
      const { received, already, refused, failed, code } = reader.counts
      const isNews =
        received !== last.received || refused !== last.refused || failed !== last.failed
      if (frame.type !== "head" || !isNews) continue
      yield {
        name: peer.name,
        received: received - last.received,
        already: already - last.already,
        refused: refused - last.refused,
        failed: failed - last.failed,
        ...(code === undefined ? {} : { code }),
      }
      last = reader.counts
      if (!isSending) sending.take(send).catch((cause: unknown) => unsent.abort(cause))
      isSending = true
      // What could not be judged is asked for again, from where the cursor stands.
      if (code !== undefined) return
    }
  } catch (cause) {
    if (signal.aborted) return
    const why: unknown = unsent.signal.aborted ? unsent.signal.reason : cause
    yield { ...none, failed: 1, ...(await failureOf(context, peer, why)) }
  } finally {
    await sending.take(async () => {})
  }
}
