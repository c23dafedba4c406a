import { concat, decodeUtf8 } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import {
  encodeFrame,
  type Frame,
  framesHeader,
  framesMediaType,
} from "../protocol/exchange/frames.ts"
import { limits } from "../protocol/limits.ts"
import type { Context } from "./context.ts"
import { logFrames } from "./deliver.ts"
import { PeerUnreachable } from "./env.ts"
import { NodeError } from "./errors.ts"
import {
  type Gossip,
  gossipFrames,
  memberOfCheckpoint,
  noteTold,
  takeGossip,
  takeProof,
} from "./gossip.ts"
import { askPeer } from "./http/peer-client.ts"
import { takeReceipts } from "./receipts.ts"
import { FeedReader } from "./receive.ts"
import { logOf } from "./store/queries/logs.ts"
import { type Peer, peerById } from "./store/queries/members.ts"
import { turnOf } from "./turn.ts"

/** The same frames the other way: what one side tells the other without being asked. DESIGN.md §5 */

/**
 * Takes what a peer posted: its receipts, what it tells of third members, proofs.
 *
 * @throws what the frames break
 */
export async function takePushed(
  context: Context,
  peer: string,
  frames: readonly Frame[],
): Promise<void> {
  const [first] = frames
  if (first?.type === "checkpoint" && memberOfCheckpoint(decodeUtf8(first.bytes)) === peer)
    return takePushedLog(context, peer, frames)
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
}

/** Its own log, every entry with it: taken as in its feed, in turn with the reading of that. */
function takePushedLog(context: Context, peer: string, frames: readonly Frame[]): Promise<void> {
  const reader = new FeedReader(context, peer, () => {
    throw new ProtocolError("frames.malformed", { detail: "sealed" })
  })
  return turnOf(context, peer).take(async () => {
    for (const frame of frames) await reader.take(frame)
    await reader.flush()
  })
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
  for await (const frame of gossipFrames(context, peer.member)) {
    if (bytes + frame.length > limits.requestBytes / 2) {
      await post(context, peer, frames)
      frames = []
      bytes = 0
    }
    frames.push(frame)
    bytes += frame.length
  }
  if (frames.length > 0) await post(context, peer, frames)
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
        await noteTold(db, member, digest, "1")
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

async function post(context: Context, peer: Peer, frames: readonly Uint8Array[]): Promise<void> {
  await askPeer(context, peer, {
    method: "POST",
    path: "/frames",
    body: concat(framesHeader(), ...frames),
    contentType: framesMediaType,
  })
}
