import type { Action } from "../action.ts"

const hourMs = 3_600_000

const fullDisk: Action = {
  name: "full-disk",
  perDay: 0.08,
  run: async ({ world, actor, random }) => {
    const ms = random.between(1, 12) * hourMs
    actor.disk.isFull = true
    world.faulty.add(actor)
    world.scheduler.after(ms, "space", () => {
      actor.disk.isFull = false
    })
    return `${actor.name} for ${ms / hourMs} h`
  },
}

/** The sync of one commit fails. Whether the disk has it will show after a start. */
const failedSync: Action = {
  name: "failed-sync",
  perDay: 0.12,
  run: async ({ world, actor, random }) => {
    actor.disk.failNext(random.pick(["lost", "kept"] as const))
    world.faulty.add(actor)
    return actor.name
  },
}

export const disks: readonly Action[] = [fullDisk, failedSync]
