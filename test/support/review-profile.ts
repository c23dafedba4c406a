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
  ],
  fields: {
    facility: "Facility",
    group: "Members of the group",
    memorandum: "Memorandum",
    reviewers: "Reviewers",
  },
  id: "review",
  kinds: {
    "audit-report": { ...kind, required: ["reviewers"] },
    "group-report": { ...kind, required: ["group"] },
    memorandum: { ...kind, title: "Memorandum" },
    report: { ...kind, required: ["reviewers"] },
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
