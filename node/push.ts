import { concat } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import {
  encodeFrame,
  type Frame,
  framesHeader,
  framesMediaType,
} from "../protocol/exchange/frames.ts"
import { limits } from "../protocol/limits.ts"
import type { Context } from "./context.ts"
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
import { type Peer, peerById } from "./store/queries/members.ts"

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
        gossip = { checkpoint: new TextDecoder().decode(bytes), documents: [] }
        // Of its own log a peer's word is taken where every entry comes with it: in its feed.
        if (memberOfCheckpoint(gossip.checkpoint) === peer)
          throw new ProtocolError("feature.unsupported", { detail: "a log pushed" })
        break
      case "root":
      case "keys":
        if (gossip === null) throw new ProtocolError("frames.malformed", { detail: "order" })
        gossip.documents.push(bytes)
        break
      case "evidence":
        await finish()
        await takeProof(context, bytes)
        break
      default:
        throw new ProtocolError("feature.unsupported", { detail: `frame ${type}` })
    }
  await finish()
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
