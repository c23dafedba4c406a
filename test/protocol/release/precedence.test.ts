import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  endOf,
  ends,
  type Fact,
  verifyNotEnded,
  winner,
} from "../../../protocol/release/precedence.ts"
import { refusal, runs } from "../../support/refusal.ts"

const [a, b, c] = ["aa", "bb", "cc"].map((byte) => byte.repeat(32)) as [string, string, string]
const rule = { profile: "33".repeat(32), kind: "good-practice" }
const fact = (fields: Partial<Fact>): Fact => ({
  act: "release",
  orderId: "release",
  orderOrigin: a,
  recordOrigin: a,
  version: 1,
  rule,
  epoch: 1,
  index: 5,
  baseEpoch: 1,
  baseSize: 3,
  after: [],
  ...fields,
})
const withdrawal = (fields: Partial<Fact> = {}) =>
  fact({ act: "withdraw", orderId: "withdrawal", index: 8, ...fields })

describe("a withdrawal", () => {
  test("ends every release whose base is not beyond it, logged before or after", () => {
    const w = withdrawal({ index: 8 })
    expect(ends(w, fact({ index: 5, baseSize: 3 }))).toBe(true)
    // Logged after the withdrawal, made without knowing of it: delayed, or entered again.
    expect(ends(w, fact({ index: 20, baseSize: 3 }))).toBe(true)
    expect(ends(w, fact({ index: 20, baseSize: 8 }))).toBe(true)
    // A base of 9 entries covers index 8: officers made this one afterwards.
    expect(ends(w, fact({ index: 20, baseSize: 9 }))).toBe(false)
  })

  test("ends that version and all lower ones, no higher", () => {
    const w = withdrawal({ version: 2 })
    expect(ends(w, fact({ version: 1 }))).toBe(true)
    expect(ends(w, fact({ version: 2 }))).toBe(true)
    expect(ends(w, fact({ version: 3 }))).toBe(false)
  })

  test("of a member that neither released nor made the record has no standing", () => {
    expect(ends(withdrawal({ orderOrigin: c }), fact({}))).toBe(false)
    expect(ends(withdrawal({ orderOrigin: c, recordOrigin: a }), fact({ orderOrigin: b }))).toBe(
      false,
    )
  })

  test("of the record's own origin ends what another passed on", () => {
    expect(ends(withdrawal({ orderOrigin: a }), fact({ orderOrigin: b }))).toBe(true)
  })

  describe("and a chain", () => {
    // A gave it to B, B to C; about C's holding, by an order of B.
    const chain = [{ origin: a, recipient: b, baseEpoch: 1, baseSize: 3, after: ["earlier"] }]
    const passed = fact({ orderOrigin: b, recordOrigin: a, baseSize: 90, index: 95, chain })
    const upstream = (fields: Partial<Fact> = {}) =>
      withdrawal({ recordOrigin: a, names: b, ...fields })

    test("from the holder further up ends what rests on its link, by that link's base", () => {
      expect(ends(upstream({ index: 3 }), passed)).toBe(true)
      expect(ends(upstream({ index: 2 }), passed)).toBe(false)
      expect(ends(upstream({ orderId: "earlier" }), passed)).toBe(false)
      expect(ends(upstream({ names: c }), passed)).toBe(false)
      expect(ends(upstream({ orderOrigin: c }), passed)).toBe(false)
      expect(ends(upstream({ version: 0 }), passed)).toBe(false)
    })

    test("from the holder itself, by the record's origin, is measured by the origin's own link", () => {
      const own = (fields: Partial<Fact> = {}) => withdrawal({ recordOrigin: a, ...fields })
      expect(ends(own({ index: 3 }), passed)).toBe(true)
      expect(ends(own({ index: 2 }), passed)).toBe(false)
    })

    test("by the giver is measured by the giver's own order", () => {
      const back = (fields: Partial<Fact>) =>
        withdrawal({ orderOrigin: b, recordOrigin: a, ...fields })
      expect(ends(back({ index: 90 }), passed)).toBe(true)
      expect(ends(back({ index: 89 }), passed)).toBe(false)
    })

    test("does not touch what the origin released directly, or a chain by another way", () => {
      expect(ends(upstream(), fact({}))).toBe(false)
      const other = [{ origin: a, recipient: c, baseEpoch: 1, baseSize: 3, after: [] }]
      expect(ends(upstream(), { ...passed, chain: other })).toBe(false)
    })
  })

  test("of one who passed a record on does not end the origin's own release", () => {
    expect(ends(withdrawal({ orderOrigin: b, recordOrigin: a }), fact({ orderOrigin: a }))).toBe(
      false,
    )
  })

  test("named in a release's after never ends it, any other still does", () => {
    const release = fact({ after: ["withdrawal"], index: 20 })
    expect(ends(withdrawal(), release)).toBe(false)
    expect(ends(withdrawal({ index: 30 }), release)).toBe(false)
    expect(ends(withdrawal({ orderId: "another" }), release)).toBe(true)
  })

  test("under a sign-off for another kind or profile ends nothing", () => {
    expect(ends(withdrawal({ rule: { ...rule, kind: "question" } }), fact({}))).toBe(false)
    expect(ends(withdrawal({ rule: { ...rule, profile: "44".repeat(32) } }), fact({}))).toBe(false)
  })

  test("of a later epoch ends what was based on an earlier one, however large that base", () => {
    expect(ends(withdrawal({ epoch: 2, index: 0 }), fact({ baseSize: 1000 }))).toBe(true)
    expect(ends(withdrawal({ epoch: 1, index: 1000 }), fact({ baseEpoch: 2, baseSize: 0 }))).toBe(
      false,
    )
  })
})

const anyFact = fc
  .record({
    act: fc.constantFrom("release" as const, "withdraw" as const),
    orderOrigin: fc.constantFrom(a, b, c),
    version: fc.integer({ min: 1, max: 3 }),
    index: fc.nat(12),
    base: fc.nat(12),
    after: fc.subarray(["order 1", "order 2"]),
  })
  .map(({ base, after, ...fields }) => ({
    ...fields,
    recordOrigin: a,
    rule,
    epoch: 1,
    baseEpoch: 1,
    baseSize: Math.min(base, fields.index),
    after: fields.act === "release" ? after : [],
  }))
const facts = fc
  .array(anyFact, { maxLength: 7 })
  .map((all): readonly Fact[] => all.map((one, i) => ({ ...one, orderId: `order ${i}` })))
const many = { numRuns: 30 * runs.numRuns }

describe("laws of arrival", () => {
  test("facts in any order of arrival give the same outcome, for every version", () => {
    fc.assert(
      fc.property(
        facts.chain((all) =>
          fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length })),
        ),
        ([all, shuffled]) => {
          for (const version of [1, 2, 3]) {
            const place = (found: Fact | null) => found && [found.baseSize, found.index]
            expect(place(winner(shuffled, version))).toEqual(place(winner(all, version)))
          }
          for (const one of all)
            expect(endOf(one, shuffled) === null).toBe(endOf(one, all) === null)
        },
      ),
      many,
    )
  })

  test("a fact that arrives twice changes nothing", () => {
    fc.assert(
      fc.property(facts, (all) => {
        for (const version of [1, 2, 3])
          expect(winner([...all, ...all], version)).toEqual(winner(all, version))
      }),
      many,
    )
  })

  test("a withdrawal more never brings a release back to life", () => {
    fc.assert(
      fc.property(facts, anyFact, (all, more) => {
        const w: Fact = { ...more, act: "withdraw", orderId: "more", after: [] }
        for (const one of all.filter(({ act }) => act === "release"))
          if (endOf(one, all) !== null) expect(endOf(one, [...all, w])).not.toBeNull()
      }),
      many,
    )
  })

  test("nothing that a member without standing does changes who wins", () => {
    fc.assert(
      fc.property(facts, anyFact, (all, more) => {
        const ours = all.filter(({ orderOrigin }) => orderOrigin !== c)
        const foreign: Fact = {
          ...more,
          act: "withdraw",
          orderOrigin: c,
          orderId: "foreign",
          after: [],
        }
        for (const version of [1, 2, 3])
          expect(winner([...ours, foreign], version)).toEqual(winner(ours, version))
      }),
      many,
    )
  })

  test("only a release made after the withdrawal returns what was withdrawn", () => {
    fc.assert(
      fc.property(facts, fc.nat(12), (all, index) => {
        const w = withdrawal({ index, version: 3, orderId: "last word" })
        const won = winner([...all.filter(({ orderOrigin }) => orderOrigin === a), w], 1)
        if (won !== null) expect(won.baseSize > index).toBe(true)
      }),
      many,
    )
  })

  test("the winner is live, of that version, and none that is live has a later base", () => {
    fc.assert(
      fc.property(facts, (all) => {
        for (const version of [1, 2, 3]) {
          const won = winner(all, version)
          const live = all.filter(
            (one) => one.act === "release" && one.version === version && endOf(one, all) === null,
          )
          if (won === null) expect(live).toEqual([])
          else {
            expect(live).toContain(won)
            for (const { baseSize, index } of live)
              expect([
                baseSize < won.baseSize,
                baseSize === won.baseSize && index <= won.index,
              ]).toContain(true)
          }
        }
      }),
      many,
    )
  })
})

test("a base of its own choice can't outlive a withdrawal: lower is merely ended by more", () => {
  fc.assert(
    fc.property(fc.nat(20), fc.nat(20), fc.nat(20), (index, base, lower) => {
      const w = withdrawal({ index })
      if (ends(w, fact({ baseSize: base })) && lower <= base)
        expect(ends(w, fact({ baseSize: lower }))).toBe(true)
    }),
    many,
  )
})

test("step 6 refuses with the withdrawal's name", () => {
  expect(refusal(() => verifyNotEnded(fact({}), [withdrawal()]))).toBe("order.ended")
  expect(
    refusal(() => verifyNotEnded(fact({}), [fact({}), withdrawal({ orderOrigin: c })])),
  ).toBeNull()
  expect(() => verifyNotEnded(fact({}), [withdrawal()])).toThrow(/withdrawal/)
})
