import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { checkBudget, readBudget } from "../../bench/budget.ts"
import type { Result } from "../../bench/measure.ts"
import { formatPage } from "../../bench/page.ts"

const rate = (ratio: number): Result => ({
  name: "publish.bulk",
  value: 1000 * ratio,
  unit: "rec/CPU-s",
  floor: 1000,
  ratio,
})
const time = (value: number): Result => ({ name: "poll.p99", value, unit: "ms" })
const growth = (value: number): Result => ({ name: "scale100k.rate", value, unit: "ratio" })
const budget = {
  "publish.bulk": { ratio: 0.5 },
  "poll.p99": { most: 10 },
  "scale100k.rate": { ratio: 1 },
}

test("a row that is worse by up to 30 % is within the budget, and one worse than that is named", () => {
  expect(checkBudget([rate(0.351), time(12.9), growth(0.71)], budget)).toEqual([])
  const slipped = checkBudget([rate(0.349), time(13.1), growth(0.69)], budget)
  expect(slipped.map((line) => line.split(":")[0])).toEqual(Object.keys(budget))
})

test("a row that is better, or that has no line, is not", () => {
  expect(checkBudget([rate(2), time(1), growth(3)], budget)).toEqual([])
  expect(checkBudget([rate(0.01), time(999)], {})).toEqual([])
})

const page = readFileSync(new URL("../../docs/performance.md", import.meta.url), "utf8")
const rowsOf = (text: string) => [...text.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, name]) => name!)

test("the page has every row that the budget names, and says of each what it is", () => {
  expect(rowsOf(page)).toEqual(expect.arrayContaining(Object.keys(readBudget())))
  const results = rowsOf(page).map((name): Result => ({ name, value: 1, unit: "ms" }))
  const how = { day: "2026-01-01", isQuick: false, runs: 1 }
  expect(formatPage({ machine: "", node: "", load: 0, results }, how)).not.toMatch(
    /^\| `[\w.]+` \| +\|/m,
  )
})
