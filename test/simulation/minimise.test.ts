import { expect, test } from "vitest"
import { minimise } from "./minimise.ts"
import { calm } from "./network.ts"
import type { Scenario } from "./options.ts"

const scenario: Scenario = {
  seed: "seed 0",
  options: {
    members: 4,
    days: 5,
    pace: 1,
    laws: { ...calm, drop: 0.1, corrupt: 0.2 },
    hostile: {},
    without: [],
  },
  steps: Array.from({ length: 120 }, (_, at) => ({
    at,
    do: at % 3 === 0 ? "publish" : "sync",
    who: at % 4,
    salt: at,
  })),
}

test("what is left is what it takes, and nothing else", async () => {
  const needed = [17, 44, 101]
  const has = ({ steps, options }: Scenario) =>
    needed.every((salt) => steps.some((step) => step.salt === salt)) && options.laws.drop > 0
  const short = await minimise(scenario, async (one) => has(one), 1000)
  expect(short.steps.map(({ salt }) => salt)).toEqual(needed)
  expect(short.options.laws).toEqual({ ...calm, drop: 0.1 })
})

test("it ends after as many attempts as it is given", async () => {
  let attempts = 0
  const short = await minimise(scenario, async () => ++attempts > 1e6, 25)
  expect(attempts).toBe(25)
  expect(short).toEqual(scenario)
})
