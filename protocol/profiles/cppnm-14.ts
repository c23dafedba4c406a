import {
  audience,
  fieldsOf,
  kind,
  marked,
  naming,
  principles,
  principlesWalk,
  signedBy,
  unLanguages,
} from "./parts.ts"
import type { Profile } from "./profile.ts"

const ofTheParty = {
  audience: audience.states,
  marking: marked("TLP:AMBER", "TLP:AMBER"),
  naming: naming.stateOnly,
}

const kinds = {
  "law-regulation-notice": kind("Notice of a law or regulation", {
    areas: 1,
    audience: audience.anyone,
    marking: marked("TLP:CLEAR"),
    naming: naming.stateOnly,
    optional: ["source", "status"],
    required: ["citation", "inForceFrom"],
  }),
  "offence-outcome": kind("Final outcome of proceedings", {
    ...ofTheParty,
    required: ["outcome", "reference"],
  }),
  "point-of-contact": kind("Point of contact", { ...ofTheParty, required: ["channel", "role"] }),
}

/** Amended Convention on the Physical Protection of Nuclear Material, Articles 5 and 14. */
export const cppnm14: Profile = {
  areas: {
    ...principles,
    "Art.2A": "Physical protection regime",
    "Art.3": "International transport",
    "Art.4": "Import and export",
    "Art.5": "Points of contact and cooperation",
    "Art.6": "Confidentiality",
    "Art.7": "Offences",
    "Art.8": "Jurisdiction",
    "Art.9": "Custody",
    "Art.10": "Prosecution",
    "Art.11": "Extradition",
    "Art.12": "Fair treatment",
    "Art.13": "Mutual assistance",
  },
  category: "convention",
  comparison: {
    disclaimer: "That a notice is here or is not says nothing about what is in force.",
    rule: "forbidden",
  },
  crossWalk: principlesWalk,
  deadlines: [{ anchor: "last", offset: "+P2Y", onMiss: "notify", what: "Whether it still holds" }],
  fields: fieldsOf(kinds),
  followUp: {
    assessor: "host",
    every: "P2Y",
    final: ["repealed"],
    mandatory: false,
    scale: ["current", "amended", "repealed"],
  },
  id: "cppnm-14",
  instruments: ["CPPNM as amended, Articles 5 and 14"],
  kinds,
  languages: unLanguages,
  lifecycle: { release: "notified", stages: ["draft", "notified", "acknowledged", "superseded"] },
  lint: ["person"],
  recalled: ["areas", "deadlines", "followUp", "kinds"],
  signoff: [
    ...signedBy("foreignMinistry"),
    ...signedBy("competentAuthority", ["law-regulation-notice", "offence-outcome"]),
  ],
  steward: "IAEA as depositary",
  title: "Amended CPPNM, information under Articles 5 and 14",
  type: "comity/profile/v1",
  version: 1,
}
