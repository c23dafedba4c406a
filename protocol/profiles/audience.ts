import { object, oneOf, refine, type ShapeOf, sortedSet } from "../shape.ts"

/** Who can be given a record: members by the kind their root document states, or everybody. */
export const readers = ["operator", "public", "secretariat", "state", "team"] as const
export type Reader = (typeof readers)[number]

const readersShape = sortedSet(oneOf(readers), readers.length)

/**
 * `default`: whom a kind goes to unless its origin says otherwise for one release, nobody when empty.
 * `ceiling`: whom it may go to at all; every recipient checks it. docs/mechanisms.md
 */
export const audienceShape = refine(
  object({ ceiling: readersShape, default: readersShape }),
  (audience) => audience.default.every((one) => audience.ceiling.includes(one)),
)
export type Audience = ShapeOf<typeof audienceShape>
