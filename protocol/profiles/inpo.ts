import { audience, fieldsOf, kind, marked, naming, signedBy } from "./parts.ts"
import type { KindRule, Profile } from "./profile.ts"

const inConfidence = {
  areas: 1,
  audience: audience.industryOnRequest,
  marking: marked("TLP:AMBER+STRICT", "TLP:AMBER+STRICT"),
  naming: naming.facilityToMembers,
}

/** Findings of an evaluation and what follows from it: of the world association too. */
export const plantKinds: { readonly [kind: string]: KindRule } = {
  "area-for-improvement": kind("Area for improvement", {
    ...inConfidence,
    optional: ["facility", "status"],
    required: ["cause", "facts"],
  }),
  "event-report": kind("Event report", {
    ...inConfidence,
    areas: 0,
    audience: audience.industry,
    optional: ["facility"],
    required: ["actions", "cause", "consequence"],
  }),
  rating: kind("Rating", {
    ...inConfidence,
    areas: 0,
    marking: marked("TLP:RED", "TLP:RED"),
    optional: ["facility"],
    required: ["rating"],
  }),
  strength: kind("Strength", {
    ...inConfidence,
    audience: audience.industry,
    optional: ["facility"],
  }),
}

export const plantAreas = {
  CF: "Configuration and equipment",
  CO: "Corporate oversight",
  CY: "Chemistry",
  EN: "Engineering",
  EP: "Emergency preparedness",
  FP: "Fire protection",
  LF: "Leadership",
  MA: "Maintenance",
  OE: "Operating experience",
  OP: "Operations",
  PI: "Performance improvement",
  RP: "Radiological protection",
  RS: "Reactor safety",
  SC: "Safety culture",
  TR: "Training",
  WM: "Work management",
} as const

export const inMembersOnly = {
  disclaimer: "Ratings and counts are for the members concerned; they are no ranking of plants.",
  k: 3,
  rule: "aggregate",
} as const

const kinds = {
  ...plantKinds,
  "corrective-action": kind("Corrective action", {
    ...inConfidence,
    areas: 0,
    optional: ["facility", "status"],
    required: ["due", "owner", "reference"],
  }),
  "evaluation-report": kind("Evaluation report", {
    ...inConfidence,
    areas: 0,
    audience: audience.industryThenStates,
    optional: ["facility"],
    required: ["dates", "findings"],
  }),
}

/** Institute of Nuclear Power Operations: evaluation of plants, in confidence among members. */
export const inpo: Profile = {
  areas: plantAreas,
  category: "industry",
  comparison: inMembersOnly,
  deadlines: [
    {
      anchor: "report",
      offset: "+P60D",
      onMiss: "notify",
      what: "Response to areas for improvement",
    },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "team",
    every: "P2Y",
    final: ["closed", "effective"],
    mandatory: true,
    scale: ["open", "closed", "effective", "recurring"],
  },
  id: "inpo",
  instruments: ["INPO 19-003", "Memorandum of agreement of INPO and NRC (ML20125A374)"],
  kinds,
  lifecycle: { release: "report", stages: ["evaluation", "exit", "report", "response", "closed"] },
  lint: ["person"],
  onward: [],
  rating: {
    best: "1",
    scales: { members: ["1", "2", "3", "4", "5"] },
    sealed: true,
    triggers: { "5": "assistance" },
  },
  recalled: ["areas", "deadlines", "followUp", "rating.triggers"],
  redaction: ["personal", "proprietary"],
  signoff: [
    ...signedBy("executive", ["any"]),
    ...signedBy("teamLeader", ["area-for-improvement", "evaluation-report", "rating", "strength"]),
  ],
  steward: "INPO",
  title: "INPO plant evaluation",
  type: "comity/profile/v1",
  version: 1,
}
