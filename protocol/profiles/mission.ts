import type { ComityRecord } from "../record/record.ts"
import { isDay } from "../shape.ts"
import type { Profile, Violation } from "./profile.ts"

/**
 * What a host and a service agree on before a mission: when, about which modules, by whom. One of them is
 * its origin, the other agrees to these bytes. docs/dialogue.md
 */

type Fields = Pick<ComityRecord, "fields">

const reviewerPattern = /^[\p{L}\d][\p{L}\d.-]{0,39}: .*\S/u
const memberPattern = /^[0-9a-f]{64}$/
const everyModule = "all"

/** A text rule, `mission`: everything in it that programs find must be written so that they do. */
export function missionViolations(record: Fields): readonly Violation[] {
  const found: Violation[] = []
  const { host = "", modules = "", service = "" } = record.fields
  for (const [field, id] of Object.entries({ host, service }))
    if (!memberPattern.test(id)) found.push({ field, expected: "the id of a member" })
  if (host === service) found.push({ field: "service", expected: "another member than the host" })
  found.push(...datesViolations(record))
  if (!/^[A-Za-z0-9._:-]+(?: [A-Za-z0-9._:-]+)*$/.test(modules))
    found.push({ field: "modules", expected: "codes of areas, a blank between them, or all" })
  const team = reviewersIn(record, "team")
  const rejected = new Set(reviewersIn(record, "rejected"))
  for (const [field, names] of Object.entries({ team, rejected: [...rejected] }))
    if (!linesOf(record, field).every((line) => reviewerPattern.test(line)))
      found.push({ field, expected: "a line for each reviewer: pseudonym, colon, text" })
    else if (new Set(names).size !== linesOf(record, field).length)
      found.push({ field, expected: "each reviewer once" })
  if (team.some((name) => rejected.has(name)))
    found.push({ field: "team", expected: "nobody whom the host has rejected" })
  return found
}

/** A text rule, `dates`: a mission has a first and a last day. */
export function datesViolations(record: Fields): readonly Violation[] {
  return daysOf(record) === null
    ? [{ field: "dates", expected: "the first and the last day, YYYY-MM-DD/YYYY-MM-DD" }]
    : []
}

/** First and last day of a mission; null where they are not written as programs read them. */
export function daysOf({ fields }: Fields): { readonly from: string; readonly to: string } | null {
  const text = Object.hasOwn(fields, "dates") ? (fields.dates ?? "") : ""
  const [from = "", to = "", ...more] = text.split("/")
  return more.length === 0 && isDay(from) && isDay(to) && from <= to ? { from, to } : null
}

function linesOf({ fields }: Fields, name: string): readonly string[] {
  const text = Object.hasOwn(fields, name) ? (fields[name] ?? "") : ""
  return text.split("\n").filter((line) => line !== "")
}

/** Pseudonyms in a field that has one reviewer a line. */
export function reviewersIn(record: Fields, name: string): readonly string[] {
  return linesOf(record, name).map((line) => line.slice(0, line.indexOf(":")))
}

/** The two between whom it is. */
export function missionParties({ fields }: Fields): readonly string[] {
  return [fields.host ?? "", fields.service ?? ""]
}

/** Whether records of this kind are released under a mission agreement only, where another is the host. */
export function needsAgreement(profile: Profile, record: ComityRecord): boolean {
  const { fields, kind, origin } = record
  return profile.agreement?.includes(kind) === true && fields.host !== origin
}

/** Everything in which a finding goes beyond what was agreed; null when the agreement is not about it. */
export function agreementViolations(
  agreement: ComityRecord,
  finding: ComityRecord,
): readonly Violation[] | null {
  const { host, mechanism, mission, modules = "", service } = agreement.fields
  const { fields } = finding
  if (host !== fields.host || service !== finding.origin || mechanism !== finding.profile.id)
    return null
  if (fields.mission !== undefined && fields.mission !== mission) return null
  const found: Violation[] = []
  const chosen = modules.split(" ")
  if (modules !== everyModule && !finding.areas.every((area) => chosen.includes(area)))
    found.push({ field: "areas", expected: `modules that the host has chosen: ${modules}` })
  const named = new Set((fields.team ?? "").split(/[^\p{L}\d.-]+/u))
  if (reviewersIn(agreement, "rejected").some((name) => named.has(name)))
    found.push({ field: "team", expected: "nobody whom the host has rejected" })
  return found
}
