import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { rangeRoot } from "../../protocol/log/compact-range.ts"
import { type History, Violation } from "./history.ts"
import { type Peer, releaseFrom, withdrawFrom } from "./peer.ts"
import { type RealNode, Refused, signOrder } from "./real-node.ts"

/** Reproducible choices: the faults themselves come when they come. */
export type Draw = () => number

export function drawsFrom(seed: number): Draw {
  let state = seed >>> 0
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

export function practice(title: string): string {
  return `---\ntitle: ${title}\nlanguage: en\n---\nWhat is done, in a few words.\n`
}

type Published = { readonly order: string; readonly index: number; readonly size: number }

/** Asks for things until the node is gone; what it acknowledged stands in the history. */
export async function work(
  node: RealNode,
  peer: Peer,
  history: History,
  draw: Draw,
  signal: AbortSignal,
): Promise<void> {
  const released: string[] = []
  while (!signal.aborted)
    try {
      const chance = draw()
      if (chance < 0.55 || released.length === 0)
        released.push(await releaseOne(node, history, peer.context.self.id.slice(0, 16), draw))
      else if (chance < 0.7) await withdrawOne(node, history, released.pop()!)
      else if (chance < 0.85) await feedIt(peer, node, draw)
      else await exchange(node, peer, history)
    } catch (cause) {
      if (cause instanceof Violation) throw cause
      // What it refuses in words it has not done; anything else means that it has gone.
      if (!(cause instanceof Refused)) return
      if (/^(internal|store|signer)\./.test(cause.code)) throw cause
    }
}

/** A record from draft to publication, for the peer. @returns its id */
export async function releaseOne(
  node: RealNode,
  history: History,
  to: string,
  draw: Draw,
): Promise<string> {
  const title = `Practice ${Math.floor(draw() * 1e9)}`
  const { record } = await node.operate<{ record: string }>("draft.add", {
    source: practice(title),
  })
  history.drafts.add(record)
  const { order } = await node.operate<{ order: string }>("release.request", {
    records: [record],
    to: [to],
  })
  history.requested.add(order)
  await publishOne(node, history, order)
  return record
}

export async function withdrawOne(
  node: RealNode,
  history: History,
  record: string,
): Promise<string> {
  const { order } = await node.operate<{ order: string }>("withdraw", {
    record,
    reason: "superseded",
  })
  history.requested.add(order)
  await publishOne(node, history, order)
  return order
}

export async function publishOne(
  node: RealNode,
  history: History,
  order: string,
): Promise<Published> {
  await signOrder(node, order)
  for (const { officer } of node.home.officers) history.signatures.add(`${order} ${officer.person}`)
  history.unknown.add(order)
  const published = await node.operate<Published>("publish", { order })
  history.unknown.delete(order)
  history.published.set(order, published)
  return published
}

/** The peer releases something, or takes something back; the node follows it and receives. */
export async function feedIt(peer: Peer, node: RealNode, draw: Draw): Promise<void> {
  const { db } = peer.context
  const live = await db
    .selectFrom("draft")
    .select("id")
    .where("released", ">", 0)
    .where("title", "like", "Live %")
    .execute()
  if (live.length > 0 && draw() < 0.4) {
    const { id } = live[Math.floor(draw() * live.length)]!
    await db.updateTable("draft").set({ title: "Gone" }).where("id", "=", id).execute()
    await withdrawFrom(peer, id)
  } else {
    const { record } = await addDraft(peer.context, practice(`Live ${Math.floor(draw() * 1e9)}`))
    await releaseFrom(peer, [record], node.home.member)
  }
  await node.operate("sync")
}

/** The peer reads what the node shows: its log, its deliveries. */
export async function exchange(node: RealNode, peer: Peer, history: History): Promise<void> {
  const { peers } = await sync(peer.context)
  for (const { code } of peers)
    if (code !== undefined && /fork|rollback|chain/.test(code))
      throw new Violation(`forked: ${code}`)
  const log = await logOf(peer.context.db, node.home.member)
  if (log !== null && log.range.size > 0)
    history.note(log.range.size, encodeHex(rangeRoot(log.range)))
}

/** What the peer was told by signed receipts, up to now. */
export async function noteReceipts(peer: Peer, node: string, history: History): Promise<void> {
  const rows = await peer.context.db
    .selectFrom("receipt_in")
    .innerJoin("fact", (join) =>
      join
        .onRef("fact.order_id", "=", "receipt_in.order_id")
        .onRef("fact.leaf", "=", "receipt_in.leaf"),
    )
    .innerJoin("record", (join) =>
      join
        .onRef("record.id", "=", "fact.record_id")
        .onRef("record.version", "=", "fact.version")
        .onRef("record.origin", "=", "fact.record_origin"),
    )
    .select(["receipt_in.state", "receipt_in.code", "fact.act", "record.id", "record.version"])
    .select("record.digest")
    .where("receipt_in.peer", "=", node)
    .execute()
  for (const { state, code, act, id, version, digest } of rows) {
    const name = `${id} ${version}`
    if (state === "refused") throw new Violation(`an honest delivery was refused: ${code}`)
    if (act === "release" && state === "delivered") history.delivered.set(name, digest)
    if (act === "withdraw" && state === "purged") history.purged.add(name)
  }
}
