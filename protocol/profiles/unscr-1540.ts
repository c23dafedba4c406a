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

const ofTheState = {
  areas: 1,
  audience: audience.anyone,
  marking: marked("TLP:GREEN"),
  naming: naming.open,
}

const kinds = {
  "action-plan": kind("Voluntary national action plan", {
    ...ofTheState,
    audience: audience.hostThenAnyone,
    optional: ["authority", "due", "status"],
    required: ["actions"],
  }),
  "assistance-offer": kind("Offer of assistance", {
    ...ofTheState,
    optional: ["authority"],
    required: ["topic"],
  }),
  "assistance-reply": kind("Reply to a request for assistance", {
    ...ofTheState,
    audience: audience.members,
    optional: ["authority", "due"],
    parents: ["assistance-request"],
    relation: "responds",
    required: ["assistance"],
  }),
  "assistance-request": kind("Request for assistance", {
    ...ofTheState,
    audience: audience.members,
    optional: ["authority", "due"],
    relation: "requests",
    required: ["donors", "topic"],
  }),
  "effective-practice": kind("Effective practice", {
    ...ofTheState,
    optional: ["authority", "facility", "source", "year"],
  }),
  matrix: kind("Matrix", { ...ofTheState, optional: ["authority"], required: ["period"] }),
  "national-report": kind("National report", {
    ...ofTheState,
    optional: ["authority", "withheld"],
    required: ["period"],
  }),
  "peer-review-report": kind("Report of a peer review", {
    ...ofTheState,
    audience: audience.hostThenAnyone,
    optional: ["authority", "withheld"],
    required: ["parties"],
  }),
}

const operative = {
  OP1: "No support to non-State actors",
  OP2: "Laws that prohibit",
  OP3a: "Accounting and securing",
  OP3b: "Physical protection",
  OP3c: "Border controls",
  OP3d: "Export controls",
  OP6: "Control lists",
  OP7: "Assistance",
  OP8: "Treaties and commitments",
  OP9: "Dialogue",
  OP10: "Illicit trafficking",
}
const weapons = { B: "biological", C: "chemical", N: "nuclear" }

/** Resolution 1540 of the Security Council: what a State reports of its own measures. */
export const unscr1540: Profile = {
  areas: Object.fromEntries(
    Object.entries(operative).flatMap(([code, title]) =>
      Object.entries(weapons).map(([letter, name]) => [`${code}:${letter}`, `${title}, ${name}`]),
    ),
  ),
  category: "exchange",
  comparison: {
    disclaimer: "The matrix is a reference tool; it is not a tool for measuring compliance.",
    rule: "forbidden",
  },
  consent: agreedBy(["peer-review-report"], { members: ["parties"], mode: "explicit" }),
  crossWalk: {
    "OP3a:N": ["CPPNM-A:FP-C", "CPPNM-A:FP-J"],
    "OP3b:N": ["CPPNM-A:FP-H", "CPPNM-A:FP-I"],
    "OP3c:N": ["INSServ:MORC-4"],
    "OP10:N": ["INSServ:MORC-5"],
  },
  fields: fieldsOf(kinds),
  followUp: { assessor: "host", every: "P1Y", final: closed, mandatory: false, scale: closure },
  id: "unscr-1540",
  instruments: ["S/RES/1540 (2004)", "S/RES/1977 (2011)", "S/RES/2325 (2016)", "S/RES/2663 (2022)"],
  kinds,
  languages: unLanguages,
  lifecycle: { release: "submitted", stages: ["draft", "submitted", "published", "updated"] },
  lint: ["person"],
  questions: { answers: "voluntary", askers: "shown" },
  recalled: ["areas", "crossWalk", "followUp"],
  redaction: ["security", "state-choice"],
  signoff: [
    ...signedBy("foreignMinistry"),
    ...signedBy("competentAuthority", ["any"], { when: "authority" }),
    ...signedBy("operator", ["any"], { when: "facility" }),
    ...signedBy("foreignMinistry", ["any"], { act: "consent" }),
  ],
  steward: "1540 Committee",
  title: "Security Council resolution 1540, national reporting",
  type: "comity/profile/v1",
  version: 1,
}
