import type { Judged, KindRule, Profile } from "../../../../protocol/profiles/profile.ts"
import type { About, Relation } from "../../../../protocol/record/link.ts"

/** Members by whose ids records name others: whoever they are. */
export const someMembers = ["1a".repeat(32), "2b".repeat(32)] as const

/** Some record of theirs, in whatever version. */
function about(relation: Relation): About {
  return { id: "5e".repeat(16), origin: someMembers[1], relation }
}

/** A text for each field that is more than words. */
function textOf(profile: Profile, field: string): string {
  const rule = (profile.consent ?? []).find(({ members }) => members.includes(field))
  if (rule !== undefined) return someMembers[0]
  if ((profile.consent ?? []).some(({ basis }) => basis?.field === field)) return "3c".repeat(32)
  if (field === "dates") return missionTexts.dates!
  if (field === "donors") return someMembers[0]
  if (field === "assistance") return "offered"
  if (field === "rating") return lowest(profile)
  if (field === "region") return Object.keys(profile.rating!.scales)[0]!
  if (field === "status") return profile.followUp!.scale[0]!
  return "Yes: it is said here."
}

function lowest({ rating }: Profile): string {
  const scale = Object.values(rating!.scales)[0]!
  return "max" in scale ? String(scale.min) : scale[0]!
}

/** What programs find in a mission agreement. */
const missionTexts: Readonly<Record<string, string>> = {
  dates: "2027-03-01/2027-03-12",
  host: someMembers[0],
  modules: "1 2",
  service: someMembers[1],
  team: "R1: transport\nR2: culture",
}

/** A record of the kind with what it must have and nothing else, as its profile would have it. */
export function sampleOf(profile: Profile, kind: string): Judged & { readonly origin: string } {
  const rule: KindRule = profile.kinds[kind]!
  const codes = profile.areas === undefined ? ["A"] : Object.keys(profile.areas).toSorted()
  const texts = rule.textRules?.includes("mission") === true ? missionTexts : {}
  return {
    ...(rule.relation === undefined ? {} : { about: about(rule.relation) }),
    areas: codes.slice(0, rule.areas),
    body: "Whoever answers for it should say what is done.",
    fields: Object.fromEntries(
      rule.required.map((field) => [field, texts[field] ?? textOf(profile, field)]),
    ),
    kind,
    language: profile.languages?.[0] ?? "en",
    marking: rule.marking.default,
    origin: "4d".repeat(32),
  }
}
