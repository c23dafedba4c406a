import {
  agreedBy,
  audience,
  background,
  fieldsOf,
  kind,
  marked,
  naming,
  noComparison,
  signedBy,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

const ofTheTeam = {
  areas: 1,
  audience: audience.hostThenAnyone,
  marking: marked("TLP:AMBER"),
  naming: naming.open,
}
const about = ["agreement", "host"]

const kinds = {
  "action-plan": kind("Action plan", {
    audience: audience.hostThenAnyone,
    marking: marked("TLP:AMBER"),
    naming: naming.open,
    optional: ["authority", "status"],
    required: ["actions", "due", "findings"],
  }),
  "calendar-entry": kind("Entry in the calendar of missions", {
    audience: audience.anyone,
    marking: marked("TLP:CLEAR"),
    naming: naming.open,
    required: ["dates", "host", "service"],
    textRules: ["dates"],
  }),
  "good-practice": kind("Good practice", {
    ...ofTheTeam,
    optional: ["authority", "benefit", "facility", "replicability", ...background],
    required: [...about, "basis", "whyBetter"],
  }),
  "mission-report": kind("Mission report", {
    ...ofTheTeam,
    areas: 0,
    optional: ["authority", "facility", "withheld", ...background],
    required: [...about, "dates", "findings", "scope", "team"],
  }),
  recommendation: kind("Recommendation", {
    ...ofTheTeam,
    optional: ["authority", "facility", "status", ...background],
    required: [...about, "basis", "observation", "party"],
    textRules: ["should"],
  }),
  "self-assessment": kind("Self-assessment", {
    areas: 1,
    audience: audience.hostThenMembers,
    marking: marked("TLP:AMBER+STRICT", "TLP:AMBER"),
    naming: naming.open,
    optional: ["authority"],
    required: ["answers"],
  }),
  suggestion: kind("Suggestion", {
    ...ofTheTeam,
    optional: ["authority", "basis", "facility", "status", ...background],
    required: [...about, "observation"],
  }),
  "tacit-agreement": kind("Agreement to a silence procedure for one mission", {
    audience: audience.members,
    marking: marked("TLP:AMBER", "TLP:GREEN"),
    naming: naming.open,
    required: ["dates", "mission", "scope", "service"],
  }),
}
const ofTheHost = ["action-plan", "self-assessment", "tacit-agreement"]
const found = ["good-practice", "mission-report", "recommendation", "suggestion"]

/** The generic and specific reviews that the Peer Review and Advisory Services Committee looks after. */
export const prascGeneric: Profile = {
  agreement: found,
  areas: {
    "1": "Responsibilities and functions of the government",
    "2": "Global safety regime",
    "3": "Responsibilities and functions of the regulatory body",
    "4": "Management system of the regulatory body",
    "5": "Authorization",
    "6": "Review and assessment",
    "7": "Inspection",
    "8": "Enforcement",
    "9": "Regulations and guides",
    "10": "Emergency preparedness and response",
    "11": "Additional areas",
    "12": "Interface with nuclear security",
  },
  assignment: "host-agreed",
  category: "generic",
  comparison: noComparison,
  consent: agreedBy(found, {
    basis: { field: "agreement", kind: "tacit-agreement" },
    days: 90,
    members: ["host"],
    mode: "tacit",
  }),
  deadlines: [
    { anchor: "mission-start", offset: "-P2Y", onMiss: "nothing", what: "Request" },
    { anchor: "mission-end", offset: "+P3M", onMiss: "notify", what: "Final report" },
    { anchor: "transmittal", offset: "+P90D", onMiss: "nothing", what: "Publication by the host" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "team",
    every: "P3Y",
    final: ["closed", "closed-on-basis-of-progress-and-confidence"],
    mandatory: false,
    scale: ["open", "closed", "closed-on-basis-of-progress-and-confidence"],
  },
  id: "prasc-generic",
  instruments: [
    "IAEA Services Series 37 (IRRS)",
    "IAEA Services Series 36 (EPREV)",
    "GSR Parts 1 to 7",
  ],
  kinds,
  lifecycle: {
    release: "final",
    stages: [
      ...["requested", "prepared", "self-assessed", "mission", "draft", "final", "release-clock"],
      ...["public", "followed-up"],
    ],
  },
  lint: ["person"],
  recalled: ["deadlines", "followUp", "lifecycle"],
  redaction: ["personal", "proprietary", "security"],
  signoff: [
    ...signedBy("teamLeader", found),
    ...signedBy("regulator", ofTheHost),
    ...signedBy("competentAuthority", ofTheHost, { when: "authority" }),
    ...signedBy("moderator", ["calendar-entry"]),
    ...signedBy("regulator", ["any"], { act: "consent" }),
    ...signedBy("operator", ["any"], { act: "consent", when: "facility" }),
    ...signedBy("competentAuthority", ["any"], { act: "consent", when: "authority" }),
  ],
  steward: "IAEA Secretariat, PRASC",
  title: "Peer reviews under PRASC: IRRS, EPREV, ARTEMIS, SALTO and others",
  type: "comity/profile/v1",
  version: 1,
}
