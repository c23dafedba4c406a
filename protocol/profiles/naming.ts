import { object, oneOf, type ShapeOf } from "../shape.ts"

/**
 * `named`: may stand in the record. `anonymous`: goes there in an anonymous copy only. `never`: has no
 * place in a record that goes there.
 */
export const namings = ["anonymous", "named", "never"] as const
export type Naming = (typeof namings)[number]
const naming = oneOf(namings)

/**
 * To whom a release speaks: `members` that are named one by one; the `network` that they may pass it on
 * to; the `public`.
 */
const toAudiences = object({ members: naming, network: naming, public: naming })

/** How a kind of record may name whom: computed for each release, never typed into a text. */
export const namingShape = object({
  facility: toAudiences,
  person: toAudiences,
  state: toAudiences,
})
export type NamingRule = ShapeOf<typeof namingShape>
export type Named = keyof NamingRule
export type NamingAudience = keyof NamingRule[Named]

/** Whom a grant speaks to, from what every recipient sees of it. */
export function namingAudience(recipient: string, onward: string): NamingAudience {
  if (recipient === "public") return "public"
  return onward === "free" || onward === "inside" ? "network" : "members"
}
