import { verifyCustody } from "../../protocol/custody.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { endOfEpoch, newestRoot } from "../../protocol/member/root.ts"
import { hasSealedRating, triggerOf } from "../../protocol/profiles/rating.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { everybody, type Grant, type Terms } from "../../protocol/release/grant.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import { type Step, verifyOrder, verifyRelease } from "../../protocol/verify.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { localMark, ownHolder } from "../exchange/holder.ts"
import { type Stale, staleOf } from "../exchange/staleness.ts"
import { loggedOf } from "../log/logged.ts"
import { describeProof } from "../log/prove.ts"
import { type Links, linksAround } from "../order/linked.ts"
import { ownSilence } from "../order/own-silence.ts"
import {
  heldBy,
  type LiveFact,
  liveFactsOf,
  nameOf as nameOfReference,
  type RecordReference,
  type Standing,
} from "../order/standing.ts"
import { StoreDamage } from "../store/damage.ts"
import { consentsOf, knowingOf } from "../store/queries/consents.ts"
import { recordsWithContent } from "../store/queries/contents.ts"
import { linksOf, listOf, membersOf } from "../store/queries/custody.ts"
import { type FactRow, factsAbout } from "../store/queries/facts.ts"
import { placedGrants } from "../store/queries/grants.ts"
import { memberById } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { searchContent } from "./search.ts"

export type RecordView = {
  readonly record: string
  readonly version: number
  readonly title: string
  readonly kind: string
  readonly profile: string
  /** null where the content is gone */
  readonly marking: string | null
  /** the mark of our own beside it */
  readonly localMark: string | null
  readonly from: string
  readonly origin: string
  readonly receivedAt: string
  readonly verdict: Standing
  readonly withdrawn: boolean
  /** whether its origin released it to everybody, and that stands */
  readonly public: boolean
  /** the day since which something of its origin may be missing here */
  readonly stale?: string
}

/** What others released to us, the newest version of each, newest first; withdrawn ones without a title. */
export async function inbox(
  context: Context,
): Promise<{ readonly records: readonly RecordView[] }> {
  const rows = await recordRows(context.db)
    .where("record.origin", "!=", context.self.id)
    .orderBy("record.created_at", "desc")
    .orderBy("record.id")
    .orderBy("record.version", "desc")
    .execute()
  const seen = new Set<string>()
  const newest = rows.filter(({ origin, id }) => {
    const isFirst = !seen.has(origin + id)
    seen.add(origin + id)
    return isFirst
  })
  return { records: await viewsOf(context, newest) }
}

/** Full text of everything held here, received and our own. @throws `query.malformed` */
export async function search(
  context: Context,
  query: string,
): Promise<{ readonly records: readonly RecordView[]; readonly cut: boolean }> {
  const { rids, isCut } = await searchContent(context, query, 100)
  if (rids.length === 0) return { records: [], cut: false }
  const rows = await recordRows(context.db).where("content.rid", "in", rids).execute()
  const byRid = new Map(rows.map((row) => [row.rid, row]))
  const found = rids.flatMap((rid) => byRid.get(rid) ?? [])
  const views = await viewsOf(context, found)
  // What is suspended is hidden: nobody finds it by what it says.
  return { records: views.filter(({ verdict }) => verdict !== "suspended"), cut: isCut }
}

function recordRows(db: Db) {
  return recordsWithContent(db).select([
    "record.origin",
    "record.id",
    "record.version",
    "record.kind",
    "record.profile_id",
    "record.created_at",
    "content.title",
    "content.marking",
    "content.rid",
    "content.locked",
  ])
}

type Row = Awaited<ReturnType<ReturnType<typeof recordRows>["execute"]>>[number]

async function viewsOf(context: Context, rows: readonly Row[]): Promise<readonly RecordView[]> {
  const facts = await liveFactsOf(context, rows)
  const stale = new Map<string, Stale | null>()
  const names = new Map<string, string>()
  for (const origin of new Set(rows.map((row) => row.origin))) {
    stale.set(origin, await staleOf(context, origin))
    names.set(origin, await nameOf(context, origin))
  }
  const views: RecordView[] = []
  for (const row of rows) {
    const held = heldBy(context, facts.get(nameOfReference(row)) ?? [], row.origin)
    const verdict = held?.standing ?? "verified"
    views.push({
      record: row.id,
      version: row.version,
      title: verdict === "suspended" || row.locked === 1 ? "" : (row.title ?? ""),
      kind: row.kind,
      profile: row.profile_id,
      marking: row.marking,
      localMark: row.marking === null ? null : localMark(context, row.marking),
      from: names.get(row.origin)!,
      origin: row.origin,
      receivedAt: new Date(row.created_at).toISOString(),
      verdict,
      withdrawn: row.rid === null || row.locked === 1,
      public: held?.recipient === everybody,
      ...(stale.get(row.origin) == null ? {} : { stale: stale.get(row.origin)!.since }),
    })
  }
  return views
}

/** The newest version of a record by id or unique prefix. @throws `record.unknown`, `record.ambiguous` */
export async function findRecord(context: Context, prefix: string): Promise<RecordReference> {
  const rows = /^[0-9a-f]{1,32}$/.test(prefix)
    ? await context.db
        .selectFrom("record")
        .select(["origin", "id", "version"])
        .where("id", ">=", prefix)
        .where("id", "<=", `${prefix}g`)
        .orderBy("version", "desc")
        .execute()
    : []
  const [row] = rows
  if (row === undefined)
    throw new NodeError("record.unknown", `No record has the id ${JSON.stringify(prefix)}.`, {
      hint: "comity inbox shows what was received, comity draft list what is ours.",
    })
  if (rows.some(({ id, origin }) => id !== row.id || origin !== row.origin))
    throw new NodeError("record.ambiguous", "Several records begin like that: give more of the id.")
  return row
}

export type Shown = {
  readonly record: string
  readonly version: number
  readonly from: string
  readonly content: object
  readonly marking: string
  /** the mark of our own beside it */
  readonly localMark: string | null
  readonly terms: Terms | null
  /** whom it may be passed on to, where its terms name a list */
  readonly inside?: { readonly group: string; readonly members: readonly string[] }
  readonly network: string
  readonly provenance: readonly Step[]
  readonly notes: readonly string[]
  readonly links: Links
}

/**
 * A record as it was signed, with its provenance verified anew from what is stored.
 *
 * @throws `record.unknown`, `record.withdrawn`
 */
export async function show(context: Context, prefix: string): Promise<Shown> {
  const reference = await findRecord(context, prefix)
  const { origin, id, version } = reference
  const content = await contentOf(context, reference)
  const record = decodeRecord(content.bytes)
  const facts = await liveFacts(context, reference)
  const held = heldBy(context, facts, origin)
  if (held?.standing === "suspended") throw suspended(id)
  const steps: Step[] = []
  if (held === undefined) {
    const text = "our own record; no release of it stands: comity receipts says what became of it"
    steps.push({ step: 0, ok: true, text })
  } else steps.push(...(await provenance(context, held, content.bytes)))
  const [placed] = held === undefined ? [] : await placedGrants(context.db, [held])
  const terms = placed?.grant.terms ?? null
  return {
    record: id,
    version,
    from: await nameOf(context, origin),
    content: shownContent(record),
    marking: record.marking,
    localMark: localMark(context, record.marking),
    terms: origin === context.self.id ? null : terms,
    ...(await insideList(context, origin === context.self.id ? undefined : placed?.grant)),
    network: record.network,
    provenance: steps,
    notes: [
      ...(held?.recipient === everybody
        ? ["everybody may read it: its origin released it so"]
        : []),
      ...(held?.standing === "repudiated"
        ? [`repudiated by its origin from index ${await cutOf(context, held)}`]
        : []),
      ...profileNotes(record),
      ...(await silenceNotes(context, record, content.bytes)),
      ...(await notesOn(context, origin, record.network, terms)),
    ],
    links: await linksAround(context, record),
  }
}

async function insideList(
  context: Context,
  grant: Pick<Grant, "terms"> | undefined,
): Promise<Pick<Shown, "inside">> {
  if (grant === undefined) return {}
  const list = await listOf(context.db, grant, context.self.network)
  if (list === null) return {}
  const { name, members } = list.group
  const names = await Promise.all(members.map((member) => nameOf(context, member)))
  return { inside: { group: `@${name}`, members: names } }
}

export function shownContent(record: ComityRecord): object {
  const { title, kind, language, body, areas, fields, profile } = record
  return { title, kind, profile: profile.id, language, areas, fields, body }
}

/** What a mechanism wants said wherever such a record is shown. */
function profileNotes(record: ComityRecord): readonly string[] {
  const profile = findProfile(record.profile.digest)?.profile
  if (profile === undefined) return []
  const notes: string[] = []
  if (triggerOf(profile, record) === "assistance")
    notes.push("by this rating, assistance is to be offered")
  if (hasSealedRating(profile, record)) notes.push("sealed: in no index and no file of evidence")
  if (profile.comparison !== undefined) notes.push(profile.comparison.disclaimer)
  return notes
}

/** What happens if we say nothing. */
async function silenceNotes(
  context: Context,
  record: ComityRecord,
  bytes: Uint8Array,
): Promise<readonly string[]> {
  const from = await ownSilence(context, record, bytes)
  if (from === null) return []
  const until = `from ${from} on its origin may release it on our silence, as we agreed`
  return today(context) < from
    ? [`${until}; before: comity consent object ${record.id.slice(0, 12)} --reason TEXT`]
    : [until]
}

async function notesOn(
  context: Context,
  origin: string,
  network: string,
  terms: Terms | null,
): Promise<readonly string[]> {
  const notes: string[] = []
  if (network !== "operational") notes.push(`network ${network}: not operational`)
  if (terms?.expires !== undefined && terms.expires < today(context))
    notes.push(`the terms of use ended on ${terms.expires}`)
  const member = await memberById(context.db, origin)
  if (member !== null && newestRoot(member).payload.expires < today(context))
    notes.push("the root document of its origin has expired")
  const stale = await staleOf(context, origin)
  if (stale !== null) notes.push(`stale since ${stale.since}: ${stale.why}`)
  return notes
}

export async function contentOf(
  context: Context,
  { origin, id, version }: RecordReference,
): Promise<{ readonly bytes: Uint8Array; readonly title: string }> {
  const row = await context.db
    .selectFrom("content")
    .select(["bytes", "title", "locked"])
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirst()
  if (row === undefined)
    throw new NodeError(
      "record.withdrawn",
      `Record ${id} was withdrawn; its content is destroyed.`,
      {
        hint: `Who withdrew it: comity why ${id.slice(0, 12)} --peer ${await nameOf(context, origin)}`,
      },
    )
  if (row.locked === 1)
    throw new NodeError("record.held", `Record ${id} was withdrawn, and is locked away by law.`, {
      hint: "comity hold list says until when; an officer may read it: comity hold open RECORD.",
    })
  return { bytes: new Uint8Array(row.bytes), title: row.title }
}

export function suspended(id: string): NodeError {
  return new NodeError(
    "record.suspended",
    `Record ${id} is withdrawn for everybody, as the log of its origin says; the order itself has not come.`,
    { hint: "It is hidden until the order comes, or its origin releases it anew: comity sync." },
  )
}

/** From where on its origin disowns what this release stands on. */
async function cutOf(context: Context, fact: FactRow): Promise<number> {
  const { order, logged } = await claimOf(context, fact)
  const kids = order.signatures.map(({ header }) => header.kid)
  const { revoked } = newestRoot(logged.origin).payload
  const cuts = revoked
    .filter(({ kid, from }) => kids.includes(kid) && from.epoch === fact.epoch)
    .map(({ from }) => from.size)
  const end = endOfEpoch(logged.origin, fact.epoch)
  if (end !== null) cuts.push(end.size)
  return Math.min(fact.idx, ...cuts)
}

/** Releases of this version that no withdrawal has ended, the one that counts first. */
export async function liveFacts(
  context: Context,
  reference: RecordReference,
): Promise<readonly LiveFact[]> {
  return (await liveFactsOf(context, [reference])).get(nameOfReference(reference)) ?? []
}

/** What is held of the order behind a fact, in the form the eight steps take. */
export async function claimOf(context: Context, fact: FactRow) {
  const { db } = context
  const row = await db
    .selectFrom("logged_order")
    .selectAll()
    .where("origin", "=", fact.order_origin)
    .where("id", "=", fact.order_id)
    .executeTakeFirstOrThrow()
  const order = decodeOrder(new Uint8Array(row.document))
  const [placed] = await placedGrants(db, [fact])
  if (placed === undefined) throw new StoreDamage("a grant is missing")
  const entry = { index: row.idx, salt: new Uint8Array(row.salt) }
  const consents = await consentsOf(db, order.payload)
  const claim = { order, entry, grants: [placed], consents }
  const { logged, log } = await loggedOf(db, fact.order_origin, claim)
  return { claim, placed, logged, log, order, entry, proof: row.proof }
}

/** The eight steps over what is stored; the first that fails is the last line. */
async function provenance(
  context: Context,
  fact: FactRow,
  bytes: Uint8Array,
): Promise<readonly Step[]> {
  const steps: Step[] = []
  let seen = ""
  const report = (step: number, text: string) =>
    void steps.push({ step, ok: true, text: step === 3 ? `${text}; ${seen}` : text })
  try {
    const { claim, placed, logged, log, proof } = await claimOf(context, fact)
    seen = await describeProof(context, logged, log, { index: fact.idx, proof })
    const { db } = context
    const links = await linksOf(db, placed.grant)
    // What was taken back since it was received takes nothing away: that is for a withdrawal to do.
    const known = [
      ...(await knowingOf(db, claim.consents)).members,
      ...(await membersOf(db, links)),
    ]
    const holder = { ...ownHolder(context), recipient: null, members: new Map(known) }
    const standing = verifyOrder(claim, logged, holder, report)
    const custody =
      links.length === 0 ? null : verifyCustody(links, placed, standing.order.origin, holder)
    const record = { origin: fact.record_origin, id: fact.record_id }
    const facts = await factsAbout(db, record, fact.recipient)
    verifyRelease(standing, placed, facts, { plaintext: bytes }, holder, report, custody)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    steps.push({ step: steps.length + 1, ok: false, text: cause.message, code: cause.code })
  }
  return steps
}
