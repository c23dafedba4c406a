import { subjectOf } from "../../protocol/profiles/linked.ts"
import type { LinkRelation } from "../../protocol/record/link.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { targetsOf } from "./links.ts"
import { liveFactsOf, nameOf as nameOfReference, standingOf } from "./standing.ts"

/** One end of a link, as far as the record there is held and not hidden. */
export type LinkView = {
  readonly relation: LinkRelation
  readonly record: string
  readonly origin: string
  readonly from: string
  /** null: not held here, or suspended */
  readonly title: string | null
  readonly kind: string | null
  readonly version: number | null
  /** what it says became of the other, on the scale of its kind */
  readonly status?: string
  /** of a follow-up: whether the host of the finding says so, or who assesses it */
  readonly claim?: "host" | "assessor"
  readonly language?: string
  /** it speaks of an older version than the newest that is held */
  readonly outdated?: true
}

export type Links = {
  /** what the record speaks of */
  readonly about: readonly LinkView[]
  /** what speaks of it, the oldest first */
  readonly linked: readonly LinkView[]
}

export async function linksAround(context: Context, record: ComityRecord): Promise<Links> {
  const newest = await newestVersion(context, record)
  const about: LinkView[] = []
  for (const target of targetsOf(record)) {
    const { origin, id, relation } = target
    const [held] = await heldRecords(context, [{ origin, id }])
    const outdated = isOlder(target.version, held?.version ?? 0)
    about.push({ ...(await viewOf(context, held, { origin, id })), relation, ...outdated })
  }
  const rows = await context.db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .select(["content.origin", "content.id", "content.version", "relation", "to_version"])
    .where("to_id", "=", record.id)
    .where("to_origin", "=", record.origin)
    .orderBy("content.rid")
    .execute()
  const linked: LinkView[] = []
  for (const row of rows) {
    const [held] = await heldRecords(context, [row])
    if (held?.version !== row.version) continue
    const { relation, to_version: version } = row
    const claim = relation === "follows-up" ? { claim: claimOf(held, record) } : {}
    const outdated = isOlder(version ?? undefined, newest)
    linked.push({ ...(await viewOf(context, held, row)), relation, ...claim, ...outdated })
  }
  return { about, linked }
}

function isOlder(version: number | undefined, newest: number): { readonly outdated?: true } {
  return version !== undefined && version < newest ? { outdated: true } : {}
}

/** The host answers for what was found at its own place; anyone else assesses. */
export function claimOf(
  { origin }: Pick<ComityRecord, "origin">,
  finding: ComityRecord,
): "host" | "assessor" {
  return origin === subjectOf(finding) ? "host" : "assessor"
}

async function newestVersion({ db }: Context, { origin, id }: ComityRecord): Promise<number> {
  const row = await db
    .selectFrom("content")
    .select((eb) => eb.fn.max<number>("version").as("newest"))
    .where("origin", "=", origin)
    .where("id", "=", id)
    .executeTakeFirst()
  return row?.newest ?? 0
}

/** The newest version of each that is held, without those that are hidden. */
export async function heldRecords(
  context: Context,
  wanted: readonly { readonly origin: string; readonly id: string }[],
): Promise<readonly ComityRecord[]> {
  const found: ComityRecord[] = []
  for (const { origin, id } of wanted) {
    const row = await context.db
      .selectFrom("content")
      .select(["version", "bytes"])
      .where("origin", "=", origin)
      .where("id", "=", id)
      .where("locked", "=", 0)
      .orderBy("version", "desc")
      .limit(1)
      .executeTakeFirst()
    if (row === undefined) continue
    const reference = { origin, id, version: row.version }
    const facts = (await liveFactsOf(context, [reference])).get(nameOfReference(reference)) ?? []
    if (standingOf(context, facts, origin) === "suspended") continue
    found.push(decodeRecord(new Uint8Array(row.bytes)))
  }
  return found
}

async function viewOf(
  context: Context,
  held: ComityRecord | undefined,
  { origin, id }: { readonly origin: string; readonly id: string },
): Promise<Omit<LinkView, "relation">> {
  const from = await nameOf(context, origin)
  if (held === undefined)
    return { record: id, origin, from, title: null, kind: null, version: null }
  const { title, kind, version, fields, language, translationOf } = held
  const status = translationOf?.status ?? fields.progress ?? fields.assistance ?? fields.status
  return {
    ...{ record: id, origin, from, title, kind, version, language },
    ...(status === undefined ? {} : { status }),
  }
}
