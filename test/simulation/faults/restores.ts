import type { Database } from "better-sqlite3"
import { metaIdentity, metaRestored } from "../../../node/recover.ts"
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
 * The database is one of an earlier time: an old file in the place of the present one, or a backup brought
 * back into an empty home. The node signs nothing before its peers have said how far its log has come.
 */
const restore: Action = {
  name: "restore",
  perDay: 0.05,
  run: async ({ world, actor, random }) => {
    if (actor.backups.length === 0 || actor.life === null) return null
    const old = random.pick(actor.backups)
    const isByCommand = random.chance(0.5)
    actor.crash(false)
    const before = actor.books.sizeOf(actor.id)
    world.restored(actor, actor.books.cursors())
    actor.disk.replace(old, isByCommand ? strip : () => {})
    if (isByCommand) actor.disk.shelf.clear()
    const after = actor.books.sizeOf(actor.id)
    await world.start(actor)
    if (actor.isUp && actor.context.stopped === null)
      world.violate("S1 a database from a backup signs nothing by itself", actor.name)
    world.recover(actor)
    return `${actor.name} from ${before} entries to ${after}${isByCommand ? ", by command" : ""}`
  },
}

/** As a backup is made, and brought back. */
function strip(database: Database): void {
  database.exec("DELETE FROM kem_key")
  database.exec("DELETE FROM nonce")
  database.prepare("DELETE FROM meta WHERE name = ?").run(metaIdentity)
  database.prepare("INSERT INTO meta VALUES (?, ?)").run(metaRestored, Buffer.from("1"))
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
    await world.start(actor)
    world.recover(actor)
    return `${actor.name}: the copy signed ${signed} and took over`
  },
}

export const restores: readonly Action[] = [backup, restore, clone]
