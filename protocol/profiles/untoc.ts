import {
  agreedBy,
  audience,
  closed,
  closure,
  fieldsOf,
  kind,
  marked,
  naming,
  signedBy,
  unLanguages,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

const amongThree = {
  audience: audience.states,
  marking: marked("TLP:AMBER+STRICT", "TLP:AMBER+STRICT"),
  naming: naming.stateOnly,
}

const kinds = {
  clarification: kind("Request for clarification, or its answer", amongThree),
  "list-of-observations": kind("List of observations", {
    audience: audience.hostThenAnyone,
    areas: 1,
    marking: marked("TLP:AMBER+STRICT"),
    naming: naming.stateOnly,
    optional: ["status", "withheld"],
    required: ["reviewers"],
  }),
  "self-assessment": kind("Self-assessment questionnaire", {
    areas: 1,
    audience: audience.statesThenAnyone,
    marking: marked("TLP:AMBER+STRICT"),
    naming: naming.stateOnly,
    optional: ["withheld"],
    required: ["answers"],
  }),
  summary: kind("Summary of observations", {
    areas: 1,
    audience: audience.anyone,
    marking: marked("TLP:CLEAR"),
    naming: naming.stateOnly,
    required: ["reviewers"],
  }),
  "written-feedback": kind("Written feedback", { ...amongThree, areas: 1 }),
}

const clusters = {
  C1: "Criminalization and jurisdiction",
  C2: "Prevention, technical assistance, protection measures and other measures",
  C3: "Law enforcement and the judicial system",
  C4: "International cooperation, mutual legal assistance and confiscation",
}
const instruments = {
  UNTOC: "the Convention",
  TIP: "the Protocol on trafficking in persons",
  SOM: "the Protocol on smuggling of migrants",
  FP: "the Protocol on firearms",
}

/** United Nations Convention against Transnational Organized Crime: the focal point clears every step. */
export const untoc: Profile = {
  areas: Object.fromEntries(
    Object.entries(clusters).flatMap(([cluster, title]) =>
      Object.entries(instruments).map(([code, name]) => [
        `${cluster}:${code}`,
        `${title}, under ${name}`,
      ]),
    ),
  ),
  assignment: "draw",
  category: "convention",
  comparison: { disclaimer: "The mechanism produces no ranking of any form.", rule: "forbidden" },
  consent: agreedBy(["list-of-observations", "summary"], {
    members: ["reviewers"],
    mode: "explicit",
  }),
  deadlines: [
    { anchor: "start", offset: "+P2W", onMiss: "notify", what: "Focal point" },
    { anchor: "start", offset: "+P4W", onMiss: "notify", what: "Experts" },
    { anchor: "start", offset: "+P6M", onMiss: "notify", what: "Self-assessment" },
    { anchor: "self-assessment", offset: "+P6M", onMiss: "notify", what: "Written feedback" },
  ],
  fields: fieldsOf(kinds),
  followUp: { assessor: "group", every: "P2Y", final: closed, mandatory: false, scale: closure },
  id: "untoc",
  instruments: ["COP resolution 9/1 (2018)", "COP resolution 10/1 (2020)"],
  kinds,
  languages: unLanguages,
  lifecycle: {
    release: "self-assessment",
    stages: [
      ...["drawn", "participants", "self-assessment", "feedback", "dialogue", "list", "summary"],
      "working-groups",
    ],
  },
  lint: ["person"],
  onward: ["consent"],
  questions: { answers: "required", askers: "shown" },
  recalled: ["areas", "followUp.scale"],
  redaction: ["personal", "state-choice"],
  signoff: [...signedBy("focalPoint"), ...signedBy("focalPoint", ["any"], { act: "consent" })],
  steward: "Conference of the Parties, UNODC",
  title: "UNTOC Review Mechanism",
  type: "comity/profile/v1",
  version: 1,
}
