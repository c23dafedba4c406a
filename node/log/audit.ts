import { equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  completedNodes,
  emptyRange,
  rangeRoot,
  type TreeNode,
} from "../../protocol/log/compact-range.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError, noteFailure } from "../errors.ts"
import { entriesFrom, type LogState, logOf } from "../store/queries/logs.ts"
import { memberById } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { storeFailure } from "../store/sqlite.ts"
import { noteEvent } from "./event.ts"
import { openCheckpoint } from "./inconsistency.ts"

/**
 * Recomputes every log held here from its entries: tree, stored nodes, and the root that was signed. What a
 * disk has changed since shows here, before anything is proven or signed with it.
 */

export type Audited = {
  readonly peer: string
  readonly member: string
  readonly origin: string
  readonly size: number
  readonly ok: boolean
  readonly text: string
}

const entriesPerRead = 4096

/** @param member of one member alone; by default of all */
export async function auditLogs(
  context: Context,
  member?: string,
): Promise<{ readonly logs: readonly Audited[] }> {
  const { db, self } = context
  const all = db.selectFrom("log").select(["member", "epoch"]).orderBy("id")
  const rows = await (member === undefined ? all : all.where("member", "=", member)).execute()
  const logs: Audited[] = []
  for (const row of rows) {
    const peer = row.member === self.id ? "ourselves" : await nameOf(context, row.member)
    logs.push({ peer, ...(await auditLog(context, row.member, row.epoch)) })
  }
  return { logs }
}

async function auditLog(
  { db }: Context,
  member: string,
  epoch: number,
): Promise<Omit<Audited, "peer">> {
  let origin = `${member}, epoch ${epoch}`
  let size = 0
  try {
    const log = await logOf(db, member, epoch)
    if (log === null) throw new NodeError("store.corrupt", "the log is missing")
    origin = log.origin
    size = log.range.size
    const text = await compare(db, member, log)
    return {
      member,
      origin,
      size,
      ok: text === null,
      text: text ?? `${size} entries give the root that was signed`,
    }
  } catch (cause) {
    const failure = storeFailure(cause)
    if (!(failure instanceof ProtocolError || failure instanceof NodeError)) throw cause
    return { member, origin, size, ok: false, text: `${failure.code}: ${failure.message}` }
  }
}

/** What does not agree, in words; null when all does. */
async function compare(db: Db, memberId: string, log: LogState): Promise<string | null> {
  let range = emptyRange
  while (range.size < log.range.size) {
    const count = Math.min(entriesPerRead, log.range.size - range.size)
    const entries = await entriesFrom(db, log.id, range.size, count)
    if (entries.length < count) return `entry ${range.size + entries.length} is missing`
    const grown = completedNodes(range, entries.map(leafHash))
    for (const [level, nodes] of Map.groupBy(grown.nodes, (node) => node.level)) {
      const wrong = await firstWrong(db, log.id, level, nodes)
      if (wrong !== null) return `node ${wrong} of level ${level} is not as computed`
    }
    range = grown.range
  }
  const root = rangeRoot(range)
  if (!equalBytes(root, rangeRoot(log.range))) return "the entries do not give the root held"
  // Of an epoch that ended the surviving part may have no checkpoint of its own.
  if (log.checkpoint === null) return null
  const member = await memberById(db, memberId)
  if (member === null) return "the root documents are missing"
  const { checkpoint } = openCheckpoint(member, log.checkpoint)
  if (checkpoint.size !== range.size) return null
  return equalBytes(checkpoint.root, root)
    ? null
    : "the entries do not give the root that was signed"
}

/** The nodes that a run of entries completes are a run on each level. */
async function firstWrong(
  db: Db,
  log: number,
  level: number,
  nodes: readonly TreeNode[],
): Promise<number | null> {
  const rows = await db
    .selectFrom("log_node")
    .select(["idx", "hash"])
    .where("log", "=", log)
    .where("level", "=", level)
    .where("idx", ">=", nodes[0]!.index)
    .where("idx", "<=", nodes.at(-1)!.index)
    .orderBy("idx")
    .execute()
  const wrong = nodes.find(({ index, hash }, i) => {
    const row = rows[i]
    return row === undefined || row.idx !== index || !equalBytes(new Uint8Array(row.hash), hash)
  })
  return wrong?.index ?? null
}

/** At start, and again each day. Our own log damaged: nothing is signed any more. */
export async function keepAuditing(context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await noteDamage(context).catch(noteFailure(context.env.log, "audit.failed"))
    await context.env.clock.sleep(dayMs, signal)
  }
}

async function noteDamage(context: Context): Promise<void> {
  const { logs } = await auditLogs(context)
  for (const { member, ok, text } of logs) {
    if (ok) continue
    // First: a disk that changed the log may well refuse the note of it.
    if (member === context.self.id) context.stopped ??= damaged
    await noteEvent(context, context.db, "log.damaged", member, text)
  }
}

const dayMs = 86_400_000

const damaged = {
  code: "store.corrupt",
  message: "Our own log does not give the root that was signed: the disk has changed it.",
  hint: "Stop the node, keep a copy of the home, and bring a backup back with comity restore.",
} as const
