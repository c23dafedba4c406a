import { decodeUtf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import { PeerUnreachable } from "../env.ts"
import { NodeError } from "../errors.ts"
import { askPeerPlainly, codeOf, PeerRefusal } from "../http/peer-client.ts"
import { memberById, type Peer } from "../store/queries/members.ts"
import { examine } from "./inconsistency.ts"
import { takeFresh } from "./prove.ts"

const dayMs = 24 * 3_600_000

/**
 * Asks a member that names witnesses for its checkpoint with their cosignatures, where the newest known
 * here are a day old: its feed brings only those that prove an order. Without an answer nothing stops; the
 * member's records are *stale* some days later. PROTOCOL.md §8
 *
 * @throws `checkpoint.forked` when its log signed another tree than is held here
 */
export async function freshen(context: Context, peer: Peer): Promise<void> {
  const { db, env } = context
  const member = await memberById(db, peer.member)
  const source = await db
    .selectFrom("source")
    .select("cosigned_at")
    .where("peer", "=", peer.member)
    .executeTakeFirst()
  if (member === null || source === undefined) return
  const isWitnessed = newestRoot(member).payload.quorum > 0
  const last = source.cosigned_at
  if (isWitnessed !== (last !== null))
    await db
      .updateTable("source")
      .set({ cosigned_at: isWitnessed ? env.clock.now() : null })
      .where("peer", "=", peer.member)
      .execute()
  if (!isWitnessed || last === null || env.clock.now() - last < dayMs) return
  let note: string | null = null
  try {
    const answer = await askPeerPlainly(context, peer, { method: "GET", path: "/checkpoint" })
    if (answer.status !== 200) throw new PeerRefusal(peer.name, codeOf(answer.body))
    const shown = decodeUtf8(answer.body)
    note = shown
    await db.transaction().execute((trx) => takeFresh(context, trx, peer.member, shown))
  } catch (cause) {
    const isForked = cause instanceof ProtocolError && cause.code === "checkpoint.forked"
    if (isForked && note !== null) await examine(context, member, cause, note)
    const isTheirs =
      cause instanceof ProtocolError ||
      cause instanceof NodeError ||
      cause instanceof PeerUnreachable
    if (!isTheirs || isForked) throw cause
    const code = cause instanceof PeerUnreachable ? "peer.unreachable" : cause.code
    env.log.warn("freshen.failed", { peer: peer.member, code })
  }
}
