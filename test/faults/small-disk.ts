import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { sync } from "../../node/exchange/subscribe.ts"
import { openHome } from "../../node/home.ts"
import { closeNode } from "../../node/node.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { realEnv } from "../../node/real-env.ts"
import { metaIdentity } from "../../node/recover.ts"
import { History, Violation } from "./history.ts"
import { auditHome, settle } from "./kill.ts"
import { introduce, releaseFrom, startPeer } from "./peer.ts"
import {
  foundHome,
  type Home,
  isThere,
  type RealNode,
  Refused,
  signOrder,
  startNode,
} from "./real-node.ts"
import { exchange, noteReceipts, practice } from "./workload.ts"

/**
 * A disk that is full: a file system of a few MiB in a name space of the node's own, so that nothing is
 * mounted where others see it. Reading stays up, what needs room says so, and when there is room again
 * everything goes on without a repair or a restart.
 */
export function canMount(): boolean {
  if (!isThere("unshare")) return false
  const tried = spawnSync("unshare", ["-Urm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"])
  return tried.status === 0
}

export type SmallDiskReport = {
  /** publications and other writes that were refused for want of room */
  readonly refused: number
  readonly published: number
}

export async function smallDisk(
  directory: string,
  options: { readonly mebibytes: number },
): Promise<SmallDiskReport> {
  await using peer = await startPeer("XB")
  const template = await foundHome(join(directory, "template"), "XA")
  await forgetFile(template)
  const home = { ...template, directory: join(directory, "disk") }
  mkdirSync(home.directory)
  writeFileSync(`${home.directory}.key`, home.key, { mode: 0o600 })
  const history = new History()
  const node = startOn(home, template.directory, options.mebibytes)
  let refused = 0
  try {
    if (!(await node.ready())) throw new Violation(`it does not start: ${node.words()}`)
    await introduce(node, peer)
    const orders = await signedOrders(node, peer.context.self.id, history, 4)
    await publish(node, history, orders[0]!)
    const theirs = await addDraft(peer.context, practice("Before"))
    await releaseFrom(peer, [theirs.record], home.member)
    await node.operate("sync")

    fill(node.seenAt)
    for (const order of orders.slice(1, 3)) {
      await expectFull(publish(node, history, order))
      await expectFull(node.operate("draft.add", { source: practice("No room") }))
      refused += 2
    }
    const late = await addDraft(peer.context, practice("Late"))
    await releaseFrom(peer, [late.record], home.member)
    const { peers } = await node.operate<{ peers: { code?: string; received: number }[] }>("sync")
    if (peers[0]?.code !== "store.full" || peers[0].received !== 0)
      throw new Violation(`received without room: ${JSON.stringify(peers)}`)
    await assertReadable(node, theirs.record)
    // Peers are told to come again: a request that cannot be noted could be replayed.
    const [line] = (await sync(peer.context)).peers
    if (line?.code !== undefined && line.code !== "peer.refused") throw new Violation(line.code)

    rmSync(join(node.seenAt, "filler"))
    for (const order of orders.slice(1)) await publish(node, history, order)
    await exchange(node, peer, history)
    await settle(node, peer, history)
    await noteReceipts(peer, home.member, history)
    if (!history.delivered.has(`${late.record} 1`)) throw new Violation("what came late is missing")
    await auditSeen(node, join(directory, "seen"), history)

    await endAndStartFull(node, home, history)
    return { refused, published: history.published.size }
  } finally {
    await node.end("SIGKILL")
  }
}

/** Its last words while the disk is full, and none of them a crash. */
async function endAndStartFull(node: RealNode, home: Home, history: History): Promise<void> {
  fill(node.seenAt)
  const kept = `${home.directory}.kept`
  const exit = await endKeeping(node, kept)
  if (exit !== 0) throw new Violation(`it ended with ${exit}: ${node.words()}`)
  await auditHome(kept, home.key, history)
}

/** The file system goes with the node: its files are taken out while it still runs. */
async function endKeeping(node: RealNode, kept: string): Promise<number | null> {
  cpSync(node.seenAt, kept, { recursive: true, filter: (path) => !/\.sock$|filler$/.test(path) })
  return node.end("SIGTERM")
}

/** The copy on the small disk will be the one that signs. */
async function forgetFile(home: Home): Promise<void> {
  const env = realEnv({ home: home.directory })
  const context = await openHome(env, home.key)
  await context.db.deleteFrom("meta").where("name", "=", metaIdentity).execute()
  await closeNode(context)
  env.close()
}

function startOn(home: Home, template: string, mebibytes: number): RealNode {
  const script = `mount -t tmpfs -o size=${mebibytes}m tmpfs "$0" && cp -a "$1/." "$0/" && chmod 700 "$0" && shift && exec "$@"`
  return startNode(home, {
    through: ["unshare", "-Urm", "sh", "-c", script, home.directory, template],
    seenAt: (pid) => `/proc/${pid}/root${home.directory}`,
  })
}

async function signedOrders(
  node: RealNode,
  to: string,
  history: History,
  count: number,
): Promise<readonly string[]> {
  const orders: string[] = []
  for (let i = 0; i < count; i++) {
    const { record } = await node.operate<{ record: string }>("draft.add", {
      source: practice(`P ${i}`),
    })
    history.drafts.add(record)
    const { order } = await node.operate<{ order: string }>("release.request", {
      records: [record],
      to: [to],
    })
    history.requested.add(order)
    await signOrder(node, order)
    orders.push(order)
  }
  return orders
}

async function publish(node: RealNode, history: History, order: string): Promise<void> {
  const published = await node.operate<{ index: number; size: number }>("publish", { order })
  history.published.set(order, published)
}

async function expectFull(asked: Promise<unknown>): Promise<void> {
  const refusal = await asked.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(refusal instanceof Refused) || refusal.code !== "store.full")
    throw new Violation(`not refused for want of room: ${refusal}`)
}

async function assertReadable(node: RealNode, record: string): Promise<void> {
  if ((await node.health("/readyz")) !== 200) throw new Violation("a full disk is no failure")
  await node.operate("inbox")
  await node.operate("search", { query: "practice" })
  await node.operate("order.list")
  const { provenance } = await node.operate<{ provenance: { ok: boolean }[] }>("show", { record })
  if (!provenance.every(({ ok }) => ok)) throw new Violation("a record does not verify")
  const { checks } = await node.operate<{ checks: { check: string; ok: boolean }[] }>("doctor")
  if (checks.some(({ check, ok }) => !ok && /^(database|log|signer)$/.test(check)))
    throw new Violation("doctor finds damage on a full disk")
}

/** To the last byte: first in large pieces, then in ever smaller ones. */
function fill(directory: string): void {
  for (const size of [65_536, 4096, 512, 1])
    for (;;)
      try {
        writeFileSync(join(directory, "filler"), Buffer.alloc(size, 1), { flag: "a" })
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== "ENOSPC") throw cause
        break
      }
}

async function auditSeen(node: RealNode, copy: string, history: History): Promise<void> {
  rmSync(copy, { recursive: true, force: true })
  cpSync(node.seenAt, copy, { recursive: true, filter: (path) => !/\.sock$/.test(path) })
  await auditHome(copy, node.home.key, history)
}
