import { encodeCanonical, ingest, recode } from "../canonical.ts"
import { sha256 } from "../crypto/hash.ts"
import { encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import {
  type Act,
  acts,
  conditionShape,
  type conditions,
  type Requirement,
  roleShape,
} from "../member/policy.ts"
import { markingShape, markings } from "../record/marking.ts"
import { textLine } from "../record/plain-text.ts"
import { type ComityRecord, fieldNamePattern } from "../record/record.ts"
import {
  decodeShape,
  dictionary,
  integer,
  list,
  literal,
  object,
  oneOf,
  optional,
  refine,
  type ShapeOf,
  sortedSet,
  text,
} from "../shape.ts"
import { isLanguage } from "../time.ts"
import {
  basisFields,
  type ConsentRule,
  consentRuleShape,
  consentsPerOrder,
  memberFields,
  memberListPattern,
  membersNamed,
} from "./consent.ts"

/** Limit of the JCS form: a profile travels whole in every evidence file. docs/spec/limits.md */
export const profileBytes = 64 * 1024

const namePattern = /^[a-z][a-z0-9-]{0,40}$/
const areaPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/
const name = text({ min: 1, max: 41, pattern: namePattern })
const title = textLine({ min: 1, max: 200 })
const fieldNames = sortedSet(text({ min: 1, max: 40, pattern: fieldNamePattern }), 64)

const kindRuleShape = object({
  /** A record carries at least so many areas. */
  areas: integer(0, 64),
  marking: object({
    allowed: sortedSet(markingShape, markings.length),
    default: markingShape,
  }),
  optional: fieldNames,
  required: fieldNames,
  title,
})
export type KindRule = ShapeOf<typeof kindRuleShape>

/** One line of a member's policy, without a profile to match: it stands in one. */
const signoffLineShape = object({
  act: oneOf(["any", ...acts]),
  kind: name,
  organisations: optional(integer(1, 64)),
  persons: integer(1, 64),
  role: roleShape,
  when: optional(conditionShape),
})

/**
 * What a mechanism asks of a record and of those who release it: data in a closed vocabulary, no
 * code. The kind `any` stands for every kind that is not listed; without `areas` any area will do,
 * without `languages` any language. docs/mechanisms.md
 */
export const profileShape = refine(
  object({
    areas: optional(dictionary(areaPattern, title, 256)),
    consent: optional(list(consentRuleShape, { min: 1, max: 64 })),
    fields: dictionary(fieldNamePattern, title, 64),
    id: name,
    kinds: dictionary(namePattern, kindRuleShape, 64),
    languages: optional(sortedSet(refine(text({ min: 2, max: 35 }), isLanguage), 64)),
    signoff: list(signoffLineShape, { max: 64 }),
    title,
    type: literal("comity/profile/v1"),
    version: integer(1, 1_000_000),
  }),
  isConsistent,
)
export type Profile = {
  readonly areas?: { readonly [code: string]: string }
  readonly consent?: readonly ConsentRule[]
  readonly fields: { readonly [name: string]: string }
  readonly id: string
  readonly kinds: { readonly [kind: string]: KindRule }
  readonly languages?: readonly string[]
  readonly signoff: readonly SignoffLine[]
  readonly title: string
  readonly type: "comity/profile/v1"
  readonly version: number
}
export type SignoffLine = ShapeOf<typeof signoffLineShape>

/** Nothing may refer to what the profile does not define: such a rule could never be met. */
function isConsistent(profile: Profile): boolean {
  const kinds = Object.entries(profile.kinds)
  return (
    kinds.length > 0 &&
    profile.languages?.length !== 0 &&
    kinds.every(
      ([, { areas, marking, optional, required }]) =>
        marking.allowed.includes(marking.default) &&
        [...optional, ...required].every((field) => Object.hasOwn(profile.fields, field)) &&
        !required.some((field) => optional.includes(field)) &&
        areas <= (profile.areas === undefined ? 64 : Object.keys(profile.areas).length),
    ) &&
    profile.signoff.every(({ kind }) => kind === "any" || findKind(profile, kind) !== null) &&
    (profile.consent ?? []).every(
      ({ basis, kind, members }) =>
        (kind === "any" || findKind(profile, kind) !== null) &&
        members.every((field) => Object.hasOwn(profile.fields, field)) &&
        (basis === undefined ||
          (Object.hasOwn(profile.fields, basis.field) && findKind(profile, basis.kind) !== null)),
    )
  )
}

/**
 * The JCS form, checked as every member that adopts it will check it.
 *
 * @throws `profile.malformed`
 */
export function encodeProfile(profile: Profile): Uint8Array {
  const bytes = encodeCanonical(profile)
  decodeProfile(bytes)
  return bytes
}

/** @throws `profile.malformed`, for more than 64 KiB too */
export function decodeProfile(bytes: Uint8Array): Profile {
  const value = recode("profile.malformed", () => ingest(bytes, profileBytes))
  return decodeShape(profileShape, value, "profile.malformed")
}

/** SHA-256 of the JCS form, hex: what records, orders and root documents name. PROTOCOL.md §2 */
export function profileDigest(bytes: Uint8Array): string {
  return encodeHex(sha256(bytes))
}

/** The rule of a kind, or of `any`; null for a kind that the profile does not know. */
export function findKind(profile: Pick<Profile, "kinds">, kind: string): KindRule | null {
  for (const key of [kind, "any"])
    if (Object.hasOwn(profile.kinds, key)) return profile.kinds[key] ?? null
  return null
}

/** What the profile asks for on top of the member's own policy. PROTOCOL.md §1, `policy` */
export function signoffOf(profile: Profile, act: Act, kind: string): readonly Requirement[] {
  return profile.signoff
    .filter((line) => line.act === "any" || line.act === act)
    .filter((line) => line.kind === "any" || line.kind === kind)
    .map(({ act: _act, kind: _kind, ...requirement }) => requirement)
}

/** The lines of the profile that say who else agrees to a release of the kind. PROTOCOL.md §5 */
export function consentRulesOf(
  profile: Pick<Profile, "consent">,
  kind: string,
): readonly ConsentRule[] {
  return (profile.consent ?? []).filter((rule) => rule.kind === "any" || rule.kind === kind)
}

/**
 * The conditions of an order's rule, sorted: every recipient computes them again from what it got.
 * `consent` others agree to it · `facility` the record names one · `onward` it may travel on · `public`
 * anyone may read it. PROTOCOL.md §10, step 8
 */
export function conditionsOf(
  profile: Pick<Profile, "consent">,
  record: Pick<ComityRecord, "fields" | "kind" | "origin">,
  recipient: string,
  onward: string,
): readonly (typeof conditions)[number][] {
  const found: (typeof conditions)[number][] = []
  const named = membersNamed(record, memberFields(consentRulesOf(profile, record.kind)))
  const isAmongThem = recipient === record.origin || named.includes(recipient)
  if (!isAmongThem && named.some((member) => member !== record.origin)) found.push("consent")
  if (Object.hasOwn(record.fields, "facility")) found.push("facility")
  if (onward !== "no") found.push("onward")
  if (recipient === "public") found.push("public")
  return found
}

/** What of a record a profile judges: a draft has it before it has an id. */
export type Judged = Pick<
  ComityRecord,
  "kind" | "language" | "areas" | "marking" | "fields" | "body"
>
export type Violation = { readonly field: string; readonly expected: string }

/** Everything in which the record departs from its profile; never quotes the record's own text. */
export function findViolations(profile: Profile, record: Judged): readonly Violation[] {
  const rule = findKind(profile, record.kind)
  if (rule === null) return [{ field: "kind", expected: oneAmong(Object.keys(profile.kinds)) }]
  const found: Violation[] = []
  if (record.body.trim() === "") found.push({ field: "body", expected: "text" })
  if (profile.languages !== undefined && !profile.languages.includes(record.language))
    found.push({ field: "language", expected: oneAmong(profile.languages) })
  if (!rule.marking.allowed.includes(record.marking))
    found.push({ field: "marking", expected: oneAmong(rule.marking.allowed) })
  const { areas } = profile
  if (areas !== undefined && !record.areas.every((area) => Object.hasOwn(areas, area)))
    found.push({ field: "areas", expected: `each ${oneAmong(Object.keys(areas))}` })
  if (record.areas.length < rule.areas)
    found.push({ field: "areas", expected: `at least ${rule.areas}` })
  for (const field of rule.required)
    if (fieldOf(record, field).trim() === "")
      found.push({ field, expected: `text: a ${record.kind} has it` })
  for (const field of Object.keys(record.fields))
    if (!rule.required.includes(field) && !rule.optional.includes(field))
      found.push({ field, expected: `no such field in a ${record.kind}` })
  return [...found, ...namingViolations(consentRulesOf(profile, record.kind), record)]
}

/** Whoever is named by a field must be found by it, on every machine alike. */
function namingViolations(
  rules: readonly ConsentRule[],
  record: Pick<Judged, "fields">,
): readonly Violation[] {
  const found: Violation[] = []
  for (const field of memberFields(rules)) {
    if (!Object.hasOwn(record.fields, field)) continue
    const list = fieldOf(record, field)
    if (!memberListPattern.test(list) || membersNamed(record, [field]).join(" ") !== list)
      found.push({ field, expected: "ids of members, sorted, one blank between them" })
  }
  if (membersNamed(record, memberFields(rules)).length > consentsPerOrder)
    found.push({ field: memberFields(rules)[0]!, expected: `at most ${consentsPerOrder} members` })
  for (const field of basisFields(rules))
    if (Object.hasOwn(record.fields, field) && !/^[0-9a-f]{64}$/.test(fieldOf(record, field)))
      found.push({ field, expected: "the digest of a record" })
  return found
}

/** Not by mere access: a profile may name a field like a property that every object has. */
function fieldOf({ fields }: Pick<Judged, "fields">, name: string): string {
  return Object.hasOwn(fields, name) ? (fields[name] ?? "") : ""
}

function oneAmong(allowed: readonly string[]): string {
  return `one of ${allowed.join(", ")}`
}

/** @throws `profile.violated`, naming the first field that departs and what is expected there */
export function checkRecord(profile: Profile, record: Judged): void {
  const [first] = findViolations(profile, record)
  if (first !== undefined)
    throw new ProtocolError("profile.violated", { detail: `${first.field}: ${first.expected}` })
}
