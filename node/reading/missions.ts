import { daysOf } from "../../protocol/profiles/mission.ts"
import { builtInProfiles, findProfile } from "../../protocol/profiles/registry.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { heldRecords } from "../order/linked.ts"
import { agreementsInForce } from "../order/mission.ts"
import type { Due } from "./calendar.ts"

type Mission = {
  readonly record: ComityRecord
  readonly days: { readonly from: string; readonly to: string }
}

/** Missions that host and service have agreed on, for these two: nobody else's deadlines follow from them. */
export async function agreedMissions({ db, self }: Context): Promise<readonly Mission[]> {
  const agreements = await agreementsInForce(db, (parties) => parties.includes(self.id))
  return agreements.flatMap(withDays)
}

function withDays(record: ComityRecord): readonly Mission[] {
  const days = daysOf(record)
  return days === null ? [] : [{ record, days }]
}

/** The calendar of missions: those that we are party to, and those that a committee tells of. Never overdue. */
export async function fromMissions(context: Context): Promise<readonly Due[]> {
  const dues: Due[] = []
  for (const { days, record } of await agreedMissions(context)) {
    const { mechanism = "", mission } = record.fields
    dues.push(await dueOf(context, record, days, { mechanism, title: mission ?? record.title }))
  }
  for (const { days, record } of await announced(context)) {
    const mechanism = record.profile.id
    dues.push(await dueOf(context, record, days, { mechanism, title: record.title }))
  }
  return dues
}

async function dueOf(
  context: Context,
  { id, origin }: ComityRecord,
  { from: day, to: until }: Mission["days"],
  of: { readonly mechanism: string; readonly title: string },
): Promise<Due> {
  const from = await nameOf(context, origin)
  const what = { what: "Mission", anchor: "dates", onMiss: "nothing" } as const
  return { ...of, ...what, key: `${origin} ${id} mission`, day, until, from }
}

/** Entries of a calendar, as whoever keeps it has released them: kinds that a profile gives dates. */
async function announced(context: Context): Promise<readonly Mission[]> {
  const kinds = builtInProfiles.flatMap(({ profile }) =>
    Object.entries(profile.kinds)
      .filter(([, { textRules }]) => textRules?.includes("dates"))
      .map(([kind]) => kind),
  )
  const rows = await context.db
    .selectFrom("record")
    .select(["origin", "id"])
    .distinct()
    .where("kind", "in", [...new Set(kinds)])
    .execute()
  return (await heldRecords(context, rows)).filter(hasDates).flatMap(withDays)
}

function hasDates({ kind, profile }: ComityRecord): boolean {
  const rule = findProfile(profile.digest)?.profile.kinds[kind]
  return rule?.textRules?.includes("dates") === true
}
