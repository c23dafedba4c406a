import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { Json } from "../../../protocol/canonical.ts"
import {
  type Approval,
  isAuthorised,
  missingApprovals,
  type PolicyLine,
  personsNeeded,
  policyShape,
  type Requirement,
  type Rule,
} from "../../../protocol/member/policy.ts"
import { decodeShape } from "../../../protocol/shape.ts"
import { refusal, runs } from "../../support/refusal.ts"

const profile = "aa".repeat(32)
const rule: Rule = { conditions: [], kind: "good-practice", profile }
const anything = { act: "any", kind: "any", profile: "any" } as const
const line = (fields: Partial<PolicyLine>): PolicyLine => ({
  ...anything,
  persons: 1,
  role: "any",
  ...fields,
})
const by = (person: string, role = "operator", organisation = "O"): Approval => ({
  organisation,
  person,
  role,
})
const judge = (
  policy: readonly PolicyLine[],
  approvals: readonly Approval[],
  signoff: readonly Requirement[] = [],
  asked = rule,
) => isAuthorised(policy, signoff, "release", asked, approvals)

describe("silence authorises nothing", () => {
  const everybody = ["p1", "p2", "p3"].map((person) => by(person))

  test("no line, or none for this act, profile or kind", () => {
    expect(judge([], everybody)).toBe(false)
    expect(judge([line({ act: "withdraw" })], everybody)).toBe(false)
    expect(judge([line({ act: "consent" })], everybody)).toBe(false)
    expect(judge([line({ profile: "bb".repeat(32) })], everybody)).toBe(false)
    expect(judge([line({ kind: "question" })], everybody)).toBe(false)
    expect(judge([line({})], everybody)).toBe(true)
  })

  test("a line for a condition that is not there does not stand in for one that is missing", () => {
    const ifPublic = line({ persons: 3, when: "public" })
    expect(judge([ifPublic], everybody)).toBe(false)
    expect(judge([ifPublic], [])).toBe(false)
    expect(judge([ifPublic], everybody, [{ persons: 1, role: "any" }])).toBe(false)
    expect(judge([ifPublic], everybody, [], { ...rule, conditions: ["public"] })).toBe(true)
  })

  test("what goes to everybody asks for a line of its own, which other acts need not have", () => {
    const toAll = { ...rule, conditions: ["public"] }
    expect(judge([line({})], everybody, [], toAll)).toBe(false)
    expect(judge([line({})], everybody, [{ persons: 1, role: "any", when: "public" }], toAll)).toBe(
      false,
    )
    const both = [line({}), line({ act: "release", persons: 3, when: "public" })]
    expect(judge(both, everybody, [], toAll)).toBe(true)
    expect(judge(both, everybody.slice(0, 2), [], toAll)).toBe(false)
    expect(isAuthorised([line({})], [], "consent", toAll, everybody)).toBe(true)
  })

  test("a profile's sign-off alone, without a line of the member's own", () => {
    expect(judge([], everybody, [{ persons: 1, role: "any" }])).toBe(false)
  })

  test("nobody", () => {
    expect(judge([line({})], [])).toBe(false)
  })
})

describe("counting", () => {
  test("persons count, not signatures", () => {
    const two = [line({ persons: 2 })]
    expect(judge(two, [by("p1"), by("p2")])).toBe(true)
    expect(judge(two, [by("p1"), by("p1", "regulator")])).toBe(false)
  })

  test("an officer of another role does not count for a role that is named", () => {
    const security = [line({ role: "informationSecurity" })]
    expect(judge(security, [by("p1"), by("p2", "competentAuthority")])).toBe(false)
    expect(judge(security, [by("p1", "informationSecurity")])).toBe(true)
  })

  test("organisations count among those who fill the line, not among bystanders", () => {
    const two = [line({ organisations: 2, persons: 2, role: "operator" })]
    expect(judge(two, [by("p1", "operator", "A"), by("p2", "operator", "B")])).toBe(true)
    expect(judge(two, [by("p1", "operator", "A"), by("p2", "operator", "A")])).toBe(false)
    expect(
      judge(two, [
        by("p1", "operator", "A"),
        by("p2", "operator", "A"),
        by("p3", "regulator", "B"),
      ]),
    ).toBe(false)
  })

  test("every matching line must hold, each by itself over all approvals", () => {
    const policy = [line({ persons: 2 }), line({ role: "regulator" })]
    expect(judge(policy, [by("p1"), by("p2")])).toBe(false)
    expect(judge(policy, [by("p1"), by("p2", "regulator")])).toBe(true)
    expect(judge(policy, [by("p1", "regulator")])).toBe(false)
  })

  test("a sign-off makes stricter; its conditions are those of the order", () => {
    const signoff: Requirement[] = [{ persons: 1, role: "competentAuthority", when: "facility" }]
    expect(judge([line({})], [by("p1")], signoff)).toBe(true)
    const facility = { ...rule, conditions: ["facility"] }
    expect(judge([line({})], [by("p1")], signoff, facility)).toBe(false)
    expect(judge([line({})], [by("p1", "competentAuthority")], signoff, facility)).toBe(true)
  })
})

const approval = fc.record({
  organisation: fc.constantFrom("A", "B", "C"),
  person: fc.constantFrom("p1", "p2", "p3", "p4"),
  role: fc.constantFrom("operator", "regulator"),
})
const requirement = fc.record({
  organisations: fc.integer({ min: 1, max: 3 }),
  persons: fc.integer({ min: 1, max: 3 }),
  role: fc.constantFrom("any", "operator", "regulator"),
})
const policy = fc.array(requirement.map(line), { minLength: 1, maxLength: 3 })
const approvals = fc.uniqueArray(approval, { selector: ({ person }) => person, maxLength: 4 })

describe("laws", () => {
  test("one approval more never takes authority away", () => {
    fc.assert(
      fc.property(policy, approvals, approval, (lines, given, more) => {
        if (judge(lines, given)) expect(judge(lines, [...given, more])).toBe(true)
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })

  test("one line or sign-off more never gives authority", () => {
    fc.assert(
      fc.property(policy, approvals, requirement, (lines, given, more) => {
        if (!judge(lines, given)) {
          expect(judge([...lines, line(more)], given)).toBe(false)
          expect(judge(lines, given, [more])).toBe(false)
        }
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })

  test("the order of approvals and lines does not matter", () => {
    fc.assert(
      fc.property(policy, approvals, (lines, given) => {
        expect(judge(lines.toReversed(), given.toReversed())).toBe(judge(lines, given))
      }),
      runs,
    )
  })

  test("it is authorised exactly when nothing is missing, and never by fewer persons than are needed", () => {
    fc.assert(
      fc.property(policy, approvals, (lines, given) => {
        const missing = missingApprovals(lines, [], "release", rule, given)
        expect(missing.length === 0).toBe(judge(lines, given))
        const needed = personsNeeded(lines, [], "release", rule)
        if (judge(lines, given)) expect(given.length).toBeGreaterThanOrEqual(needed)
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })
})

test("what is missing reads as a person would say it", () => {
  const lines = [line({ persons: 2 }), line({ organisations: 2, persons: 1, role: "regulator" })]
  expect(missingApprovals(lines, [], "release", rule, [])).toEqual([
    "2 persons in any role",
    "1 person as regulator, from 2 organisations",
  ])
  const first = { person: "p1", organisation: "o1", role: "regulator" }
  expect(missingApprovals(lines, [], "release", rule, [first])).toEqual([
    "1 more person as regulator, from 2 organisations",
  ])
  const other = { person: "p2", organisation: "o1", role: "operator" }
  expect(missingApprovals([line({ persons: 3 })], [], "release", rule, [first, other])).toEqual([
    "1 more person in any role",
  ])
  expect(missingApprovals([], [], "release", rule, [])).toHaveLength(1)
  const [alike] = lines
  expect(alike).toBeDefined()
  expect(missingApprovals([alike!, alike!], [alike!], "release", rule, [])).toEqual(
    missingApprovals([alike!], [], "release", rule, []),
  )
})

test("the vocabulary is closed", () => {
  const read = (fields: object) =>
    refusal(() => decodeShape(policyShape, [{ ...line({}), ...fields }] as Json, "root.malformed"))
  expect(read({})).toBeNull()
  for (const fields of [
    { persons: 0 },
    { persons: 65 },
    { organisations: 0 },
    { act: "publish" },
    { when: "friday" },
    { role: "Any One" },
    { kind: "" },
    { profile: "ippas" },
    { unless: "public" },
  ])
    expect(read(fields), JSON.stringify(fields)).toBe("root.malformed")
})
