import { permits } from "../../protocol/custody.ts"
import { partiesTo } from "../../protocol/profiles/linked.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { factsAbout } from "../store/queries/facts.ts"
import { placedGrants } from "../store/queries/grants.ts"
import type { Db } from "../store/schema.ts"
import type { RecordReference } from "./standing.ts"

/**
 * What a party to a record has to say on it goes wherever the record goes: reservations of any party, and
 * comments that a party other than its origin lets others read. docs/dialogue.md
 */
type Remark = Pick<ComityRecord, "origin" | "id" | "version" | "title"> & {
  readonly relation: "replies" | "reserves"
}

/** Remarks on a record by the parties to it, as they are held here. */
async function remarksOn(db: Db, about: RecordReference): Promise<readonly Remark[]> {
  const held = await db
    .selectFrom("content")
    .select("bytes")
    .where("origin", "=", about.origin)
    .where("id", "=", about.id)
    .where("version", "=", about.version)
    .where("locked", "=", 0)
    .executeTakeFirst()
  if (held === undefined) return []
  const record = decodeRecord(new Uint8Array(held.bytes))
  const profile = findProfile(record.profile.digest)?.profile
  const parties = profile === undefined ? [] : partiesTo({ record, profile })
  const rows = await db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .select(["origin", "id", "version", "title", "relation"])
    .where("to_id", "=", record.id)
    .where("to_origin", "=", record.origin)
    .where("relation", "in", ["replies", "reserves"])
    .orderBy("content.rid")
    .execute()
  const newest = new Map(rows.map((row) => [`${row.origin} ${row.id}`, row as Remark]))
  return [...newest.values()].filter(
    ({ origin, relation }) =>
      parties.includes(origin) && (relation === "reserves" || origin !== record.origin),
  )
}

/** Remarks that have to be with a recipient before the record is. @throws `record.reserved` */
async function owed(
  context: Context,
  about: RecordReference,
  recipient: string,
): Promise<readonly Remark[]> {
  const found: Remark[] = []
  for (const remark of await remarksOn(context.db, about)) {
    const { origin, relation } = remark
    if (origin === recipient || (await isHeldBy(context.db, remark, recipient))) continue
    if (origin === context.self.id) {
      if (await isOffered(context.db, remark)) found.push(remark)
    } else if (await mayPassOn(context, remark)) found.push(remark)
    else if (relation === "reserves")
      throw new NodeError(
        "record.reserved",
        `${await nameOf(context, origin)} has a reservation on this record that is not to be passed on.`,
        { hint: "The record goes nowhere without it: ask them to release it with --onward free." },
      )
  }
  return found
}

/** Remarks that go along with a record, with who of these members lacks them. @throws `record.reserved` */
export async function remarksFor(
  context: Context,
  about: RecordReference,
  recipients: readonly string[],
): Promise<readonly { readonly id: string; readonly to: readonly string[] }[]> {
  const lacking = new Map<string, string[]>()
  for (const recipient of recipients)
    for (const { id } of await owed(context, about, recipient))
      lacking.set(id, [...(lacking.get(id) ?? []), recipient])
  return [...lacking].map(([id, to]) => ({ id, to }))
}

/** @throws `record.reserved` for a release of a record before what goes along with it */
export async function refuseUnaccompanied(
  context: Context,
  about: RecordReference,
  recipient: string,
): Promise<void> {
  const [remark] = await owed(context, about, recipient)
  if (remark !== undefined)
    throw new NodeError(
      "record.reserved",
      `“${remark.title}” goes along with this record, and has not been released to the same member.`,
      { hint: "Publish its order first: comity order list. The origin can withdraw it." },
    )
}

/** Whether officers are asked to release it, or have done so and not taken it back from everyone. */
async function isOffered(db: Db, { origin, id }: Remark): Promise<boolean> {
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
  for (const { recipient } of rows) if (await isHeldBy(db, { origin, id }, recipient)) return true
  return false
}

async function isHeldBy(
  db: Db,
  record: Pick<Remark, "origin" | "id">,
  recipient: string,
): Promise<boolean> {
  const facts = await factsAbout(db, record, recipient)
  return facts.some((fact) => fact.act === "release" && endOf(fact, facts) === null)
}

async function mayPassOn({ db, self }: Context, remark: Remark): Promise<boolean> {
  const rows = await db
    .selectFrom("fact")
    .select(["order_origin", "order_id", "position"])
    .where("record_origin", "=", remark.origin)
    .where("record_id", "=", remark.id)
    .where("version", "=", remark.version)
    .where("recipient", "=", self.id)
    .where("act", "=", "release")
    .execute()
  for (const row of rows) {
    const [placed] = await placedGrants(db, [row])
    const terms = placed?.grant.terms
    if (terms !== undefined && permits(terms, self.id, null)) return true
  }
  return false
}
