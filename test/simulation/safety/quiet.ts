import type { Actor } from "../actor.ts"
import { Broken, type MakeInvariant } from "./invariant.ts"

const accusations = new Set(["peer.alarm", "feed.behind", "feed.new", "receipt.refused"])

/** S0, S10: a node fails at nothing it was not made to fail at, and accuses no honest member. */
export const nobodyIsBlamed: MakeInvariant = (world) => {
  const read = new Map<Actor, number>()
  return {
    look: (actor) => {
      for (const { id, kind, subject } of actor.books.events(read.get(actor) ?? 0)) {
        read.set(actor, id)
        const accused = world.byId(subject)
        if (accusations.has(kind) && accused?.isHonest && !world.isTampered(accused))
          throw new Broken(
            "S10 an honest member is not accused",
            `${actor.name} says ${kind} of ${accused.name}`,
          )
      }
      for (const member of actor.books.accused()) {
        const accused = world.byId(member)
        if (accused?.isHonest)
          throw new Broken(
            "S10 no proof is ever made against an honest member",
            `${actor.name} has one against ${accused.name}`,
          )
      }
      for (const complaint of actor.complaints.splice(0))
        if (!world.faulty.has(actor))
          throw new Broken("S0 nothing fails inside a node", `${actor.name}: ${complaint}`)
    },
    forget: (actor) => void read.delete(actor),
  }
}

const noncesKept = 400
const receiptsOwed = 2_000

/** S13: what others make a node keep has bounds. */
export const nothingPilesUp: MakeInvariant = () => {
  let looks = 0
  return {
    look: ({ name, books }) => {
      if (++looks % 50 !== 0) return
      const [nonces, owed] = [books.nonces(), books.unsentReceipts()]
      if (nonces > noncesKept || owed > receiptsOwed)
        throw new Broken("S13 nothing piles up", `${name}: ${nonces} nonces, ${owed} receipts`)
    },
  }
}

const requestsPerMinute = 900
/** of one member's feed: an answer that is none, or a stream that ends at once, is no reason to ask again at once */
const feedsPerMinute = 60

/** L5: whoever gets no answer asks again, and not at once. */
export const nobodyStorms: MakeInvariant = (world) => {
  const minutes = new Map<string, number>()
  let minute = 0
  return {
    heard: ({ from, to, path, answer }) => {
      if (answer !== undefined) return
      const now = Math.floor(world.scheduler.now / 60_000)
      if (now !== minute) minutes.clear()
      minute = now
      count(from, from, requestsPerMinute)
      if (path === "/feed") count(from, `${from} of ${to}`, feedsPerMinute)
    },
  }

  function count(from: string, what: string, most: number): void {
    const made = (minutes.get(what) ?? 0) + 1
    minutes.set(what, made)
    if (made > most && world.named(from).isHonest)
      throw new Broken("L5 nobody asks without a pause", `${what}: ${made} in a minute`)
  }
}
