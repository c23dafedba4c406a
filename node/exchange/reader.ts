import type { Context } from "../context.ts"
import type { Db, Schema } from "../store/schema.ts"
import { type FeedPosition, formatPlaces, noFeed, parsePlaces } from "./deliver.ts"

/** How far each peer has read what is queued for it: by its own requests and answers. */
export type Reader = Schema["reader"]

export async function readerOf(db: Db, peer: string): Promise<Reader> {
  const row = await db.selectFrom("reader").selectAll().where("peer", "=", peer).executeTakeFirst()
  const nothing = { feed: noFeed, n: 0, epoch: 1, size: 0, pending: null }
  return row ?? { peer, ...nothing, asked_at: null, tried_at: null, failures: 0, error: null }
}

export function positionOf({ feed, n, epoch, size, pending }: Reader): FeedPosition {
  const places = parsePlaces(pending) ?? null
  return { feed: feed === noFeed ? null : feed, after: n, epoch, size, pending: places }
}

export async function changeReader(
  db: Db,
  peer: string,
  fields: Partial<Omit<Reader, "peer">>,
): Promise<void> {
  await db
    .insertInto("reader")
    .values({ ...(await readerOf(db, peer)), ...fields })
    .onConflict((conflict) => conflict.column("peer").doUpdateSet(fields))
    .execute()
}

/** The columns of a position. */
export function placeOf({ feed, after, epoch, size, pending }: FeedPosition) {
  const places = pending === null ? null : formatPlaces(pending)
  return { feed: feed ?? noFeed, n: after, epoch, size, pending: places }
}

const minuteMs = 60_000

/** The peer asked for its feed: from there on it has nothing of us. Written once a minute, or when it moved. */
export async function noteAsked(
  { db, env }: Context,
  peer: string,
  position: FeedPosition,
): Promise<void> {
  const now = env.clock.now()
  const known = await readerOf(db, peer)
  const place = placeOf(position)
  const isSame = known.feed === place.feed && known.n === place.n && known.size === place.size
  if (isSame && known.asked_at !== null && now - known.asked_at < minuteMs) return
  await changeReader(db, peer, { ...place, asked_at: now })
}
