import { ProtocolError } from "../../protocol/errors.ts"
import { decodeReceipts } from "../../protocol/exchange/receipt.ts"
import { parseCheckpoint } from "../../protocol/log/checkpoint-body.ts"
import { rangeFrom } from "../../protocol/log/compact-range.ts"
import { parseNote } from "../../protocol/log/note.ts"
import { newestRoot, rootVersion } from "../../protocol/member/root.ts"
import { consentRulesOf, type Profile } from "../../protocol/profiles/profile.ts"
import { judgeQuorum, versionsFor } from "../../protocol/quorum.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import {
  type Consent,
  daysOfSilence,
  decodeKeptConsent,
  encodeTacit,
  isShownUnder,
} from "../../protocol/release/consent.ts"
import type { Grant } from "../../protocol/release/grant.ts"
import type { Order } from "../../protocol/release/order.ts"
import { objectionsTo, receiptVersion, signableFrom } from "../../protocol/release/silence.ts"
import { versionInForce } from "../../protocol/standing.ts"
import { type Context, today } from "../context.ts"
import { proveUnder } from "../log/prove-order.ts"
import { claimOf, liveFacts } from "../reading/records.ts"
import { hasObjected, isRevoked } from "../store/queries/consents.ts"
import { placedGrants } from "../store/queries/grants.ts"
import { entriesFrom, fromNodes } from "../store/queries/logs.ts"
import { memberById } from "../store/queries/members.ts"

/**
 * A silence procedure that a member agreed to with us for one mission, about one record that it has: how far
 * it is, and, once it is over, the consent that it amounts to. docs/spec/consent.md
 */
export type Procedure = {
  /** the first day on which our officers may sign */
  readonly from: string
  /**
   * `unshown`: its terms let fewer be shown it than will read the release; `unwitnessed`: its member names no
   * witnesses; `too-long`: there is more of its log than a consent holds
   */
  readonly state: "running" | "over" | "objected" | "unshown" | "unwitnessed" | "too-long"
  /** null before its end, and until the member's witnesses have said so */
  readonly consent: Consent | null
}

type Given = Pick<Grant["record"], "origin" | "id" | "version" | "digest">

/** Null where there is none: not agreed to, agreed to no longer, or the record has not been received. */
export async function procedureWith(
  context: Context,
  member: string,
  release: Order,
  records: readonly { readonly record: ComityRecord; readonly given: Given }[],
  profile: Profile,
): Promise<Procedure | null> {
  const { db } = context
  const [first] = records
  // Silence is about one record, whoever it goes to.
  if (first === undefined || !records.every(({ given }) => given.digest === first.given.digest))
    return null
  const { record, given } = first
  const agreement = await agreementOf(context, member, record, profile)
  const transmittal = await transmittalTo(context, member, given)
  if (agreement === null || transmittal === null) return null
  const { fact, claim } = agreement
  const days = daysOfSilence(profile, record.kind, fact.rule_kind)
  const from = signableFrom(transmittal.day, claim.order, days)
  const none = (state: Procedure["state"]) => ({ from, state, consent: null })
  if (await hasObjected(db, member, objectionsTo(claim.placed, given.digest)))
    return none("objected")
  if (!isShownUnder(claim.placed.grant.terms, release)) return none("unshown")
  if (claim.root.quorum === 0) return none("unwitnessed")
  if (today(context) < from) return none("running")
  try {
    return { from, state: "over", consent: await consentFrom(context, agreement, transmittal) }
  } catch (cause) {
    const isTooLong = cause instanceof ProtocolError && cause.code === "json.too-large"
    if (!isTooLong) throw cause
    return none("too-long")
  }
}

/** What the record names as the agreement, as its member released it to us and has not ended it. */
async function agreementOf(
  context: Context,
  member: string,
  record: ComityRecord,
  profile: Profile,
) {
  const { db, self } = context
  const lines = consentRulesOf(profile, record.kind).filter(({ mode }) => mode === "tacit")
  for (const { basis } of lines) {
    const digest = basis === undefined ? undefined : record.fields[basis.field]
    if (basis === undefined || digest === undefined) continue
    const row = await db
      .selectFrom("record")
      .select(["origin", "id", "version"])
      .where("origin", "=", member)
      .where("kind", "=", basis.kind)
      .where("digest", "=", digest)
      .executeTakeFirst()
    const live = row === undefined ? [] : await liveFacts(context, row)
    const fact = live.find(({ recipient }) => recipient === self.id)
    if (fact?.standing !== "verified" || fact.order_origin !== member) continue
    const claim = await claimOf(context, fact)
    const { origin, rootIndexes } = claim.logged
    // Whoever has closed can say nothing any more: that is not silence.
    if (newestRoot(origin).payload.closing !== undefined) continue
    const version = versionInForce(origin, claim.log.epoch, rootIndexes, claim.entry.index)
    const root = rootVersion(origin, version)!.payload
    return { fact, claim: { ...claim, root } }
  }
  return null
}

type Agreement = NonNullable<Awaited<ReturnType<typeof agreementOf>>>
type Transmittal = NonNullable<Awaited<ReturnType<typeof transmittalTo>>>

/** The first release of the record to the member that it has said, in a receipt of its own, that it has. */
async function transmittalTo({ db, self }: Context, member: string, given: Given) {
  const rows = await db
    .selectFrom("fact")
    .innerJoin("receipt_in", (join) =>
      join
        .onRef("receipt_in.order_id", "=", "fact.order_id")
        .onRef("receipt_in.leaf", "=", "fact.leaf")
        .onRef("receipt_in.peer", "=", "fact.recipient"),
    )
    .innerJoin("receipt_document", "receipt_document.digest", "receipt_in.document")
    .select(["fact.order_origin", "fact.order_id", "fact.position", "fact.base_size"])
    .select(["receipt_in.day", "receipt_document.bytes"])
    .where("fact.order_origin", "=", self.id)
    .where("fact.record_origin", "=", given.origin)
    .where("fact.record_id", "=", given.id)
    .where("fact.version", "=", given.version)
    .where("fact.recipient", "=", member)
    .where("fact.act", "=", "release")
    .where("receipt_in.state", "=", "delivered")
    .orderBy("receipt_in.day")
    .orderBy("fact.idx")
    .execute()
  const known = await memberById(db, member)
  for (const row of rows) {
    const receipt = new Uint8Array(row.bytes)
    const document = decodeReceipts(receipt)
    const isAlone = document.payload.items.length === 1
    if (!isAlone || known === null || isRevoked(known, document)) continue
    const [placed] = await placedGrants(db, [row])
    if (placed?.grant.record.digest === given.digest) return { day: row.day, receipt, placed }
  }
  return null
}

/** Under the newest checkpoint that the member's witnesses are known to have cosigned, with all before it. */
async function consentFrom(
  { db }: Context,
  { claim }: Agreement,
  { receipt, placed: sent }: Transmittal,
): Promise<Consent | null> {
  const { entry, log, logged, order, placed } = claim
  if (log.cosigned === null) return null
  const { size } = parseCheckpoint(parseNote(log.cosigned).text)
  const versions = versionsFor(logged.origin, log.epoch, logged.rootIndexes, {
    index: entry.index,
    size,
  })
  if (size <= entry.index || size > log.range.size || versions.length === 0) return null
  const witnessing = judgeQuorum(log.cosigned, versions)
  const shown = { size, note: log.cosigned, witnessing }
  const until = receiptVersion(decodeReceipts(receipt), logged.origin)
  // Its node key is newer than what of its log the witnesses have seen.
  if (!((logged.rootIndexes[until - 1] ?? size) < size)) return null
  const fields = await proveUnder(db, { order, entry, logged, log }, shown, until)
  const behind = entry.index + 1
  const { hashes } = await fromNodes(db, log.id, (read) => rangeFrom(read, behind))
  const entries = await entriesFrom(db, log.id, behind, size - behind)
  return decodeKeptConsent(
    encodeTacit(fields, placed, {
      before: hashes,
      entries: entries.map((one) => new Uint8Array(one)),
      receipt,
      transmittal: sent.bytes,
    }),
  )
}
