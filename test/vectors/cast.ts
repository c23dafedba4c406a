import type { ComityRecord } from "../../protocol/record/record.ts"
import type { Grant } from "../../protocol/release/grant.ts"
import { makeMember } from "../support/world.ts"
import { filled } from "./format.ts"

/** Who and what the vectors are about. */

export const a = await makeMember({ seed: "vector member A", state: "XA" })
export const b = await makeMember({ seed: "vector member B", state: "XB", approvals: 1 })
export const c = await makeMember({ seed: "vector member C", state: "XC" })

export const profile = filled(32, 0xaa)
export const rule = { conditions: [], kind: "good-practice", profile }

export const sampleRecord: ComityRecord = {
  areas: ["M2"],
  attachments: [],
  body: "What is done.\n\nWhy it helps: every finding has an owner — and a day.",
  fields: { basis: "NSS 13, para 3.26" },
  id: filled(16, 0x0a),
  kind: "good-practice",
  language: "en",
  marking: "TLP:AMBER",
  network: "training",
  origin: a.id,
  profile: { digest: profile, id: "ippas" },
  title: "Independent follow-up of scheduling findings",
  type: "comity/record/v1",
  version: 1,
}

export const sampleGrant: Grant = {
  act: "release",
  recipient: b.id,
  record: {
    digest: filled(32, 5),
    id: filled(16, 0x0a),
    origin: a.id,
    version: 1,
  },
  salt: filled(32, 6),
  sealed: [{ digest: filled(32, 7), size: 4144 }],
  terms: {
    caveats: ["not for training material"],
    evidence: "recipient",
    marking: "TLP:AMBER",
    onward: "no",
    purpose: "improving physical protection",
  },
  type: "comity/grant/v1",
}
export const { terms: sampleTerms, ...unbound } = sampleGrant
export const sampleWithdrawal: Grant = { ...unbound, act: "withdraw", sealed: [] }
