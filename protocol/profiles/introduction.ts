import type { Profile } from "./profile.ts"

/**
 * One member tells another that it has compared the words of a third: no trust by itself, but a reason
 * to compare soon. With `replaces` it attests the re-enrolment of a member whose root quorum is lost.
 */
export const introduction: Profile = {
  fields: {
    member: "Whole id of the member whose words were compared",
    replaces: "Whole id of the member that it takes over from",
  },
  id: "introduction",
  kinds: {
    introduction: {
      areas: 0,
      marking: { allowed: ["TLP:AMBER", "TLP:CLEAR", "TLP:GREEN"], default: "TLP:GREEN" },
      optional: ["replaces"],
      required: ["member"],
      title: "Introduction of a member",
    },
  },
  signoff: [],
  title: "Introductions between members",
  type: "comity/profile/v1",
  version: 1,
}
