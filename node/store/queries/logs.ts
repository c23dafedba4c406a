import { type Selectable, sql } from "kysely"
import { encodeHex } from "../../../protocol/encoding.ts"
import {
  type CompactRange,
  completedNodes,
  decodeRange,
  emptyRange,
  encodeRange,
  type ReadNode,
  rangeFrom,
  rangeRoot,
} from "../../../protocol/log/compact-range.ts"
import { leafHash } from "../../../protocol/log/merkle.ts"
import { StoreDamage } from "../damage.ts"
import type { Db, Schema } from "../schema.ts"
import { prepared } from "./prepared.ts"
import { remembered } from "./remembered.ts"
import { insertRows } from "./rows.ts"

/** A log as held here, ours or a mirror: every entry, and what proofs are made of. */
export type LogState = {
  /** row id: what entries, nodes and checkpoints hang on */
  readonly id: number
  readonly member: string
  readonly epoch: number
  readonly origin: string
  readonly range: CompactRange
  readonly checkpoint: string | null
  /** of another member: the last that its witnesses had cosigned, which covers all of it or not */
  readonly cosigned: string | null
  readonly checkedAt: number
  /** what is held is not what survives of this epoch */
  readonly isDisowned: boolean
}

/** The member's log of one epoch, by default of the newest that is held here. */
export async function logOf(db: Db, member: string, epoch?: number): Promise<LogState | null> {
  if (epoch === undefined) return newestLog(db, member)
  const [row] = await logOfEpoch(db, member, epoch)
  return row === undefined ? null : asLogState(row)
}

const newestLog = remembered(["log"], async (db, member: string) => {
  const [row] = await newestRow(db, member)
  return row === undefined ? null : asLogState(row)
})

const newestRow = prepared((db, member: string) =>
  db
    .selectFrom("log")
    .selectAll()
    .where("member", "=", member)
    .orderBy("epoch", "desc")
    .limit(sql.lit(1)),
)

const logOfEpoch = prepared((db, member: string, epoch: number) =>
  db.selectFrom("log").selectAll().where("member", "=", member).where("epoch", "=", epoch),
)

type LogRow = Selectable<Schema["log"]>

function asLogState(row: LogRow): LogState {
  const { id, member, epoch, origin, checkpoint, cosigned, checked_at: checkedAt } = row
  const range = decodeRange(row.range)
  if (range.size !== row.size) throw new StoreDamage("log size")
  const isDisowned = row.disowned === 1
  return { id, member, epoch, origin, range, checkpoint, cosigned, checkedAt, isDisowned }
}

/** How far the log is signed: one of an epoch that ended may be held further, or not so far. */
export function signedSize({ checkpoint }: LogState): number {
  return Number(checkpoint?.split("\n", 2)[1] ?? 0)
}

export async function createLog(
  db: Db,
  log: { readonly member: string; readonly epoch: number; readonly origin: string },
): Promise<LogState> {
  const range = encodeRange(emptyRange)
  const { id } = await db
    .insertInto("log")
    .values({ ...log, ...nothing, size: 0, range, checked_at: 0, disowned: 0 })
    .returning("id")
    .executeTakeFirstOrThrow()
  return { id, ...log, ...nothing, range: emptyRange, checkedAt: 0, isDisowned: false }
}

const nothing = { checkpoint: null, cosigned: null }

/** What is held is not what its member says survives: the whole of it is asked for again. */
export async function markDisowned(db: Db, log: number): Promise<void> {
  await db.updateTable("log").set({ disowned: 1 }).where("id", "=", log).execute()
}

/** Makes room for the surviving branch of an ended log: nothing of the other one stays in it. */
export async function emptyLog(db: Db, log: LogState): Promise<LogState> {
  const { id, member, epoch } = log
  await db.deleteFrom("log_entry").where("log", "=", id).execute()
  await db.deleteFrom("log_node").where("log", "=", id).execute()
  await db
    .updateTable("keys_document")
    .set({ epoch: null, idx: null })
    .where("member", "=", member)
    .where("epoch", "=", epoch)
    .execute()
  await db
    .updateTable("root_document")
    .set({ idx: null })
    .where("member", "=", member)
    .where("epoch", "=", epoch)
    .execute()
  await db
    .updateTable("log")
    .set({ ...nothing, size: 0, range: encodeRange(emptyRange), disowned: 0 })
    .where("id", "=", id)
    .execute()
  return { ...log, ...nothing, range: emptyRange, isDisowned: false }
}

/**
 * Appends to the log that was read as `state`: compare-and-swap on its size, so that of two writers
 * one fails. Entries, tree nodes and checkpoint go in together, in the caller's transaction.
 */
export async function appendEntries(
  db: Db,
  state: LogState,
  entries: readonly Uint8Array[],
  checkpoint: string | null,
  now: number,
): Promise<LogState> {
  const log = state.id
  const { range, nodes } = completedNodes(state.range, entries.map(leafHash))
  const swapped = await db
    .updateTable("log")
    .set({ size: range.size, range: encodeRange(range), checkpoint, checked_at: now })
    .where("id", "=", log)
    .where("size", "=", state.range.size)
    .executeTakeFirst()
  if (swapped.numUpdatedRows !== 1n) throw new StoreDamage("another writer on this log")
  const rows = entries.map((entry, i) => ({ log, idx: state.range.size + i, entry }))
  await insertRows(db, "log_entry", rows)
  const nodeRows = nodes.map(({ level, index, hash }) => ({ log, level, idx: index, hash }))
  await insertRows(db, "log_node", nodeRows)
  return { ...state, range, checkpoint, checkedAt: now }
}

export async function entriesFrom(
  db: Db,
  log: number,
  start: number,
  limit: number,
): Promise<readonly Uint8Array[]> {
  const rows = await entriesBetween(db, log, start, start + limit)
  return rows.map(({ entry }) => entry)
}

const entriesBetween = prepared((db, log: number, start: number, end: number) =>
  db
    .selectFrom("log_entry")
    .select("entry")
    .where("log", "=", log)
    .where("idx", ">=", start)
    .where("idx", "<", end)
    .orderBy("idx"),
)

/** The entries at these places, by place. */
export async function entriesAt(
  db: Db,
  log: number,
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Uint8Array>> {
  const rows = await entryRows(db, log, indexes)
  return new Map(rows.map(({ idx, entry }) => [idx, entry]))
}

const entryRows = prepared((db, log: number, indexes: readonly number[]) =>
  db
    .selectFrom("log_entry")
    .select(["idx", "entry"])
    .where("log", "=", log)
    .where("idx", "in", indexes),
)

/** Roots of complete subtrees side by side, `count` of them. @throws StoreDamage for a missing one */
export async function nodesFrom(
  db: Db,
  log: number,
  first: { readonly level: number; readonly index: number },
  count: number,
): Promise<readonly Uint8Array[]> {
  const rows = await db
    .selectFrom("log_node")
    .select("hash")
    .where("log", "=", log)
    .where("level", "=", first.level)
    .where("idx", ">=", first.index)
    .where("idx", "<", first.index + count)
    .orderBy("idx")
    .execute()
  if (rows.length !== count) throw new StoreDamage("a node of the log's tree")
  return rows.map(({ hash }) => new Uint8Array(hash))
}

/** Whether any log of the member, of whichever epoch, has one of these entries. */
export async function hasEntry(
  db: Db,
  member: string,
  entries: readonly Uint8Array[],
): Promise<boolean> {
  if (entries.length === 0) return false
  const row = await db
    .selectFrom("log_entry")
    .innerJoin("log", "log.id", "log_entry.log")
    .select("idx")
    .where("log.member", "=", member)
    .where("entry", "in", entries)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Every index at which the log has this entry, ascending. */
export async function placesOf(db: Db, log: number, entry: Uint8Array): Promise<readonly number[]> {
  return (await placesOfAll(db, log, [entry])).get(encodeHex(entry)) ?? []
}

/** The same for many entries, by their hex form. */
export async function placesOfAll(
  db: Db,
  log: number,
  entries: readonly Uint8Array[],
): Promise<ReadonlyMap<string, readonly number[]>> {
  const rows = await placeRows(db, log, entries)
  const places = new Map<string, number[]>()
  for (const { entry, idx } of rows) {
    const name = encodeHex(entry)
    const known = places.get(name)
    if (known === undefined) places.set(name, [idx])
    else known.push(idx)
  }
  return places
}

const placeRows = prepared((db, log: number, entries: readonly Uint8Array[]) =>
  db
    .selectFrom("log_entry")
    .select(["entry", "idx"])
    .where("log", "=", log)
    .where("entry", "in", entries)
    .orderBy("idx"),
)

/** What `prove` computes from stored tree nodes: it is run once to learn which it wants, and again with them. */
export async function fromNodes<T>(db: Db, log: number, prove: (read: ReadNode) => T): Promise<T> {
  const wanted: { level: number; index: number }[] = []
  const blank = new Uint8Array(32)
  prove((level, index) => {
    wanted.push({ level, index })
    return blank
  })
  const nodes = new Map<string, Uint8Array>()
  for (const { level, index } of wanted) {
    const [row] = await nodeRow(db, log, level, index)
    if (row !== undefined) nodes.set(`${level}/${index}`, new Uint8Array(row.hash))
  }
  return prove((level, index) => nodes.get(`${level}/${index}`))
}

const nodeRow = prepared((db, log: number, level: number, index: number) =>
  db
    .selectFrom("log_node")
    .select("hash")
    .where("log", "=", log)
    .where("level", "=", level)
    .where("idx", "=", index),
)

/** Root of the first `size` entries; null when the log is shorter. */
export async function rootAt(db: Db, log: LogState, size: number): Promise<Uint8Array | null> {
  if (size > log.range.size) return null
  if (size === log.range.size) return rangeRoot(log.range)
  return fromNodes(db, log.id, (read) => rangeRoot(rangeFrom(read, size)))
}
