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
    access: "Limits of access",
    anchor: "What deadlines are counted from",
    assistance: "What the donor says: considered, declined, offered, provided",
    confidentiality: "Rules of confidentiality",
    dates: "First and last day",
    day: "Day",
    donors: "Donors that are asked, by their ids",
    due: "Day by which it is done",
    host: "Host, by its id",
    mechanism: "Profile of the mechanism",
    mission: "Mission",
    modules: "Modules that the host has chosen, by the codes of their areas, or all",
    progress: "Status, on the scale of the finding's own mechanism",
    rejected: "Reviewers whom the host has rejected: pseudonym and why",
    service: "Service, by its id",
    status: "What became of it",
    team: "Reviewers whom the host has accepted: pseudonym and competence",
    year: "Year",
  },
  followUp: {
    assessor: "recipient",
    mandatory: false,
    scale: ["adopted", "adapted", "considered", "not-applicable"],
  },
  id: "dialogue",
  kinds: {
    acceptance: kind("Agreement to a mission", "agrees", { parents: ["mission-agreement"] }),
    adoption: kind("Adoption notice", "adopts", { optional: ["year"], required: ["status"] }),
    answer: kind("Answer", "answers", { parents: ["question"] }),
    "assistance-reply": kind("Reply to a request for assistance", "responds", {
      optional: ["due"],
      parents: ["assistance-request"],
      required: ["assistance"],
    }),
    "assistance-request": kind("Request for assistance", "requests", {
      optional: ["due"],
      required: ["donors"],
    }),
    comment: kind("Comment", "replies"),
    "follow-up": kind("Status of a finding", "follows-up", {
      optional: ["due"],
      required: ["progress"],
    }),
    milestone: kind("Milestone", null, { required: ["anchor", "day", "mechanism"] }),
    "mission-agreement": kind("Mission agreement", null, {
      optional: ["rejected"],
      required: [
        ...["access", "confidentiality", "dates", "host", "mechanism", "mission", "modules"],
        ...["service", "team"],
      ],
      textRules: ["mission"],
    }),
    question: kind("Question", "asks"),
    reservation: kind("Reservation", "reserves"),
  },
  questions: { answers: "voluntary", askers: "hidden" },
  signoff: [],
  title: "Dialogue about records",
  type: "comity/profile/v1",
  version: 1,
}
