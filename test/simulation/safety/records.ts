import { recordDigest } from "../../../protocol/record/record.ts"
import { everybody } from "../../../protocol/release/grant.ts"
import type { Actor } from "../actor.ts"
import type { ContentRow } from "../books.ts"
import { Facts, isLive } from "./facts.ts"
import { Broken, type MakeInvariant } from "./invariant.ts"

/** S3, S5, S8: a member holds what was released to it, as it was released, for as long as it is. */
export const recordsAreGranted: MakeInvariant = (world) => {
  const facts = new Map<Actor, Facts>()
  const read = new Map<Actor, number>()
  return {
    look: (actor) => {
      const known = facts.get(actor) ?? new Facts(actor)
      facts.set(actor, known)
      known.read()
      for (const { origin, id, version } of actor.books.held())
        if (
          origin !== actor.id &&
          !actor.isRestored &&
          !isLive(known.about(origin, id, actor.id), version) &&
          !isLive(known.about(origin, id, everybody), version)
        )
          throw new Broken(
            "S8 what was withdrawn is not held",
            `${id} version ${version} at ${actor.name}`,
          )
      for (const row of actor.books.contents(read.get(actor) ?? 0)) {
        read.set(actor, row.rid)
        if (row.origin !== actor.id) judge(actor, row)
      }
      const inTheWay =
        world.truth.sound.size === 0
          ? undefined
          : actor.books.mismatched().find((order) => world.truth.sound.has(order))
      if (inTheWay !== undefined)
        throw new Broken(
          "S5 a record is not in the way of another's",
          `order ${inTheWay} at ${actor.name}`,
        )
    },
    forget: (actor) => {
      facts.delete(actor)
      read.delete(actor)
    },
  }

  function judge(actor: Actor, row: ContentRow): void {
    const { origin, id, version, bytes } = row
    const place = `${id} version ${version} at ${actor.name}`
    const digest = recordDigest(new Uint8Array(bytes))
    if (digest !== actor.books.recordDigest(row))
      throw new Broken("S5 a record is what its grant says", place)
    const owner = world.byId(origin)
    if (owner === undefined || world.truth.poison.has(`${origin} ${id} ${version}`))
      throw new Broken("S5 nothing forged is kept", place)
    if (owner.hostility === "whole") return
    if (!world.truth.isMeantFor(actor.id, row))
      throw new Broken("S3 nobody holds what was not released to it", place)
    const released = owner.books.recordDigest(row)
    // Until its peers have given it back, a loss may have taken it from its origin.
    const isLost = released === null && world.wasRestored(owner)
    if (owner.isHonest && digest !== released && !isLost)
      throw new Broken("S5 a record is what its origin released", place)
  }
}
