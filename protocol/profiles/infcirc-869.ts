import {
  audience,
  fieldsOf,
  kind,
  marked,
  naming,
  noComparison,
  securityLint,
  signedBy,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

const ofTheState = {
  audience: audience.statesThenAnyone,
  marking: marked("TLP:AMBER"),
  naming: naming.stateOnly,
}

const kinds = {
  checklist: kind("Answers to one section of the checklist", {
    ...ofTheState,
    areas: 1,
    optional: ["withheld"],
    required: ["evidenceRef", "rating"],
  }),
  "progress-note": kind("Note of progress", { ...ofTheState, areas: 1, required: ["status"] }),
  subscription: kind("Subscription", {
    ...ofTheState,
    marking: marked("TLP:CLEAR"),
    required: ["dates", "note"],
  }),
}

/** Joint statement on strengthening nuclear security implementation: what a subscriber says of itself. */
export const infcirc869: Profile = {
  areas: {
    "1": "Intent of the fundamentals and recommendations",
    "2": "Continuous improvement",
    "3": "Competence of personnel",
  },
  category: "exchange",
  comparison: noComparison,
  deadlines: [{ anchor: "last", offset: "+P1Y", onMiss: "nothing", what: "Update" }],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "host",
    every: "P1Y",
    final: ["done"],
    mandatory: false,
    scale: ["done", "in-progress", "planned"],
  },
  id: "infcirc-869",
  instruments: ["INFCIRC/869"],
  kinds,
  lifecycle: { release: "approved", stages: ["draft", "approved", "shared", "updated"] },
  lint: securityLint,
  localMark: true,
  questions: { answers: "voluntary", askers: "hidden" },
  rating: {
    best: "done",
    scales: { checklist: ["done", "in-progress", "planned", "not-applicable", "not-stated"] },
    sealed: false,
  },
  recalled: ["areas", "deadlines", "followUp", "lifecycle"],
  redaction: ["security", "state-choice"],
  signoff: [
    ...signedBy("foreignMinistry", ["checklist", "subscription"]),
    ...signedBy("competentAuthority", ["checklist", "progress-note"]),
  ],
  steward: "Subscribing States",
  title: "INFCIRC/869: commitments and checklist",
  type: "comity/profile/v1",
  version: 1,
}
