import {
  agreedBy,
  audience,
  fieldsOf,
  kind,
  marked,
  naming,
  noComparison,
  signedBy,
} from "./parts.ts"
import type { KindRule, Profile } from "./profile.ts"

/** What a country group finds: every member of it agrees, the State concerned included. */
const ofTheGroup = {
  areas: 1,
  audience: audience.states,
  marking: marked("TLP:AMBER", "TLP:GREEN"),
  naming: naming.toParties,
  optional: ["concerned"],
}

const followed = { optional: ["concerned", "status"], required: ["group"] }

/** The kinds of a review meeting: of the Joint Convention too. */
export const reviewMeetingKinds: { readonly [kind: string]: KindRule } = {
  answer: kind("Answer", {
    audience: audience.statesThenAnyone,
    marking: marked("TLP:AMBER"),
    naming: naming.open,
    optional: ["facility", "source"],
    parents: ["question"],
    required: ["reference"],
  }),
  challenge: kind("Challenge", { ...ofTheGroup, ...followed }),
  "country-review-report": kind("Country review report", {
    audience: audience.states,
    marking: marked("TLP:AMBER+STRICT", "TLP:AMBER+STRICT"),
    naming: naming.toParties,
    optional: ["concerned"],
    required: ["findings", "group"],
  }),
  "good-performance": kind("Area of good performance", { ...ofTheGroup, required: ["group"] }),
  "good-practice": kind("Good practice", {
    ...ofTheGroup,
    required: ["applicability", "contribution", "group", "new", "notWidespread", "proven"],
    tests: ["applicability", "contribution", "new", "notWidespread", "proven"],
  }),
  "national-report": kind("National report", {
    audience: audience.statesThenAnyone,
    marking: marked("TLP:GREEN"),
    naming: naming.open,
    optional: ["facility", "source", "withheld"],
    required: ["period"],
  }),
  "president-report": kind("Summary of the review meeting", {
    audience: audience.statesThenAnyone,
    marking: marked("TLP:CLEAR"),
    naming: naming.nobody,
    required: ["themes"],
  }),
  question: kind("Question", {
    areas: 1,
    audience: audience.states,
    marking: marked("TLP:AMBER", "TLP:GREEN"),
    naming: naming.toParties,
    parents: ["national-report"],
    required: ["toState"],
  }),
  suggestion: kind("Suggestion", { ...ofTheGroup, ...followed }),
}
const kinds = reviewMeetingKinds

const foundByTheGroup = [
  "challenge",
  "country-review-report",
  "good-performance",
  "good-practice",
  "suggestion",
]
const ofTheParty = ["answer", "national-report", "question"]

/** Convention on Nuclear Safety. What was said in a country group stays confidential (Article 27). */
export const cns: Profile = {
  areas: {
    "Art.6": "Existing nuclear installations",
    "Art.7": "Legislative and regulatory framework",
    "Art.8": "Regulatory body",
    "Art.9": "Responsibility of the licence holder",
    "Art.10": "Priority to safety",
    "Art.11": "Financial and human resources",
    "Art.12": "Human factors",
    "Art.13": "Quality assurance",
    "Art.14": "Assessment and verification of safety",
    "Art.15": "Radiation protection",
    "Art.16": "Emergency preparedness",
    "Art.17": "Siting",
    "Art.18": "Design and construction",
    "Art.19": "Operation",
  },
  assignment: "groups",
  category: "convention",
  comparison: noComparison,
  consent: agreedBy(foundByTheGroup, { members: ["group"], mode: "consensus" }),
  deadlines: [
    { anchor: "review-meeting", offset: "-P8M", onMiss: "list", what: "National report" },
    { anchor: "review-meeting", offset: "-P4M", onMiss: "nothing", what: "Questions" },
    { anchor: "review-meeting", offset: "-P1M", onMiss: "notify", what: "Answers" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "group",
    every: "P3Y",
    final: ["closed"],
    mandatory: true,
    scale: ["open", "closed", "follow-up-due-date"],
  },
  id: "cns",
  instruments: ["INFCIRC/449", "INFCIRC/571", "INFCIRC/572", "INFCIRC/573"],
  kinds,
  lifecycle: {
    release: "submitted",
    stages: [
      "draft",
      "submitted",
      "questioned",
      "answered",
      "presented",
      "group-agreed",
      "plenary",
      "closed",
    ],
  },
  lint: ["person"],
  onward: ["consent"],
  questions: {
    answers: "required",
    askers: "shown",
    window: { anchor: "review-meeting", answered: "-P1M", asked: "-P4M" },
  },
  recalled: ["deadlines", "followUp.scale", "kinds.good-practice.tests", "lifecycle"],
  redaction: ["personal", "proprietary", "security"],
  signoff: [
    ...signedBy("nationalContactPoint", ofTheParty),
    ...signedBy("operator", ["answer", "national-report"], { when: "facility" }),
    ...signedBy("rapporteur", [...foundByTheGroup, "president-report"]),
    ...signedBy("nationalContactPoint", ["any"], { act: "consent" }),
  ],
  steward: "Contracting Parties, IAEA as secretariat",
  title: "Convention on Nuclear Safety, review process",
  type: "comity/profile/v1",
  version: 1,
}
