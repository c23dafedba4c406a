import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { undecided } from "../log/inconsistency.ts"
import type { Peer } from "../store/queries/members.ts"

/** What is new of a member that has told two histories waits for an officer. @throws `peer.forked` */
export async function assertNotHeld(context: Context, peer: Peer): Promise<void> {
  const [digest] = await undecidedHere(context, peer)
  if (digest === undefined) return
  throw new NodeError("peer.forked", `There is proof that ${peer.name} has told two histories.`, {
    hint: `comity inconsistency show ${digest.slice(0, 12)}; an officer decides whether to go on.`,
  })
}

export async function isHeld(context: Context, peer: Peer): Promise<boolean> {
  return (await undecidedHere(context, peer)).length > 0
}

async function undecidedHere(context: Context, peer: Peer): Promise<readonly string[]> {
  return context.config.onInconsistency === "note" ? [] : undecided(context.db, peer.member)
}
