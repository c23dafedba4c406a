import {
  audience,
  background,
  closure,
  fieldsOf,
  kind,
  marked,
  naming,
  noComparison,
  principles,
  principlesWalk,
  securityLint,
  signedBy,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

/** Findings about weaknesses stay with the host until it decides otherwise; practices travel. */
const staysHome = {
  areas: 1,
  audience: audience.hostThenAnyone,
  marking: marked("TLP:RED"),
  naming: naming.byOrigin,
}

const kinds = {
  "good-practice": kind("Good practice", {
    areas: 1,
    audience: audience.anyone,
    marking: marked("TLP:AMBER+STRICT"),
    naming: naming.byOrigin,
    optional: [
      "benefit",
      "facility",
      "limits",
      "observation",
      "replicability",
      "since",
      ...background,
    ],
    required: ["basis", "whyBetter"],
  }),
  "mission-report": kind("Mission report", {
    ...staysHome,
    optional: ["facility", "source", "withheld", "year"],
    required: ["dates", "findings", "mission", "scope", "team"],
  }),
  recommendation: kind("Recommendation", {
    ...staysHome,
    optional: ["facility", "party", "status", ...background],
    required: ["basis", "observation"],
    textRules: ["should"],
  }),
  suggestion: kind("Suggestion", {
    ...staysHome,
    optional: ["basis", "facility", "status", ...background],
    required: ["observation"],
  }),
}

/**
 * International Physical Protection Advisory Service. The host's competent authority and its information
 * security both release; the operator too where a facility is named; the team leader too for a whole
 * report. A withdrawal needs none of them: the member's own policy decides how fast it can take something
 * back.
 */
export const ippas: Profile = {
  areas: {
    ...principles,
    M1: "National regime for nuclear material and nuclear facilities",
    M2: "Nuclear facility",
    M3: "Transport",
    M4: "Radioactive material, associated facilities and activities",
    M5: "Information and computer security",
    NMAC: "Interface with nuclear material accounting and control",
  },
  assignment: "host-agreed",
  category: "advisory",
  comparison: noComparison,
  crossWalk: principlesWalk,
  fields: fieldsOf(kinds),
  followUp: { assessor: "team", mandatory: false, scale: closure },
  id: "ippas",
  instruments: [
    "IAEA Services Series 29 (2014)",
    "CPPNM as amended",
    "INFCIRC/225/Rev.5",
    "NSS 14",
    "NSS 20",
  ],
  kinds,
  lifecycle: {
    release: "release-decided",
    stages: [
      "draft",
      "team-agreed",
      "host-fact-checked",
      "host-accepted",
      "release-decided",
      "shared",
    ],
  },
  lint: securityLint,
  localMark: true,
  onward: ["consent"],
  questions: { answers: "voluntary", askers: "hidden" },
  recalled: ["areas.M1", "followUp.scale", "lifecycle"],
  redaction: ["personal", "proprietary", "security"],
  signoff: [
    ...signedBy("competentAuthority"),
    ...signedBy("informationSecurity"),
    ...signedBy("operator", ["any"], { when: "facility" }),
    ...signedBy("teamLeader", ["mission-report"]),
    ...signedBy("competentAuthority", ["any"], { act: "consent" }),
  ],
  steward: "IAEA Secretariat",
  title: "International Physical Protection Advisory Service",
  type: "comity/profile/v1",
  version: 1,
}
