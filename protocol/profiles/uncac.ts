import {
  agreedBy,
  audience,
  closed,
  closure,
  fieldsOf,
  kind,
  marked,
  naming,
  signedBy,
  unLanguages,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

/** Agreed by the State under review and both States that review it. */
const agreed = {
  areas: 1,
  audience: audience.hostThenAnyone,
  marking: marked("TLP:AMBER", "TLP:AMBER"),
  naming: naming.stateOnly,
}

const kinds = {
  challenge: kind("Challenge", { ...agreed, optional: ["status"], required: ["reviewers"] }),
  "country-review-report": kind("Country review report", {
    ...agreed,
    marking: marked("TLP:AMBER+STRICT"),
    optional: ["withheld"],
    required: ["findings", "reviewers"],
  }),
  "desk-review": kind("Outcome of the desk review", {
    areas: 1,
    audience: audience.states,
    marking: marked("TLP:AMBER+STRICT", "TLP:AMBER"),
    naming: naming.toParties,
    required: ["observation"],
  }),
  "executive-summary": kind("Executive summary", {
    ...agreed,
    audience: audience.anyone,
    marking: marked("TLP:CLEAR"),
    required: ["findings", "reviewers"],
  }),
  "good-practice": kind("Success or good practice", { ...agreed, required: ["reviewers"] }),
  observation: kind("Observation", { ...agreed, optional: ["status"], required: ["reviewers"] }),
  "self-assessment": kind("Self-assessment checklist", {
    areas: 1,
    audience: audience.statesThenAnyone,
    marking: marked("TLP:AMBER+STRICT"),
    naming: naming.stateOnly,
    optional: ["status", "withheld"],
    required: ["answers"],
  }),
  "ta-need": kind("Need for technical assistance", {
    ...agreed,
    optional: ["status"],
    required: ["reviewers", "topic"],
  }),
  "thematic-report": kind("Thematic report", {
    areas: 1,
    audience: audience.anyone,
    marking: marked("TLP:CLEAR"),
    naming: naming.nobody,
    required: ["themes"],
  }),
}
const ofThree = [
  "challenge",
  "country-review-report",
  "executive-summary",
  "good-practice",
  "observation",
  "ta-need",
]

/** United Nations Convention against Corruption: two reviewing States by lot, a report that three agree. */
export const uncac: Profile = {
  areas: {
    II: "Preventive measures",
    III: "Criminalization and law enforcement",
    IV: "International cooperation",
    V: "Asset recovery",
  },
  assignment: "draw",
  category: "convention",
  comparison: { disclaimer: "The mechanism produces no ranking of any form.", rule: "forbidden" },
  consent: agreedBy(ofThree, { members: ["reviewers"], mode: "explicit" }),
  deadlines: [
    { anchor: "start", offset: "+P3W", onMiss: "notify", what: "Focal point" },
    { anchor: "start", offset: "+P2M", onMiss: "notify", what: "Self-assessment" },
    { anchor: "self-assessment", offset: "+P2M", onMiss: "notify", what: "Desk review" },
    { anchor: "start", offset: "+P5M", onMiss: "notify", what: "Draft report" },
    { anchor: "start", offset: "+P6M", onMiss: "notify", what: "Agreed report" },
  ],
  fields: fieldsOf(kinds),
  followUp: { assessor: "reviewers", every: "P5Y", final: closed, mandatory: true, scale: closure },
  id: "uncac",
  instruments: ["UNCAC Art. 63", "CoSP resolution 3/1, terms of reference"],
  kinds,
  languages: unLanguages,
  lifecycle: {
    release: "self-assessment",
    stages: [
      ...["drawn", "focal-point", "self-assessment", "desk-review", "dialogue", "draft", "agreed"],
      ...["summary-public", "next-cycle"],
    ],
  },
  lint: ["person"],
  onward: ["consent"],
  questions: { answers: "required", askers: "shown" },
  recalled: ["deadlines", "followUp.every"],
  redaction: ["personal", "state-choice"],
  signoff: [
    ...signedBy("focalPoint", [...ofThree, "self-assessment"]),
    ...signedBy("expert", ["desk-review"]),
    ...signedBy("moderator", ["thematic-report"]),
    ...signedBy("expert", ["any"], { act: "consent" }),
  ],
  steward: "Conference of the States Parties, UNODC",
  title: "UNCAC Implementation Review Mechanism",
  type: "comity/profile/v1",
  version: 1,
}
