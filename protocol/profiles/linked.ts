import { ProtocolError } from "../errors.ts"
import type { Relation } from "../record/link.ts"
import { compareMarking } from "../record/marking.ts"
import type { ComityRecord } from "../record/record.ts"
import { donorsOf } from "./assistance.ts"
import { memberFields, membersNamed } from "./consent.ts"
import { missionParties } from "./mission.ts"
import { consentRulesOf, findKind, type Profile, type Violation } from "./profile.ts"

/** A record with the profile it was written under. */
export type Under = { readonly record: ComityRecord; readonly profile: Profile }

/** What only a party to a record says of it. */
const ofParties: readonly Relation[] = ["requests", "reserves"]

/**
 * Everything in which a record departs from what the one that it speaks of asks for: judged by whoever
 * holds both. docs/dialogue.md
 */
export function linkViolations({ record, profile }: Under, other: Under): readonly Violation[] {
  const found: Violation[] = []
  const { about, translationOf } = record
  if (about !== undefined && isOf(about, other.record)) {
    const parents = findKind(profile, record.kind)?.parents
    if (parents?.includes(other.record.kind) === false)
      found.push({ field: "about", expected: `a record of kind ${parents.join(" or ")}` })
    const { relation } = about
    if (ofParties.includes(relation) && !partiesTo(other).includes(record.origin))
      found.push({ field: "about", expected: "a record of its own, or one that names it" })
    if (relation === "responds" && !donorsOf(other.record).includes(record.origin))
      found.push({ field: "about", expected: "a request for assistance that names its origin" })
    if (about.relation === "agrees") found.push(...acceptanceViolations(record, other.record))
    if (about.relation === "follows-up") found.push(...progressViolations(record, other.profile))
  }
  if (translationOf !== undefined && isOf(translationOf, other.record))
    found.push(...translationViolations(record, other.record))
  return found
}

function isOf(
  link: { readonly origin: string; readonly id: string },
  { origin, id }: ComityRecord,
): boolean {
  return link.origin === origin && link.id === id
}

/** Its origin, the host it names, and whoever else has to agree to its release. */
export function partiesTo({ record, profile }: Under): readonly string[] {
  const fields = new Set(["host", ...memberFields(consentRulesOf(profile, record.kind))])
  return [record.origin, ...membersNamed(record, [...fields])]
}

/** Whom it says something of: the host, the audited State or the State concerned that it names, else its origin. */
export function subjectOf({ fields, origin }: Pick<ComityRecord, "fields" | "origin">): string {
  return fields.host ?? fields.audited ?? fields.concerned ?? origin
}

/** A mission has two parties: what one has worded, the other agrees to, as it is. */
function acceptanceViolations(
  { about, origin }: ComityRecord,
  agreement: ComityRecord,
): readonly Violation[] {
  const found: Violation[] = []
  if (about?.digest === undefined)
    found.push({ field: "about", expected: "a version, with its digest" })
  const parties = missionParties(agreement)
  if (
    origin === agreement.origin ||
    ![origin, agreement.origin].every((one) => parties.includes(one))
  )
    found.push({ field: "about", expected: "an agreement of the other party, host or service" })
  return found
}

function progressViolations(
  { fields }: ComityRecord,
  { followUp, id }: Profile,
): readonly Violation[] {
  const { progress } = fields
  if (progress === undefined) return []
  if (followUp === undefined)
    return [{ field: "about", expected: `none: ${id} follows nothing up` }]
  return followUp.scale.includes(progress)
    ? []
    : [{ field: "progress", expected: `one of ${followUp.scale.join(", ")}` }]
}

/** A translation is under every rule of its original: the same sign-off, the same readers. */
function translationViolations(record: ComityRecord, original: ComityRecord): readonly Violation[] {
  const found: Violation[] = []
  if (record.profile.digest !== original.profile.digest)
    found.push({ field: "profile", expected: "the original's" })
  if (record.kind !== original.kind) found.push({ field: "kind", expected: "the original's" })
  if (record.language === original.language)
    found.push({ field: "language", expected: "another than the original's" })
  if (compareMarking(record.marking, original.marking) < 0)
    found.push({ field: "marking", expected: `nothing wider than ${original.marking}` })
  const names = (one: ComityRecord) => Object.keys(one.fields).toSorted().join(" ")
  if (names(record) !== names(original))
    found.push({ field: "fields", expected: "those of the original" })
  const status = record.translationOf?.status
  if (status === "official" && record.origin !== original.origin)
    found.push({ field: "translationOf", expected: "courtesy or machine: its origin is another" })
  return found
}

/** @throws `profile.violated`, naming the first field that departs and what is expected there */
export function checkLink(record: Under, other: Under): void {
  const [first] = linkViolations(record, other)
  if (first !== undefined)
    throw new ProtocolError("profile.violated", { detail: `${first.field}: ${first.expected}` })
}
