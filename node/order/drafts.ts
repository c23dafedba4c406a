import { sql } from "kysely"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { encodeHex, utf8 } from "../../protocol/encoding.ts"
import { withdrawalTag } from "../../protocol/log/entry.ts"
import {
  type ComityRecord,
  decodeRecord,
  encodeRecord,
  recordDigest,
} from "../../protocol/record/record.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { indexRecords } from "../reading/search.ts"
import { insertContents, versionName } from "../store/queries/contents.ts"
import type { Db, Schema } from "../store/schema.ts"
import { buildRecord, type Draft, hasErrors, parseDraft } from "./draft.ts"
import { checkHeldLinks } from "./links.ts"
import type { Finding } from "./lint-rules.ts"

type DraftRow = Schema["draft"]

export type DraftView = {
  readonly record: string
  readonly version: number
  readonly title: string
  readonly profile: string
  readonly kind: string
  readonly findings: readonly Finding[]
  readonly released: number
}

/** What a draft's next release would be, and what is wrong with it. */
export function checkDraft(source: string, profileId?: string): Omit<DraftView, "record"> {
  const { fields, findings } = parseDraft(source, profileId === undefined ? {} : { profileId })
  const { title, profile, kind } = fields
  return { version: 1, title, profile: profile.id, kind, findings, released: 0 }
}

/** Keeps the source as the author wrote it; errors in it stop a release, not the keeping. */
export async function addDraft(
  context: Context,
  source: string,
  profileId?: string,
): Promise<DraftView> {
  const text = withProfile(source, profileId)
  const id = encodeHex(context.env.random(16))
  const row: DraftRow = {
    id,
    source: text,
    title: parse(context, text).fields.title,
    released: 0,
    released_source: null,
    updated_at: context.env.clock.now(),
  }
  await context.db.insertInto("draft").values(row).execute()
  return viewOf(context, row)
}

/** Many at once, all or none; a source that is a draft already stays that one. */
export async function addDrafts(
  context: Context,
  sources: readonly string[],
  profileId?: string,
): Promise<readonly (DraftView & { readonly isNew: boolean })[]> {
  const { db } = context
  return db.transaction().execute(async (trx) => {
    const texts = sources.map((source) => withProfile(source, profileId))
    const titles = new Set(texts.map((text) => parse(context, text).fields.title))
    const rows = await trx
      .selectFrom("draft")
      .selectAll()
      .where("title", "in", [...titles])
      .execute()
    const known = new Map(rows.map((row) => [row.source, viewOf(context, row)]))
    const views: (DraftView & { readonly isNew: boolean })[] = []
    for (const text of texts) {
      const before = known.get(text)
      const view = before ?? (await addDraft({ ...context, db: trx }, text))
      known.set(text, view)
      views.push({ ...view, isNew: before === undefined })
    }
    return views
  })
}

/** The profile asked for on the command line becomes part of the source, so that one text says all. */
function withProfile(source: string, profileId: string | undefined): string {
  if (profileId === undefined || /^---\r?\n[\s\S]*?^profile:/m.test(source)) return source
  if (/^\ufeff?---\r?\n/.test(source))
    return source.replace(/^\ufeff?---\r?\n/, `---\nprofile: ${profileId}\n`)
  return `---\nprofile: ${profileId}\n---\n${source}`
}

export async function editDraft(
  context: Context,
  prefix: string,
  source: string,
): Promise<DraftView> {
  const row = await draftById(context, prefix)
  const title = parse(context, source).fields.title
  const updated = { ...row, source, title, updated_at: context.env.clock.now() }
  await context.db.updateTable("draft").set(updated).where("id", "=", row.id).execute()
  return viewOf(context, updated)
}

export async function listDrafts(context: Context): Promise<readonly DraftView[]> {
  const rows = await context.db.selectFrom("draft").selectAll().orderBy("updated_at").execute()
  return rows.map((row) => viewOf(context, row))
}

export async function showDraft(
  context: Context,
  prefix: string,
): Promise<DraftView & { readonly source: string }> {
  const row = await draftById(context, prefix)
  return { ...viewOf(context, row), source: row.source }
}

/** @throws `draft.released`: what left this node stays on record; it can be withdrawn. */
export async function removeDraft(context: Context, prefix: string): Promise<{ removed: string }> {
  const row = await draftById(context, prefix)
  if (row.released > 0)
    throw new NodeError(
      "draft.released",
      "That draft has been put into an order, or is spoken of in one.",
      {
        hint: "comity withdraw RECORD takes a release back.",
      },
    )
  await context.db.deleteFrom("draft").where("id", "=", row.id).execute()
  return { removed: row.id }
}

/** Under the profiles that are in force here. */
function parse(context: Context, source: string): Draft {
  return parseDraft(source, { adopted: ownRoot(context).profiles })
}

function viewOf(context: Context, row: DraftRow): DraftView {
  const { fields, findings } = parse(context, row.source)
  const { title, profile, kind } = fields
  return {
    record: row.id,
    version: nextVersion(row),
    title,
    profile: profile.id,
    kind,
    findings,
    released: row.released,
  }
}

function nextVersion(row: DraftRow): number {
  return row.released_source === sourceDigest(row.source) ? row.released : row.released + 1
}

function sourceDigest(source: string): string {
  return encodeHex(sha256(utf8(source)))
}

/** By id or unique prefix. @throws `draft.unknown`, `record.ambiguous`, `record.not-ours` */
export async function draftById(
  context: Context,
  prefix: string,
  db: Db = context.db,
): Promise<DraftRow> {
  const isId = /^[0-9a-f]{1,32}$/.test(prefix)
  const rows = isId
    ? await db
        .selectFrom("draft")
        .selectAll()
        .where("id", ">=", prefix)
        .where("id", "<=", `${prefix}g`)
        .limit(sql.lit(2))
        .execute()
    : []
  const [row, other] = rows
  if (row === undefined) {
    if (isId) await refuseTheirs({ ...context, db }, prefix)
    throw new NodeError("draft.unknown", `No draft has the id ${JSON.stringify(prefix)}.`, {
      hint: "comity draft list shows what is ours.",
    })
  }
  if (other !== undefined)
    throw new NodeError("record.ambiguous", "Several drafts begin like that: give more of the id.")
  return row
}

/** A record that was received: said so, instead of that there is none. */
async function refuseTheirs(context: Context, prefix: string): Promise<void> {
  const row = await context.db
    .selectFrom("record")
    .select(["id", "origin"])
    .where("origin", "!=", context.self.id)
    .where("id", ">=", prefix)
    .where("id", "<=", `${prefix}g`)
    .executeTakeFirst()
  if (row === undefined) return
  const name = await nameOf(context, row.origin)
  throw new NodeError("record.not-ours", `Record ${row.id} is ${name}'s, not ours.`, {
    hint: `Only its origin releases it, changes it or takes it back: ask ${name}.`,
  })
}

export type RecordRow = Schema["record"]

/**
 * The record version that a draft stands for: as released before when the text is the same, else the
 * next one, sealed once under a fresh content key. PROTOCOL.md §3
 *
 * @throws `draft.errors`, `record.malformed`, `profile.violated`
 */
export async function freezeDraft(context: Context, trx: Db, row: DraftRow): Promise<RecordRow> {
  const { self, env } = context
  const version = nextVersion(row)
  if (version === row.released) return recordRow(trx, self.id, row.id, version)
  const draft = parse(context, row.source)
  if (hasErrors(draft.findings)) {
    const errors = draft.findings.filter(({ severity }) => severity === "error")
    throw new NodeError(
      "draft.errors",
      `Draft ${row.id} has ${errors.length} errors: line ${errors[0]!.line}: ${errors[0]!.text}`,
      {
        hint: `comity draft show ${row.id} lists them; comity draft edit ${row.id} FILE.md mends them.`,
      },
    )
  }
  const record = buildRecord(draft, { network: self.network, origin: self.id, id: row.id, version })
  await checkHeldLinks(trx, record)
  const bytes = encodeRecord(record)
  const key = env.random(32)
  const sealed = sealObject(key, 0, bytes)
  const frozen: RecordRow = {
    origin: self.id,
    id: row.id,
    version,
    digest: recordDigest(bytes),
    kind: record.kind,
    profile_id: record.profile.id,
    profile_digest: record.profile.digest,
    sealed_digest: encodeHex(sha256(sealed)),
    sealed_size: sealed.length,
    created_at: env.clock.now(),
  }
  await trx.insertInto("record").values(frozen).execute()
  const { origin, id, marking, title } = record
  const tag = withdrawalTag(key)
  const content = { origin, id, version, title, marking, bytes, content_key: key, tag }
  const rids = await insertContents(trx, [content])
  await indexRecords(trx, [{ rid: rids.get(versionName(record))!, record }])
  await trx
    .updateTable("draft")
    .set({ released: version, released_source: sourceDigest(row.source) })
    .where("id", "=", row.id)
    .execute()
  return frozen
}

export async function recordRow(
  db: Db,
  origin: string,
  id: string,
  version: number,
): Promise<RecordRow> {
  const row = await db
    .selectFrom("record")
    .selectAll()
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst()
  if (row === undefined)
    throw new NodeError("record.unknown", `No record ${id} version ${version}.`)
  return row
}

type Reference = { readonly origin: string; readonly id: string; readonly version: number }

/** The content of a version that is held here. @throws `record.withdrawn` */
export async function recordOf(db: Db, reference: Reference): Promise<ComityRecord> {
  return decodeRecord(await recordBytes(db, reference))
}

/** @throws `record.withdrawn` */
export async function recordBytes(db: Db, { origin, id, version }: Reference): Promise<Uint8Array> {
  const row = await db
    .selectFrom("content")
    .select("bytes")
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst()
  if (row === undefined)
    throw new NodeError("record.withdrawn", `The content of record ${id} is destroyed.`)
  return new Uint8Array(row.bytes)
}
