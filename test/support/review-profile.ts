import type { Profile } from "../../protocol/profiles/profile.ts"
import { encodeProfile, profileDigest } from "../../protocol/profiles/profile.ts"
import { type AdoptableProfile, builtInProfiles } from "../../protocol/profiles/registry.ts"
import { markings } from "../../protocol/record/marking.ts"

const kind = {
  areas: 0,
  marking: { allowed: markings.toSorted(), default: "TLP:AMBER" },
  optional: ["facility", "memorandum"],
  required: [],
  title: "Report",
} as const

/** A review by others than the State whose it is: of each kind a record in another mode of consent. */
export const reviewProfile: Profile = {
  consent: [
    { kind: "report", members: ["reviewers"], mode: "explicit" },
    { kind: "group-report", members: ["group"], mode: "consensus" },
    {
      basis: { field: "memorandum", kind: "memorandum" },
      kind: "audit-report",
      members: ["reviewers"],
      mode: "standing",
    },
    {
      basis: { field: "agreement", kind: "tacit-agreement" },
      days: 90,
      kind: "mission-report",
      members: ["host"],
      mode: "tacit",
    },
  ],
  fields: {
    agreement: "Agreement to a silence procedure",
    facility: "Facility",
    group: "Members of the group",
    host: "Host",
    memorandum: "Memorandum",
    reviewers: "Reviewers",
  },
  id: "review",
  kinds: {
    "audit-report": { ...kind, required: ["reviewers"] },
    "group-report": { ...kind, required: ["group"] },
    memorandum: { ...kind, title: "Memorandum" },
    "mission-report": { ...kind, required: ["agreement", "host"], title: "Mission report" },
    report: { ...kind, required: ["reviewers"] },
    "tacit-agreement": { ...kind, title: "Agreement to a silence procedure" },
  },
  signoff: [{ act: "consent", kind: "any", persons: 1, role: "competentAuthority" }],
  title: "Review",
  type: "comity/profile/v1",
  version: 1,
}

/** Among those that a node comes with, as a profile that is one more file of data would be. */
export function comeWithReviewProfile(): AdoptableProfile {
  const bytes = encodeProfile(reviewProfile)
  const adoptable = { profile: reviewProfile, bytes, digest: profileDigest(bytes) }
  if (!builtInProfiles.some(({ digest }) => digest === adoptable.digest))
    (builtInProfiles as AdoptableProfile[]).push(adoptable)
  return adoptable
}
