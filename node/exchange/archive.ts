import type { Selectable } from "kysely"
import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { concat, decodeHex, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { textLine } from "../../protocol/record/plain-text.ts"
import { decodeRecord, recordDigest } from "../../protocol/record/record.ts"
import {
  decodeShape,
  digest,
  hex,
  literal,
  network,
  object,
  type ShapeOf,
} from "../../protocol/shape.ts"
import {
  givenShares,
  holdersOf,
  openers,
  openForTwo,
  ownShares,
  type Purpose,
  personsAmong,
  sealForTwo,
  sharedEntries,
  sharedEntry,
  sharesFor,
  sharesGiven,
} from "../authority/for-two.ts"
import type { OfficerKey } from "../authority/found.ts"
import { nameOf } from "../authority/peers.ts"
import { signStatement } from "../authority/statement.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { shownContent } from "../reading/records.ts"
import { truncateWal } from "../store/purge.ts"
import type { Db, Schema } from "../store/schema.ts"
import type { OpenedRecord } from "./hold.ts"
import { localMark } from "./holder.ts"

/**
 * What was taken back where the law forbids to destroy it and permits to seal it: each version under a key
 * of its own, which is shared out among the officers and kept nowhere. Two of them open it, on record.
 * PROTOCOL.md §9
 */

type Named = { readonly origin: string; readonly id: string }

/** Whether two officers could open it again. @throws `hold.officers` */
export async function assertHolders(context: Context): Promise<readonly string[]> {
  const persons = [...(await holdersOf(context)).keys()]
  if (persons.length < openers)
    throw new NodeError("hold.officers", "Two officers with keys of their own are needed.", {
      hint: "Officers enrolled by a request of theirs can open what is sealed: comity officer list",
    })
  return persons
}

/**
 * Seals a version for two officers of today, in the caller's transaction; its content is for the caller to
 * remove.
 *
 * @returns whether it is sealed: not where fewer than two officers could open it
 */
export async function archiveContent(
  context: Context,
  trx: Db,
  row: { readonly origin: string; readonly id: string; readonly version: number },
  bytes: Uint8Array,
): Promise<boolean> {
  const within = { ...context, db: trx }
  const holders = await holdersOf(within)
  if (holders.size < openers) return false
  const { origin, id, version } = row
  const entry = encodeHex(context.env.random(16))
  const { sealed, shares } = await sealForTwo(context, holders, purposeOf(entry, row), bytes)
  const at = context.env.clock.now()
  // Released anew and taken back again: the same bytes, for the officers of today.
  const before = (await entriesOf(trx, row)).find((one) => one.version === version)
  if (before !== undefined) await forget(trx, before.entry)
  await trx
    .insertInto("archive")
    .values({ record_origin: origin, record_id: id, version, entry, sealed, at })
    .execute()
  await trx
    .insertInto("archive_share")
    .values(shares.map((share) => ({ entry, ...share })))
    .execute()
  await note(trx, { at, act: "seal", record_origin: origin, record_id: id })
  return true
}

function purposeOf(entry: string, { origin, id }: Named): Purpose {
  return {
    aad: concat(utf8("comity/archive/v1\0"), decodeHex(entry), decodeHex(origin), decodeHex(id)),
    info: shareInfo(entry),
  }
}

function shareInfo(entry: string): Uint8Array {
  return concat(utf8("comity/archive-share/v1\0"), decodeHex(entry))
}

/** What is sealed of the record is destroyed. @returns whether anything was */
export async function destroyArchived(
  { env }: Pick<Context, "env">,
  trx: Db,
  { origin, id }: Named,
): Promise<boolean> {
  const rows = await entriesOf(trx, { origin, id })
  if (rows.length === 0) return false
  for (const { entry } of rows) await forget(trx, entry)
  await note(trx, { at: env.clock.now(), act: "destroy", record_origin: origin, record_id: id })
  return true
}

async function forget(trx: Db, entry: string): Promise<void> {
  await trx.deleteFrom("archive_share").where("entry", "=", entry).execute()
  await trx.deleteFrom("archive").where("entry", "=", entry).execute()
}

function entriesOf(db: Db, { origin, id }: Named) {
  return db
    .selectFrom("archive")
    .selectAll()
    .where("record_origin", "=", origin)
    .where("record_id", "=", id)
    .orderBy("version", "desc")
    .execute()
}

/** Whether any version of the record is sealed here. */
export async function isArchived(db: Db, record: Named): Promise<boolean> {
  return (await entriesOf(db, record)).length > 0
}

/** The officers of today who hold a share; null where nothing is sealed. */
export async function openersOf(
  context: Context,
  record: Named,
): Promise<readonly string[] | null> {
  const [newest] = await entriesOf(context.db, record)
  if (newest === undefined) return null
  const shares = await context.db
    .selectFrom("archive_share")
    .select("kid")
    .where("entry", "=", newest.entry)
    .execute()
  return personsAmong(await holdersOf(context), new Set(shares.map(({ kid }) => kid)))
}

const requestShape = object({
  entries: sharedEntries,
  id: hex(16),
  member: digest,
  network,
  origin: digest,
  reason: textLine({ min: 1, max: 256 }),
  type: literal("comity/archive-request/v1"),
})
export type ArchiveRequest = ShapeOf<typeof requestShape>

/** What officers are asked to open, as a file for their machines. @throws `hold.unknown` */
export async function requestUnsealing(
  context: Context,
  { origin, id }: Named,
  reason: string,
): Promise<Uint8Array> {
  const { db, self } = context
  const entries = []
  for (const { entry } of await entriesOf(db, { origin, id })) {
    const shares = await db
      .selectFrom("archive_share")
      .selectAll()
      .where("entry", "=", entry)
      .orderBy("kid")
      .execute()
    entries.push(sharedEntry(entry, shares))
  }
  if (entries.length === 0) throw notSealed(id)
  const type = "comity/archive-request/v1"
  const request = { entries, id, member: self.id, network: self.network, origin, reason, type }
  const bytes = encodeCanonical(request)
  readArchiveRequest(bytes)
  return bytes
}

function notSealed(id: string): NodeError {
  return new NodeError("hold.unknown", `Nothing of record ${id} is sealed.`, {
    hint: "comity hold list shows what is.",
  })
}

/** @throws `json.*` */
export function readArchiveRequest(bytes: Uint8Array): ArchiveRequest {
  return decodeShape(requestShape, ingest(bytes, 4 * 1024 * 1024), "json.profile")
}

const givenShape = object({
  reason: textLine({ min: 1, max: 256 }),
  shares: givenShares,
  unseals: object({ id: hex(16), origin: digest }),
})

/**
 * An officer's part in opening: the own shares, under the own name, for the reason given.
 *
 * @throws `hold.officers` when none is sealed to this officer
 */
export async function giveArchiveShares(
  { entries, id, member, network, origin, reason }: ArchiveRequest,
  key: OfficerKey,
  day: string,
): Promise<Uint8Array> {
  const shares = await ownShares(entries, key, shareInfo)
  if (shares.length === 0)
    throw new NodeError("hold.officers", `${key.officer.person} holds no share of that record.`)
  const said = { reason, shares, unseals: { id, origin } }
  return signStatement(key, { member, network, day }, said)
}

/**
 * Opens what is sealed with the shares of two officers, and puts that on record before anything is shown:
 * the newest version. With `reseal` all are sealed again, to the officers of today: those who left can't
 * open them any more.
 *
 * @throws `hold.unknown`, `hold.officers`, and as verifyStatement and assertOfficer
 */
export async function unseal(
  context: Context,
  record: Named,
  reason: string,
  statements: readonly Uint8Array[],
  { reseal = false }: { readonly reseal?: boolean } = {},
): Promise<OpenedRecord> {
  const { db, env } = context
  const given = await sharesGiven(context, statements, givenShape, ({ reason: why, unseals }) => {
    if (unseals.origin !== record.origin || unseals.id !== record.id || why !== reason)
      throw new NodeError("hold.officers", "An officer agreed to another opening than this.")
  })
  const rows = await entriesOf(db, record)
  if (rows.length === 0) throw notSealed(record.id)
  if (given.size < openers)
    throw new NodeError("hold.officers", "Two officers open it, each on their own machine.", {
      hint: "comity hold request RECORD, then comity hold share FILE --as OFFICER",
    })
  const versions: OpenVersion[] = []
  for (const row of rows)
    versions.push(await openVersion(context, record, row, sharesFor(row.entry, given)))
  const officers = [...given.keys()].sort().join(" ")
  await db.transaction().execute(async (trx) => {
    const [at, named] = [env.clock.now(), { record_origin: record.origin, record_id: record.id }]
    await note(trx, { at, act: "open", ...named, officers, reason })
    if (!reseal) return
    for (const { version, plaintext } of versions)
      if (!(await archiveContent(context, trx, { ...record, version }, plaintext)))
        throw new NodeError("hold.officers", "Two officers with keys of their own are needed.")
  })
  if (reseal) await truncateWal(db)
  const content = decodeRecord(versions[0]!.plaintext)
  return {
    record: record.id,
    from: await nameOf(context, record.origin),
    content: shownContent(content),
    marking: content.marking,
    localMark: localMark(context, content.marking),
  }
}

type OpenVersion = { readonly version: number; readonly plaintext: Uint8Array }

async function openVersion(
  { db }: Context,
  record: Named,
  { entry, sealed, version }: Schema["archive"],
  shares: Uint8Array[],
): Promise<OpenVersion> {
  const plaintext = await openForTwo(purposeOf(entry, record), new Uint8Array(sealed), shares)
  if (plaintext !== null && (await isWhole(db, record, version, plaintext)))
    return { version, plaintext }
  throw new NodeError("hold.officers", `These shares do not open record ${record.id}.`)
}

/** Whether it is the version that was received, to the last bit. */
async function isWhole(
  db: Db,
  { origin, id }: Named,
  version: number,
  bytes: Uint8Array,
): Promise<boolean> {
  const row = await db
    .selectFrom("record")
    .select("digest")
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst()
  return row?.digest === recordDigest(bytes)
}

export function archiveLog({ db }: Context): Promise<Selectable<Schema["archive_log"]>[]> {
  return db.selectFrom("archive_log").selectAll().orderBy("id").execute()
}

async function note(
  db: Db,
  line: Pick<Schema["archive_log"], "at" | "act" | "record_origin" | "record_id"> & {
    readonly officers?: string
    readonly reason?: string
  },
): Promise<void> {
  await db
    .insertInto("archive_log")
    .values({ officers: "", reason: "", ...line })
    .execute()
}
