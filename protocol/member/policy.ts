import { limits } from "../limits.ts"
import {
  digest,
  either,
  integer,
  list,
  literal,
  object,
  oneOf,
  optional,
  type ShapeOf,
  sortedSet,
  text,
} from "../shape.ts"

export const acts = ["release", "withdraw", "consent"] as const
export type Act = (typeof acts)[number]

export const roleShape = text({ min: 1, max: 40, pattern: /^[a-z][A-Za-z0-9]*$/ })
export const kindShape = text({ min: 1, max: 41, pattern: /^[a-z][a-z0-9-]*$/ })

/** What a rule may depend on, computed from record and grant: see profiles/profile.ts. */
export const conditions = ["authority", "consent", "facility", "onward", "public"] as const
export const conditionShape = oneOf(conditions)
export const conditionsShape = sortedSet(conditionShape, conditions.length)

/** Closed vocabulary; `any` stands for every act, profile, kind or role. docs/spec/root.md */
export const policyLineShape = object({
  act: oneOf(["any", ...acts]),
  profile: either(literal("any"), digest),
  kind: kindShape,
  role: roleShape,
  persons: integer(1, 64),
  organisations: optional(integer(1, 64)),
  when: optional(conditionShape),
})
export const policyShape = list(policyLineShape, { max: limits.policyLines })

export type PolicyLine = ShapeOf<typeof policyLineShape>

/** What an order asks to be judged by: named in its payload, recomputed by every recipient. */
export type Rule = {
  readonly profile: string
  readonly kind: string
  readonly conditions: readonly string[]
}

/** One person's valid signature on an order, in one role. */
export type Approval = {
  readonly person: string
  readonly organisation: string
  readonly role: string
}

/** A line without its match: also what a profile's sign-off is made of. */
export type Requirement = Pick<PolicyLine, "role" | "persons" | "organisations" | "when">

/**
 * Whether `approvals` satisfy every policy line that matches, and the profile's sign-off on top.
 * No matching policy line refuses: silence authorises nothing. PROTOCOL.md §1
 */
export function isAuthorised(
  policy: readonly PolicyLine[],
  signoff: readonly Requirement[],
  act: Act,
  rule: Rule,
  approvals: readonly Approval[],
): boolean {
  return missingApprovals(policy, signoff, act, rule, approvals).length === 0
}

/** The lines that do not hold yet, in words an officer reads; empty when authorised. */
export function missingApprovals(
  policy: readonly PolicyLine[],
  signoff: readonly Requirement[],
  act: Act,
  rule: Rule,
  approvals: readonly Approval[],
): readonly string[] {
  const open = linesFor(policy, signoff, act, rule)?.filter((line) => !holds(line, approvals))
  if (open === undefined) return ["no line of the member's policy allows this"]
  const words = open
    .filter((line) => !isImplied(line, open, approvals))
    .map((line) => describe(line, approvals))
  // The same officers do for all that are alike.
  return [...new Set(words)]
}

/** Persons in any role need no words where those who must come in named roles are as many. */
function isImplied(
  line: Requirement,
  open: readonly Requirement[],
  approvals: readonly Approval[],
): boolean {
  if (line.role !== "any" || line.organisations !== undefined) return false
  const named = new Map<string, number>()
  for (const other of open)
    if (other.role !== "any")
      named.set(other.role, Math.max(named.get(other.role) ?? 0, stillToCome(other, approvals)))
  const coming = [...named.values()].reduce((sum, persons) => sum + persons, 0)
  return coming >= stillToCome(line, approvals)
}

/** Enough persons of too few organisations need another one. */
function stillToCome(line: Requirement, approvals: readonly Approval[]): number {
  return Math.max(line.persons - counted(line, approvals).persons, 1)
}

/** Every line that must hold; null when none of the policy's matches, whatever the profile says. */
function linesFor(
  policy: readonly PolicyLine[],
  signoff: readonly Requirement[],
  act: Act,
  rule: Rule,
): readonly Requirement[] | null {
  const lines = matching(policy, act, rule)
  // What goes to everybody can't be called back: a line that is silent about it doesn't allow it.
  const isPublic = act === "release" && rule.conditions.includes("public")
  if (isPublic && publicLines(policy, rule).length === 0) return null
  return lines.length === 0 ? null : [...lines, ...signoff.filter((line) => applies(line, rule))]
}

function matching(policy: readonly PolicyLine[], act: Act, rule: Rule): readonly PolicyLine[] {
  return policy.filter(
    (line) =>
      (line.act === "any" || line.act === act) &&
      (line.profile === "any" || line.profile === rule.profile) &&
      (line.kind === "any" || line.kind === rule.kind) &&
      applies(line, rule),
  )
}

/** A line for a condition that is not there does not match: it must not stand in for one that does. */
function applies({ when }: Requirement, { conditions }: Rule): boolean {
  return when === undefined || conditions.includes(when)
}

/** The lines of the policy by which a release to everybody is allowed at all; none allow none. */
export function publicLines(policy: readonly PolicyLine[], rule: Rule): readonly PolicyLine[] {
  return matching(policy, "release", rule).filter(({ when }) => when === "public")
}

function holds(line: Requirement, approvals: readonly Approval[]): boolean {
  const { persons, organisations } = counted(line, approvals)
  return persons >= line.persons && organisations >= (line.organisations ?? 1)
}

function counted(line: Requirement, approvals: readonly Approval[]) {
  const counting = approvals.filter(({ role }) => line.role === "any" || line.role === role)
  return {
    persons: new Set(counting.map(({ person }) => person)).size,
    organisations: new Set(counting.map(({ organisation }) => organisation)).size,
  }
}

function describe(line: Requirement, approvals: readonly Approval[]): string {
  const { persons } = counted(line, approvals)
  const left = stillToCome(line, approvals)
  const who = line.role === "any" ? "in any role" : `as ${line.role}`
  const from = line.organisations === undefined ? "" : `, from ${line.organisations} organisations`
  return `${left}${persons === 0 ? "" : " more"} ${left === 1 ? "person" : "persons"} ${who}${from}`
}

/** One line of a policy, as a person would say it; a profile by its name where `nameOf` knows one. */
export function describeLine(
  line: PolicyLine,
  nameOf: (profile: string) => string | null = () => null,
): string {
  const of = [
    line.kind === "any" ? null : `kind ${line.kind}`,
    line.profile === "any" ? null : `profile ${nameOf(line.profile) ?? line.profile}`,
    line.when === undefined ? null : `when ${line.when}`,
  ].filter((one) => one !== null)
  const act = line.act === "any" ? "every act" : line.act
  return `${[act, ...of].join(", ")}: ${describe(line, [])}`
}

/** How many distinct persons the matching lines ask for at least: what `needs` shows. */
export function personsNeeded(
  policy: readonly PolicyLine[],
  signoff: readonly Requirement[],
  act: Act,
  rule: Rule,
): number {
  const lines = linesFor(policy, signoff, act, rule) ?? []
  // One person signs once, in one role: distinct named roles add up, `any` counts all of them.
  const byRole = new Map<string, number>()
  let any = 1
  for (const { role, persons } of lines) {
    if (role === "any") any = Math.max(any, persons)
    else byRole.set(role, Math.max(byRole.get(role) ?? 0, persons))
  }
  return Math.max(
    any,
    [...byRole.values()].reduce((sum, persons) => sum + persons, 0),
  )
}
