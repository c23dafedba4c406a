import {
  agreedBy,
  audience,
  fieldsOf,
  kind,
  marked,
  naming,
  signedBy,
  unLanguages,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

const ofTheAudit = {
  areas: 1,
  audience: audience.states,
  marking: marked("TLP:AMBER", "TLP:AMBER"),
  naming: naming.open,
}

const kinds = {
  "audit-report": kind("Audit report", {
    ...ofTheAudit,
    areas: 0,
    audience: audience.hostThenStates,
    marking: marked("TLP:RED", "TLP:RED"),
    required: ["audited", "dates", "findings"],
  }),
  "corrective-action-plan": kind("Corrective action plan", {
    ...ofTheAudit,
    areas: 0,
    audience: audience.hostThenStates,
    optional: ["facility", "status"],
    required: ["actions", "due", "reference"],
  }),
  finding: kind("Audit finding", {
    ...ofTheAudit,
    audience: audience.hostThenStates,
    optional: ["status"],
    required: ["audited", "basis", "facts"],
  }),
  "implementation-level": kind("Level of implementation of one critical element", {
    ...ofTheAudit,
    required: ["audited", "dates", "memorandum", "rating"],
  }),
  memorandum: kind("Memorandum of understanding", {
    audience: audience.states,
    marking: marked("TLP:AMBER", "TLP:AMBER"),
    naming: naming.open,
    required: ["scope", "service"],
  }),
  "significant-concern": kind("Significant security concern", {
    ...ofTheAudit,
    optional: ["status"],
    required: ["audited", "due", "memorandum"],
  }),
}
const ofTheAuditor = ["audit-report", "finding", "implementation-level", "significant-concern"]

/**
 * Universal Security Audit Programme of civil aviation, as a model to compare with: what all member States
 * see rests on a memorandum that the audited State signed before.
 */
export const icaoUsap: Profile = {
  areas: {
    "CE-1": "Primary legislation",
    "CE-2": "Programmes and regulations",
    "CE-3": "Authority and its responsibilities",
    "CE-4": "Personnel and training",
    "CE-5": "Technical guidance and tools",
    "CE-6": "Certification and approval",
    "CE-7": "Quality control",
    "CE-8": "Resolution of concerns",
  },
  category: "generic",
  comparison: {
    disclaimer:
      "Levels of implementation are for member States; they are not to be published or ranked.",
    rule: "forbidden",
  },
  consent: [
    ...agreedBy(["audit-report", "finding"], { members: ["audited"], mode: "explicit" }),
    ...agreedBy(["implementation-level", "significant-concern"], {
      basis: { field: "memorandum", kind: "memorandum" },
      members: ["audited"],
      mode: "standing",
    }),
  ],
  deadlines: [
    { anchor: "report", offset: "+P60D", onMiss: "notify", what: "Corrective action plan" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "secretariat",
    mandatory: true,
    scale: ["open", "validated", "not-resolved", "significant-concern"],
  },
  id: "icao-usap",
  instruments: ["ICAO Doc 9807", "Annex 17"],
  kinds,
  languages: unLanguages,
  lifecycle: {
    release: "report",
    stages: ["mou", "audit", "draft", "report", "cap", "validated", "monitored"],
  },
  lint: ["person"],
  localMark: true,
  onward: [],
  rating: { best: "100", scales: { percent: { max: 100, min: 0 } }, sealed: false },
  recalled: ["areas", "deadlines", "followUp.scale", "lifecycle"],
  signoff: [
    ...signedBy("teamLeader", ofTheAuditor),
    ...signedBy("competentAuthority", ["corrective-action-plan", "memorandum"]),
    ...signedBy("operator", ["corrective-action-plan"], { when: "facility" }),
    ...signedBy("competentAuthority", ["any"], { act: "consent" }),
  ],
  steward: "ICAO",
  title: "Universal Security Audit Programme, as a model to compare with",
  type: "comity/profile/v1",
  version: 1,
}
