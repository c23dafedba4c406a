import type { Action } from "../action.ts"
import type { Life } from "../life.ts"
import type { Random } from "../random.ts"

/** Half the time at a commit, far more than chance would have it: what is half done shows there. */
function endSoon(life: Life, random: Random): string {
  const edges = random.chance(0.5) ? random.between(1, 12) : null
  const steps = random.pick([1, random.between(1, 40), random.between(1, 600)])
  if (edges === null) life.endAfter(steps)
  else life.endAtEdge(edges)
  return edges === null ? `step ${steps}` : `commit ${edges / 2}`
}

/** The process ends at whatever it is about to do: in the middle of a transaction, of an answer, of a start. */
const crash: Action = {
  name: "crash",
  perDay: 0.2,
  run: async ({ actor, random }) => {
    if (actor.life === null) return null
    return `${actor.name} at its ${endSoon(actor.life, random)} from now`
  },
}

const powerCut: Action = {
  name: "power-cut",
  perDay: 0.15,
  run: async ({ actor, random }) => {
    if (actor.life === null) return null
    actor.losesPower = true
    return `${actor.name} at its ${endSoon(actor.life, random)} from now`
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
