import { type Selectable, sql } from "kysely"
import { concat } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { encodeFrame } from "../../protocol/exchange/frames.ts"
import {
  encodeReceipts,
  type ReceiptItem,
  type ReceiptsDocument,
  verifyReceipts,
} from "../../protocol/exchange/receipt.ts"
import { limits } from "../../protocol/limits.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { consentRulesOf } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { encodeSigned, signLine } from "../../protocol/signed.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { nodeKid, nodeSigner } from "../keys/keys.ts"
import { draftById } from "../order/drafts.ts"
import { memberById } from "../store/queries/members.ts"
import { unsent } from "../store/queries/partial.ts"
import { prepared } from "../store/queries/prepared.ts"
import type { Db, Schema } from "../store/schema.ts"
import { commitSoon } from "../store/soon.ts"

/** Receipts that `peer` is owed, at most `count`, in frames; null when it is owed none. */
export async function owedReceipts(
  context: Context,
  peer: string,
  count: number,
): Promise<{ readonly frames: Uint8Array; readonly ids: readonly number[] } | null> {
  const rows = await context.db
    .selectFrom("receipt_out")
    .selectAll()
    .where("peer", "=", peer)
    .where(unsent)
    .orderBy("id")
    .limit(count)
    .execute()
  if (rows.length === 0) return null
  const batches = await signInBatches(context, peer, rows)
  return {
    frames: concat(...batches.map((batch) => encodeFrame("receipts", batch))),
    ids: rows.map(({ id }) => id),
  }
}

type Owed = Selectable<Schema["receipt_out"]>

/**
 * In one batch, but for those from which a clock may run: whoever shows such a receipt to others shows
 * nothing beside it. docs/decisions/0064-silence.md
 */
async function signInBatches(
  context: Context,
  peer: string,
  rows: readonly Owed[],
): Promise<readonly Uint8Array[]> {
  const timed = await timedRecords(context.db, peer, rows)
  const alone = rows.filter((row) => row.state === "delivered" && timed.has(row.record_id))
  const together = rows.filter((row) => !alone.includes(row))
  const batches = [...(together.length === 0 ? [] : [together]), ...alone.map((row) => [row])]
  return Promise.all(batches.map((batch) => signReceipts(context, peer, batch)))
}

/** Records of the peer's of kinds whose release somebody's silence may stand for. */
async function timedRecords(
  db: Db,
  peer: string,
  rows: readonly Owed[],
): Promise<ReadonlySet<string>> {
  const ids = [...new Set(rows.map(({ record_id }) => record_id))]
  const known = await recordKinds(db, peer, ids)
  const timed = known.filter(({ kind, profile_digest }) => {
    const profile = findProfile(profile_digest)?.profile
    return (
      profile !== undefined && consentRulesOf(profile, kind).some(({ mode }) => mode === "tacit")
    )
  })
  return new Set(timed.map(({ id }) => id))
}

const recordKinds = prepared((db, origin: string, ids: readonly string[]) =>
  db
    .selectFrom("record")
    .select(["id", "kind", "profile_digest"])
    .where("origin", "=", origin)
    .where("id", "in", ids),
)

/** All that we ever stated to `peer`, for when it has lost it. */
export async function* statedFrames(context: Context, peer: string): AsyncGenerator<Uint8Array> {
  for (let after = 0; ; ) {
    const rows = await context.db
      .selectFrom("receipt_out")
      .selectAll()
      .where("peer", "=", peer)
      .where("sent", "!=", 2)
      .where("id", ">", after)
      .orderBy("id")
      .limit(limits.receiptsPerBatch)
      .execute()
    if (rows.length === 0) return
    for (const batch of await signInBatches(context, peer, rows))
      yield encodeFrame("receipts", batch)
    after = rows.at(-1)!.id
  }
}

async function signReceipts(
  context: Context,
  peer: string,
  rows: readonly Owed[],
): Promise<Uint8Array> {
  const items = rows.map(({ order_id, leaf, state, code, until, day }) => ({
    ...(code === null ? {} : { code }),
    day,
    leaf,
    order: order_id,
    state: state as ReceiptItem["state"],
    ...(until === null ? {} : { until }),
  }))
  const payload = encodeReceipts({
    from: context.self.id,
    items,
    network: context.self.network,
    to: peer,
    type: "comity/receipts/v1",
  })
  const header = {
    alg: "Ed25519",
    kid: nodeKid(context.keys),
    network: context.self.network,
    typ: "comity-receipts+jws",
  } as const
  return encodeSigned(payload, [await signLine(header, payload, nodeSigner(context.keys))])
}

export async function markSent({ db }: Context, ids: readonly number[]): Promise<void> {
  await commitSoon(db, (trx) => setSent(trx, ids))
}

const setSent = prepared((db, ids: readonly number[]) =>
  db
    .updateTable("receipt_out")
    .set({ sent: sql.lit(1) })
    .where("id", "in", ids),
)

/** Kept as a statement of ours, offered no more. */
export async function markRefused(context: Context, id: number): Promise<void> {
  await context.db.updateTable("receipt_out").set({ sent: 2 }).where("id", "=", id).execute()
}

/**
 * Receipts that a peer sent us about what we delivered to it.
 *
 * @throws `receipt.invalid` for an order or a leaf that was not delivered to it; as verifyReceipts
 */
export async function takeReceipts(
  context: Context,
  peer: string,
  bytes: Uint8Array,
): Promise<ReceiptsDocument> {
  const { db, self, env } = context
  const member = await memberById(db, peer)
  if (member === null) throw new ProtocolError("root.unknown")
  const root = newestRoot(member).payload
  const document = verifyReceipts(bytes, { from: peer, to: self.id, root })
  const { items } = document.payload
  await db.transaction().execute(async (trx) => {
    const leaves = [...new Set(items.map(({ leaf }) => leaf))]
    const known = await trx
      .selectFrom("fact")
      .select(["order_id", "leaf"])
      .where("order_origin", "=", self.id)
      .where("recipient", "in", [peer, everybody])
      .where("leaf", "in", leaves)
      // Found by their orders, and not among all that we ever logged.
      .where("order_id", "in", [...new Set(items.map(({ order }) => order))])
      .execute()
    const places = new Set(known.map(({ order_id, leaf }) => `${order_id} ${leaf}`))
    if (!items.every(({ order, leaf }) => places.has(`${order} ${leaf}`)))
      throw new ProtocolError("receipt.invalid", { detail: "not delivered" })
    const rows = items.map((item) => ({
      peer,
      order_id: item.order,
      leaf: item.leaf,
      state: item.state,
      code: item.code ?? null,
      until: item.until ?? null,
      day: item.day,
      document: document.digest,
      at: env.clock.now(),
    }))
    const news = await insertReceipts(trx, rows)
    // Said before, perhaps on another day: a peer that repeats itself fills no disk.
    if (news === 0) return
    await trx
      .insertInto("receipt_document")
      .values({ digest: document.digest, peer, bytes })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  })
  env.log.info("receipts.taken", { peer, items: items.length })
  return document
}

/** @returns how many of them say something new */
async function insertReceipts(trx: Db, rows: readonly Schema["receipt_in"][]): Promise<number> {
  let news = 0
  for (const row of rows) {
    const inserted = await trx
      .insertInto("receipt_in")
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    news += Number(inserted.numInsertedOrUpdatedRows)
  }
  return news
}

export type ReceiptView = {
  readonly peer: string
  readonly member: string
  readonly version: number
  readonly order: string
  readonly state: ReceiptItem["state"] | "queued"
  readonly code?: string
  /** for `held`: when it is looked at again */
  readonly until?: string
  readonly day: string
}

/** What is for everybody, as what each member whose feed has it was given. */
export async function toEach<Row extends { readonly order_id: string; readonly recipient: string }>(
  db: Db,
  facts: readonly Row[],
): Promise<readonly Row[]> {
  const each: Row[] = []
  for (const fact of facts) {
    if (fact.recipient !== everybody) each.push(fact)
    else
      for (const { peer } of await queuedFor(db, fact.order_id))
        each.push({ ...fact, recipient: peer })
  }
  return each
}

const queuedFor = prepared((db, orderId: string) =>
  db
    .selectFrom("delivery")
    .select("peer")
    .distinct()
    .where("order_id", "=", orderId)
    .orderBy("peer"),
)

/** What became of a record of ours at each member it was released to, by each order. */
export async function receiptsOf(
  context: Context,
  prefix: string,
): Promise<{ readonly record: string; readonly receipts: readonly ReceiptView[] }> {
  const { db, self } = context
  const { id } = await draftById(context, prefix)
  const facts = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "=", id)
    .where("record_origin", "=", self.id)
    .where("order_origin", "=", self.id)
    .orderBy("idx")
    .execute()
  const receipts: ReceiptView[] = []
  for (const fact of await toEach(db, facts)) {
    const newest = await db
      .selectFrom("receipt_in")
      .selectAll()
      .where("peer", "=", fact.recipient)
      .where("order_id", "=", fact.order_id)
      .where("leaf", "=", fact.leaf)
      .orderBy("at", "desc")
      .orderBy(sql`rowid`, "desc")
      .limit(1)
      .executeTakeFirst()
    receipts.push({
      peer: await nameOf(context, fact.recipient),
      member: fact.recipient,
      version: fact.version,
      order: fact.order_id,
      state: (newest?.state ?? "queued") as ReceiptView["state"],
      ...(newest?.code == null ? {} : { code: newest.code }),
      ...(newest?.until == null ? {} : { until: newest.until }),
      day: newest?.day ?? new Date(fact.at).toISOString().slice(0, 10),
    })
  }
  return { record: id, receipts }
}
