import { textLine } from "../record/plain-text.ts"
import {
  flag,
  integer,
  list,
  object,
  oneOf,
  optional,
  refine,
  type ShapeOf,
  sortedSet,
  text,
} from "../shape.ts"

/** The course of a review: stages, deadlines, questions, follow-up. docs/mechanisms.md */

const name = text({ min: 1, max: 64, pattern: /^[a-z][a-z0-9-]*$/ })
const durationPattern = /^P[1-9]\d{0,3}[YMWD]$/
const duration = text({ min: 3, max: 6, pattern: durationPattern })
/** ISO 8601, one unit, before (`-`) or after (`+`) its anchor. */
const offset = text({ min: 4, max: 7, pattern: /^[+-]P[1-9]\d{0,3}[YMWD]$/ })

/** A draft that states its stage is released at `release` or later only. */
export const lifecycleShape = refine(
  object({ release: name, stages: list(name, { min: 1, max: 32 }) }),
  ({ release, stages }) => stages.includes(release) && new Set(stages).size === stages.length,
)
export type Lifecycle = ShapeOf<typeof lifecycleShape>

export const deadlineShape = object({
  anchor: name,
  offset,
  /** `list`: who missed it may be listed as absent; `notify`: said to those concerned; `nothing` */
  onMiss: oneOf(["list", "nothing", "notify"]),
  what: textLine({ min: 1, max: 120 }),
})
export type Deadline = ShapeOf<typeof deadlineShape>

export const questionsShape = object({
  answers: oneOf(["required", "voluntary"]),
  /** `hidden`: who asks is known to whom is asked only */
  askers: oneOf(["hidden", "shown"]),
  /** the day by which questions are put, and the day by which they are answered */
  window: optional(object({ anchor: name, answered: offset, asked: offset })),
})
export type QuestionRule = ShapeOf<typeof questionsShape>

/** The values of the field `status`, and whose claim stands beside the host's own. */
export const followUpShape = refine(
  object({
    assessor: oneOf(["group", "host", "recipient", "reviewers", "secretariat", "team"]),
    /** how long after it was last said how far a finding has come it is said again */
    every: optional(duration),
    /** statuses after which nothing more is to be said */
    final: optional(sortedSet(name, 16)),
    mandatory: flag,
    scale: list(name, { min: 2, max: 16 }),
  }),
  ({ final, scale }) => (final ?? []).every((status) => scale.includes(status)),
)
export type FollowUpRule = ShapeOf<typeof followUpShape>

/** `forbidden`: never across States, own trend only. `aggregate`: in cells of at least `k` members. */
export const comparisonShape = refine(
  object({
    disclaimer: textLine({ min: 1, max: 300 }),
    k: optional(integer(2, 1000)),
    rule: oneOf(["aggregate", "forbidden"]),
  }),
  ({ k, rule }) => (k !== undefined) === (rule === "aggregate"),
)
export type Comparison = ShapeOf<typeof comparisonShape>

/** The day (YYYY-MM-DD) of a deadline; the last of the month where the month is too short. */
export function dueOn(anchor: string, { offset: shift }: Pick<Deadline, "offset">): string {
  const [, sign, count, unit] = /^([+-])P(\d+)([YMWD])$/.exec(shift) ?? []
  const n = Number(`${sign}${count}`)
  const at = new Date(`${anchor}T00:00:00Z`)
  if (unit === "D" || unit === "W") at.setUTCDate(at.getUTCDate() + (unit === "W" ? 7 * n : n))
  else {
    const day = at.getUTCDate()
    at.setUTCDate(1)
    at.setUTCMonth(at.getUTCMonth() + (unit === "Y" ? 12 * n : n))
    const last = new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 0)).getUTCDate()
    at.setUTCDate(Math.min(day, last))
  }
  return at.toISOString().slice(0, 10)
}
