import type { Action, Scene } from "../action.ts"
import { type ClockLaw, rightClock } from "../clock.ts"

const hourMs = 3_600_000

function drawLaw({ world, random }: Scene): ClockLaw {
  const { now } = world.scheduler
  const off = { kind: "off", ms: random.between(-72, 72) * hourMs } as const
  return random.pick<ClockLaw>([
    off,
    { kind: "off", ms: -hourMs },
    { kind: "off", ms: random.between(-240, 240) * 1000 },
    { kind: "frozen", at: now },
    { kind: "rate", since: now, rate: random.pick([0.1, 10]) },
  ])
}

const wrongClock: Action = {
  name: "wrong-clock",
  perDay: 0.12,
  run: async (scene) => {
    const { world, actor, random } = scene
    const law = drawLaw(scene)
    actor.clock.law = law
    const hours = random.between(1, 30)
    world.scheduler.after(hours * hourMs, "right clock", () => {
      actor.clock.law = rightClock
    })
    const how = law.kind === "off" ? `off by ${law.ms / 1000} s` : law.kind
    return `${actor.name} ${how} for ${hours} h`
  },
}

export const clocks: readonly Action[] = [wrongClock]
