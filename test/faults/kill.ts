import { cpSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { diskFiles } from "../../node/files.ts"
import { openHome, readConfig } from "../../node/home.ts"
import { closeNode } from "../../node/node.ts"
import type { inbox } from "../../node/reading/records.ts"
import { realEnv } from "../../node/real-env.ts"
import { audit, History, Violation } from "./history.ts"
import { introduce, type Peer, startPeer } from "./peer.ts"
import { foundHome, type Home, type RealNode, startNode } from "./real-node.ts"
import { type Draw, drawsFrom, exchange, noteReceipts, work } from "./workload.ts"

/**
 * kill −9 at random moments: while the node starts, while it publishes, receives, withdraws. After each,
 * a copy of the home as the killed process left it is audited, and the node itself goes on.
 */
export type KillReport = {
  readonly kills: number
  readonly acknowledged: number
  readonly unknownDone: number
  readonly unknownNotDone: number
  /** milliseconds from start to service after a kill */
  readonly slowestStart: number
}

const killsPerHome = 50

export async function killLoop(
  directory: string,
  options: {
    readonly kills: number
    readonly seed: number
    readonly onProgress?: (n: number) => void
  },
): Promise<KillReport> {
  const report = { kills: 0, acknowledged: 0, unknownDone: 0, unknownNotDone: 0, slowestStart: 0 }
  const draw = drawsFrom(options.seed)
  for (let number = 0; report.kills < options.kills; number++) {
    const count = Math.min(killsPerHome, options.kills - report.kills)
    await killHome(join(directory, `home-${number}`), count, draw, report)
    options.onProgress?.(report.kills)
  }
  return report
}

async function killHome(
  directory: string,
  count: number,
  draw: Draw,
  report: { -readonly [K in keyof KillReport]: KillReport[K] },
): Promise<void> {
  await using peer = await startPeer("XB")
  const home = await foundHome(directory, "XA")
  const history = new History()
  let node = startNode(home)
  try {
    if (!(await node.ready())) throw new Violation(`it does not start: ${node.words()}`)
    await introduce(node, peer)
    for (let i = 0; i < count; i++) {
      const stop = new AbortController()
      // Two at once: publications that wait together share a commit.
      const working = Promise.all([
        work(node, peer, history, draw, stop.signal),
        work(node, peer, history, draw, stop.signal),
      ])
      // After some promises, and then at any moment: fast machines and slow ones are hit alike.
      await promises(history, history.size + 1 + Math.floor(12 * draw()), node)
      await pause(40 * draw())
      await node.end("SIGKILL")
      stop.abort()
      await working
      report.kills++
      await noteReceipts(peer, home.member, history)
      await auditCopy(home, history, (id) => {
        if (id) report.unknownDone++
        else report.unknownNotDone++
      })
      // One in five dies while it starts.
      if (draw() < 0.2) {
        node = startNode(home)
        await pause(300 * draw())
        await node.end("SIGKILL")
        report.kills++
        i++
        await auditCopy(home, history)
      }
      const began = performance.now()
      node = startNode(home)
      if (!(await node.ready())) throw new Violation(`it does not start again: ${node.words()}`)
      report.slowestStart = Math.max(report.slowestStart, performance.now() - began)
    }
    await settle(node, peer, history)
    report.acknowledged += history.size + history.delivered.size
  } finally {
    await node.end("SIGKILL")
  }
  rmSync(directory, { recursive: true, force: true })
}

async function promises(history: History, wanted: number, { process }: RealNode): Promise<void> {
  while (history.size < wanted && process.exitCode === null) await pause(1)
}

/** As the process left it: the copy is recovered and looked at, the original stays untouched. */
export async function auditCopy(
  home: Home,
  history: History,
  onUnknown: (isDone: boolean) => void = () => {},
): Promise<void> {
  const copy = `${home.directory}.copy`
  rmSync(copy, { recursive: true, force: true })
  cpSync(home.directory, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") })
  await auditHome(copy, home.key, history, onUnknown)
}

/** For a copy that is looked at in place of the original: as a copy it would sign nothing. */
export function standIn(directory: string): ReturnType<typeof realEnv> {
  const files = { ...diskFiles(directory), identity: () => null }
  const { cipher } = readConfig(files)
  return { ...realEnv({ home: directory, cipher }), files }
}

export async function auditHome(
  directory: string,
  key: Uint8Array,
  history: History,
  onUnknown: (isDone: boolean) => void = () => {},
): Promise<void> {
  const env = standIn(directory)
  try {
    const context = await openHome(env, key)
    await audit(context, history)
    for (const order of history.unknown) {
      const { state } = await context.db
        .selectFrom("release_order")
        .select("state")
        .where("id", "=", order)
        .executeTakeFirstOrThrow()
      onUnknown(state === "logged")
      history.unknown.delete(order)
    }
    await closeNode(context)
  } finally {
    env.close()
  }
}

/** When the faults are over: each holds exactly what the other released and did not take back. */
export async function settle(node: RealNode, peer: Peer, history: History): Promise<void> {
  await exchange(node, peer, history)
  await node.operate("sync")
  await exchange(node, peer, history)
  await noteReceipts(peer, node.home.member, history)
  const theirs = await liveRecords(peer, node.home.member)
  const { records } = await node.operate<Awaited<ReturnType<typeof inbox>>>("inbox")
  const held = records.filter(({ withdrawn }) => !withdrawn).map(({ record }) => record)
  assertSame("what the node received", held, theirs)
  const own = await node.operate<{ checks: { check: string; ok: boolean; text: string }[] }>(
    "doctor",
  )
  const wrong = own.checks.find(({ check, ok }) => !ok && check !== "root keys")
  if (wrong !== undefined) throw new Violation(`${wrong.check}: ${wrong.text}`)
}

/** Records that this peer released to the member and did not withdraw. */
async function liveRecords({ context }: Peer, recipient: string): Promise<readonly string[]> {
  const facts = await context.db
    .selectFrom("fact")
    .select(["record_id", "act"])
    .where("order_origin", "=", context.self.id)
    .where("recipient", "=", recipient)
    .execute()
  const withdrawn = new Set(
    facts.filter(({ act }) => act === "withdraw").map((row) => row.record_id),
  )
  return facts
    .filter(({ act, record_id }) => act === "release" && !withdrawn.has(record_id))
    .map(({ record_id }) => record_id)
}

function assertSame(what: string, found: readonly string[], expected: readonly string[]): void {
  const [a, b] = [found.toSorted(), expected.toSorted()]
  if (a.join() !== b.join())
    throw new Violation(`${what}: ${a.length} records, and not the ${b.length} that are live`)
}
