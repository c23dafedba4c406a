import type { Action } from "../action.ts"
import { Twin } from "../twin.ts"

/** Databases of another time: brought back, or carried elsewhere. */

const hourMs = 3_600_000
const backupsKept = 4

const backup: Action = {
  name: "backup",
  perDay: 0.3,
  run: async ({ actor }) => {
    if (actor.disk.isInTransaction) return null
    actor.backups.push(actor.disk.image())
    if (actor.backups.length > backupsKept) actor.backups.shift()
    return actor.name
  },
}

/**
 * The database comes from a backup, the rest of the home stays. Where the log has gone on since, the node
 * must not start: its operator then puts the right database back.
 */
const restore: Action = {
  name: "restore",
  perDay: 0.06,
  run: async ({ world, actor, random }) => {
    if (actor.backups.length === 0 || actor.life === null) return null
    const old = random.pick(actor.backups)
    actor.crash(false)
    const current = actor.disk.image()
    const before = actor.books.sizeOf(actor.id)
    const heard = actor.books.cursors()
    actor.disk.replace(old)
    if (actor.books.sizeOf(actor.id) === before) world.restored(actor, heard)
    const isBehind = actor.books.sizeOf(actor.id) < before
    await actor.boot()
    if (!isBehind) return `${actor.name}, whose log is where it was`
    if (actor.isUp)
      world.violate("S1 a database from a backup signs nothing", `${actor.name} started`)
    actor.crash(false)
    actor.disk.replace(current)
    await actor.boot()
    return `${actor.name}, refused: ${actor.refusal ?? "not at all"}`
  },
}

/**
 * A second node on a copy of the database, beside the first, with the same small files: as from a share
 * that both mount. Whoever signs first, the other must not sign from then on.
 */
const clone: Action = {
  name: "clone",
  perDay: 0.04,
  run: async (scene) => {
    const { world, actor, random } = scene
    if (!actor.isUp || actor.disk.isInTransaction) return null
    const twin = new Twin(scene)
    const size = actor.books.sizeOf(actor.id)
    if (!(await twin.boot())) {
      twin.end()
      return null
    }
    const hours = random.between(1, 12)
    await new Promise<void>((resolve) => {
      world.scheduler.after(hours * hourMs, "copy", resolve)
    })
    const hasGoneOn = actor.books.sizeOf(actor.id) !== size
    const signed = await twin.publish()
    const image = twin.end()
    if (signed === null) return `${actor.name}: the copy did not sign after ${hours} h`
    if (hasGoneOn)
      world.violate("S1 a copy does not sign beside its original", `${actor.name}: ${signed}`)
    // The copy is the node from now on.
    actor.crash(false)
    world.restored(actor, actor.books.cursors())
    actor.disk.replace(image)
    await actor.boot()
    return `${actor.name}: the copy signed ${signed} and took over`
  },
}

export const restores: readonly Action[] = [backup, restore, clone]
