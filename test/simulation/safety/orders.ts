import { blindedEntry } from "../../../protocol/log/entry.ts"
import { decodeOrder } from "../../../protocol/release/order.ts"
import type { Actor } from "../actor.ts"
import { personsNeeded } from "../founding.ts"
import { payloadDigest } from "../truth.ts"
import type { MakeInvariant } from "./invariant.ts"

type OrderRow = {
  readonly rowid: number
  readonly origin: string
  readonly id: string
  readonly digest: string
  readonly document: Uint8Array
  readonly idx: number
  readonly salt: Uint8Array
}

/** S4, S7: whatever stands anywhere was signed by enough persons, of their own will, over these bytes. */
export const ordersAreAuthorised: MakeInvariant = (world) => {
  const read = new Map<Actor, number>()
  return {
    look: (actor) => {
      const rows = actor.disk.read(
        "SELECT rowid, * FROM logged_order WHERE rowid > ? ORDER BY rowid",
        actor.isRestored ? 0 : (read.get(actor) ?? 0),
      ) as OrderRow[]
      for (const row of rows) {
        read.set(actor, row.rowid)
        const missing = lacking(actor, row)
        if (missing !== null)
          world.violate(
            "S4 nothing is released without enough persons",
            `order ${row.id} at ${actor.name}: ${missing}`,
          )
      }
    },
  }

  function lacking(holder: Actor, { document, idx }: OrderRow): string | null {
    const { payload, payloadBytes, signatures } = decodeOrder(new Uint8Array(document))
    const origin = world.byId(payload.origin)
    if (origin === undefined) return "an origin that nobody knows"
    const truth = world.truth.authorised.get(payloadDigest(payloadBytes))
    const persons = new Set<string>()
    for (const { header } of signatures) {
      const officer = origin.officers.find(({ key }) => key.officer.key.ed25519 === header.key)
      const isTheirs =
        truth?.persons.has(header.person) ||
        officer?.isStolen === true ||
        origin.hostility === "whole"
      const from = world.truth.revoked.get(`${origin.id} ${header.kid}`)
      const counts = from === undefined || idx < from || !knowsRevocation(holder, origin)
      if (officer !== undefined && isTheirs && counts) persons.add(header.person)
    }
    return persons.size < personsNeeded ? `only ${[...persons].join(" and ") || "nobody"}` : null
  }

  function knowsRevocation(holder: Actor, origin: Actor): boolean {
    const rows = holder.disk.read(
      "SELECT 1 FROM root_document WHERE member = ? AND version > 1",
      origin.id,
    )
    return rows.length > 0
  }
}

/** S2, S14: what was acknowledged is in the log, once, and nothing else is. */
export const logsHoldWhatWasSaid: MakeInvariant = (world) => {
  let judged = 0
  return {
    look: (actor) => {
      const fresh = world.truth.acknowledged.slice(judged)
      judged = world.truth.acknowledged.length
      for (const { origin } of fresh) {
        const owner = world.byId(origin)
        if (owner?.isHonest && owner !== actor) account(owner)
      }
      account(actor)
    },
  }

  function account(actor: Actor): void {
    if (!actor.isUp || actor.disk.isInTransaction) return
    const rows = actor.disk.read(
      "SELECT rowid, * FROM logged_order WHERE origin = ?",
      actor.id,
    ) as OrderRow[]
    const places = new Map(rows.map((row) => [row.id, row]))
    for (const { origin, order, index } of world.truth.acknowledged)
      if (origin === actor.id && places.get(order)?.idx !== index)
        return world.violate(
          "S2 what was acknowledged is not lost",
          `${actor.name} said that order ${order} is at ${index}`,
        )
    const [counted] = actor.disk.read(
      `SELECT (SELECT size FROM log WHERE member = @own) AS size,
        (SELECT count(*) FROM root_document WHERE member = @own) +
        (SELECT count(*) FROM keys_document WHERE member = @own) AS documents,
        (SELECT count(*) FROM delivery) AS deliveries,
        (SELECT count(*) FROM (SELECT DISTINCT order_id, recipient FROM fact
          WHERE order_origin = @own)) AS owed,
        (SELECT count(*) FROM release_order WHERE state = 'logged') AS logged`,
      { own: actor.id },
    ) as { size: number; documents: number; deliveries: number; owed: number; logged: number }[]
    const { size, documents, deliveries, owed, logged } = counted!
    if (size !== documents + 2 * rows.length || logged !== rows.length)
      return world.violate(
        "S14 every entry has its order, and every order its entry",
        `${actor.name}: ${size} entries, ${documents} documents, ${rows.length} orders`,
      )
    if (deliveries !== owed)
      return world.violate(
        "S14 every grant is queued once",
        `${actor.name}: ${deliveries} deliveries for ${owed} orders and recipients`,
      )
    for (const { id, idx, salt, digest } of rows) {
      const entry = blindedEntry(1, new Uint8Array(salt), Buffer.from(digest, "hex"))
      const found = actor.disk.read(
        "SELECT idx FROM log_entry WHERE member = ? AND entry = ?",
        actor.id,
        Buffer.from(entry),
      ) as { idx: number }[]
      if (found.length !== 1 || found[0]!.idx !== idx)
        return world.violate(
          "S14 an order is in the log once",
          `${actor.name}: order ${id} at ${found.map((one) => one.idx).join(",") || "no place"}`,
        )
    }
  }
}
