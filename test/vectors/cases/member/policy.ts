import {
  type Act,
  type Approval,
  isAuthorised,
  missingApprovals,
  type PolicyLine,
  personsNeeded,
  type Requirement,
  type Rule,
} from "../../../../protocol/member/policy.ts"
import { profile, rule } from "../../cast.ts"
import { type Cases, type Format, filled, type Input, insist, type Run } from "../../format.ts"

const run: Run = (input) => {
  const policy = input.policy as readonly PolicyLine[]
  const signoff = input.signoff as readonly Requirement[]
  const { act, rule, approvals } = input as unknown as {
    readonly act: Act
    readonly rule: Rule
    readonly approvals: readonly Approval[]
  }
  const missing = missingApprovals(policy, signoff, act, rule, approvals)
  const isEnough = isAuthorised(policy, signoff, act, rule, approvals)
  insist(isEnough, "order.unauthorised")
  return { authorised: missing.length === 0, needs: personsNeeded(policy, signoff, act, rule) }
}

const anyone = { act: "any", kind: "any", persons: 1, profile: "any", role: "any" } as const
const p1 = { organisation: "Authority", person: "p1", role: "competentAuthority" }
const p2 = { organisation: "Security", person: "p2", role: "informationSecurity" }
const p3 = { organisation: "Operator", person: "p3", role: "operator" }

function cases(): Cases {
  const asked = (policy: readonly object[], approvals: readonly Approval[], more: Input = {}) => ({
    act: "release",
    policy: policy.map((line) => ({ ...anyone, ...line })),
    signoff: [],
    rule,
    approvals,
    ...more,
  })
  const facility = { rule: { ...rule, conditions: ["facility"] } }
  const code = "order.unauthorised"
  return {
    about:
      "whether approvals satisfy a member's policy and a profile's sign-off for an act under a rule; needs: the least number of persons",
    valid: [
      ["one person, any role", asked([{}], [p1])],
      ["two persons, any role", asked([{ persons: 2 }], [p1, p2])],
      ["more than needed", asked([{}], [p1, p2, p3])],
      ["a named role", asked([{ role: "operator" }], [p3])],
      ["two lines, each by itself", asked([{ role: "operator" }, { persons: 2 }], [p1, p3])],
      ["two roles", asked([{ role: "operator" }, { role: "informationSecurity" }], [p2, p3])],
      ["two organisations", asked([{ organisations: 2, persons: 2 }], [p1, p2])],
      ["a line for the act", asked([{ act: "withdraw" }], [p1], { act: "withdraw" })],
      ["a line for the profile", asked([{ profile }], [p1])],
      ["a line for the kind", asked([{ kind: "good-practice" }], [p1])],
      [
        "a line of another profile asks for nothing",
        asked([{}, { persons: 9, profile: filled(32, 1) }], [p1]),
      ],
      [
        "a line of another kind asks for nothing",
        asked([{}, { kind: "question", persons: 9 }], [p1]),
      ],
      [
        "a line of another act asks for nothing",
        asked([{}, { act: "withdraw", persons: 9 }], [p1]),
      ],
      ["a condition that does not hold", asked([{}, { role: "operator", when: "facility" }], [p1])],
      [
        "a condition that holds",
        asked([{}, { role: "operator", when: "facility" }], [p1, p3], facility),
      ],
      [
        "a sign-off on top",
        asked([{}], [p1, p2], { signoff: [{ persons: 1, role: "informationSecurity" }] }),
      ],
      [
        "a sign-off whose condition does not hold",
        asked([{}], [p1], { signoff: [{ persons: 1, role: "operator", when: "facility" }] }),
      ],
    ],
    hostile: [
      ["nobody", asked([{}], []), code],
      ["no policy", asked([], [p1]), code],
      [
        "no policy, with a sign-off that holds",
        asked([], [p1], { signoff: [{ persons: 1, role: "any" }] }),
        code,
      ],
      ["one where two are needed", asked([{ persons: 2 }], [p1]), code],
      ["one person twice", asked([{ persons: 2 }], [p1, p1]), code],
      ["one person in two roles", asked([{ persons: 2 }], [p1, { ...p1, role: "operator" }]), code],
      ["another role", asked([{ role: "operator" }], [p1, p2]), code],
      ["a role in another case", asked([{ role: "Operator" }], [p3]), code],
      ["one line of two holds", asked([{}, { role: "operator" }], [p1]), code],
      [
        "two persons of one organisation where two are needed",
        asked([{ organisations: 2, persons: 2 }], [p1, { ...p2, organisation: "Authority" }]),
        code,
      ],
      [
        "the other organisation in another role",
        asked([{ organisations: 2, role: "competentAuthority" }], [p1, p2]),
        code,
      ],
      ["a line for another act alone", asked([{ act: "withdraw" }], [p1]), code],
      ["a line for another profile alone", asked([{ profile: filled(32, 1) }], [p1]), code],
      ["a line for another kind alone", asked([{ kind: "question" }], [p1]), code],
      ["a line whose condition does not hold, alone", asked([{ when: "facility" }], [p1]), code],
      [
        "a condition that holds",
        asked([{}, { role: "operator", when: "facility" }], [p1], facility),
        code,
      ],
      [
        "a sign-off that does not hold",
        asked([{}], [p1], { signoff: [{ persons: 1, role: "operator" }] }),
        code,
      ],
      [
        "a sign-off that needs more organisations",
        asked([{}], [p1], { signoff: [{ organisations: 2, persons: 1, role: "any" }] }),
        code,
      ],
    ],
  }
}

export const policy: Format = { run, cases }
