import type { ComityRecord } from "../record/record.ts"
import { fieldNamePattern } from "../record/record.ts"
import {
  integer,
  object,
  oneOf,
  optional,
  refine,
  type ShapeOf,
  sortedSet,
  text,
} from "../shape.ts"

/** How those whom a record names agree to its release to others. docs/mechanisms.md, PROTOCOL.md §5 */
export const consentModes = ["explicit", "tacit", "consensus", "standing"] as const
export type ConsentMode = (typeof consentModes)[number]

/** So many consents travel with an order at most. docs/spec/limits.md */
export const consentsPerOrder = 16

const fieldName = text({ min: 1, max: 40, pattern: fieldNamePattern })
const kindName = text({ min: 1, max: 41, pattern: /^[a-z][a-z0-9-]{0,40}$/ })

/**
 * One line of a profile: the `members` that record fields name agree to a release of the kind. Tacit and
 * standing rest on a `basis`: a record of theirs that the record names by its digest in a field.
 */
export const consentRuleShape = refine(
  object({
    basis: optional(object({ field: fieldName, kind: kindName })),
    /** tacit: whole days from the receipt of what they were sent */
    days: optional(integer(1, 366)),
    kind: kindName,
    members: refine(sortedSet(fieldName, consentsPerOrder), (names) => names.length > 0),
    mode: oneOf(consentModes),
  }),
  ({ basis, days, mode }) =>
    (basis !== undefined) === (mode === "tacit" || mode === "standing") &&
    (days !== undefined) === (mode === "tacit"),
)
export type ConsentRule = ShapeOf<typeof consentRuleShape>

/** Fields whose text is member ids: those of the members that a record's release needs. */
export function memberFields(rules: readonly ConsentRule[]): readonly string[] {
  if (rules.length === 0) return []
  return [...new Set(rules.flatMap(({ members }) => members))].toSorted()
}

/** Fields whose text is the digest of a record. */
export function basisFields(rules: readonly ConsentRule[]): readonly string[] {
  return [...new Set(rules.flatMap(({ basis }) => (basis === undefined ? [] : [basis.field])))]
}

export const memberListPattern = /^[0-9a-f]{64}(?: [0-9a-f]{64})*$/

/** The members that these fields of a record name, each once, sorted. */
export function membersNamed(
  { fields }: Pick<ComityRecord, "fields">,
  names: readonly string[],
): readonly string[] {
  if (names.length === 0) return []
  const found = names.flatMap((name) =>
    Object.hasOwn(fields, name) ? (fields[name] ?? "").split(" ") : [],
  )
  return [...new Set(found)].toSorted()
}
