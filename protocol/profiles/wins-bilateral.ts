import {
  audience,
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

const toNamedOnes = {
  audience: audience.members,
  marking: marked("TLP:AMBER+STRICT", "TLP:AMBER"),
  naming: naming.byOrigin,
}

const kinds = {
  "adoption-feedback": kind("What became of a practice", {
    ...toNamedOnes,
    parents: ["best-practice"],
    required: ["status"],
  }),
  answer: kind("Answer", { ...toNamedOnes, optional: ["facility"], parents: ["question"] }),
  "best-practice": kind("Best practice", {
    ...toNamedOnes,
    areas: 1,
    optional: ["basis", "facility", "replicability", "source", "year"],
    required: ["benefit", "limits", "problem"],
  }),
  "lesson-learned": kind("Lesson learned", {
    ...toNamedOnes,
    optional: ["facility"],
    required: ["lesson"],
  }),
  maturity: kind("Maturity, as assessed by oneself", {
    ...toNamedOnes,
    audience: audience.hostThenMembers,
    marking: marked("TLP:RED", "TLP:AMBER+STRICT"),
    optional: ["facility"],
    required: ["rating"],
  }),
  question: kind("Question", { ...toNamedOnes, parents: ["best-practice", "lesson-learned"] }),
}

/** Plain sharing between States or operators, in the manner of the WINS guides. */
export const winsBilateral: Profile = {
  areas: { ...principles, OTHER: "Another matter" },
  category: "exchange",
  comparison: noComparison,
  crossWalk: principlesWalk,
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
  id: "wins-bilateral",
  instruments: ["WINS guides", "Arrangement between those who share"],
  kinds,
  lifecycle: {
    release: "approved",
    stages: ["draft", "approved", "shared", "adopted", "reviewed", "withdrawn"],
  },
  lint: securityLint,
  localMark: true,
  onward: ["consent"],
  questions: { answers: "voluntary", askers: "hidden" },
  rating: { best: "5", scales: { maturity: ["1", "2", "3", "4", "5"] }, sealed: true },
  recalled: ["areas.OTHER", "deadlines", "followUp", "lifecycle", "rating"],
  redaction: ["personal", "security", "state-choice"],
  signoff: [
    ...signedBy("competentAuthority"),
    ...signedBy("informationSecurity", ["best-practice", "lesson-learned", "maturity"]),
    ...signedBy("operator", ["any"], { when: "facility" }),
  ],
  steward: "Those who share",
  title: "Bilateral sharing in the manner of WINS",
  type: "comity/profile/v1",
  version: 1,
}
