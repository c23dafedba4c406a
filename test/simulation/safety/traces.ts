import type { Actor } from "../actor.ts"
import { Broken, type MakeInvariant } from "./invariant.ts"

/**
 * S8, to the last byte: of a record that a member held and does not hold any more, no page of its database
 * has a word left, the search index included.
 */
export const nothingIsLeft: MakeInvariant = (world) => {
  const held = new Map<Actor, Set<string>>()
  return {
    look: (actor) => {
      const ids = held.get(actor) ?? new Set()
      held.set(actor, ids)
      for (const { origin, id } of actor.books.held()) if (origin !== actor.id) ids.add(id)
    },
    forget: (actor) => void held.delete(actor),
    finish: async () => {
      for (const actor of world.honest) search(actor)
    },
  }

  function search(actor: Actor): void {
    const present = new Set(actor.books.held().map(({ id }) => id))
    const image = Buffer.from(actor.disk.image())
    for (const id of held.get(actor) ?? [])
      for (const mark of present.has(id) ? [] : (world.truth.marks.get(id) ?? []))
        if (image.includes(mark))
          throw new Broken("S8 what was withdrawn leaves nothing", `${id} at ${actor.name}`)
  }
}
