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

const inTheNetwork = {
  audience: audience.members,
  marking: marked("TLP:AMBER", "TLP:AMBER"),
  naming: naming.stateOnly,
}

const kinds = {
  "country-profile": kind("Country nuclear regulatory profile", {
    ...inTheNetwork,
    marking: marked("TLP:AMBER", "TLP:GREEN"),
    required: ["topic"],
  }),
  interest: kind("Area of interest", { ...inTheNetwork, required: ["topic"] }),
  "seminar-note": kind("Note of a seminar", {
    ...inTheNetwork,
    optional: ["source"],
    required: ["topic"],
  }),
  "shared-good-practice": kind("Shared good practice", {
    ...inTheNetwork,
    areas: 1,
    optional: ["basis", "source", "status", "whyBetter", "year"],
    required: ["consentRef"],
  }),
}

/** Global Nuclear Safety and Security Network: what its origin has agreed to, inside the network. */
export const gnssn: Profile = {
  category: "exchange",
  comparison: noComparison,
  deadlines: [
    { anchor: "shared", offset: "+P2Y", onMiss: "notify", what: "Whether it still holds" },
  ],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "recipient",
    every: "P1Y",
    final: ["adapted", "adopted", "not-applicable"],
    mandatory: false,
    scale: ["adopted", "adapted", "considered", "not-applicable"],
  },
  id: "gnssn",
  instruments: ["GNSSN Governance Plan (2014)"],
  kinds,
  lifecycle: { release: "moderated", stages: ["draft", "moderated", "shared", "expired"] },
  lint: securityLint,
  onward: ["consent", "inside"],
  questions: { answers: "voluntary", askers: "shown" },
  recalled: ["deadlines", "followUp", "lifecycle"],
  signoff: [
    ...signedBy("nationalContactPoint", ["country-profile", "interest", "shared-good-practice"]),
    ...signedBy("moderator", ["seminar-note"]),
  ],
  steward: "IAEA Secretariat, Steering Committee",
  title: "Global Nuclear Safety and Security Network",
  type: "comity/profile/v1",
  version: 1,
}
