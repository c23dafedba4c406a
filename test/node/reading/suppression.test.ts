import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { type Counted, tellable } from "../../../node/reading/suppression.ts"

const one = (area: string, kind: string, year: string, member: string): Counted => ({
  values: [[area], [kind], [year]],
  member,
})
const many = (count: number, area: string, kind: string, year = "2026", from = 0) =>
  Array.from({ length: count }, (_, i) => one(area, kind, year, `m${i + from}`))

function told(records: readonly Counted[], k: number): Record<string, number> {
  return Object.fromEntries(
    tellable(records, k).map(({ at, count }) => [at.map((value) => value ?? "*").join(" "), count]),
  )
}

describe("what may be told", () => {
  test("is everything where every cell is of enough members", () => {
    const cells = told([...many(3, "a", "x"), ...many(3, "b", "x")], 3)
    expect(cells).toMatchObject({ "a x 2026": 3, "b x 2026": 3, "* x 2026": 6, "* * *": 6 })
  })

  test("is no cell of too few members, however many records they have", () => {
    const flood = Array.from({ length: 40 }, () => one("a", "x", "2026", "m0"))
    const cells = told([...flood, ...many(5, "b", "x"), ...many(5, "c", "x")], 3)
    expect(Object.keys(cells).filter((at) => at.startsWith("a"))).toEqual([])
  })

  test("is no total from which the only missing cell follows", () => {
    const cells = told([...many(1, "a", "x"), ...many(5, "b", "x"), ...many(9, "c", "x")], 3)
    // The next least goes with it.
    expect(cells).not.toHaveProperty("b x 2026")
    expect(cells).toMatchObject({ "c x 2026": 9, "* x 2026": 15 })
  })

  test("is no total from which two cells of one and the same member follow", () => {
    const same = [one("a", "x", "2026", "m0"), one("b", "x", "2026", "m0")]
    const cells = told([...same, ...many(5, "c", "x"), ...many(6, "d", "x")], 3)
    expect(cells).not.toHaveProperty("c x 2026")
    expect(cells).toHaveProperty("d x 2026")
  })

  test("counts a record of several areas in each, and once in the total", () => {
    const both = Array.from({ length: 4 }, (_, i) => ({
      values: [["a", "b"], ["x"], ["2026"]],
      member: `m${i}`,
    }))
    expect(told(both, 3)).toMatchObject({ "a x 2026": 4, "b x 2026": 4, "* x 2026": 4 })
  })
})

const asked = ([area, kind]: readonly (string | null)[]) => area === null || kind === null
type Record3 = { readonly area: string; readonly kind: string; readonly year: string }
const holds = (at: readonly (string | null)[], { area, kind, year }: Record3) =>
  [area, kind, year].every((value, i) => at[i] === null || at[i] === value)

/** A reader who knows which cells are empty, and everything that is told. */
test.each([
  ["in one table of three dimensions", undefined],
  ["in two tables that share their years", asked],
] as const)("no hidden cell of fewer than k members follows, %s", (_name, isAsked) => {
  const value = (names: readonly string[]) => fc.constantFrom(...names)
  const record = fc.record({
    area: value(["a", "b", "c"]),
    kind: value(["x", "y"]),
    year: value(["1", "2"]),
    member: value(["m0", "m1", "m2", "m3", "m4"]),
  })
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 2, max: 4 }),
      (all, k) => {
        const records = all.map(({ area, kind, year, member }) => one(area, kind, year, member))
        const told = tellable(records, k, isAsked).map(({ at }) => at)
        const membersIn = (at: readonly (string | null)[]) =>
          new Set(all.filter((one) => holds(at, one)).map(({ member }) => member)).size
        for (const at of told) expect(membersIn(at)).toBeGreaterThanOrEqual(k)

        const leaves = leavesOf(all, isAsked !== undefined)
        for (const row of reduced(equations(leaves, told))) {
          const places = row.flatMap((v, i) => (Math.abs(v) > 1e-9 ? [i] : []))
          if (places.length === 1) expect(membersIn(leaves[places[0]!]!)).toBeGreaterThanOrEqual(k)
        }
      },
    ),
    { numRuns: 400 },
  )
})

/** The finest cells that are not empty: of the one table, or of each of both. */
function leavesOf(all: readonly Record3[], inTwo: boolean): readonly (string | null)[][] {
  const places = all.flatMap(({ area, kind, year }) =>
    inTwo
      ? [
          [area, null, year],
          [null, kind, year],
        ]
      : [[area, kind, year]],
  )
  return [...new Map(places.map((at) => [JSON.stringify(at), at])).values()]
}

/** Each told cell is a sum of leaves, in each table; and so is nothing, the sums of both tables by year. */
function equations(
  leaves: readonly (readonly (string | null)[])[],
  told: readonly (readonly (string | null)[])[],
): readonly (readonly number[])[] {
  const isIn = (at: readonly (string | null)[], leaf: readonly (string | null)[]) =>
    at.every((value, i) => value === null || value === leaf[i])
  const rowOf = (
    at: readonly (string | null)[],
    table: (leaf: readonly (string | null)[]) => boolean,
  ) => leaves.map((leaf) => (table(leaf) && isIn(at, leaf) ? 1 : 0))
  const tables = [
    (leaf: readonly (string | null)[]) => leaf[0] !== null,
    (leaf: readonly (string | null)[]) => leaf[0] === null,
  ]
  const sums = told.flatMap((at) =>
    tables.map((table) => rowOf(at, table)).filter((row) => row.includes(1)),
  )
  const years = ["1", "2"].map((year) => {
    const [first, second] = tables.map((table) => rowOf([null, null, year], table))
    return first!.map((v, i) => v - second![i]!)
  })
  return leaves.some((leaf) => leaf[0] === null) ? [...sums, ...years] : sums
}

/** Row echelon form, in floating point: the sums are small. */
function reduced(rows: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const left = rows.map((row) => [...row])
  const width = left[0]?.length ?? 0
  let rank = 0
  for (let pivot = 0; pivot < width && rank < left.length; pivot++) {
    const found = left.findIndex((row, i) => i >= rank && Math.abs(row[pivot]!) > 1e-9)
    if (found < 0) continue
    ;[left[rank], left[found]] = [left[found]!, left[rank]!]
    const by = left[rank]![pivot]!
    left[rank] = left[rank]!.map((v) => v / by)
    left.forEach((row, i) => {
      const factor = row[pivot]!
      if (i !== rank) left[i] = row.map((v, j) => v - factor * left[rank]![j]!)
    })
    rank++
  }
  return left.slice(0, rank)
}
