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
  encouragement: kind("Encouragement", {
    ...ofTheTeam,
    optional: ["facility", ...background],
    required: about,
  }),
  "follow-up-status": kind("Follow-up status", {
    ...ofTheTeam,
    areas: 0,
    optional: ["facility", ...background],
    required: [...about, "actions", "reference", "status"],
  }),
  "good-performance": kind("Good performance", {
    ...ofTheTeam,
    optional: ["facility", ...background],
    required: about,
  }),
  "good-practice": kind("Good practice", {
    ...ofTheTeam,
    optional: ["benefit", "facility", ...background],
    required: [...about, "basis", "replicability", "whyBetter"],
  }),
  "mission-report": kind("Mission report", {
    ...ofTheTeam,
    areas: 0,
    optional: ["facility", "withheld", ...background],
    required: [...about, "dates", "findings", "scope", "team"],
  }),
  recommendation: kind("Recommendation", {
    ...ofTheTeam,
    optional: ["facility", "status", ...background],
    required: [...about, "basis", "observation", "party"],
    textRules: ["should"],
  }),
  "self-identified-issue": kind("Self-identified issue", {
    areas: 1,
    audience: audience.hostThenAnyone,
    marking: marked("TLP:AMBER"),
    naming: naming.open,
    optional: ["facility", "status", ...background],
    required: ["plan"],
  }),
  suggestion: kind("Suggestion", {
    ...ofTheTeam,
    optional: ["basis", "facility", "status", ...background],
    required: [...about, "observation"],
  }),
  "tacit-agreement": kind("Agreement to a silence procedure for one mission", {
    audience: audience.members,
    marking: marked("TLP:AMBER", "TLP:GREEN"),
    naming: naming.open,
    optional: ["facility"],
    required: ["dates", "mission", "scope", "service"],
  }),
}
const ofTheHost = ["self-identified-issue", "tacit-agreement"]
const found = Object.keys(kinds)
  .filter((name) => !ofTheHost.includes(name))
  .toSorted()

/**
 * Operational Safety Review Team, with its kin. The team's member holds the report: it goes to others once
 * the host has agreed, or once it has said nothing for as long as it agreed to for this mission.
 */
export const osart: Profile = {
  agreement: found,
  areas: {
    "1": "Leadership and management for safety",
    "2": "Training and qualification",
    "3": "Operations",
    "4": "Maintenance",
    "5": "Technical support",
    "6": "Operating experience feedback",
    "7": "Radiation protection",
    "8": "Chemistry",
    "9": "Emergency preparedness and response",
    "10": "Accident management",
    "11": "Human, technology and organization interaction",
    "12": "Long term operation",
    "13": "Commissioning",
    "14": "Transitional period to decommissioning",
    "15": "Use of PSA",
  },
  assignment: "host-agreed",
  category: "specific",
  comparison: noComparison,
  consent: agreedBy(found, {
    basis: { field: "agreement", kind: "tacit-agreement" },
    days: 90,
    members: ["host"],
    mode: "tacit",
  }),
  deadlines: [
    { anchor: "mission-end", offset: "+P3M", onMiss: "notify", what: "Final report to the host" },
    {
      anchor: "transmittal",
      offset: "+P90D",
      onMiss: "nothing",
      what: "End of the host's silence",
    },
    { anchor: "mission-end", offset: "+P18M", onMiss: "notify", what: "Follow-up visit" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "team",
    every: "P18M",
    final: ["issue-resolved", "withdrawn"],
    mandatory: false,
    scale: ["issue-resolved", "satisfactory-progress", "insufficient-progress", "withdrawn"],
  },
  id: "osart",
  instruments: ["IAEA Services Series 12 (Rev.1)", "IAEA safety standards"],
  kinds,
  lifecycle: {
    release: "final",
    stages: [
      "draft",
      "exit-meeting",
      "host-fact-check",
      "final",
      "release-clock",
      "public",
      "followed-up",
    ],
  },
  lint: ["person"],
  recalled: ["areas", "deadlines", "followUp.scale", "lifecycle"],
  redaction: ["personal", "proprietary", "security"],
  signoff: [
    ...signedBy("teamLeader", found),
    ...signedBy("operator", ofTheHost),
    ...signedBy("regulator", ["tacit-agreement"]),
    ...signedBy("operator", ["any"], { act: "consent" }),
    ...signedBy("regulator", ["any"], { act: "consent" }),
  ],
  steward: "IAEA Secretariat",
  title: "Operational Safety Review Team and its kin",
  type: "comity/profile/v1",
  version: 1,
}
