import { jsonOf } from "../../protocol/canonical.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { encodeEvidence } from "../../protocol/evidence.ts"
import { proveInclusionFrom } from "../../protocol/log/compact-range.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import type { Profile } from "../../protocol/profiles/profile.ts"
import { hasSealedRating } from "../../protocol/profiles/rating.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { decodeRecord } from "../../protocol/record/record.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { entryOf } from "../../protocol/verify.ts"
import { findPeer, nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { heldBy, type LiveFact } from "../order/standing.ts"
import { claimOf, contentOf, findRecord, liveFacts, suspended } from "../reading/records.ts"
import { linksOf } from "../store/queries/custody.ts"
import { fromNodes } from "../store/queries/logs.ts"
import { releasing } from "../store/queries/partial.ts"
import { noteEvent } from "./event.ts"
import { describeProof, proofOf } from "./prove.ts"
import { proveOrder } from "./prove-order.ts"

export type ExportedEvidence = {
  readonly file: Uint8Array
  readonly record: string
  readonly version: number
  readonly recipient: string
  /** said before the file is given away */
  readonly reveals: string
}

/**
 * One file that proves the release of a record, to anyone who pins its origin. PROTOCOL.md §10
 *
 * @param peer for our own records: whose grant to show
 * @throws `evidence.refused` where the terms say so and no officer's reason is given, `record.*`
 */
export async function exportEvidence(
  context: Context,
  prefix: string,
  options: { readonly peer?: string; readonly reason?: string } = {},
): Promise<ExportedEvidence> {
  const reference = await findRecord(context, prefix)
  const content = await contentOf(context, reference)
  const fact = await chooseFact(context, reference, options.peer)
  if (fact.standing === "suspended") throw suspended(reference.id)
  if (fact.standing === "repudiated")
    throw new NodeError("record.repudiated", "Its origin disowns the release of this record.", {
      hint: `comity show ${reference.id} says from where on, and why.`,
    })
  const { claim, placed, log, logged, order, entry, proof: proven } = await claimOf(context, fact)
  const profile = findProfile(order.payload.rule.profile)
  if (profile === null)
    throw new NodeError("store.corrupt", "The profile of this order is missing.")
  if (hasSealedRating(profile.profile, decodeRecord(content.bytes)))
    throw new NodeError("evidence.refused", "It holds a sealed rating, which no file carries.", {
      hint: "Whoever may know the rating was given the record itself.",
    })
  const isRecipient = fact.order_origin !== context.self.id
  const isForAll = fact.recipient === everybody
  const mayShow = placed.grant.terms?.evidence !== "recipient" || !isRecipient
  if (!mayShow && (options.reason ?? "").trim() === "")
    throw new NodeError("evidence.refused", "The terms let nobody but us see this evidence.", {
      hint: "An officer may decide otherwise: --reason TEXT is kept on record.",
    })
  if (!mayShow)
    await noteEvent(context, context.db, "evidence.exported", reference.id, options.reason ?? "")

  const entryAt = { index: fact.idx, salt: entry.salt }
  const proof = await proveOrder(context.db, { order, entry: entryAt, logged, log, proof: proven })
  const file = encodeEvidence({
    ...proof.fields,
    consents: claim.consents.map(({ bytes }) => jsonOf(bytes)),
    custody: (await linksOf(context.db, placed.grant)).map(({ bytes }) => jsonOf(bytes)),
    grant: jsonOf(placed.bytes),
    path: placed.path.map(encodeHex),
    position: placed.position,
    profile: jsonOf(profile.bytes),
    record: jsonOf(content.bytes),
  })
  const recipient = await nameOf(context, fact.recipient)
  return {
    file,
    record: reference.id,
    version: reference.version,
    recipient,
    reveals: `The file shows the whole record, the pseudonyms, organisations and roles of the officers who signed, ${isForAll ? "that everybody may read it" : `that ${recipient} received it`}, and index ${fact.idx} of the log.${disclaimerOf(profile.profile)}`,
  }
}

function disclaimerOf({ comparison }: Profile): string {
  return comparison === undefined ? "" : ` ${comparison.disclaimer}`
}

export type ExportedProof = {
  readonly record: string
  readonly version: number
  readonly order: string
  /** of the log that the order is in */
  readonly origin: string
  readonly index: number
  /** what the log has there, hex */
  readonly entry: string
  /** what witnesses say of it, in words */
  readonly witnessing: string
  /** C2SP tlog-proof */
  readonly proof: string
}

/**
 * That the release of a record is in its origin's log, for anybody's tools; withdrawn or not, since a
 * log forgets nothing.
 *
 * @param peer for our own records: whose grant to show @throws `record.*`, `peer.*`
 */
export async function exportProof(
  context: Context,
  prefix: string,
  peer?: string,
): Promise<ExportedProof> {
  const { db, self } = context
  const reference = await findRecord(context, prefix)
  const isOurs = reference.origin === self.id
  const wanted = peer === undefined ? null : await recipientNamed(context, peer)
  const facts = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_origin", "=", reference.origin)
    .where("record_id", "=", reference.id)
    .where(releasing)
    .orderBy("epoch", "desc")
    .orderBy("idx", "desc")
    .execute()
  const fact = facts.find(({ recipient }) =>
    isOurs
      ? wanted === null || recipient === wanted
      : recipient === self.id || recipient === everybody,
  )
  if (fact === undefined)
    throw new NodeError("order.nothing", "No order that is logged has released this record.")
  const { claim, log, logged, proof: proven } = await claimOf(context, fact)
  const shown = await proofOf(db, logged, log, { index: fact.idx, proof: proven })
  if (shown === null) throw new NodeError("store.corrupt", "No checkpoint covers this order.")
  const { size, note } = shown
  const proof = await fromNodes(db, log.id, (read) => proveInclusionFrom(read, fact.idx, size))
  return {
    record: reference.id,
    version: fact.version,
    order: fact.order_id,
    origin: log.origin,
    index: fact.idx,
    entry: encodeHex(entryOf(claim)),
    witnessing: await describeProof(context, logged, log, { index: fact.idx, proof: proven }),
    proof: formatTlogProof({ index: fact.idx, proof, checkpoint: note }),
  }
}

/** A peer, or `public` for everybody. @throws `peer.*` */
async function recipientNamed(context: Context, name: string): Promise<string> {
  return name === everybody ? everybody : (await findPeer(context, name)).member
}

async function chooseFact(
  context: Context,
  reference: Parameters<typeof liveFacts>[1],
  peer: string | undefined,
): Promise<LiveFact> {
  const live = await liveFacts(context, reference)
  const isOurs = reference.origin === context.self.id
  const wanted = isOurs && peer !== undefined ? await recipientNamed(context, peer) : null
  const fact =
    wanted === null
      ? heldBy(context, live, reference.origin)
      : live.find(({ recipient }) => recipient === wanted)
  if (fact === undefined) {
    const holders = await Promise.all(live.map(({ recipient }) => nameOf(context, recipient)))
    throw new NodeError("record.withdrawn", "No such release of this record stands.", {
      hint:
        holders.length > 0
          ? `It stands for ${holders.join(", ")}: choose one with --peer.`
          : `What became of it: comity receipts ${reference.id.slice(0, 12)}`,
    })
  }
  return fact
}
