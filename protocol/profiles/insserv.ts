import {
  audience,
  background,
  closure,
  fieldsOf,
  kind,
  marked,
  naming,
  noComparison,
  securityLint,
  signedBy,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

const staysHome = {
  areas: 1,
  audience: audience.hostThenStates,
  marking: marked("TLP:RED"),
  naming: naming.stateByOrigin,
}

const kinds = {
  "good-practice": kind("Good practice", {
    areas: 1,
    audience: audience.states,
    marking: marked("TLP:AMBER+STRICT"),
    naming: naming.stateByOrigin,
    optional: ["authority", "benefit", "limits", "observation", "replicability", ...background],
    required: ["basis", "whyBetter"],
  }),
  "mission-report": kind("Mission report", {
    ...staysHome,
    optional: ["authority", "source", "withheld", "year"],
    required: ["dates", "findings", "mission", "scope", "team"],
  }),
  recommendation: kind("Recommendation", {
    ...staysHome,
    optional: ["authority", "party", "status", ...background],
    required: ["basis", "observation"],
    textRules: ["should"],
  }),
  suggestion: kind("Suggestion", {
    ...staysHome,
    optional: ["authority", "basis", "status", ...background],
    required: ["observation"],
  }),
}

/**
 * International Nuclear Security Advisory Service: material out of regulatory control. The law
 * enforcement or border authority signs too where it is named.
 */
export const insserv: Profile = {
  areas: {
    "MORC-1": "Legal and regulatory framework",
    "MORC-2": "Institutions and coordination",
    "MORC-3": "Prevention",
    "MORC-4": "Detection",
    "MORC-5": "Response",
    "MORC-6": "Sustainment",
  },
  assignment: "host-agreed",
  category: "advisory",
  comparison: noComparison,
  fields: fieldsOf(kinds),
  followUp: { assessor: "team", mandatory: false, scale: closure },
  id: "insserv",
  instruments: ["IAEA Services Series 39 (2019)", "NSS 15", "NSS 21", "NSS 34-T"],
  kinds,
  lifecycle: {
    release: "release-decided",
    stages: ["draft", "team-agreed", "host-accepted", "release-decided", "shared"],
  },
  lint: securityLint,
  localMark: true,
  onward: ["consent"],
  questions: { answers: "voluntary", askers: "hidden" },
  recalled: ["areas", "followUp.scale", "lifecycle"],
  redaction: ["personal", "proprietary", "security"],
  signoff: [
    ...signedBy("competentAuthority"),
    ...signedBy("informationSecurity"),
    ...signedBy("lawEnforcement", ["any"], { when: "authority" }),
    ...signedBy("teamLeader", ["mission-report"]),
  ],
  steward: "IAEA Secretariat",
  title: "International Nuclear Security Advisory Service",
  type: "comity/profile/v1",
  version: 1,
}
