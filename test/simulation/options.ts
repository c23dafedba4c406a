import { type Action, isActorOf, type Step } from "./action.ts"
import type { Hostility } from "./actor.ts"
import { calm, type NetworkLaws } from "./network.ts"
import { Random } from "./random.ts"

/** Drawn for each seed, so that no fault is always there to hide behind another. */
export type Options = {
  readonly members: number
  readonly days: number
  /** against the usual number of acts a day */
  readonly pace: number
  readonly laws: NetworkLaws
  /** adversaries, by number */
  readonly hostile: Readonly<Record<number, Hostility>>
  /** actions that do not happen in this seed */
  readonly without: readonly string[]
}

/** A run, whole: the same one gives the same trace. */
export type Scenario = {
  readonly seed: string
  readonly options: Options
  readonly steps: readonly Step[]
}

export type Repertoire = {
  readonly workload: readonly Action[]
  readonly faults: readonly Action[]
  readonly byzantine: readonly Action[]
}

export const dayMs = 86_400_000

/** What is not left to the seed. */
export type Wanted = {
  readonly members?: number
  readonly days?: number
  /** no adversaries; every fault there is */
  readonly honest?: boolean
}

export function drawScenario(seed: number, repertoire: Repertoire, wanted: Wanted = {}): Scenario {
  const random = new Random(`options ${seed}`)
  const number = random.between(3, 7)
  const drawn = drawOptions(random, wanted.members ?? number, repertoire)
  const options = {
    ...drawn,
    ...(wanted.honest ? { hostile: {} } : {}),
    ...(wanted.days === undefined ? {} : { days: wanted.days }),
  }
  const actions = [...repertoire.workload, ...repertoire.faults, ...repertoire.byzantine]
  const steps = actions
    .filter(({ name }) => !options.without.includes(name))
    .flatMap((action) => drawSteps(new Random(`steps ${seed} ${action.name}`), action, options))
  return { seed: `seed ${seed}`, options, steps: steps.sort((a, b) => a.at - b.at) }
}

function drawOptions(random: Random, members: number, repertoire: Repertoire): Options {
  const isLong = random.chance(0.1)
  const days = isLong ? random.between(46, 92) : random.between(16, 32)
  const pace = isLong ? 0.075 : random.pick([0.11, 0.19, 0.26])
  const laws = drawLaws(random)
  const hostile: Record<number, Hostility> = {}
  const most = Math.floor((members - 1) / 2)
  for (let count = random.chance(0.25) ? 0 : random.between(1, most); count > 0; count--)
    hostile[random.below(members)] = random.pick(["server", "whole"] as const)
  const isCalm = random.chance(0.15)
  const off = (action: Action, chance: number) => (random.chance(chance) ? [action.name] : [])
  const without = [
    ...repertoire.workload.flatMap((action) => off(action, 0.1)),
    ...repertoire.faults.flatMap((action) => off(action, isCalm ? 1 : 0.45)),
    ...repertoire.byzantine.flatMap((action) => off(action, 0.35)),
  ]
  return { members, days, pace, laws, hostile, without }
}

function drawLaws(random: Random): NetworkLaws {
  const rate = (most: number) => (random.chance(0.5) ? 0 : random.unit() * most)
  const laws = {
    delay: random.pick([5, 40, 400, 3000]),
    drop: rate(0.15),
    repeat: rate(0.2),
    breakOff: rate(0.2),
    truncate: rate(0.1),
    corrupt: rate(0.05),
    stale: rate(0.1),
    skip: rate(0.05),
  }
  return random.chance(0.15) ? { ...calm, delay: laws.delay } : laws
}

function drawSteps(random: Random, action: Action, options: Options): Step[] {
  const steps: Step[] = []
  for (let who = 0; who < options.members; who++) {
    if (!isActorOf(action, options.hostile[who])) continue
    const expected = action.perDay * options.days * options.pace
    const count = Math.floor(expected) + (random.chance(expected % 1) ? 1 : 0)
    for (let i = 0; i < count; i++)
      steps.push({
        at: random.below(options.days * dayMs),
        do: action.name,
        who,
        salt: random.next(),
      })
  }
  return steps
}
