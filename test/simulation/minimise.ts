import type { Step } from "./action.ts"
import { calm } from "./network.ts"
import type { Scenario } from "./options.ts"

/** Whether a scenario still breaks the same invariant. */
export type Breaks = (scenario: Scenario) => Promise<boolean>

/**
 * A scenario with as little in it as still breaks the same: first whole members, then whole kinds of
 * steps, then steps, by halves and smaller parts (Zeller's delta debugging), then what the network does.
 */
export async function minimise(
  whole: Scenario,
  breaks: Breaks,
  attempts: number,
): Promise<Scenario> {
  let best = whole
  let left = attempts
  const tryOne = async (scenario: Scenario): Promise<boolean> => {
    if (left <= 0) return false
    left--
    const isSmaller = await breaks(scenario)
    if (isSmaller) best = scenario
    return isSmaller
  }
  const withSteps = (steps: readonly Step[]) => tryOne({ ...best, steps })

  for (const at of new Set(whole.steps.map(({ who }) => who)))
    await withSteps(best.steps.filter(({ who }) => who !== at))
  for (const kind of new Set(whole.steps.map((step) => step.do)))
    await withSteps(best.steps.filter((step) => step.do !== kind))
  for (const name of Object.keys(calm) as (keyof typeof calm)[])
    if (best.options.laws[name] !== calm[name]) {
      const laws = { ...best.options.laws, [name]: calm[name] }
      await tryOne({ ...best, options: { ...best.options, laws } })
    }
  let parts = 2
  while (best.steps.length > 1 && left > 0) {
    const size = Math.ceil(best.steps.length / parts)
    let hasShrunk = false
    for (let at = 0; at < best.steps.length && left > 0; ) {
      const rest = [...best.steps.slice(0, at), ...best.steps.slice(at + size)]
      if (await withSteps(rest)) hasShrunk = true
      else at += size
    }
    if (size === 1 && !hasShrunk) break
    parts = hasShrunk ? Math.max(2, parts - 1) : Math.min(parts * 2, best.steps.length)
  }
  return best
}
