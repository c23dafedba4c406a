import { concat, decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "../../protocol/errors.ts"
import {
  decodeFrames,
  encodeFrame,
  type Frame,
  frameHeaderBytes,
  framesHeader,
  framesMediaType,
  frameTypes,
} from "../../protocol/exchange/frames.ts"
import { limits } from "../../protocol/limits.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import type { Context } from "../context.ts"
import { PeerUnreachable } from "../env.ts"
import { NodeError } from "../errors.ts"
import { askPeer } from "../http/peer-client.ts"
import { readBody } from "../http/read-body.ts"
import {
  type Gossip,
  gossipFrames,
  memberOfCheckpoint,
  noteTold,
  type Told,
  takeGossip,
  takeProof,
} from "../log/gossip.ts"
import { logOf } from "../store/queries/logs.ts"
import { type Peer, peerById } from "../store/queries/members.ts"
import { turnOf } from "../turn.ts"
import { type FeedPosition, feedHead, feedParts, logFrames, parseFeedQuery } from "./deliver.ts"
import { feedQuery } from "./feed-query.ts"
import { fetchSealed } from "./fetch-sealed.ts"
import { isHeld } from "./held.ts"
import type { Parts } from "./pieces.ts"
import { markSent, owedReceipts, takeReceipts } from "./receipts.ts"
import { FeedReader } from "./receive.ts"
import { sendReceipts } from "./send-receipts.ts"

/** The same frames the other way: what one side tells the other without being asked. DESIGN.md §5 */

/**
 * Takes what a peer posted: its receipts, what it tells of third members, proofs; or its log with what
 * it delivers to us, for which the answer says how far we have come.
 *
 * @throws what the frames break
 */
export async function takePushed(
  context: Context,
  peer: string,
  frames: readonly Frame[],
): Promise<Uint8Array> {
  const [first] = frames
  if (first === undefined) return heldOf(context, peer)
  if (first.type === "checkpoint" && memberOfCheckpoint(decodeUtf8(first.bytes)) === peer)
    return takeHandedOver(context, peer, frames)
  let gossip: { checkpoint: string; documents: Uint8Array[] } | null = null
  const finish = async (): Promise<void> => {
    const told: Gossip | null = gossip
    gossip = null
    if (told !== null) await takeGossip(context, told)
  }
  for (const { type, bytes } of frames)
    switch (type) {
      case "receipts":
        await takeReceipts(context, peer, bytes)
        break
      case "checkpoint":
        await finish()
        gossip = { checkpoint: decodeUtf8(bytes), documents: [] }
        break
      case "root":
      case "keys":
        if (gossip === null) throw new ProtocolError("frames.malformed", { detail: "order" })
        gossip.documents.push(bytes)
        break
      case "evidence":
        await finish()
        await takeProof(context, peer, bytes)
        break
      default:
        throw new ProtocolError("feature.unsupported", { detail: `frame ${type}` })
    }
  await finish()
  return new Uint8Array(0)
}

/** Its own log, and deliveries: taken as from its feed, in turn with the reading of that. */
async function takeHandedOver(
  context: Context,
  peer: string,
  frames: readonly Frame[],
): Promise<Uint8Array> {
  const known = await peerById(context.db, peer)
  if (known === undefined) throw new ProtocolError("root.unknown")
  if (frames.some(({ type }) => type === "parcel") && (await isHeld(context, known)))
    throw new ProtocolError("checkpoint.forked")
  const reader = new FeedReader(context, peer, (digest, size) => {
    if (known.url === null) throw new ProtocolError("frames.malformed", { detail: "sealed" })
    return fetchSealed(context, known, digest, size)
  })
  await turnOf(context, peer).take(async () => {
    for (const frame of frames) await reader.take(frame)
    await reader.flush()
  })
  const { code } = reader.counts
  if (code !== undefined) throw new ProtocolError(code as ProtocolErrorCode)
  return heldOf(context, peer)
}

/**
 * From where on we lack something of the peer: the query of our next request for its feed. For a peer that
 * we can't reach receipts stand behind it; else they are posted right after.
 */
async function heldOf(context: Context, peer: string): Promise<Uint8Array> {
  const known = await peerById(context.db, peer)
  const line = utf8(`${await feedQuery(context, peer)}\n`)
  if (known === undefined) return line
  if (known.url !== null) {
    void sendReceipts(context, known).catch((cause: unknown) => {
      const { code } = cause as { code?: string }
      context.env.log.warn("receipts.unsent", { peer, code: code ?? "internal" })
    })
    return line
  }
  const owed = await owedReceipts(context, peer, limits.receiptsPerBatch)
  if (owed === null) return line
  await markSent(context, owed.ids)
  return concat(line, framesHeader(), owed.frames)
}

/** What a peer answered to what we handed over. @throws `frames.malformed`, as takeReceipts */
async function takeHeld(context: Context, peer: Peer, body: Uint8Array): Promise<FeedPosition> {
  const end = body.indexOf(0x0a)
  const line = decodeUtf8(body.subarray(0, Math.max(end, 0)))
  const position = parseFeedQuery(new URLSearchParams(line))
  if (end < 0 || position === null)
    throw new ProtocolError("frames.malformed", { detail: "answer" })
  const rest = body.subarray(end + 1)
  if (rest.length > 0)
    for (const { type, bytes } of await decodeFrames(rest, limits.framesPerPost))
      if (type === "receipts") await takeReceipts(context, peer.member, bytes)
  return position
}

/** How far the peer says it has come. */
export async function askHeld(
  context: Context,
  peer: Peer,
  signal?: AbortSignal,
): Promise<FeedPosition> {
  return takeHeld(context, peer, await post(context, peer, [], signal))
}

const bytesPerPost = 4 * 1024 * 1024

/**
 * Hands over everything that the peer lacks, in as many posts as it takes: each begins with our
 * checkpoint, and none parts a parcel from the sealed objects that ride along.
 *
 * @returns how far the peer has come by its own word
 */
export async function handOverFrom(
  context: Context,
  peer: Peer,
  position: FeedPosition,
  signal: AbortSignal,
): Promise<FeedPosition> {
  const { log } = await feedHead(context, peer.member)
  if (log.checkpoint === null) throw new NodeError("store.corrupt", "Our log is not signed.")
  const checkpoint = encodeFrame("checkpoint", utf8(ownLines(log.checkpoint)))
  let [parts, bytes, held] = [[] as Uint8Array[], 0, position]
  const told: Told[] = []
  for await (const frame of feedParts(context, peer.member, position, told)) {
    const type = frame[0]![0]
    const length = frame.reduce((sum, part) => sum + part.length, 0)
    // What is new of our log begins with one of its own.
    if (parts.length === 0 && !isCheckpointOf(frame, context.self.id)) parts.push(checkpoint)
    const room = limits.requestBytes - checkpoint.length - framesHeader().length
    // The peer asks for what does not fit.
    if (type === frameTypes.sealed && bytes + length > room) continue
    if (type === frameTypes.parcel && bytes > 0 && bytes + length > bytesPerPost) {
      held = await takeHeld(context, peer, await post(context, peer, parts, signal))
      ;[parts, bytes] = [[checkpoint], 0]
    }
    parts.push(...frame)
    bytes += length
  }
  held = await takeHeld(context, peer, await post(context, peer, parts, signal))
  await noteTold(context.db, peer.member, told)
  return held
}

function isCheckpointOf([frame]: Parts, member: string): boolean {
  if (frame?.[0] !== frameTypes.checkpoint) return false
  return memberOfCheckpoint(decodeUtf8(frame.subarray(frameHeaderBytes))) === member
}

/** Tells a peer what our log has gained since what it holds. Not within its turn: it may be reading us. */
export async function pushLog(
  context: Context,
  peer: Peer,
  held: { readonly epoch: number; readonly size: number },
): Promise<void> {
  const log = await logOf(context.db, context.self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const frames: Uint8Array[] = []
  for await (const frame of logFrames(context, log, held)) frames.push(frame)
  if (frames.length > 0) await post(context, peer, frames)
}

/** Tells a peer what it has not been told of third members; one that will not hear it loses nothing else. */
export async function tellPeer(context: Context, peer: Peer): Promise<void> {
  try {
    await tellAll(context, peer)
  } catch (cause) {
    if (!isTheirs(cause)) throw cause
    context.env.log.warn("gossip.untold", { peer: peer.member })
  }
}

async function tellAll(context: Context, peer: Peer): Promise<void> {
  let frames: Uint8Array[] = []
  let bytes = 0
  const sent: Told[] = []
  for await (const frame of gossipFrames(context, peer.member, sent)) {
    if (bytes + frame.length > limits.requestBytes / 2) {
      const posted = sent.splice(0)
      await post(context, peer, frames)
      await noteTold(context.db, peer.member, posted)
      frames = []
      bytes = 0
    }
    frames.push(frame)
    bytes += frame.length
  }
  if (frames.length > 0) await post(context, peer, frames)
  await noteTold(context.db, peer.member, sent)
}

/**
 * Members against which there is a proof are told before anyone else; whoever can't be reached had the
 * chance. PROTOCOL.md §7
 */
export async function tellConcerned(context: Context): Promise<void> {
  const { db } = context
  const rows = await db.selectFrom("inconsistency").selectAll().where("told", "=", 0).execute()
  for (const { digest, member, bytes } of rows) {
    const peer = await peerById(db, member)
    if (peer !== undefined && peer.url !== null && peer.verified_on !== null)
      try {
        await post(context, peer, [encodeFrame("evidence", new Uint8Array(bytes))])
        await noteTold(db, member, [{ subject: digest, state: "1" }])
      } catch (cause) {
        if (!isTheirs(cause)) throw cause
      }
    await db.updateTable("inconsistency").set({ told: 1 }).where("digest", "=", digest).execute()
    context.gossip.revision++
  }
}

function isTheirs(cause: unknown): boolean {
  return (
    cause instanceof PeerUnreachable || cause instanceof NodeError || cause instanceof ProtocolError
  )
}

async function post(
  context: Context,
  peer: Peer,
  frames: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { body } = await askPeer(context, peer, {
    method: "POST",
    path: "/frames",
    body: concat(framesHeader(), ...frames),
    contentType: framesMediaType,
    ...(signal === undefined ? {} : { signal }),
  })
  return readBody(body, limits.requestBytes)
}
