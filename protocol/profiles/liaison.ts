import { markings } from "../record/marking.ts"
import type { KindRule, Profile } from "./profile.ts"

const marking = { allowed: markings.toSorted(), default: "TLP:AMBER" } as const

function kind(title: string, required: readonly string[], optional: readonly string[]): KindRule {
  return { areas: 0, marking, optional, required, title }
}

const wanted = ["kinds", "languages", "mechanisms", "words"]

/**
 * What members say to one another about the exchange itself: who forms a group, and who looks for what.
 * Sign-off by the member's own policy. What the fields of groups must hold is in record/group.ts, of
 * interests in record/interest.ts.
 */
export const liaison: Profile = {
  fields: {
    convener: "Member that issues the next version",
    group: "Version of the group, by its digest",
    kinds: "Kinds of record",
    languages: "Languages",
    mechanisms: "Profiles of mechanisms",
    members: "Members",
    name: "Name for use",
    previous: "Version before, by its digest",
    words: "Words, all of them",
  },
  id: "liaison",
  kinds: {
    group: kind("Group", ["convener", "members", "name"], ["previous"]),
    "group-acceptance": kind("Acceptance of a group", ["group"], []),
    "group-departure": kind("Departure from a group", ["group"], []),
    interest: kind("Standing interest", [], wanted),
    request: kind("Request", [], wanted),
  },
  signoff: [],
  title: "Liaison between members",
  type: "comity/profile/v1",
  version: 1,
}
