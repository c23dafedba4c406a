import { sql } from "kysely"
import type { Db } from "../schema.ts"
import type { LogState } from "./logs.ts"
import { asksForWitnesses } from "./partial.ts"
import { prepared } from "./prepared.ts"

/** Which checkpoint proves which logged order. */

/** A place in the logs of one member, epochs one after another. */
export type Place = { readonly epoch: number; readonly index: number }

export type KeptCheckpoint = {
  readonly size: number
  readonly note: string
  /** the highest root version whose quorum it meets; 0 for none */
  readonly version: number
}

/** Kept once; one that meets the quorum of a later root version takes its place. */
export async function keepCheckpoint(
  db: Db,
  log: number,
  { size, note, version }: KeptCheckpoint,
): Promise<void> {
  await db
    .insertInto("checkpoint")
    .values({ log, size, note, version })
    .onConflict((conflict) =>
      conflict
        .columns(["log", "size"])
        .doUpdateSet({ note, version })
        .where("checkpoint.version", "<", version),
    )
    .execute()
}

/**
 * The checkpoint of our own log is the proof of those of these orders, just logged, that ask for no
 * witnesses.
 */
export async function keepUnwitnessed(
  db: Db,
  { id: log, member, range: { size }, checkpoint }: LogState,
  orders: readonly string[],
): Promise<void> {
  if (orders.length === 0 || checkpoint === null) return
  const proven = await db
    .updateTable("logged_order")
    .set({ proof: size })
    .where("origin", "=", member)
    .where("id", "in", orders)
    .where("quorum", "=", 0)
    .executeTakeFirst()
  if (proven.numUpdatedRows > 0n)
    await keepCheckpoint(db, log, { size, note: checkpoint, version: 0 })
}

export async function checkpointAt(
  db: Db,
  log: number,
  size: number,
): Promise<KeptCheckpoint | null> {
  const row = await db
    .selectFrom("checkpoint")
    .select(["size", "note", "version"])
    .where("log", "=", log)
    .where("size", "=", size)
    .executeTakeFirst()
  return row ?? null
}

/** The newest one kept that meets a quorum. */
export async function newestQuorate(db: Db, log: number): Promise<KeptCheckpoint | null> {
  const row = await db
    .selectFrom("checkpoint")
    .select(["size", "note", "version"])
    .where("log", "=", log)
    .where("version", ">", 0)
    .orderBy("size", "desc")
    .limit(1)
    .executeTakeFirst()
  return row ?? null
}

/** Size of the first one kept that covers `index` and meets the quorum of `version` or a later one. */
export async function proofCovering(
  db: Db,
  log: number,
  index: number,
  version: number,
): Promise<number | null> {
  const row = await db
    .selectFrom("checkpoint")
    .select("size")
    .where("log", "=", log)
    .where("size", ">", index)
    .where("version", ">=", version)
    .orderBy("size")
    .limit(1)
    .executeTakeFirst()
  return row?.size ?? null
}

/** The checkpoint is the proof of every order it covers that had none. @returns how many those are */
export async function proveOrders(
  db: Db,
  log: { readonly member: string; readonly epoch: number },
  { size, version }: KeptCheckpoint,
): Promise<number> {
  const proven = await db
    .updateTable("logged_order")
    .set({ proof: size })
    .where("origin", "=", log.member)
    .where("epoch", "=", log.epoch)
    .where("idx", "<", size)
    .where("proof", "is", null)
    .where(asksForWitnesses)
    .where("root_version", "<=", version)
    .executeTakeFirst()
  return Number(proven.numUpdatedRows)
}

/** The first order of `origin` in each epoch that still waits for its quorum. */
export async function pendingOf(db: Db, origin: string): Promise<readonly Place[]> {
  const rows = await db
    .selectFrom("logged_order")
    .select(["epoch", sql<number>`min(idx)`.as("index")])
    .where("origin", "=", origin)
    .where("proof", "is", null)
    .where(asksForWitnesses)
    .groupBy("epoch")
    .orderBy("epoch")
    .execute()
  return rows
}

/** Orders of these members that still wait for their quorum, each as `origin id`. */
export async function pendingOrders(
  db: Db,
  origins: readonly string[],
): Promise<ReadonlySet<string>> {
  if (origins.length === 0) return new Set()
  const rows = await db
    .selectFrom("logged_order")
    .select(["origin", "id"])
    .where("origin", "in", origins)
    .where("proof", "is", null)
    .where(asksForWitnesses)
    .execute()
  return new Set(rows.map(({ origin, id }) => `${origin} ${id}`))
}

/** Every member of whom orders are pending here, how many, and since when. */
export function allPending(db: Db) {
  return db
    .selectFrom("logged_order")
    .select(["origin", sql<number>`min(at)`.as("since"), sql<number>`count(*)`.as("orders")])
    .where("proof", "is", null)
    .where(asksForWitnesses)
    .groupBy("origin")
    .orderBy("origin")
    .execute()
}

/** Orders of `origin` that were delivered to `peer` and ask for witnesses. */
function deliveredTo(db: Db, origin: string, peer: string) {
  return db
    .selectFrom("logged_order")
    .where("origin", "=", origin)
    .where(asksForWitnesses)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom("delivery")
          .select("n")
          .whereRef("delivery.order_id", "=", "logged_order.id")
          .where("delivery.peer", "=", peer),
      ),
    )
}

const provenSince = prepared((db, origin: string, peer: string, epoch: number, index: number) =>
  provenTo(db, origin, peer)
    .where("epoch", "=", epoch)
    // No proof is of a size up to its order's index.
    .where("proof", ">", index)
    .where("idx", ">=", index),
)

const provenLater = prepared((db, origin: string, peer: string, epoch: number) =>
  provenTo(db, origin, peer).where("epoch", ">", epoch),
)

function provenTo(db: Db, origin: string, peer: string) {
  return deliveredTo(db, origin, peer)
    .select(["epoch", "proof"])
    .distinct()
    .where("proof", "is not", null)
    .orderBy("epoch")
    .orderBy("proof")
}

/**
 * The quorate checkpoints that prove those orders: in each epoch named from that index on, in all later
 * epochs. One look-up for each: an index serves no alternatives.
 */
export async function proofsFor(
  db: Db,
  origin: string,
  peer: string,
  from: readonly Place[],
): Promise<readonly { readonly epoch: number; readonly size: number }[]> {
  const rows: { readonly epoch: number; readonly proof: number | null }[] = []
  for (const { epoch, index } of from)
    rows.push(...(await provenSince(db, origin, peer, epoch, index)))
  rows.push(...(await provenLater(db, origin, peer, from.at(-1)?.epoch ?? 0)))
  return rows.map(({ epoch, proof }) => ({ epoch, size: proof! }))
}

const unprovenSince = prepared((db, origin: string, peer: string, epoch: number, index: number) =>
  unprovenTo(db, origin, peer).where("epoch", "=", epoch).where("idx", ">=", index),
)

const unprovenLater = prepared((db, origin: string, peer: string, epoch: number) =>
  unprovenTo(db, origin, peer).where("epoch", ">", epoch),
)

function unprovenTo(db: Db, origin: string, peer: string) {
  return deliveredTo(db, origin, peer)
    .select(["epoch", sql<number>`min(idx)`.as("index")])
    .where("proof", "is", null)
    .groupBy("epoch")
    .orderBy("epoch")
}

/** The first of those orders in each epoch that has no proof yet. */
export async function unprovenFor(
  db: Db,
  origin: string,
  peer: string,
  from: readonly Place[],
): Promise<readonly Place[]> {
  const places: Place[] = []
  for (const { epoch, index } of from)
    places.push(...(await unprovenSince(db, origin, peer, epoch, index)))
  places.push(...(await unprovenLater(db, origin, peer, from.at(-1)?.epoch ?? 0)))
  return places
}
