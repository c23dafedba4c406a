import fc from "fast-check"
import { expect, test } from "vitest"
import { encodeHex } from "../../../protocol/encoding.ts"
import { builtInProfiles } from "../../../protocol/profiles/registry.ts"
import { comity } from "../../support/command-line.ts"
import { makeMember, nextRoot, orderOf, signOrder, type TestMember } from "../../support/world.ts"

/**
 * The policy that judges an order is that of the root version in force at its place in the log: neither an
 * earlier one nor what the member decided since. PROTOCOL.md §1, §6
 */

const general = builtInProfiles.find(({ profile }) => profile.id === "general")!.digest
const persons = ["p1", "p2", "p3"]
const line = { act: "any", kind: "any", profile: "any", role: "any" } as const

type Case = {
  /** how many persons each version asks for, version 1 first; null: the version closes the member */
  readonly asks: readonly (number | null)[]
  /** place of each version's entry */
  readonly places: readonly number[]
  readonly index: number
  readonly act: "release" | "withdraw"
  readonly named: number
  readonly signers: number
}

const versions = 4
const cases: fc.Arbitrary<Case> = fc
  .record({
    asks: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: versions, maxLength: versions }),
    closed: fc.boolean(),
    steps: fc.array(fc.integer({ min: 1, max: 5 }), {
      minLength: versions - 1,
      maxLength: versions - 1,
    }),
    index: fc.integer({ min: 1, max: 16 }),
    act: fc.constantFrom("release" as const, "withdraw" as const),
    named: fc.integer({ min: 1, max: versions }),
    signers: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ asks, closed, steps, ...rest }) => ({
    ...rest,
    asks: asks.map((ask, i) => (closed && i === versions - 1 ? null : ask)),
    places: [0, ...steps].map((_, i) => steps.slice(0, i).reduce((sum, step) => sum + step, 0)),
  }))

const members = new Map<string, Promise<TestMember>>()

function memberOf(asks: Case["asks"]): Promise<TestMember> {
  const key = JSON.stringify(asks)
  const known = members.get(key)
  if (known !== undefined) return known
  const made = (async () => {
    let member = await makeMember({
      seed: "in force",
      policy: [{ ...line, persons: asks[0]! }],
      profiles: builtInProfiles.map(({ digest }) => digest),
    })
    for (const ask of asks.slice(1))
      member = await nextRoot(member, {
        fields:
          ask === null
            ? { closing: { answers: "", day: "2027-01-01", keep: false } }
            : { policy: [{ ...line, persons: ask }] },
      })
    return member
  })()
  members.set(key, made)
  return made
}

/** What PROTOCOL.md says, computed here by counting. */
function expected({ asks, places, index, act, named, signers }: Case): boolean | string {
  const inForce = places.filter((place) => place <= index).length
  const counts = act === "withdraw" ? named <= inForce : named === inForce
  if (!counts) return "order.root-version"
  const closed = asks[inForce - 1] === null
  if (closed && act === "release") return "root.closed"
  // A version that closes keeps the policy before it.
  return signers >= (asks[inForce - 1] ?? asks[inForce - 2]!)
}

test("an order is judged by the version in force at its index, whatever came before or after", async () => {
  const numRuns = process.env.SLOW === undefined ? 40 : 2000
  const drawn = fc.sample(cases, { numRuns, seed: 20_261_123 })
  const lines: string[] = []
  for (const [id, one] of drawn.entries()) {
    const member = await memberOf(one.asks)
    const { act, named, index, places } = one
    const order = orderOf(member, {
      act,
      id: id.toString(16).padStart(32, "0"),
      root: "00".repeat(32),
      rootVersion: named,
      rule: { conditions: [], kind: "practice", profile: general },
    })
    const bytes = await signOrder(member, order, persons.slice(0, one.signers))
    const roots = member.roots.map(encodeHex)
    const asked = { order: encodeHex(bytes), roots, rootIndexes: places, index }
    lines.push(JSON.stringify({ id, op: "order.verify", ...asked }))
  }
  const { stdout } = await comity(["conform"], { stdin: `${lines.join("\n")}\n` })
  const answers = stdout
    .trim()
    .split("\n")
    .map((answer) => JSON.parse(answer))
  const said = answers.map(({ ok, code, result }) => (ok ? result.satisfied : code))
  expect(said).toEqual(drawn.map(expected))
  // All four kinds of answer were met.
  expect(new Set(said)).toEqual(new Set([true, false, "order.root-version", "root.closed"]))
})
