import { ProtocolError } from "../../protocol/errors.ts"
import { subjectOf } from "../../protocol/profiles/linked.ts"
import type { Profile } from "../../protocol/profiles/profile.ts"
import { findProfileById } from "../../protocol/profiles/registry.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import { findPeer, nameOf } from "../authority/peers.ts"
import { type Context, dayOf } from "../context.ts"
import { NodeError } from "../errors.ts"
import { hasErrors, parseDraft } from "../order/draft.ts"
import { heldRecords } from "../order/linked.ts"
import { type Cell, tellable } from "./suppression.ts"

/**
 * Numbers of records, as far as their mechanism lets anyone count: one's own over the years, or everybody's
 * together, without a State and without what is too little to hide in. docs/dialogue.md
 */
export type Trends = {
  readonly mechanism: string
  readonly disclaimer: string
  /** null: of all members together */
  readonly of: string | null
  readonly dimensions: readonly ["area", "kind", "year"]
  /** null stands for all values together */
  readonly cells: readonly Cell[]
  /** what is told is of so many members at least; 1 for one's own */
  readonly k: number
}

/** Where a mechanism names no smallest number of members. */
const leastMembers = 5
const noComparison = "Numbers of records measure no State."

/** @throws `profile.unknown`, `comparison.forbidden`, `terms.invalid`, `peer.unknown` */
export async function trends(
  context: Context,
  request: {
    readonly mechanism: string
    /** members whose numbers are asked for; left out, our own; with `together`, everybody's */
    readonly of?: readonly string[]
    readonly together?: boolean
    readonly k?: number
  },
): Promise<Trends> {
  const { mechanism, together = false } = request
  const profile = findProfileById(mechanism)?.profile
  if (profile === undefined) throw new ProtocolError("profile.unknown", { detail: mechanism })
  const { self } = context
  const subjects = new Set<string>()
  for (const name of request.of ?? []) subjects.add(await memberNamed(context, name))
  if (subjects.size === 0) subjects.add(self.id)
  const isOwn = subjects.size === 1 && subjects.has(self.id)
  if (!isOwn) refuseComparison(profile)
  const k = together ? leastOf(profile, request.k) : 1
  const kept = isOwn && !together ? await keptAtHome(context, mechanism) : []
  const counted = [...(await recordsUnder(context, mechanism)), ...kept].flatMap((one) => {
    const { record, year } = one
    const member = subjectOf(record)
    if (!together && !subjects.has(member)) return []
    const areas = record.areas.length === 0 ? ["-"] : record.areas
    return [{ values: [areas, [record.kind], [year]], member }]
  })
  return {
    mechanism,
    disclaimer: profile.comparison?.disclaimer ?? noComparison,
    of: together ? null : await nameOf(context, self.id),
    dimensions: ["area", "kind", "year"],
    // Areas by year and kinds by year: all three at once would leave next to nothing to tell.
    cells: tellable(
      counted,
      k,
      together ? ([area, kind]) => area === null || kind === null : undefined,
    ),
    k,
  }
}

async function memberNamed(context: Context, name: string): Promise<string> {
  const isUs = name === context.self.id || name === (await nameOf(context, context.self.id))
  return isUs ? context.self.id : (await findPeer(context, name)).member
}

/** No numbers of one member beside another's, whatever the mechanism: it says so in its own words. */
function refuseComparison({ comparison, id }: Profile): never {
  throw new NodeError(
    "comparison.forbidden",
    `Under ${id} no numbers of single other members are counted. ${comparison?.disclaimer ?? noComparison}`,
    { hint: `Our own over the years: comity trends ${id}. Everybody's: --together` },
  )
}

/** More than the mechanism asks for, or as much; never less. */
function leastOf({ comparison, id }: Profile, wanted: number | undefined): number {
  const least = comparison?.k ?? leastMembers
  if (wanted !== undefined && wanted < least)
    throw new NodeError("terms.invalid", `Under ${id} a number is of ${least} members at least.`)
  return wanted ?? least
}

/** Drafts of ours that were never released: most of what a mission finds stays where it was found. */
async function keptAtHome({ db, self }: Context, mechanism: string) {
  const rows = await db
    .selectFrom("draft")
    .select(["source", "updated_at"])
    .where("released", "=", 0)
    .execute()
  return rows.flatMap(({ source, updated_at: at }) => {
    const { fields: draft, findings } = parseDraft(source)
    if (draft.profile.id !== mechanism || hasErrors(findings)) return []
    const { areas, fields, kind } = draft
    const record = { areas, fields, kind, origin: self.id }
    return [{ record, year: yearOf(fields, at) }]
  })
}

/** The year that it gives, else the one since which it is here. */
function yearOf({ year = "" }: ComityRecord["fields"], since: number): string {
  return /^\d{4}$/.test(year) ? year : dayOf(since).slice(0, 4)
}

/** Its newest versions that are held, translations and what is hidden left out. */
async function recordsUnder(context: Context, mechanism: string) {
  const rows = await context.db
    .selectFrom("record")
    .select((eb) => ["origin", "id", eb.fn.min<number>("created_at").as("at")])
    .where("profile_id", "=", mechanism)
    .groupBy(["origin", "id"])
    .execute()
  const since = new Map(rows.map(({ origin, id, at }) => [`${origin} ${id}`, at]))
  const held = await heldRecords(context, rows)
  return held
    .filter(({ translationOf }) => translationOf === undefined)
    .map((record) => {
      const here = since.get(`${record.origin} ${record.id}`)!
      return { record, year: yearOf(record.fields, here) }
    })
}
