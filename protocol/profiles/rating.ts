import {
  dictionary,
  either,
  flag,
  integer,
  list,
  object,
  oneOf,
  optional,
  type ShapeOf,
  text,
} from "../shape.ts"
import type { Violation } from "./profile.ts"

const value = text({ min: 1, max: 41, pattern: /^[a-z0-9][a-z0-9-]*$/ })
const regionPattern = /^[a-z][a-z0-9-]{0,40}$/

/** What a rating sets off, in words on every screen that shows it. */
export const triggers = ["assistance"] as const

/**
 * The values of the field `rating`: one list, a range of whole numbers, or one of them for each `region`.
 * A sealed rating is in no index, and in no file of evidence. docs/mechanisms.md
 */
export const ratingShape = object({
  best: optional(value),
  scales: dictionary(
    regionPattern,
    either(
      list(value, { min: 2, max: 32 }),
      object({ max: integer(0, 1_000_000), min: integer(0, 1_000_000) }),
    ),
    16,
  ),
  sealed: flag,
  triggers: optional(dictionary(/^[a-z0-9][a-z0-9-]*$/, oneOf(triggers), 32)),
})
export type RatingRule = ShapeOf<typeof ratingShape>
type Scale = RatingRule["scales"][string]

/** What is wrong with the fields `rating` and `region` of a record, where it has them. */
export function ratingViolations(
  rule: RatingRule,
  fields: { readonly [name: string]: string },
): readonly Violation[] {
  if (!Object.hasOwn(fields, "rating")) return []
  const regions = Object.keys(rule.scales)
  const region = Object.hasOwn(fields, "region") ? fields.region! : regions[0]!
  if (regions.length > 1 && !Object.hasOwn(fields, "region"))
    return [{ field: "region", expected: `one of ${regions.join(", ")}` }]
  const scale = Object.hasOwn(rule.scales, region) ? rule.scales[region] : undefined
  if (scale === undefined) return [{ field: "region", expected: `one of ${regions.join(", ")}` }]
  return isOn(scale, fields.rating!) ? [] : [{ field: "rating", expected: describeScale(scale) }]
}

function isOn(scale: Scale, rating: string): boolean {
  if (!("max" in scale)) return scale.includes(rating)
  return /^(?:0|[1-9]\d{0,6})$/.test(rating) && +rating >= scale.min && +rating <= scale.max
}

export function describeScale(scale: Scale): string {
  return "max" in scale ? `${scale.min} to ${scale.max}` : `one of ${scale.join(", ")}`
}

/** Whether a record rates somebody in confidence. */
export function hasSealedRating(
  { rating }: { readonly rating?: RatingRule },
  { fields }: { readonly fields: { readonly [name: string]: string } },
): boolean {
  return rating?.sealed === true && Object.hasOwn(fields, "rating")
}

/** What the rating of a record sets off, null when nothing. */
export function triggerOf(
  { rating }: { readonly rating?: RatingRule },
  { fields }: { readonly fields: { readonly [name: string]: string } },
): (typeof triggers)[number] | null {
  const { triggers: known = {} } = rating ?? {}
  const value = Object.hasOwn(fields, "rating") ? fields.rating! : ""
  return Object.hasOwn(known, value) ? (known[value] ?? null) : null
}
