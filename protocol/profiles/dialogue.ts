import type { Relation } from "../record/link.ts"
import { markings } from "../record/marking.ts"
import type { KindRule, Profile } from "./profile.ts"

function kind(title: string, relation: Relation | null, fields: Partial<KindRule> = {}): KindRule {
  return {
    areas: 0,
    marking: { allowed: markings.toSorted(), default: "TLP:AMBER" },
    optional: [],
    ...(relation === null ? {} : { relation }),
    required: [],
    title,
    ...fields,
  }
}

/**
 * What members say to one another about a record, where its own mechanism has no kind for it. Sign-off by
 * the member's own policy; who asks is known to whom is asked only. docs/dialogue.md
 */
export const dialogue: Profile = {
  fields: {
    anchor: "What deadlines are counted from",
    day: "Day",
    due: "Day by which it is done",
    mechanism: "Profile of the mechanism",
    progress: "Status, on the scale of the finding's own mechanism",
    status: "What became of it",
    year: "Year",
  },
  followUp: {
    assessor: "recipient",
    mandatory: false,
    scale: ["adopted", "adapted", "considered", "not-applicable"],
  },
  id: "dialogue",
  kinds: {
    adoption: kind("Adoption notice", "adopts", { optional: ["year"], required: ["status"] }),
    answer: kind("Answer", "answers", { parents: ["question"] }),
    comment: kind("Comment", "replies"),
    "follow-up": kind("Status of a finding", "follows-up", {
      optional: ["due"],
      required: ["progress"],
    }),
    milestone: kind("Milestone", null, { required: ["anchor", "day", "mechanism"] }),
    question: kind("Question", "asks"),
    reservation: kind("Reservation", "reserves"),
  },
  questions: { answers: "voluntary", askers: "hidden" },
  signoff: [],
  title: "Dialogue about records",
  type: "comity/profile/v1",
  version: 1,
}
