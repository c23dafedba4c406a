import { drawScenario, type Scenario, type Wanted } from "./options.ts"
import type { Outcome } from "./simulate.ts"

/** One process's share of a run; nothing of the node may be loaded before a bug is planted. */

export type Asked =
  | { readonly seed: number; readonly wanted: Wanted; readonly twice?: boolean }
  | { readonly scenario: Scenario }

export type Told = Pick<Outcome, "events" | "nodeDays" | "traceHash" | "violation" | "story"> & {
  readonly scenario: Scenario
  readonly cpuSeconds: number
  /** of the second run of the same seed, where one was asked for */
  readonly again?: string
}

const cpuUsage = process.cpuUsage.bind(process)

export async function run(asked: Asked): Promise<Told> {
  const { repertoire, simulate } = await import("./simulate.ts")
  const scenario =
    "scenario" in asked ? asked.scenario : drawScenario(asked.seed, repertoire, asked.wanted)
  const before = cpuUsage()
  const outcome = await simulate(scenario)
  const { user, system } = cpuUsage(before)
  const isTwice = "seed" in asked && asked.twice === true
  return {
    ...outcome,
    scenario,
    cpuSeconds: (user + system) / 1e6,
    ...(isTwice ? { again: (await simulate(scenario)).traceHash } : {}),
  }
}
