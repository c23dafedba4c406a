import { jsonOf } from "../protocol/canonical.ts"
import { encodeHex } from "../protocol/encoding.ts"
import { encodeEvidence } from "../protocol/evidence.ts"
import { proveConsistencyFrom, proveInclusionFrom } from "../protocol/log/compact-range.ts"
import { formatTlogProof } from "../protocol/log/tlog-proof.ts"
import type { Profile } from "../protocol/profiles/profile.ts"
import { hasSealedRating } from "../protocol/profiles/rating.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import { decodeRecord } from "../protocol/record/record.ts"
import { type Logged, versionInForce } from "../protocol/verify.ts"
import type { Context } from "./context.ts"
import { NodeError } from "./errors.ts"
import { noteEvent } from "./event.ts"
import { findPeer, nameOf } from "./peers.ts"
import { claimOf, contentOf, findRecord, liveFacts, suspended } from "./records.ts"
import type { LiveFact } from "./standing.ts"
import { checkpointCovering, fromNodes } from "./store/queries/logs.ts"

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
  const { placed, log, logged, order, entry } = await claimOf(context, fact)
  const profile = findProfile(order.payload.rule.profile)
  if (profile === null)
    throw new NodeError("store.corrupt", "The profile of this order is missing.")
  if (hasSealedRating(profile.profile, decodeRecord(content.bytes)))
    throw new NodeError("evidence.refused", "It holds a sealed rating, which no file carries.", {
      hint: "Whoever may know the rating was given the record itself.",
    })
  const isRecipient = fact.order_origin !== context.self.id
  const mayShow = placed.grant.terms?.evidence !== "recipient" || !isRecipient
  if (!mayShow && (options.reason ?? "").trim() === "")
    throw new NodeError("evidence.refused", "The terms let nobody but us see this evidence.", {
      hint: "An officer may decide otherwise: --reason TEXT is kept on record.",
    })
  if (!mayShow)
    await noteEvent(context, context.db, "evidence.exported", reference.id, options.reason ?? "")

  const covering = await checkpointCovering(context.db, log.id, fact.idx)
  if (covering === null) throw new NodeError("store.corrupt", "No checkpoint covers this order.")
  const { size, note } = covering
  const prove = (index: number) =>
    fromNodes(context.db, log.id, (read) => proveInclusionFrom(read, index, size))
  const base = order.payload.base.size
  const baseProof =
    base === 0
      ? []
      : await fromNodes(context.db, log.id, (read) => proveConsistencyFrom(read, base, size))
  const file = encodeEvidence({
    base: baseProof.map(encodeHex),
    grant: jsonOf(placed.bytes),
    order: jsonOf(order.bytes),
    path: placed.path.map(encodeHex),
    position: placed.position,
    profile: jsonOf(profile.bytes),
    proof: formatTlogProof({ index: fact.idx, proof: await prove(fact.idx), checkpoint: note }),
    record: jsonOf(content.bytes),
    roots: await rootsUpTo(logged, log.epoch, fact.idx, prove),
    salt: encodeHex(entry.salt),
  })
  const recipient = await nameOf(context, fact.recipient)
  return {
    file,
    record: reference.id,
    version: reference.version,
    recipient,
    reveals: `The file shows the whole record, the pseudonyms, organisations and roles of the officers who signed, that ${recipient} received it, and index ${fact.idx} of the log.${disclaimerOf(profile.profile)}`,
  }
}

function disclaimerOf({ comparison }: Profile): string {
  return comparison === undefined ? "" : ` ${comparison.disclaimer}`
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

/** Root versions from 1 to the one in force at `index`; those of the log's epoch with their entry's path. */
async function rootsUpTo(
  { origin, rootIndexes }: Logged,
  epoch: number,
  index: number,
  prove: (index: number) => Promise<readonly Uint8Array[]>,
) {
  const count = versionInForce(origin, epoch, rootIndexes, index)
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
