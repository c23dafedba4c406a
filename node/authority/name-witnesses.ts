import { newestRoot, type Root } from "../../protocol/member/root.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { readConfig, writeConfig } from "../home.ts"
import { logOf } from "../store/queries/logs.ts"
import { memberById } from "../store/queries/members.ts"
import { proposeRoot } from "./amend.ts"
import { describeChanges, readProposal } from "./ceremony.ts"
import { assertVerified, findPeer, nameOf } from "./peers.ts"

/** Who our witnesses are: named in the root document, so changed by its ceremony alone. PROTOCOL.md §7 */

export type WitnessView = {
  readonly name: string
  readonly member: string
  /** name of its key, as it stands under checkpoints */
  readonly key: string
  /** entries of our log that it has cosigned, and when, as it stated */
  readonly size: number | null
  readonly cosignedAt: string | null
  /** why the last question got no cosignature */
  readonly error?: string
  /** its root document has another witness key by now: name it again */
  readonly hasNewKey: boolean
}

export type Witnesses = {
  readonly quorum: number
  readonly size: number
  readonly stopAfterHours: number | null
  readonly witnesses: readonly WitnessView[]
}

export async function listWitnesses(context: Context): Promise<Witnesses> {
  const { db, self, config } = context
  const { quorum, witnesses } = ownRoot(context)
  const log = await logOf(db, self.id)
  const views: WitnessView[] = []
  for (const { member, name: key, ed25519 } of witnesses) {
    const row = await db
      .selectFrom("cosigner")
      .selectAll()
      .where("log", "=", log?.id ?? 0)
      .where("member", "=", member)
      .executeTakeFirst()
    const hasCosigned = row !== undefined && row.timestamp > 0
    const known = await memberById(db, member)
    views.push({
      name: await nameOf(context, member),
      member,
      key,
      size: hasCosigned ? row.size : null,
      cosignedAt: hasCosigned ? new Date(row.timestamp * 1000).toISOString() : null,
      ...(row?.error == null ? {} : { error: row.error }),
      hasNewKey: known !== null && newestRoot(known).payload.witnessKey.ed25519 !== ed25519,
    })
  }
  const size = log?.range.size ?? 0
  return { quorum, size, stopAfterHours: config.witnessHours, witnesses: views }
}

export type WitnessChange = {
  readonly add?: readonly string[]
  readonly remove?: readonly string[]
  /** more than half of the witnesses unless it says otherwise */
  readonly quorum?: number
}

/**
 * Proposes the next version of our root document with these witnesses; one that is named already is
 * named with its present key.
 *
 * @throws `peer.*`, `request.malformed` when nothing would change or the quorum is none
 */
export async function proposeWitnesses(
  context: Context,
  change: WitnessChange,
): Promise<{ readonly proposal: Uint8Array; readonly changes: readonly string[] }> {
  const named = new Map(ownRoot(context).witnesses.map((witness) => [witness.member, witness]))
  for (const name of change.remove ?? []) named.delete(await memberNamed(context, name))
  for (const name of change.add ?? []) {
    const witness = await witnessOf(context, name)
    named.set(witness.member, witness)
  }
  const witnesses = [...named.values()]
  const quorum =
    change.quorum ?? (witnesses.length === 0 ? 0 : Math.floor(witnesses.length / 2) + 1)
  if (!isQuorum(quorum, witnesses.length))
    throw new NodeError(
      "request.malformed",
      `A quorum of ${quorum} is not more than half of ${witnesses.length} witnesses, and no more than all.`,
    )
  const proposal = await proposeRoot(context, { fields: { witnesses, quorum } })
  const read = readProposal(proposal)
  if (isSame(read.root, ownRoot(context)))
    throw new NodeError("request.malformed", "Nothing would change: these are our witnesses.")
  return { proposal, changes: describeChanges(read) }
}

function isQuorum(quorum: number, witnesses: number): boolean {
  return witnesses === 0 ? quorum === 0 : quorum > witnesses / 2 && quorum <= witnesses
}

function isSame(a: Root, b: Root): boolean {
  return a.quorum === b.quorum && JSON.stringify(a.witnesses) === JSON.stringify(b.witnesses)
}

async function witnessOf(context: Context, name: string): Promise<Root["witnesses"][number]> {
  const peer = await findPeer(context, name)
  assertVerified(peer)
  const member = await memberById(context.db, peer.member)
  if (member === null) throw new NodeError("store.corrupt", "A peer's root documents are missing.")
  return { ...newestRoot(member).payload.witnessKey, member: peer.member }
}

/** A witness of ours, which need not be a peer any more. */
async function memberNamed(context: Context, wanted: string): Promise<string> {
  const { witnesses } = ownRoot(context)
  const isPrefix = /^[0-9a-f]{4,64}$/.test(wanted)
  const found = witnesses.find(
    ({ member, name }) => name === wanted || (isPrefix && member.startsWith(wanted)),
  )
  const member = found?.member ?? (await findPeer(context, wanted)).member
  if (!witnesses.some((witness) => witness.member === member))
    throw new NodeError("peer.unknown", `${wanted} is not a witness of ours.`, {
      hint: "comity witness list shows who is.",
    })
  return member
}

/** Changes the member's own rule on releases without witnesses, here and in the home's configuration; null ends it. */
export async function setWitnessHours(
  context: Context,
  hours: number | null,
): Promise<{ readonly stopAfterHours: number | null }> {
  const { files } = context.env
  writeConfig(files, { ...readConfig(files), witnessHours: hours })
  context.config = { ...context.config, witnessHours: hours }
  return { stopAfterHours: hours }
}
