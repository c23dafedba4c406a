import { jsonOf } from "../protocol/canonical.ts"
import { encodeHex } from "../protocol/encoding.ts"
import { encodeEvidence } from "../protocol/evidence.ts"
import { proveConsistencyFrom, proveInclusionFrom } from "../protocol/log/compact-range.ts"
import { formatTlogProof } from "../protocol/log/tlog-proof.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import { keepLines } from "../protocol/quorum.ts"
import { entryOf, type Logged, versionInForce } from "../protocol/verify.ts"
import type { Context } from "./context.ts"
import { NodeError } from "./errors.ts"
import { noteEvent } from "./event.ts"
import { findPeer, nameOf } from "./peers.ts"
import { describeProof, proofOf } from "./prove.ts"
import { claimOf, contentOf, findRecord, liveFacts, suspended } from "./records.ts"
import type { LiveFact } from "./standing.ts"
import { fromNodes } from "./store/queries/logs.ts"

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
  const { placed, log, logged, order, entry, proof: proven } = await claimOf(context, fact)
  const isRecipient = fact.order_origin !== context.self.id
  const mayShow = placed.grant.terms?.evidence !== "recipient" || !isRecipient
  if (!mayShow && (options.reason ?? "").trim() === "")
    throw new NodeError("evidence.refused", "The terms let nobody but us see this evidence.", {
      hint: "An officer may decide otherwise: --reason TEXT is kept on record.",
    })
  if (!mayShow)
    await noteEvent(context, context.db, "evidence.exported", reference.id, options.reason ?? "")

  const shown = await proofOf(context.db, logged, log, { index: fact.idx, proof: proven })
  if (shown === null) throw new NodeError("store.corrupt", "No checkpoint covers this order.")
  const { size, note, witnessing } = shown
  // Nothing superfluous: lines of other witnesses than those it is judged by are not in it.
  const checkpoint = keepLines(note, [witnessing.root])
  const inForce = versionInForce(logged.origin, log.epoch, logged.rootIndexes, fact.idx)
  const prove = (index: number) =>
    fromNodes(context.db, log.id, (read) => proveInclusionFrom(read, index, size))
  const base = order.payload.base.size
  const baseProof =
    base === 0
      ? []
      : await fromNodes(context.db, log.id, (read) => proveConsistencyFrom(read, base, size))
  const profile = findProfile(order.payload.rule.profile)
  if (profile === null)
    throw new NodeError("store.corrupt", "The profile of this order is missing.")
  const file = encodeEvidence({
    base: baseProof.map(encodeHex),
    grant: jsonOf(placed.bytes),
    order: jsonOf(order.bytes),
    path: placed.path.map(encodeHex),
    position: placed.position,
    profile: jsonOf(profile.bytes),
    proof: formatTlogProof({ index: fact.idx, proof: await prove(fact.idx), checkpoint }),
    record: jsonOf(content.bytes),
    roots: await rootsUpTo(logged, log.epoch, Math.max(inForce, witnessing.root.version), prove),
    salt: encodeHex(entry.salt),
  })
  const recipient = await nameOf(context, fact.recipient)
  return {
    file,
    record: reference.id,
    version: reference.version,
    recipient,
    reveals: `The file shows the whole record, the pseudonyms, organisations and roles of the officers who signed, that ${recipient} received it, and index ${fact.idx} of the log.`,
  }
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
  const wanted = peer === undefined ? null : (await findPeer(context, peer)).member
  const facts = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_origin", "=", reference.origin)
    .where("record_id", "=", reference.id)
    .where("act", "=", "release")
    .orderBy("epoch", "desc")
    .orderBy("idx", "desc")
    .execute()
  const fact = facts.find(({ recipient }) =>
    reference.origin === self.id ? wanted === null || recipient === wanted : recipient === self.id,
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

async function chooseFact(
  context: Context,
  reference: Parameters<typeof liveFacts>[1],
  peer: string | undefined,
): Promise<LiveFact> {
  const live = await liveFacts(context, reference)
  const isOurs = reference.origin === context.self.id
  const wanted =
    isOurs && peer !== undefined
      ? (await findPeer(context, peer)).member
      : isOurs
        ? undefined
        : context.self.id
  const fact = live.find(({ recipient }) => wanted === undefined || recipient === wanted)
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

/** Root versions from 1 to `count`; those of the log's epoch with their entry's path. */
async function rootsUpTo(
  { origin, rootIndexes }: Logged,
  epoch: number,
  count: number,
  prove: (index: number) => Promise<readonly Uint8Array[]>,
) {
  return Promise.all(
    origin.documents.slice(0, count).map(async ({ bytes, payload }) => {
      const document = jsonOf(bytes)
      if (payload.epoch < epoch) return { document }
      const at = rootIndexes[payload.version - 1]
      if (at == null) throw new NodeError("store.corrupt", "A root document is not logged.")
      return { document, index: at, path: (await prove(at)).map(encodeHex) }
    }),
  )
}
