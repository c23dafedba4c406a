import { encodeCanonical, type Json, jsonOf } from "../../protocol/canonical.ts"
import { insideOf } from "../../protocol/custody.ts"
import { decodeBase64url, decodeUtf8, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { proveConsistencyFrom } from "../../protocol/log/compact-range.ts"
import { missingApprovals } from "../../protocol/member/policy.ts"
import { type Root, rootVersion } from "../../protocol/member/root.ts"
import { signoffOf } from "../../protocol/profiles/profile.ts"
import { findProfile, isBuiltIn } from "../../protocol/profiles/registry.ts"
import { membersAsked } from "../../protocol/release/consent.ts"
import { decodeGrant, type Terms } from "../../protocol/release/grant.ts"
import {
  approvalsOf,
  decodeOrder,
  type Order,
  orderFormat,
  type Revocation,
} from "../../protocol/release/order.ts"
import { decodeShape } from "../../protocol/shape.ts"
import { encodeSigned, type SignatureLine } from "../../protocol/signed.ts"
import { verifyDecision } from "../authority/decision.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, ownRoot, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { knowingOf } from "../store/queries/consents.ts"
import { listsOf } from "../store/queries/custody.ts"
import { decodeGrants, grantListsOf } from "../store/queries/grants.ts"
import { fromNodes, logOf } from "../store/queries/logs.ts"
import { writeMeta } from "../store/queries/members.ts"
import { lapsedKids } from "../store/queries/officers.ts"
import {
  assertOpen,
  countingSignatures,
  type OrderRow,
  orderById,
} from "../store/queries/orders.ts"
import { checkpointAt } from "../store/queries/proofs.ts"
import type { Db } from "../store/schema.ts"
import { recordBytes, recordOf } from "./drafts.ts"
import { findConsent } from "./find-consent.ts"
import { neededFor } from "./release.ts"
import { type Procedure, procedureWith } from "./silence.ts"

export type OrderSummary = {
  readonly order: string
  readonly act: string
  readonly state: string
  readonly needs: number
  readonly signed: number
  readonly notAfter: string
}

export async function listOrders(
  context: Context,
): Promise<{ readonly orders: readonly OrderSummary[] }> {
  const rows = await context.db
    .selectFrom("release_order")
    .selectAll()
    .orderBy("created_at")
    .execute()
  const orders: OrderSummary[] = []
  for (const row of rows) orders.push(await summaryOf(context, row))
  return { orders }
}

async function summaryOf(context: Context, row: OrderRow): Promise<OrderSummary> {
  const payload = payloadOf(row)
  const signatures = await countingSignatures(context.db, row.id, today(context))
  return {
    order: row.id,
    act: row.act,
    state: stateOf(context, row),
    needs: neededFor(ownRoot(context), row.act, payload.rule),
    signed: signatures.length,
    notAfter: row.not_after,
  }
}

function stateWords(state: string): string {
  return `${state === "logged" ? "published" : state} already`
}

function stateOf(context: Context, row: OrderRow): string {
  return row.state === "open" && row.not_after < today(context) ? "expired" : row.state
}

function payloadOf(row: OrderRow): Order {
  return decodeShape(orderFormat.payload, jsonOf(new Uint8Array(row.payload)), "order.malformed")
}

export type OrderView = OrderSummary & {
  readonly grants: readonly {
    readonly recipient: string
    readonly member: string
    readonly record: string
    readonly version: number
    readonly title: string
    readonly terms?: Terms
  }[]
  readonly signatures: readonly { readonly person: string; readonly role: string }[]
  readonly satisfied: boolean
  readonly missing: readonly string[]
  readonly rule: Order["rule"]
  readonly reason?: string
  /** a consent: the member to whose release, or earlier order, it is */
  readonly consentTo?: string
  /** pseudonym of the officer who said no */
  readonly refusedBy?: string
}

export async function showOrder(context: Context, prefix: string): Promise<OrderView> {
  const row = await orderById(context.db, prefix)
  const signatures = await countingSignatures(context.db, row.id, today(context))
  const missing = await stillMissing(context, row)
  const grants: OrderView["grants"][number][] = []
  for (const { bytes } of await grantsOf(context, row.id)) {
    const { recipient, record, terms } = decodeGrant(bytes)
    const content = await context.db
      .selectFrom("content")
      .select("title")
      .where("origin", "=", record.origin)
      .where("id", "=", record.id)
      .where("version", "=", record.version)
      .executeTakeFirst()
    grants.push({
      recipient: await nameOf(context, recipient),
      member: recipient,
      record: record.id,
      version: record.version,
      title: content?.title ?? "",
      ...(terms === undefined ? {} : { terms }),
    })
  }
  const refused = await context.db
    .selectFrom("refusal")
    .select("person")
    .where("order_id", "=", row.id)
    .executeTakeFirst()
  return {
    ...(await summaryOf(context, row)),
    grants,
    signatures: signatures.map(({ person, role }) => ({ person, role })),
    satisfied: missing.length === 0,
    missing,
    rule: payloadOf(row).rule,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.act === "consent" ? { consentTo: await askedBy(context, row.id) } : {}),
    ...(refused === undefined ? {} : { refusedBy: refused.person }),
  }
}

async function askedBy(context: Context, orderId: string): Promise<string> {
  const { origin } = await context.db
    .selectFrom("consent_asked")
    .select("origin")
    .where("order_id", "=", orderId)
    .executeTakeFirstOrThrow()
  return nameOf(context, origin)
}

async function grantsOf({ db, self }: Context, orderId: string) {
  const lists = await grantListsOf(db, self.id, orderId)
  return lists.flatMap(({ grants }) => decodeGrants(grants)).sort((a, b) => a.position - b.position)
}

/** What the policy and the profile still ask for, in words. */
export async function stillMissing(context: Context, row: OrderRow): Promise<readonly string[]> {
  if (row.state === "logged") return []
  // Its signers were officers then, though some of them may have left since.
  const root = rootVersion(context.self, row.root_version)?.payload ?? ownRoot(context)
  const lines = await countingSignatures(context.db, row.id, today(context))
  const { rule } = payloadOf(row)
  const profile = findProfile(rule.profile)?.profile
  const signoff = profile === undefined ? [] : signoffOf(profile, row.act, rule.kind)
  const approvals =
    lines.length === 0
      ? []
      : approvalsOf(
          decodeOrder(encodeSigned(new Uint8Array(row.payload), lines)),
          root,
          wherever(ownRoot(context)),
        )
  return [
    ...missingApprovals(root.policy, signoff, row.act, rule, approvals),
    ...(await missingConsents(context, row)),
  ]
}

/** Whose consent a release still waits for. */
async function missingConsents(context: Context, row: OrderRow): Promise<readonly string[]> {
  const { db } = context
  const order = payloadOf(row)
  const profile = findProfile(order.rule.profile)?.profile
  if (!order.rule.conditions.includes("consent") || row.act !== "release" || profile === undefined)
    return []
  const listed = await grantsOf(context, row.id)
  const released = await Promise.all(
    listed.map(async ({ bytes }) => {
      const { record: given } = decodeGrant(bytes)
      return { record: await recordOf(db, given), given }
    }),
  )
  const asked = new Set(released.flatMap(({ record }) => membersAsked(profile, record)))
  const lines = await countingSignatures(db, row.id, today(context))
  const missing: string[] = []
  for (const member of [...asked].toSorted()) {
    const name = await nameOf(context, member)
    const given = await findConsent(context, member, order, released, profile)
    const isStanding = given !== null && (await knowingOf(db, [given])).takenBack.size === 0
    const isSilent = given === null || given.silence !== null
    const silence = isSilent ? await procedureWith(context, member, order, released, profile) : null
    if (!isStanding) missing.push(`the consent of ${name}${describeSilence(silence)}`)
    else if (given.silence !== null && silence !== null) {
      const isEarly = lines.some((line) => dayOf(line) < silence.from)
      if (isEarly) missing.push(`signatures of ${silence.from} or later: ask for the release again`)
    }
  }
  return missing
}

function dayOf(line: SignatureLine): string {
  return JSON.parse(decodeUtf8(decodeBase64url(line.protected))).day
}

/** What silence there would do for, and when. */
function describeSilence(procedure: Procedure | null): string {
  if (procedure === null) return ""
  const { from, state } = procedure
  return {
    objected: ", which has objected",
    over: `, or that its witnesses say on ${from} or later that it has been silent`,
    running: `, or its silence: officers may sign from ${from} on`,
    unshown: ", since not everybody who will read it may be shown that it agreed to be silent",
    "too-long": ": more was logged there since its agreement than silence can be shown with",
    unwitnessed: ": it names no witnesses who could say that it was silent",
  }[state]
}

/** Not logged yet: a key that is revoked at all will not count. */
function wherever({ revoked, epoch }: Root): Revocation {
  return { revoked, epoch, index: Number.MAX_SAFE_INTEGER }
}

/**
 * Everything that an officer's machine needs to judge the order by itself: it trusts none of it.
 *
 * @param seenSize a size of our log that its machine has seen, beside those it told us with a signature
 */
export async function exportOrder(
  context: Context,
  prefix: string,
  seenSize?: number,
): Promise<Uint8Array> {
  const { db, self } = context
  const row = await orderById(db, prefix)
  assertOpen(row, today(context))
  if (row.act === "consent") return exportConsent(context, row, seenSize)
  const grants = await grantsOf(context, row.id)
  const own = findProfile(payloadOf(row).rule.profile)
  const records = new Map<string, Json>()
  const recipients = new Map<string, string>()
  for (const { bytes } of grants) {
    const { record, recipient } = decodeGrant(bytes)
    recipients.set(recipient, await nameOf(context, recipient))
    records.set(record.digest, jsonOf(await recordBytes(db, record)))
  }
  const lists = await listsOf(
    db,
    grants.map(({ bytes }) => insideOf(decodeGrant(bytes))),
  )
  const facts = await db
    .selectFrom("fact")
    .select(["record_id", "version", "recipient", "act", "order_id"])
    .where("order_origin", "=", self.id)
    .where(
      "record_id",
      "in",
      [...records.values()].map((record) => idOf(record)),
    )
    .execute()
  return encodeCanonical({
    ...(await ownHistory(context, row, seenSize)),
    earlier: facts.map((fact) => ({
      act: fact.act,
      order: fact.order_id,
      recipient: fact.recipient,
      record: fact.record_id,
      version: fact.version,
    })),
    grants: grants.map(({ position, bytes }) => ({
      grant: jsonOf(bytes),
      position,
    })),
    ...(lists.size === 0 ? {} : { groups: [...lists.values()].map(jsonOf) }),
    ...(own === null || isBuiltIn(own.digest) ? {} : { profile: jsonOf(own.bytes) }),
    recipients: [...recipients].map(([member, name]) => ({ member, name })),
    records: [...records.values()],
    seed: encodeHex(new Uint8Array(row.seed)),
    type: "comity/order-export/v1",
  })
}

/** A consent with the export that it is about, or with the consent that it takes back. */
async function exportConsent(
  context: Context,
  row: OrderRow,
  seenSize?: number,
): Promise<Uint8Array> {
  const asked = await context.db
    .selectFrom("consent_asked")
    .select("export")
    .where("order_id", "=", row.id)
    .executeTakeFirst()
  if (asked?.export == null)
    throw new NodeError("store.corrupt", "What this consent is about is not here any more.")
  return encodeCanonical({
    ...(await ownHistory(context, row, seenSize)),
    about: jsonOf(new Uint8Array(asked.export)),
    type: "comity/consent-export/v1",
  })
}

/** Our log as far as an officer's machine needs it to judge the order's base. */
async function ownHistory({ db, self }: Context, row: OrderRow, seenSize?: number) {
  const log = await logOf(db, self.id)
  if (log === null || log.checkpoint === null)
    throw new NodeError("store.corrupt", "Our own log is missing.")
  const { base } = payloadOf(row)
  const quorate = await checkpointAt(db, log.id, base.size)
  const size = log.range.size
  const prove = (from: number) =>
    from > 0 && from <= size
      ? fromNodes(db, log.id, (read) => proveConsistencyFrom(read, from, size))
      : Promise.resolve([])
  const seen = []
  for (const one of new Set([
    ...(await sizesSeen(db)),
    ...(seenSize === undefined ? [] : [seenSize]),
  ]))
    if (one <= size) seen.push({ proof: (await prove(one)).map(encodeHex), size: one })
  return {
    ...(quorate === null || quorate.version === 0 ? {} : { baseCheckpoint: quorate.note }),
    baseProof: (await prove(base.size)).map(encodeHex),
    checkpoint: ownLines(log.checkpoint),
    payload: jsonOf(new Uint8Array(row.payload)),
    roots: self.documents.map(({ bytes }) => jsonOf(bytes)),
    seen,
  }
}

/** How far officers' machines had seen our log when they last signed. */
async function sizesSeen(db: Db): Promise<readonly number[]> {
  const rows = await db
    .selectFrom("meta")
    .select("value")
    .where("name", "like", `${seenPrefix}%`)
    .execute()
  return rows.map(({ value }) => Number(decodeUtf8(new Uint8Array(value))))
}

const seenPrefix = "seen "

function idOf(record: Json): string {
  return (record as { readonly id: string }).id
}

/**
 * Adds an officer's signature, once it verifies as one by an officer enrolled in our root document.
 *
 * @param seenSize how far the officer's machine has now seen our log
 * @throws `officer.signed`, `officer.lapsed`, `order.closed`, `signed.*`, `order.malformed`
 */
export async function addSignature(
  context: Context,
  prefix: string,
  line: SignatureLine,
  seenSize?: number,
): Promise<OrderView> {
  const { db } = context
  const id = await db.transaction().execute(async (trx) => {
    const row = await orderById(trx, prefix)
    assertOpen(row, today(context))
    const alone = decodeOrder(encodeSigned(new Uint8Array(row.payload), [line]))
    const root = ownRoot(context)
    const [approval] = approvalsOf(alone, root, wherever(root))
    const { header } = alone.signatures[0]!
    if (approval === undefined)
      throw new NodeError("officer.revoked", `The key of ${header.person} has been revoked.`)
    if ((await lapsedKids(trx, today(context))).has(header.kid))
      throw new NodeError("officer.lapsed", `${header.person} is an officer on other days only.`, {
        hint: "comity officer list shows them; another officer has to sign.",
      })
    const earlier = await countingSignatures(trx, row.id, today(context))
    if (earlier.some(({ person }) => person === header.person))
      throw new NodeError("officer.signed", `${header.person} has signed this order already.`, {
        hint: "One person gives one signature; another officer has to give the next.",
      })
    const { kid, person, role } = header
    const signed = { kid, role, protected: line.protected, signature: line.signature }
    await trx
      .insertInto("order_signature")
      .values({ order_id: row.id, person, ...signed })
      // One that does not count any more makes room.
      .onConflict((conflict) => conflict.columns(["order_id", "person"]).doUpdateSet(signed))
      .execute()
    if (seenSize !== undefined)
      await writeMeta(trx, `${seenPrefix}${person}`, utf8(String(seenSize)))
    return row.id
  })
  return showOrder(context, id)
}

/**
 * An officer says no: the order ends, with the reason on record here.
 *
 * @throws `order.closed`, and as verifyDecision
 */
export async function refuseOrder(context: Context, statement: Uint8Array): Promise<OrderView> {
  const { subject, reason, officer } = verifyDecision(context, statement, { act: "refuse" })
  return close(context, subject, "refused", reason, async (trx, order_id) => {
    await trx
      .insertInto("refusal")
      .values({ order_id, person: officer.person, statement })
      .execute()
  })
}

export function cancelOrder(context: Context, prefix: string): Promise<OrderView> {
  return close(context, prefix, "cancelled", null)
}

async function close(
  context: Context,
  prefix: string,
  state: "refused" | "cancelled",
  reason: string | null,
  store: (trx: Db, orderId: string) => Promise<void> = async () => {},
): Promise<OrderView> {
  const id = await context.db.transaction().execute(async (trx) => {
    const row = await orderById(trx, prefix)
    const moved = await trx
      .updateTable("release_order")
      .set({ state, reason: reason ?? row.reason })
      .where("id", "=", row.id)
      .where("state", "in", ["open", "scheduled"])
      .executeTakeFirst()
    if (moved.numUpdatedRows !== 1n)
      throw new NodeError("order.closed", `Order ${row.id} is ${stateWords(row.state)}.`, {
        hint:
          row.state === "logged"
            ? "What was published can be taken back: comity withdraw RECORD --reason TEXT."
            : "comity order list shows those that are open.",
      })
    if (row.act === "consent") await forgetExport(trx, row.id)
    await store(trx, row.id)
    return row.id
  })
  return showOrder(context, id)
}

/** Decided: the records of another member that our officers looked at are not ours to keep. */
export async function forgetExport(db: Db, orderId: string): Promise<void> {
  await db
    .updateTable("consent_asked")
    .set({ export: null })
    .where("order_id", "=", orderId)
    .execute()
}
