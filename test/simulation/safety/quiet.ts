import type { Actor } from "../actor.ts"
import type { MakeInvariant } from "./invariant.ts"

type EventRow = { readonly id: number; readonly kind: string; readonly subject: string }

const accusations = new Set(["peer.alarm", "feed.behind", "feed.new", "receipt.refused"])

/** S0, S10: a node fails at nothing it was not made to fail at, and accuses no honest member. */
export const nobodyIsBlamed: MakeInvariant = (world) => {
  const read = new Map<Actor, number>()
  return {
    look: (actor) => {
      const rows = actor.disk.read(
        "SELECT id, kind, subject FROM event WHERE id > ? ORDER BY id",
        actor.isRestored ? 0 : (read.get(actor) ?? 0),
      ) as EventRow[]
      for (const { id, kind, subject } of rows) {
        read.set(actor, id)
        const accused = world.byId(subject)
        if (accusations.has(kind) && accused?.isHonest && !world.isTampered(accused))
          world.violate(
            "S10 an honest member is not accused",
            `${actor.name} says ${kind} of ${accused.name}`,
          )
      }
      for (const complaint of actor.complaints.splice(0))
        if (!world.faulty.has(actor))
          world.violate("S0 nothing fails inside a node", `${actor.name}: ${complaint}`)
    },
  }
}

const noncesKept = 400
const receiptsOwed = 2_000

/** S13: what others make a node keep has bounds. */
export const nothingPilesUp: MakeInvariant = (world) => {
  let looks = 0
  return {
    look: (actor) => {
      if (++looks % 50 !== 0) return
      const [counted] = actor.disk.read(
        `SELECT (SELECT count(*) FROM nonce) AS nonces,
          (SELECT count(*) FROM receipt_out WHERE sent = 0) AS owed`,
      ) as { nonces: number; owed: number }[]
      const { nonces, owed } = counted!
      if (nonces > noncesKept || owed > receiptsOwed)
        world.violate("S13 nothing piles up", `${actor.name}: ${nonces} nonces, ${owed} receipts`)
    },
  }
}
