import type { Action } from "../action.ts"

const minuteMs = 60_000

/** Some members are cut off from the others, in both directions or in one. */
const partition: Action = {
  name: "partition",
  perDay: 0.06,
  run: async ({ world, random }) => {
    const { cuts } = world.network
    const side = new Set(world.actors.filter(() => random.chance(0.4)))
    const isOneWay = random.chance(0.4)
    const made: string[] = []
    for (const a of side)
      for (const b of world.actors)
        if (!side.has(b)) {
          made.push(`${a.name}>${b.name}`)
          if (!isOneWay) made.push(`${b.name}>${a.name}`)
        }
    for (const cut of made) cuts.add(cut)
    const minutes = random.between(2, 36 * 60)
    world.scheduler.after(minutes * minuteMs, "mended", () => {
      for (const cut of made) cuts.delete(cut)
    })
    const names = [...side].map(({ name }) => name).join(",")
    return `${names || "nobody"}${isOneWay ? ", one way," : ""} for ${minutes} min`
  },
}

/** One member's line is down, as a line that is weak often is. */
const flap: Action = {
  name: "flap",
  perDay: 0.3,
  run: async ({ world, actor, random }) => {
    const made = world.actors
      .filter((one) => one !== actor)
      .flatMap(({ name }) => [`${name}>${actor.name}`, `${actor.name}>${name}`])
    for (const cut of made) world.network.cuts.add(cut)
    const minutes = random.between(1, 90)
    world.scheduler.after(minutes * minuteMs, "mended", () => {
      for (const cut of made) world.network.cuts.delete(cut)
    })
    return `${actor.name} for ${minutes} min`
  },
}

export const networks: readonly Action[] = [partition, flap]
