import type { Action } from "../action.ts"

/** The process ends at whatever it is about to do: in the middle of a transaction, of an answer, of a start. */
const crash: Action = {
  name: "crash",
  perDay: 0.2,
  run: async ({ actor, random }) => {
    if (actor.life === null) return null
    const steps = random.pick([1, random.between(1, 40), random.between(1, 600)])
    actor.life.endAfter(steps)
    return `${actor.name} at its step ${steps} from now`
  },
}

const powerCut: Action = {
  name: "power-cut",
  perDay: 0.15,
  run: async ({ actor, random }) => {
    if (actor.life === null) return null
    const steps = random.pick([1, random.between(1, 40), random.between(1, 600)])
    actor.losesPower = true
    actor.life.endAfter(steps)
    return `${actor.name} at its step ${steps} from now`
  },
}

/** A start that is asked for: requests end where they are. */
const restart: Action = {
  name: "restart",
  perDay: 0.05,
  run: async ({ actor }) => {
    actor.crash(false)
    await actor.boot()
    return actor.name
  },
}

export const processes: readonly Action[] = [crash, powerCut, restart]
