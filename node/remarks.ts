import { dialogue } from "../protocol/profiles/dialogue.ts"
import { partiesTo } from "../protocol/profiles/linked.ts"
import { findProfile } from "../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord, recordDigest } from "../protocol/record/record.ts"
import { endOf } from "../protocol/release/precedence.ts"
import type { Context } from "./context.ts"
import { formatDraft } from "./draft.ts"
import { addDraft } from "./drafts.ts"
import { NodeError } from "./errors.ts"
import { nameOf } from "./peers.ts"
import { asFact, asPlacedGrant, factsAbout } from "./store/queries/facts.ts"
import type { Db } from "./store/schema.ts"

/**
 * What a party to a record has to say on it goes wherever the record goes: reservations of any party, and
 * comments of those that are not its origin. docs/dialogue.md
 */

type Reference = { readonly origin: string; readonly id: string; readonly version: number }
type Remark = {
  readonly record: ComityRecord
  readonly digest: string
  readonly relation: "replies" | "reserves"
}

/** Remarks on a record by the parties to it, as they are held here. */
async function remarksOn(db: Db, about: Reference): Promise<readonly Remark[]> {
  const held = await db
    .selectFrom("content")
    .select("bytes")
    .where("origin", "=", about.origin)
    .where("id", "=", about.id)
    .where("version", "=", about.version)
    .executeTakeFirst()
  if (held === undefined) return []
  const record = decodeRecord(new Uint8Array(held.bytes))
  const profile = findProfile(record.profile.digest)?.profile
  const parties = profile === undefined ? [] : partiesTo({ record, profile })
  const rows = await db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .select(["content.bytes", "content.origin", "relation"])
    .where("to_id", "=", record.id)
    .where("to_origin", "=", record.origin)
    .where("relation", "in", ["replies", "reserves"])
    .orderBy("content.rid")
    .execute()
  const remarks = rows
    .filter(({ origin }) => parties.includes(origin))
    .map(({ bytes, relation }) => {
      const exact = new Uint8Array(bytes)
      const digest = recordDigest(exact)
      return { record: decodeRecord(exact), digest, relation: relation as Remark["relation"] }
    })
  return remarks.filter(
    ({ record: { origin, fields }, relation }) =>
      relation === "reserves" || origin !== record.origin || fields.words !== undefined,
  )
}

/**
 * Drafts of ours that go along with a record of ours, and who lacks them: our own remarks, and the words of
 * other parties, in a record of ours that says whose they are. Nobody is told their own.
 *
 * @throws `record.reserved` when the words of another party are not to be passed on
 */
export async function remarksFor(
  context: Context,
  trx: Db,
  about: Reference,
  recipients: readonly string[],
): Promise<readonly { readonly draft: string; readonly to: readonly string[] }[]> {
  const within = { ...context, db: trx }
  const remarks = await remarksOn(trx, about)
  const found: { draft: string; to: readonly string[] }[] = []
  for (const remark of remarks) {
    const { record, digest } = remark
    const isOurs = record.origin === context.self.id
    if (isOurs && !(await isOffered(trx, record))) continue
    const by = isOurs ? (record.fields.by ?? record.origin) : record.origin
    const to: string[] = []
    for (const recipient of recipients)
      if (recipient !== by && !(isOurs && (await holds(trx, record, recipient)))) to.push(recipient)
    if (to.length === 0) continue
    if (isOurs) found.push({ draft: record.id, to })
    else if (!remarks.some((other) => other.record.fields.words === digest)) {
      if (await mayPassOn(context, trx, record))
        found.push({ draft: await quote(within, remark), to })
      else if (remark.relation === "reserves")
        throw new NodeError(
          "record.reserved",
          `${await nameOf(within, by)} has a reservation on this record that is not to be passed on.`,
          {
            hint: "The record goes nowhere without it: ask them to release it with --onward free.",
          },
        )
    }
  }
  return found
}

/** @throws `record.reserved` for a release of a record before what goes along with it */
export async function refuseUnaccompanied(
  context: Context,
  trx: Db,
  about: Reference,
  recipient: string,
): Promise<void> {
  for (const { record } of await remarksOn(trx, about)) {
    const isOurs = record.origin === context.self.id && record.fields.by !== recipient
    if (!isOurs || !(await isOffered(trx, record)) || (await holds(trx, record, recipient)))
      continue
    throw new NodeError(
      "record.reserved",
      `“${record.title}” goes along with this record, and its order has not been published.`,
      { hint: `Publish that order first, or withdraw it: comity show ${record.id.slice(0, 12)}` },
    )
  }
}

/** Whether officers are asked to release it, or have done so and not taken it back from everyone. */
async function isOffered(db: Db, { origin, id }: ComityRecord): Promise<boolean> {
  const open = await db
    .selectFrom("order_grant")
    .innerJoin("release_order", "release_order.id", "order_grant.order_id")
    .select("release_order.id")
    .where("order_grant.record_origin", "=", origin)
    .where("order_grant.record_id", "=", id)
    .where("release_order.act", "=", "release")
    .where("release_order.state", "in", ["open", "scheduled"])
    .executeTakeFirst()
  if (open !== undefined) return true
  const rows = await db
    .selectFrom("fact")
    .select("recipient")
    .distinct()
    .where("record_origin", "=", origin)
    .where("record_id", "=", id)
    .execute()
  for (const { recipient } of rows) if (await holds(db, { origin, id }, recipient)) return true
  return false
}

async function holds(
  db: Db,
  record: { readonly origin: string; readonly id: string },
  recipient: string,
): Promise<boolean> {
  const facts = (await factsAbout(db, record, recipient)).map(asFact)
  return facts.some((fact) => fact.act === "release" && endOf(fact, facts) === null)
}

async function mayPassOn(context: Context, db: Db, record: ComityRecord): Promise<boolean> {
  const rows = await factsAbout(db, record, context.self.id)
  return rows.some((row) => {
    const { terms } = asPlacedGrant(row).grant
    return row.version === record.version && terms !== undefined && terms.onward !== "no"
  })
}

/** Their words in a record of ours, which says whose they are and by which digest they are known. */
async function quote(context: Context, { record, digest, relation }: Remark): Promise<string> {
  const kind = relation === "reserves" ? "reservation" : "comment"
  const draft = await addDraft(
    context,
    formatDraft({
      ...record,
      fields: { by: record.origin, words: digest },
      kind,
      profile: { id: dialogue.id },
    }),
  )
  return draft.record
}
