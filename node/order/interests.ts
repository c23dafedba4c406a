import {
  type Interest,
  interestFields,
  interestOf,
  isEmptyInterest,
} from "../../protocol/record/interest.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { isFoundBy } from "../reading/search-text.ts"
import { heldContents } from "../store/queries/contents.ts"
import { placedGrants } from "../store/queries/grants.ts"
import { ofLiaison } from "../store/queries/partial.ts"
import { formatDraft, parseDraft } from "./draft.ts"
import { addDraft, draftById } from "./drafts.ts"
import type { Foreseeable } from "./foresee.ts"
import { type Requested, requestRelease } from "./release.ts"
import { liveFactsOf, nameOf as nameOfReference } from "./standing.ts"

/**
 * What members look for, told to one another by records that officers release. Nothing answers one by
 * itself: it is shown to officers who choose an audience. docs/spec/interest.md
 */

export type InterestView = Interest & {
  readonly record: string
  readonly version: number
  /** `request` for a question of one time */
  readonly kind: "interest" | "request"
  readonly peer: string
  readonly member: string
  readonly title: string
  readonly text: string
  /** its last day, where the terms that it was told under name one */
  readonly until?: string
}

/** A member that looks for a record such as the one that is to be released. */
export type Asked = {
  readonly record: string
  readonly peer: string
  readonly member: string
  /** the record it asked by */
  readonly by: string
  readonly kind: InterestView["kind"]
  readonly title: string
  /** it is to receive the record */
  readonly named: boolean
}

type Wanted = Interest & {
  readonly kind: InterestView["kind"]
  readonly title: string
  readonly text: string
  readonly language: string
  readonly to: readonly string[]
  /** last day, YYYY-MM-DD; without it, until it is withdrawn */
  readonly until?: string | undefined
}

/**
 * Makes the order that tells these members what is looked for; until when, its terms say.
 *
 * @throws `interest.malformed`, as requestRelease
 */
export async function stateInterest(context: Context, wanted: Wanted): Promise<Requested> {
  const { kind, title, text, language, to, areas, until } = wanted
  const source = formatDraft({
    title,
    profile: { id: "liaison" },
    kind,
    areas: areas.toSorted(),
    language,
    marking: "TLP:AMBER",
    fields: interestFields(wanted),
    body: text,
  })
  interestOf(parseDraft(source).fields)
  const { record } = await addDraft(context, source)
  return requestRelease(context, {
    records: [record],
    to,
    ...(until === undefined ? {} : { until }),
  })
}

/** For an interest or a request; every other record passes. @throws `interest.malformed` */
export function verifyInterest(record: ComityRecord): void {
  if (record.profile.id === "liaison" && isKind(record.kind)) interestOf(record)
}

function isKind(kind: string): kind is InterestView["kind"] {
  return kind === "interest" || kind === "request"
}

/**
 * What others look for, and what we told others that we do; the newest version of each that stands and has
 * not run out.
 */
export async function listInterests(context: Context): Promise<readonly InterestView[]> {
  const rows = await heldContents(context.db)
    .select(["record.origin", "record.id", "record.version", "content.bytes"])
    .where(ofLiaison)
    .where("record.kind", "in", ["interest", "request"])
    .where("content.locked", "=", 0)
    .orderBy("content.rid")
    .execute()
  const facts = await liveFactsOf(context, rows)
  const newest = new Map<string, InterestView>()
  for (const row of rows) {
    const [fact] = facts.get(nameOfReference(row)) ?? []
    if (fact?.standing !== "verified" && fact?.standing !== "pending") continue
    const [placed] = await placedGrants(context.db, [fact])
    const until = placed?.grant.terms?.expires
    const before = newest.get(`${row.origin} ${row.id}`)
    if (before !== undefined && before.version > row.version) continue
    const record = decodeRecord(new Uint8Array(row.bytes))
    newest.set(`${row.origin} ${row.id}`, {
      ...interestOf(record),
      record: row.id,
      version: row.version,
      kind: record.kind === "request" ? "request" : "interest",
      peer: await nameOf(context, row.origin),
      member: row.origin,
      title: record.title,
      text: record.body,
      ...(until === undefined ? {} : { until }),
    })
  }
  // A newer version that has run out leaves none before it.
  return [...newest.values()].filter(({ until }) => until === undefined || until >= today(context))
}

/** Whether a record is what is looked for: one of each list, and every word. */
export function meetsInterest(interest: Interest, record: Sought): boolean {
  if (isEmptyInterest(interest)) return false
  const { mechanisms, areas, kinds, languages, words } = interest
  const isAmong = (list: readonly string[], having: readonly string[]) =>
    list.length === 0 || having.some((one) => list.includes(one))
  return (
    isAmong(mechanisms, [record.profile.id]) &&
    isAmong(areas, record.areas) &&
    isAmong(kinds, [record.kind]) &&
    isAmong(languages, [record.language]) &&
    (words === "" || isFoundBy(words, textsOf(record)))
  )
}

type Sought = Pick<
  ComityRecord,
  "profile" | "areas" | "kind" | "language" | "title" | "body" | "fields"
>

function textsOf({ title, body, fields, areas }: Sought): readonly string[] {
  return [title, [body, ...Object.values(fields), ...areas].join("\n")]
}

/** Who looks for the records of a release in the making. */
export async function whoAsked(
  context: Context,
  planned: readonly Foreseeable[],
): Promise<readonly Asked[]> {
  const recipients = new Map<string, Set<string>>()
  const records = new Map<string, ComityRecord>()
  for (const { grant, record } of planned) {
    if (record === undefined) continue
    const { id } = record.content
    records.set(id, record.content)
    recipients.set(id, (recipients.get(id) ?? new Set()).add(grant.recipient))
  }
  const interests = await interestsOfOthers(context)
  return [...records].flatMap(([id, record]) =>
    interests
      .filter((interest) => meetsInterest(interest, record))
      .map((interest) => {
        const to = recipients.get(id)
        return askedBy(
          interest,
          id,
          to?.has(interest.member) === true || to?.has(everybody) === true,
        )
      }),
  )
}

/** Who looks for what a draft says, before an audience is chosen. @throws `draft.unknown` */
export async function askersOf(context: Context, prefix: string): Promise<readonly Asked[]> {
  const row = await draftById(context, prefix)
  const { fields } = parseDraft(row.source)
  return (await interestsOfOthers(context))
    .filter((interest) => meetsInterest(interest, fields))
    .map((interest) => askedBy(interest, row.id, false))
}

async function interestsOfOthers(context: Context): Promise<readonly InterestView[]> {
  return (await listInterests(context)).filter(({ member }) => member !== context.self.id)
}

function askedBy(interest: InterestView, record: string, named: boolean): Asked {
  const { peer, member, record: by, kind, title } = interest
  return { record, peer, member, by, kind, title, named }
}
