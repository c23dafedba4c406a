import { markings } from "../record/marking.ts"
import type { Profile } from "./profile.ts"

/** For what no mechanism governs: any kind, title and body, sign-off by the member's own policy. */
export const general: Profile = {
  fields: {
    facility: "Facility that is named",
    source: "Public source",
  },
  id: "general",
  kinds: {
    any: {
      areas: 0,
      marking: { allowed: markings.toSorted(), default: "TLP:AMBER" },
      optional: ["facility", "source"],
      required: [],
      title: "Any kind",
    },
  },
  signoff: [],
  title: "General exchange",
  type: "comity/profile/v1",
  version: 1,
}
