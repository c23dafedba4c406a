import { permits } from "../../protocol/custody.ts"
import { partiesTo } from "../../protocol/profiles/linked.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { everybody, type Grant } from "../../protocol/release/grant.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { readableBytes, versionName } from "../store/queries/contents.ts"
import { factsAbout } from "../store/queries/facts.ts"
import { placedGrants } from "../store/queries/grants.ts"
import { releasing } from "../store/queries/partial.ts"
import { prepared } from "../store/queries/prepared.ts"
import type { Db } from "../store/schema.ts"
import type { RecordReference } from "./standing.ts"

/**
 * What a party to a record has to say on it goes wherever the record goes: reservations of any party, and
 * comments that a party other than its origin lets others read. docs/dialogue.md
 */
type Remark = Pick<ComityRecord, "origin" | "id" | "version" | "title"> & {
  readonly relation: "replies" | "reserves"
}

/** Remarks on these versions by the parties to each, as they are held here, by `versionName`. */
async function remarksOn(
  db: Db,
  versions: readonly RecordReference[],
): Promise<ReadonlyMap<string, readonly Remark[]>> {
  const rows = await remarkRows(db, [...new Set(versions.map(({ id }) => id))])
  const found = new Map<string, readonly Remark[]>()
  if (rows.length === 0) return found
  for (const about of versions) {
    const name = versionName(about)
    const own = rows.filter((row) => row.to_id === about.id && row.to_origin === about.origin)
    if (own.length === 0 || found.has(name)) continue
    const parties = await partiesOf(db, about)
    const newest = new Map(own.map((row) => [`${row.origin} ${row.id}`, row as Remark]))
    const remarks = [...newest.values()].filter(
      ({ origin, relation }) =>
        parties.includes(origin) && (relation === "reserves" || origin !== about.origin),
    )
    found.set(name, remarks)
  }
  return found
}

const remarkRows = prepared((db, ids: readonly string[]) =>
  db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .select(["origin", "id", "version", "title", "relation", "to_origin", "to_id"])
    .where("to_id", "in", ids)
    .where("relation", "in", ["replies", "reserves"])
    .orderBy("content.rid"),
)

async function partiesOf(db: Db, version: RecordReference) {
  const held = await readableBytes(db, version)
  if (held === null) return []
  const record = decodeRecord(held)
  const profile = findProfile(record.profile.digest)?.profile
  return profile === undefined ? [] : partiesTo({ record, profile })
}

/** Which of these remarks have to be with a recipient before the record is. @throws `record.reserved` */
async function owed(
  context: Context,
  remarks: readonly Remark[],
  recipient: string,
): Promise<readonly Remark[]> {
  const found: Remark[] = []
  for (const remark of remarks) {
    const { origin, relation } = remark
    if (origin === recipient || (await isHeldBy(context.db, remark, recipient))) continue
    if (origin === context.self.id) {
      if (await isOffered(context.db, remark)) found.push(remark)
    } else if (recipient !== everybody && (await mayPassOn(context, remark))) found.push(remark)
    else if (relation === "reserves" && recipient === everybody)
      throw new NodeError(
        "record.reserved",
        `${await nameOf(context, origin)} has a reservation on this record that is not for everybody.`,
        { hint: "The record goes nowhere without it: ask them to release it to public." },
      )
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
  const remarks = (await remarksOn(context.db, [about])).get(versionName(about)) ?? []
  for (const recipient of recipients)
    for (const { id } of await owed(context, remarks, recipient))
      lacking.set(id, [...(lacking.get(id) ?? []), recipient])
  return [...lacking].map(([id, to]) => ({ id, to }))
}

/** @throws `record.reserved` for a release of a record before what goes along with it */
export async function refuseUnaccompanied(
  context: Context,
  released: readonly Pick<Grant, "record" | "recipient">[],
): Promise<void> {
  const remarks = await remarksOn(
    context.db,
    released.map(({ record }) => record),
  )
  if (remarks.size === 0) return
  for (const { record, recipient } of released) {
    const [first] = await owed(context, remarks.get(versionName(record)) ?? [], recipient)
    if (first !== undefined)
      throw new NodeError(
        "record.reserved",
        `“${first.title}” goes along with this record, and has not been released to the same member.`,
        { hint: "Publish its order first: comity order list. The origin can withdraw it." },
      )
  }
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
    .where(releasing)
    .execute()
  for (const row of rows) {
    const [placed] = await placedGrants(db, [row])
    const terms = placed?.grant.terms
    if (terms !== undefined && permits(terms, self.id, null)) return true
  }
  return false
}
