import { reviewMeetingKinds as kinds } from "./cns.ts"
import { agreedBy, fieldsOf, noComparison, signedBy } from "./parts.ts"
import type { Profile } from "./profile.ts"

const foundByTheGroup = [
  ...["challenge", "country-review-report", "good-performance", "good-practice", "suggestion"],
]

/**
 * Joint Convention on the Safety of Spent Fuel Management and on the Safety of Radioactive Waste
 * Management: as under the Convention on Nuclear Safety, with its own articles and days.
 */
export const jointConvention: Profile = {
  areas: {
    "Art.4": "Spent fuel: general safety requirements",
    "Art.5": "Spent fuel: existing facilities",
    "Art.6": "Spent fuel: siting",
    "Art.7": "Spent fuel: design and construction",
    "Art.8": "Spent fuel: assessment of safety",
    "Art.9": "Spent fuel: operation",
    "Art.10": "Spent fuel: disposal",
    "Art.11": "Waste: general safety requirements",
    "Art.12": "Waste: existing facilities and past practices",
    "Art.13": "Waste: siting",
    "Art.14": "Waste: design and construction",
    "Art.15": "Waste: assessment of safety",
    "Art.16": "Waste: operation",
    "Art.17": "Waste: institutional measures after closure",
    "Art.18": "Implementing measures",
    "Art.19": "Legislative and regulatory framework",
    "Art.20": "Regulatory body",
    "Art.21": "Responsibility of the licence holder",
    "Art.22": "Human and financial resources",
    "Art.23": "Quality assurance",
    "Art.24": "Operational radiation protection",
    "Art.25": "Emergency preparedness",
    "Art.26": "Decommissioning",
    "Art.27": "Transboundary movement",
    "Art.28": "Disused sealed sources",
  },
  assignment: "groups",
  category: "convention",
  comparison: noComparison,
  consent: agreedBy(foundByTheGroup, { members: ["group"], mode: "consensus" }),
  deadlines: [
    { anchor: "review-meeting", offset: "-P3M", onMiss: "list", what: "National report" },
    { anchor: "review-meeting", offset: "-P3M", onMiss: "nothing", what: "Questions" },
    { anchor: "review-meeting", offset: "-P1M", onMiss: "notify", what: "Answers" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "group",
    every: "P3Y",
    final: ["closed"],
    mandatory: true,
    scale: ["open", "closed"],
  },
  id: "joint-convention",
  instruments: ["INFCIRC/546", "INFCIRC/603", "INFCIRC/604"],
  kinds,
  lifecycle: {
    release: "submitted",
    stages: ["draft", "submitted", "questioned", "answered", "presented", "group-agreed", "closed"],
  },
  lint: ["person"],
  onward: ["consent"],
  questions: {
    answers: "required",
    askers: "shown",
    window: { anchor: "review-meeting", answered: "-P1M", asked: "-P3M" },
  },
  recalled: ["areas", "deadlines", "followUp.scale", "lifecycle"],
  redaction: ["personal", "proprietary", "security"],
  signoff: [
    ...signedBy("nationalContactPoint", ["answer", "national-report", "question"]),
    ...signedBy("operator", ["answer", "national-report"], { when: "facility" }),
    ...signedBy("rapporteur", [...foundByTheGroup, "president-report"]),
    ...signedBy("nationalContactPoint", ["any"], { act: "consent" }),
  ],
  steward: "Contracting Parties, IAEA as secretariat",
  title: "Joint Convention on spent fuel and radioactive waste, review process",
  type: "comity/profile/v1",
  version: 1,
}
