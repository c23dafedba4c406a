import { audience, fieldsOf, kind, marked, naming, signedBy } from "./parts.ts"
import type { Profile } from "./profile.ts"

const amongMembers = {
  audience: audience.industry,
  marking: marked("TLP:AMBER+STRICT", "TLP:AMBER+STRICT"),
  naming: naming.facilityToMembers,
}

const kinds = {
  "applicability-reply": kind("Reply of a station", {
    ...amongMembers,
    optional: ["actions", "facility"],
    parents: ["screening-decision"],
    required: ["status"],
  }),
  "event-report": kind("Report of an event", {
    ...amongMembers,
    areas: 1,
    optional: ["facility"],
    required: ["actions", "cause", "consequence", "dates", "system"],
  }),
  "peer-group-product": kind("Product of a peer group", { ...amongMembers, required: ["topic"] }),
  "screening-decision": kind("Decision of the weekly screening", {
    ...amongMembers,
    parents: ["event-report"],
    required: ["actions", "event", "rating"],
  }),
  "trend-report": kind("Report of a trend", { ...amongMembers, required: ["topic"] }),
}

/** CANDU Owners Group: operating experience in time is a condition of membership. */
export const cog: Profile = {
  areas: {
    HP: "Human performance",
    OPEX: "Operating experience",
    SA: "Self-assessment",
    SC: "Safety culture",
    SEC: "Security",
    SMR: "Small modular reactors",
  },
  category: "industry",
  comparison: {
    disclaimer:
      "Events are reported so that others learn of them; their number says nothing of a station.",
    k: 3,
    rule: "aggregate",
  },
  deadlines: [
    { anchor: "event", offset: "+P7D", onMiss: "notify", what: "Report of the event" },
    { anchor: "report", offset: "+P7D", onMiss: "notify", what: "Screening" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "recipient",
    every: "P30D",
    final: ["applicable-done", "not-applicable"],
    mandatory: true,
    scale: ["applicable-action", "applicable-done", "not-applicable"],
  },
  id: "cog",
  instruments: ["Rules of membership of COG"],
  kinds,
  lifecycle: {
    release: "reported",
    stages: ["reported", "screened", "actioned", "trended", "closed"],
  },
  lint: ["person"],
  onward: ["consent"],
  questions: { answers: "voluntary", askers: "shown" },
  rating: { scales: { significance: ["high", "medium", "low", "trend"] }, sealed: false },
  recalled: ["areas", "deadlines", "followUp.every"],
  redaction: ["personal", "proprietary"],
  signoff: [
    ...signedBy("opexCoordinator", ["applicability-reply", "event-report"]),
    ...signedBy("committeeChair", ["peer-group-product", "screening-decision", "trend-report"]),
  ],
  steward: "COG",
  title: "CANDU Owners Group, operating experience",
  type: "comity/profile/v1",
  version: 1,
}
