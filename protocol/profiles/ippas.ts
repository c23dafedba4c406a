import { markings } from "../record/marking.ts"
import type { Profile } from "./profile.ts"

const anyMarking = markings.toSorted()
/** Findings about weaknesses stay with the host until it decides otherwise; practices travel. */
const staysHome = { allowed: anyMarking, default: "TLP:RED" } as const
const travels = { allowed: anyMarking, default: "TLP:AMBER+STRICT" } as const

/**
 * International Physical Protection Advisory Service (IAEA Services Series 29, 2014). The host's
 * competent authority and its information security both release; the operator too where a
 * facility is named; the team leader too for a whole report. A withdrawal needs none of them:
 * the member's own policy decides how fast it can take something back.
 */
export const ippas: Profile = {
  areas: {
    "FP-A": "Responsibility of the State",
    "FP-B": "Responsibilities during international transport",
    "FP-C": "Legislative and regulatory framework",
    "FP-D": "Competent authority",
    "FP-E": "Responsibility of the licence holders",
    "FP-F": "Security culture",
    "FP-G": "Threat",
    "FP-H": "Graded approach",
    "FP-I": "Defence in depth",
    "FP-J": "Quality assurance",
    "FP-K": "Contingency plans",
    "FP-L": "Confidentiality",
    M1: "National regime for nuclear material and nuclear facilities",
    M2: "Nuclear facility",
    M3: "Transport",
    M4: "Radioactive material, associated facilities and activities",
    M5: "Information and computer security",
    NMAC: "Interface with nuclear material accounting and control",
  },
  fields: {
    basis: "Requirement or recommendation that it rests on or goes beyond",
    benefit: "Evidence of benefit",
    dates: "Dates of the mission",
    facility: "Facility that is named",
    findings: "Findings in number and kind",
    limits: "Limits and risks",
    mission: "Mission",
    observation: "What the team observed",
    replicability: "What another State needs to do likewise",
    scope: "Modules and scope",
    since: "Year since which it is in use",
    source: "Public source",
    team: "Team, by number and field of expertise",
    whyBetter: "Why it is better than what is usual",
    year: "Year of the mission",
  },
  id: "ippas",
  kinds: {
    "good-practice": {
      areas: 1,
      marking: travels,
      optional: [
        "benefit",
        "facility",
        "limits",
        "mission",
        "observation",
        "replicability",
        "since",
        "source",
        "year",
      ],
      required: ["basis", "whyBetter"],
      title: "Good practice",
    },
    "mission-report": {
      areas: 1,
      marking: staysHome,
      optional: ["facility", "source", "year"],
      required: ["dates", "findings", "mission", "scope", "team"],
      title: "Mission report",
    },
    recommendation: {
      areas: 1,
      marking: staysHome,
      optional: ["facility", "mission", "source", "year"],
      required: ["basis", "observation"],
      title: "Recommendation",
    },
    suggestion: {
      areas: 1,
      marking: staysHome,
      optional: ["basis", "facility", "mission", "source", "year"],
      required: ["observation"],
      title: "Suggestion",
    },
  },
  signoff: [
    { act: "release", kind: "any", persons: 1, role: "competentAuthority" },
    { act: "release", kind: "any", persons: 1, role: "informationSecurity" },
    { act: "release", kind: "any", persons: 1, role: "operator", when: "facility" },
    { act: "release", kind: "mission-report", persons: 1, role: "teamLeader" },
    { act: "consent", kind: "any", persons: 1, role: "competentAuthority" },
  ],
  title: "International Physical Protection Advisory Service",
  type: "comity/profile/v1",
  version: 1,
}
