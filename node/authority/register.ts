import type { Selectable } from "kysely"
import { encodeCanonical, ingest, type Json } from "../../protocol/canonical.ts"
import { concat, decodeHex, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { personShape } from "../../protocol/member/officer.ts"
import { textLine } from "../../protocol/record/plain-text.ts"
import {
  day,
  decodeShape,
  digest,
  literal,
  network,
  object,
  optional,
  type ShapeOf,
} from "../../protocol/shape.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { truncateWal } from "../store/purge.ts"
import type { Db, Schema } from "../store/schema.ts"
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
} from "./for-two.ts"
import type { OfficerKey } from "./found.ts"
import { signStatement } from "./statement.ts"

/**
 * Who stands behind a pseudonym: name, post, instrument of appointment, dates. It never leaves the member.
 * Each entry is sealed under a key of its own, which is shared out among the officers: two of them, each
 * on their own machine, open it, and that they did is on record. The node alone opens nothing.
 */

const entryShape = object({
  from: day,
  instrument: textLine({ min: 1, max: 256 }),
  name: textLine({ min: 1, max: 128 }),
  post: textLine({ min: 1, max: 256 }),
  until: optional(day),
})
export type RegisterEntry = ShapeOf<typeof entryShape>

/**
 * @throws `register.officers` when fewer than two officers could open it again; `request.malformed`
 */
export async function addEntry(
  context: Context,
  person: string,
  entry: RegisterEntry,
): Promise<{ readonly entry: string; readonly holders: readonly string[] }> {
  const { db, env } = context
  const plaintext = encodeCanonical(decodeShape(entryShape, entry as Json, "json.profile"))
  const officers = await holdersOf(context)
  const persons = [...officers.keys()]
  if (persons.length < openers)
    throw new NodeError("register.officers", "Two officers with keys of their own are needed.", {
      hint: "Officers enrolled by a request of theirs can open entries: comity officer list",
    })
  const id = encodeHex(env.random(16))
  const { sealed, shares } = await sealForTwo(context, officers, purposeOf(id, person), plaintext)
  const rows = shares.map((share) => ({ entry: id, ...share }))
  const at = env.clock.now()
  await db.transaction().execute(async (trx) => {
    await trx.insertInto("register_entry").values({ id, person, sealed, at }).execute()
    await trx.insertInto("register_share").values(rows).execute()
    await note(trx, { at, act: "add", entry: id, person, officers: "", reason: "" })
  })
  return { entry: id, holders: persons }
}

function purposeOf(entry: string, person: string): Purpose {
  return {
    aad: concat(utf8("comity/register/v1\0"), decodeHex(entry), utf8(person)),
    info: shareInfo(entry),
  }
}

function shareInfo(entry: string): Uint8Array {
  return concat(utf8("comity/register-share/v1\0"), decodeHex(entry))
}

const requestShape = object({
  entries: sharedEntries,
  member: digest,
  network,
  person: personShape,
  reason: textLine({ min: 1, max: 256 }),
  type: literal("comity/register-request/v1"),
})
export type RegisterRequest = ShapeOf<typeof requestShape>

/** What officers are asked to open, as a file for their machines. @throws `register.unknown` */
export async function requestOpening(
  context: Context,
  person: string,
  reason: string,
): Promise<Uint8Array> {
  const { db, self } = context
  const ids = await entriesOf(db, person)
  const entries = []
  for (const { id } of ids) {
    const shares = await db
      .selectFrom("register_share")
      .selectAll()
      .where("entry", "=", id)
      .orderBy("kid")
      .execute()
    entries.push(sharedEntry(id, shares))
  }
  const { id: member, network } = self
  const type = "comity/register-request/v1"
  const request = encodeCanonical({ entries, member, network, person, reason, type })
  readRequest(request)
  return request
}

async function entriesOf(db: Db, person: string) {
  const rows = await db
    .selectFrom("register_entry")
    .selectAll()
    .where("person", "=", person)
    .orderBy("at")
    .execute()
  if (rows.length === 0)
    throw new NodeError("register.unknown", `The register has no entry of ${person}.`)
  return rows
}

/** @throws `json.*` */
export function readRequest(bytes: Uint8Array): RegisterRequest {
  return decodeShape(requestShape, ingest(bytes, 4 * 1024 * 1024), "json.profile")
}

const givenShape = object({
  opens: personShape,
  reason: textLine({ min: 1, max: 256 }),
  shares: givenShares,
})

/**
 * An officer's part in opening: the own shares, under the own name, for the reason given.
 *
 * @throws `register.officers` when none is sealed to this officer
 */
export async function giveShares(
  request: RegisterRequest,
  key: OfficerKey,
  day: string,
): Promise<Uint8Array> {
  const shares = await ownShares(request.entries, key, shareInfo)
  if (shares.length === 0)
    throw new NodeError("register.officers", `${key.officer.person} holds no share of this entry.`)
  const { member, network, person, reason } = request
  return signStatement(key, { member, network, day }, { opens: person, reason, shares })
}

export type Opened = RegisterEntry & { readonly entry: string; readonly person: string }

/**
 * Opens the entries of a person with the shares of two officers, and puts that on record before anything
 * is shown.
 *
 * @throws `register.unknown`, `register.officers`, and as verifyStatement and assertOfficer
 */
export async function openEntries(
  context: Context,
  person: string,
  reason: string,
  statements: readonly Uint8Array[],
): Promise<readonly Opened[]> {
  const { db, env } = context
  const given = await sharesGiven(context, statements, givenShape, ({ opens, reason: why }) => {
    if (opens !== person || why !== reason)
      throw new NodeError("register.officers", "An officer agreed to another opening than this.")
  })
  if (given.size < openers)
    throw new NodeError(
      "register.officers",
      "Two officers open an entry, each on their own machine.",
      {
        hint: "comity register request PERSON, then comity register share FILE --as OFFICER",
      },
    )
  const found: Opened[] = []
  for (const row of await entriesOf(db, person)) {
    const fields = await openEntry(row, sharesFor(row.id, given))
    found.push({ ...fields, entry: row.id, person })
  }
  const officers = [...given.keys()].sort().join(" ")
  await db.transaction().execute(async (trx) => {
    for (const { entry } of found)
      await note(trx, { at: env.clock.now(), act: "open", entry, person, officers, reason })
  })
  return found
}

async function openEntry(
  { id, person, sealed }: Schema["register_entry"],
  shares: Uint8Array[],
): Promise<RegisterEntry> {
  const plaintext = await openForTwo(purposeOf(id, person), new Uint8Array(sealed), shares)
  if (plaintext === null)
    throw new NodeError("register.officers", `These shares do not open entry ${id}.`)
  return decodeShape(entryShape, ingest(plaintext, 4096), "json.profile")
}

/** What was opened is sealed again, to the officers of today: those who left can't open it any more. */
export async function resealEntries(context: Context, found: readonly Opened[]): Promise<void> {
  for (const { entry, person, ...fields } of found) {
    await addEntry(context, person, fields)
    await context.db.transaction().execute(async (trx) => {
      await trx.deleteFrom("register_share").where("entry", "=", entry).execute()
      await trx.deleteFrom("register_entry").where("id", "=", entry).execute()
    })
  }
  await truncateWal(context.db)
}

export type RegisterLine = {
  readonly entry: string
  readonly person: string
  readonly at: number
  /** officers of today who hold a share: with fewer than two it can't be opened any more */
  readonly holders: readonly string[]
}

export async function listEntries(context: Context): Promise<readonly RegisterLine[]> {
  const holders = await holdersOf(context)
  const rows = await context.db.selectFrom("register_entry").selectAll().orderBy("at").execute()
  const shares = await context.db.selectFrom("register_share").select(["entry", "kid"]).execute()
  const kidsOf = new Map<string, Set<string>>()
  for (const { entry, kid } of shares) kidsOf.set(entry, (kidsOf.get(entry) ?? new Set()).add(kid))
  return rows.map(({ id, person, at }) => ({
    entry: id,
    person,
    at,
    holders: personsAmong(holders, kidsOf.get(id) ?? new Set()),
  }))
}

export function registerLog({ db }: Context): Promise<Selectable<Schema["register_log"]>[]> {
  return db.selectFrom("register_log").selectAll().orderBy("id").execute()
}

async function note(trx: Db, line: Omit<Schema["register_log"], "id">): Promise<void> {
  await trx.insertInto("register_log").values(line).execute()
}
