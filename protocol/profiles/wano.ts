import { inMembersOnly, plantAreas, plantKinds } from "./inpo.ts"
import { audience, fieldsOf, kind, marked, naming, signedBy } from "./parts.ts"
import type { Profile } from "./profile.ts"

const inConfidence = {
  audience: audience.industryOnRequest,
  marking: marked("TLP:AMBER+STRICT", "TLP:AMBER+STRICT"),
  naming: naming.facilityToMembers,
}

const kinds = {
  ...plantKinds,
  "peer-review-report": kind("Peer review report", {
    ...inConfidence,
    audience: audience.industryThenStates,
    optional: ["facility"],
    required: ["dates", "findings"],
  }),
  "performance-indicator": kind("Performance indicator", {
    ...inConfidence,
    optional: ["facility"],
    required: ["indicator", "period", "value"],
  }),
  rating: { ...plantKinds.rating!, required: ["rating", "region"] },
  "significant-oe-report": kind("Significant operating experience report", {
    ...inConfidence,
    audience: audience.industry,
    naming: naming.nobody,
    optional: ["status"],
    required: ["actions", "event"],
  }),
}

/** World Association of Nuclear Operators: a scale for each region, a rating of 4 asks for assistance. */
export const wano: Profile = {
  areas: plantAreas,
  category: "industry",
  comparison: inMembersOnly,
  deadlines: [
    { anchor: "review", offset: "+P2Y", onMiss: "notify", what: "Follow-up" },
    { anchor: "review", offset: "+P4Y", onMiss: "notify", what: "Next review" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "team",
    every: "P2Y",
    mandatory: true,
    scale: ["a-on-track", "b-partly", "c-at-risk", "d-no-progress"],
  },
  id: "wano",
  instruments: ["WANO Performance Objectives and Criteria"],
  kinds,
  languages: ["en", "fr", "ja", "ru"],
  lifecycle: {
    release: "report",
    stages: ["review", "exit", "report", "action-plan", "follow-up", "closed"],
  },
  lint: ["person"],
  onward: [],
  rating: {
    best: "1",
    scales: { elsewhere: ["1", "2", "3", "4"], "north-america": ["1", "2", "3", "4", "5"] },
    sealed: true,
    triggers: { "4": "assistance" },
  },
  recalled: ["areas", "followUp.scale", "lifecycle"],
  redaction: ["personal", "proprietary"],
  signoff: [
    ...signedBy(
      "executive",
      Object.keys(kinds).filter((name) => name !== "significant-oe-report"),
    ),
    ...signedBy("teamLeader", ["area-for-improvement", "peer-review-report", "rating", "strength"]),
    ...signedBy("moderator", ["significant-oe-report"]),
  ],
  steward: "WANO, its regional centres",
  title: "WANO peer review and operating experience",
  type: "comity/profile/v1",
  version: 1,
}
