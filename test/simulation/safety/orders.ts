import { blindedEntry } from "../../../protocol/log/entry.ts"
import { everybody } from "../../../protocol/release/grant.ts"
import { decodeOrder } from "../../../protocol/release/order.ts"
import type { Actor } from "../actor.ts"
import type { OrderRow } from "../books.ts"
import { personsNeeded } from "../founding.ts"
import { payloadDigest } from "../truth.ts"
import { Facts } from "./facts.ts"
import { Broken, type MakeInvariant } from "./invariant.ts"

/** S4, S7: whatever stands anywhere was signed by enough persons, of their own will, over these bytes. */
export const ordersAreAuthorised: MakeInvariant = (world) => {
  const read = new Map<Actor, number>()
  return {
    look: (actor) => {
      const { rows, position } = actor.books.orders(read.get(actor) ?? 0)
      read.set(actor, position)
      for (const row of rows) {
        // Kept, shown as what a stolen key signed, and good for nothing.
        const missing = row.repudiated === 1 ? null : lacking(actor, row)
        if (missing !== null)
          throw new Broken(
            "S4 nothing is released without enough persons",
            `order ${row.id} at ${actor.name}: ${missing}`,
          )
      }
    },
    forget: (actor) => void read.delete(actor),
  }

  function lacking(holder: Actor, { document, index }: OrderRow): string | null {
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
      const revoked = world.truth.revoked.get(`${origin.id} ${header.kid}`)
      const counts =
        revoked === undefined ||
        index < revoked.from ||
        holder.books.rootVersionOf(origin.id) < revoked.by
      if (officer !== undefined && isTheirs && counts) persons.add(header.person)
    }
    return persons.size < personsNeeded ? `only ${[...persons].join(" and ") || "nobody"}` : null
  }
}

/** S2, S14: what was acknowledged is in the log, once, and nothing else is. */
export const logsHoldWhatWasSaid: MakeInvariant = (world) => {
  const own = new Map<Actor, { facts: Facts; orders: Map<string, OrderRow>; position: number }>()
  const queued = new Map<Actor, Set<string>>()
  let judged = 0
  return {
    look: (actor) => {
      account(actor)
      const fresh = world.truth.acknowledged.slice(judged)
      judged = world.truth.acknowledged.length
      for (const origin of new Set(fresh.map((one) => world.byId(one.origin)!)))
        if (origin !== actor && origin.isHonest) account(origin)
    },
    forget: (actor) => {
      own.delete(actor)
      queued.delete(actor)
    },
    finish: async () => {
      for (const actor of world.honest) {
        own.delete(actor)
        queued.delete(actor)
        account(actor)
      }
    },
  }

  function account(actor: Actor): void {
    if (!actor.isUp || actor.disk.isInTransaction) return
    const { books } = actor
    const known = own.get(actor) ?? { facts: new Facts(actor), orders: new Map(), position: 0 }
    own.set(actor, known)
    const { rows, position } = books.orders(known.position)
    known.position = position
    const fresh = rows.filter(({ origin }) => origin === actor.id)
    for (const row of fresh) known.orders.set(row.id, row)
    // What only adversaries were given may be lost for good, and with it the balance of the books.
    if (world.wasRestored(actor)) return
    for (const { origin, order, index } of world.truth.acknowledged)
      if (origin === actor.id && known.orders.get(order)?.index !== index)
        throw new Broken(
          "S2 what was acknowledged is not lost",
          `${actor.name} said that order ${order} is at ${index}`,
        )
    const [size, documents] = [ownEntries(actor), books.documentsOf(actor.id)]
    if (size !== documents + 2 * known.orders.size || books.loggedOrders() !== known.orders.size)
      throw new Broken(
        "S14 every entry has its order, and every order its entry",
        `${actor.name}: ${size} entries, ${documents} documents, ${known.orders.size} orders`,
      )
    for (const row of fresh) standsOnce(actor, row)
    const owed = queued.get(actor) ?? new Set()
    queued.set(actor, owed)
    for (const { orderOrigin, order, recipient } of known.facts.read())
      if (orderOrigin === actor.id)
        for (const to of recipient === everybody ? others(actor) : [recipient])
          owed.add(`${order} ${to}`)
    if (books.allDeliveries() !== owed.size)
      throw new Broken(
        "S14 every grant is queued once",
        `${actor.name}: ${books.allDeliveries()} deliveries for ${owed.size} recipients of orders`,
      )
  }

  function others(actor: Actor): readonly string[] {
    return world.actors.filter((one) => one !== actor).map(({ id }) => id)
  }

  function standsOnce(actor: Actor, { id, index, salt, digest }: OrderRow): void {
    const entry = blindedEntry(1, new Uint8Array(salt), Buffer.from(digest, "hex"))
    const places = actor.books.placesOf(actor.id, entry)
    if (places.join() !== String(index))
      throw new Broken(
        "S14 an order is in the log once",
        `${actor.name}: order ${id} at ${places.join() || "no place"}`,
      )
  }
}

function ownEntries(actor: Actor): number {
  return actor.books
    .logs()
    .filter(({ member }) => member === actor.id)
    .reduce((sum, { size }) => sum + size, 0)
}
