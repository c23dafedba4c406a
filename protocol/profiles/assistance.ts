import type { About } from "../record/link.ts"
import type { ComityRecord } from "../record/record.ts"
import { memberListPattern, membersNamed } from "./consent.ts"
import type { Violation } from "./profile.ts"

/**
 * A request for assistance names the donors that its origin has agreed to ask; each of them answers the
 * origin alone. docs/dialogue.md
 */

/** What a donor says of a request. */
export const assistanceOutcomes = ["considered", "declined", "offered", "provided"] as const

export const donorsPerRequest = 64

type Said = Pick<ComityRecord, "fields">

/** The members that a request goes to, by their ids. */
export function donorsOf(record: Said): readonly string[] {
  return membersNamed(record, ["donors"])
}

/** What programs find in a request, and in what answers it, must be written so that they do. */
export function assistanceViolations(
  relation: About["relation"] | undefined,
  record: Said,
): readonly Violation[] {
  if (relation === "requests") {
    const donors = donorsOf(record)
    const list = Object.hasOwn(record.fields, "donors") ? record.fields.donors! : ""
    if (!memberListPattern.test(list) || donors.join(" ") !== list)
      return [{ field: "donors", expected: "ids of members, sorted, one blank between them" }]
    if (donors.length > donorsPerRequest)
      return [{ field: "donors", expected: `at most ${donorsPerRequest} members` }]
  }
  if (relation === "responds") {
    const { fields } = record
    const said = Object.hasOwn(fields, "assistance") ? fields.assistance : undefined
    if (!assistanceOutcomes.some((one) => one === said))
      return [{ field: "assistance", expected: `one of ${assistanceOutcomes.join(", ")}` }]
  }
  return []
}

/** Whom a request or its answer may go to; null for a record that is neither. */
export function readersOfAssistance(
  relation: About["relation"] | undefined,
  record: Said & { readonly about?: About | undefined },
): readonly string[] | null {
  if (relation === "requests") return donorsOf(record)
  if (relation === "responds") return record.about === undefined ? [] : [record.about.origin]
  return null
}
