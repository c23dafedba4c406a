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
import { type Relation, relations } from "../record/link.ts"
import { compareMarking, type Marking, markingShape, markings } from "../record/marking.ts"
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
import { assistanceViolations, readersOfAssistance } from "./assistance.ts"
import { audienceShape, type Reader } from "./audience.ts"
import {
  basisFields,
  type ConsentRule,
  consentRuleShape,
  consentsPerOrder,
  memberFields,
  memberListPattern,
  membersNamed,
} from "./consent.ts"
import {
  comparisonShape,
  deadlineShape,
  followUpShape,
  lifecycleShape,
  questionsShape,
} from "./cycle.ts"
import { datesViolations, missionViolations } from "./mission.ts"
import { type Named, namingAudience, namingShape } from "./naming.ts"
import { ratingShape, ratingViolations } from "./rating.ts"

/** Limit of the JCS form: a profile travels whole in every evidence file. docs/spec/limits.md */
export const profileBytes = 64 * 1024

const namePattern = /^[a-z][a-z0-9-]{0,40}$/
const areaPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/
const name = text({ min: 1, max: 41, pattern: namePattern })
const title = textLine({ min: 1, max: 200 })
const fieldNames = sortedSet(text({ min: 1, max: 40, pattern: fieldNamePattern }), 64)

/**
 * `dates`: first and last day · `mission`: it is a mission agreement · `should`: the text says what somebody
 * should do.
 */
export const textRules = ["dates", "mission", "should"] as const

const kindRuleShape = object({
  /** A record carries at least so many areas. */
  areas: integer(0, 64),
  /** left out, anyone */
  audience: optional(audienceShape),
  marking: object({
    allowed: sortedSet(markingShape, markings.length),
    default: markingShape,
  }),
  /** left out, everything may be named to everybody */
  naming: optional(namingShape),
  optional: fieldNames,
  /** kinds of the record that such a one is about */
  parents: optional(refine(sortedSet(name, 64), (kinds) => kinds.length > 0)),
  /** what such a record is to the one it is about; only a question may be about none */
  relation: optional(oneOf(relations)),
  required: fieldNames,
  /** questions among the fields whose answer begins with yes, and goes on to say why */
  tests: optional(fieldNames),
  textRules: optional(refine(sortedSet(oneOf(textRules), 8), (rules) => rules.length > 0)),
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

/** The three of the Agency's peer reviews, and what else there is. */
export const categories = [
  "advisory",
  "convention",
  "exchange",
  "generic",
  "industry",
  "specific",
] as const

/**
 * What a mechanism asks of a record and of those who release it: data in a closed vocabulary, no
 * code. The kind `any` stands for every kind that is not listed; without `areas` any area will do,
 * without `languages` any language. docs/mechanisms.md
 */
const membersShape = object({
  /** kinds that the service of a mission releases only under an agreement with their `host` */
  agreement: optional(refine(sortedSet(name, 64), (kinds) => kinds.length > 0)),
  areas: optional(dictionary(areaPattern, title, 256)),
  /** how those who review are chosen; left out, there are none */
  assignment: optional(oneOf(["draw", "groups", "host-agreed"])),
  category: optional(oneOf(categories)),
  comparison: optional(comparisonShape),
  consent: optional(list(consentRuleShape, { min: 1, max: 64 })),
  /** area → codes of other vocabularies under which a record in it is found too */
  crossWalk: optional(
    dictionary(areaPattern, sortedSet(text({ max: 64, pattern: areaPattern }), 32), 256),
  ),
  deadlines: optional(list(deadlineShape, { max: 32 })),
  fields: dictionary(fieldNamePattern, title, 64),
  followUp: optional(followUpShape),
  id: name,
  /** what it puts into practice, in the words of the mechanism */
  instruments: optional(list(title, { max: 32 })),
  kinds: dictionary(namePattern, kindRuleShape, 64),
  languages: optional(sortedSet(refine(text({ min: 2, max: 35 }), isLanguage), 64)),
  lifecycle: optional(lifecycleShape),
  /** rules of the lint that are errors here, not warnings */
  lint: optional(sortedSet(text({ min: 1, max: 41, pattern: /^[a-z][a-z.-]*$/ }), 64)),
  /** a recipient has decided on a mark of its own before it takes in such a record */
  localMark: optional(literal(true)),
  /** what a grant may say beside `no`; left out, anything */
  onward: optional(sortedSet(oneOf(["consent", "free", "inside"]), 3)),
  questions: optional(questionsShape),
  rating: optional(ratingShape),
  /** members whose values are recalled, not found in a source: to be confirmed by the steward */
  recalled: optional(sortedSet(text({ min: 1, max: 64, pattern: /^[a-zA-Z][a-zA-Z0-9.-]*$/ }), 64)),
  /** why parts may be withheld, each marked in the text; left out, nothing is */
  redaction: optional(refine(sortedSet(name, 16), (reasons) => reasons.length > 0)),
  signoff: list(signoffLineShape, { max: 64 }),
  /** a label: who keeps the profile has no say in any node */
  steward: optional(title),
  title,
  type: literal("comity/profile/v1"),
  version: integer(1, 1_000_000),
})
export const profileShape = refine(membersShape, isConsistent)
export type Profile = ShapeOf<typeof membersShape>
export type SignoffLine = ShapeOf<typeof signoffLineShape>

/** Nothing may refer to what the profile does not define: such a rule could never be met. */
function isConsistent(profile: Profile): boolean {
  const kinds = Object.entries(profile.kinds)
  return (
    kinds.length > 0 &&
    profile.languages?.length !== 0 &&
    kinds.every(
      ([, { areas, marking, optional, parents, required, tests }]) =>
        marking.allowed.includes(marking.default) &&
        [...optional, ...required].every((field) => Object.hasOwn(profile.fields, field)) &&
        !required.some((field) => optional.includes(field)) &&
        (tests ?? []).every((field) => required.includes(field)) &&
        (parents ?? []).every((kind) => findKind(profile, kind) !== null) &&
        (profile.rating !== undefined || !required.includes("rating")) &&
        (profile.followUp !== undefined || !required.includes("status")) &&
        areas <= (profile.areas === undefined ? 64 : Object.keys(profile.areas).length),
    ) &&
    Object.keys(profile.crossWalk ?? {}).every((code) =>
      Object.hasOwn(profile.areas ?? {}, code),
    ) &&
    (profile.agreement ?? []).every(
      (kind) => findKind(profile, kind)?.required.includes("host") === true,
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
 * `authority`, `facility` the record names one · `consent` others agree to it · `onward` it may travel
 * on · `public` anyone may read it. PROTOCOL.md §10, step 8
 */
export function conditionsOf(
  profile: Pick<Profile, "consent">,
  record: Pick<ComityRecord, "fields" | "kind" | "origin">,
  recipient: string,
  onward: string,
): readonly (typeof conditions)[number][] {
  const found: (typeof conditions)[number][] = []
  if (Object.hasOwn(record.fields, "authority")) found.push("authority")
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
  "about" | "kind" | "language" | "areas" | "marking" | "fields" | "body"
>
export type Violation = { readonly field: string; readonly expected: string }

const relationWords: { readonly [relation in Relation]: string } = {
  adopts: "the record that it is a notice of: adopts",
  agrees: "what it agrees to: agrees",
  answers: "the question that it answers: answers",
  asks: "the record that is asked about: asks",
  "follows-up": "the finding that it follows up: follows-up",
  replies: "the record that it speaks to: replies",
  requests: "the finding that help is requested with: requests",
  reserves: "the record that it reserves on: reserves",
  responds: "the request that it answers: responds",
}

/** What can be asked of a member without any record that it is about. */
const mayStandAlone: readonly Relation[] = ["asks", "requests"]

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
  const { about } = record
  if (rule.relation !== undefined && about?.relation !== rule.relation)
    if (about !== undefined || !mayStandAlone.includes(rule.relation))
      found.push({ field: "about", expected: relationWords[rule.relation] })
  if (record.areas.length < rule.areas)
    found.push({ field: "areas", expected: `at least ${rule.areas}` })
  for (const field of rule.required)
    if (fieldOf(record, field).trim() === "")
      found.push({
        field,
        expected: `text (${profile.fields[field]}): every ${record.kind} has it`,
      })
  for (const field of Object.keys(record.fields))
    if (!rule.required.includes(field) && !rule.optional.includes(field))
      found.push({ field, expected: `no such field in a ${record.kind}` })
  for (const field of rule.tests ?? [])
    if (!yesPattern.test(fieldOf(record, field)))
      found.push({ field, expected: `yes, and why: without it this is no ${record.kind}` })
  if (rule.textRules?.includes("should") === true && !shouldPattern.test(record.body))
    found.push({ field: "body", expected: "what somebody should do" })
  if (rule.textRules?.includes("dates") === true) found.push(...datesViolations(record))
  if (rule.textRules?.includes("mission") === true) found.push(...missionViolations(record))
  found.push(...assistanceViolations(about?.relation ?? rule.relation, record))
  if (profile.rating !== undefined) found.push(...ratingViolations(profile.rating, record.fields))
  const scale = profile.followUp?.scale
  if (scale !== undefined && Object.hasOwn(record.fields, "status"))
    if (!scale.includes(fieldOf(record, "status")))
      found.push({ field: "status", expected: oneAmong(scale) })
  return [
    ...found,
    ...redactionViolations(profile, record),
    ...namingViolations(consentRulesOf(profile, record.kind), record),
  ]
}

// In the languages of the United Nations: a word that such a text can't do without.
const yesPattern = /^(?:yes|oui|sí|да|是|نعم)(?![\p{L}\d]).{3}/isu
const shouldPattern =
  /(?<!\p{L})(?:should|devrai(?:t|ent)|debería[ns]?|deben?|следует|должн[аоы]?|ينبغي|يجب)(?!\p{L})|应/iu
const withheldPattern = /\[withheld: ([a-z][a-z0-9-]{0,40})\]/g

/** What is withheld shows: a mark with its reason at each place, and how many there are. */
function redactionViolations(profile: Profile, record: Judged): readonly Violation[] {
  const known = profile.redaction
  if (known === undefined) return []
  const { withheld, ...others } = record.fields
  const texts = [record.body, ...Object.values(others)]
  const reasons = texts.flatMap((one) => [...one.matchAll(withheldPattern)].map(([, why]) => why!))
  if (!reasons.every((why) => known.includes(why)))
    return [{ field: "body", expected: `[withheld: REASON], the reason ${oneAmong(known)}` }]
  return (withheld ?? "0") === String(reasons.length)
    ? []
    : [{ field: "withheld", expected: `${reasons.length}, as many as are marked in the text` }]
}

/** Whoever is named by a field must be found by it, on every machine alike. */
function namingViolations(
  rules: readonly ConsentRule[],
  record: Pick<Judged, "fields">,
): readonly Violation[] {
  if (rules.length === 0) return []
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

/** What a grant says of a release, with who gives and who gets it, as far as that is known. */
export type Release = {
  readonly from: Reader
  /** null where nobody can tell, as in a file of evidence */
  readonly to: Reader | null
  readonly recipient: string
  readonly onward: string
  readonly marking: Marking
}

type Released = Pick<ComityRecord, "about" | "kind" | "fields" | "marking"> &
  Partial<Pick<ComityRecord, "origin" | "translationOf">>

/** Everything in which a release of the record departs from its profile: the same for giver and taker. */
export function releaseViolations(
  profile: Profile,
  record: Released,
  release: Release,
): readonly Violation[] {
  const rule = findKind(profile, record.kind)
  if (rule === null) return [{ field: "kind", expected: oneAmong(Object.keys(profile.kinds)) }]
  const found: Violation[] = []
  const { to, onward, recipient } = release
  if (to !== null && rule.audience?.ceiling.includes(to) === false)
    found.push({ field: "recipient", expected: oneAmong(rule.audience.ceiling) })
  const allowed = profile.onward
  if (allowed !== undefined && onward !== "no" && !allowed.some((one) => one === onward))
    found.push({ field: "onward", expected: oneAmong(["no", ...allowed]) })
  if (compareMarking(release.marking, record.marking) < 0)
    found.push({ field: "terms.marking", expected: `nothing wider than ${record.marking}` })
  if (recipient === "public" && release.marking !== "TLP:CLEAR")
    found.push({ field: "terms.marking", expected: "TLP:CLEAR, where everybody may read it" })
  if (namesAsker(profile, record) && (recipient !== record.about?.origin || onward !== "no"))
    found.push({
      field: "recipient",
      expected: "whoever asked, and nobody else: askers are hidden",
    })
  const readers = readersOfAssistance(record.about?.relation ?? rule.relation, record)
  if (readers !== null && (!readers.includes(recipient) || onward !== "no"))
    found.push({ field: "donors", expected: "who is asked or who asks, and nobody else" })
  const original = record.translationOf?.origin ?? record.origin
  if (original !== record.origin && original !== recipient)
    found.push({ field: "recipient", expected: "the origin of the original, and nobody else" })
  const audience = namingAudience(recipient, onward)
  for (const named of namedBy(record, release.from)) {
    const how = rule.naming?.[named][audience] ?? "named"
    if (how !== "named")
      found.push({
        field: named,
        expected: `${how} to ${audience === "members" ? "other members" : `the ${audience}`}`,
      })
  }
  return found
}

/** Whether it says, by what it answers, who asked, where nobody else is to know. */
function namesAsker({ questions }: Profile, { about }: Released): boolean {
  return questions?.askers === "hidden" && about?.relation === "answers"
}

/** Whom a record names by its form: its origin where that is a State's, and what its fields name. */
function namedBy(record: Pick<ComityRecord, "fields">, from: Reader): readonly Named[] {
  const named: Named[] = []
  if (Object.hasOwn(record.fields, "facility")) named.push("facility")
  if (from === "state") named.push("state")
  return named
}

/** The widest and the narrowest marking of a kind. */
export function markingRange({ marking }: Pick<KindRule, "marking">) {
  const sorted = markings.filter((one) => marking.allowed.includes(one))
  return { floor: sorted[0]!, ceiling: sorted.at(-1)! }
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
  refuseFirst(findViolations(profile, record))
}

/** @throws `profile.violated`, as checkRecord */
export function checkRelease(profile: Profile, record: Released, release: Release): void {
  refuseFirst(releaseViolations(profile, record, release))
}

function refuseFirst([first]: readonly Violation[]): void {
  if (first !== undefined)
    throw new ProtocolError("profile.violated", { detail: `${first.field}: ${first.expected}` })
}
