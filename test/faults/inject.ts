import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { addDraft } from "../../node/order/drafts.ts"
import { History, Violation } from "./history.ts"
import { auditCopy, settle } from "./kill.ts"
import { introduce, type Peer, releaseFrom, startPeer, withdrawFrom } from "./peer.ts"
import { foundHome, type Home, type RealNode, Refused, signOrder, startNode } from "./real-node.ts"
import { exchange, noteReceipts, practice } from "./workload.ts"

/**
 * System calls that fail: the N-th of a kind, for N = 1, 2, 3 … until the operation gets through untouched
 * (SQLite's own method). Whatever the node says of it, nothing acknowledged is lost; after an error that
 * leaves the disk in doubt it signs nothing and says so; after a full disk it goes on by itself.
 */
export type Fault = {
  readonly calls: string
  readonly error: "EIO" | "ENOSPC"
}

export const faults: readonly Fault[] = [
  { calls: "fsync,fdatasync", error: "EIO" },
  { calls: "pwrite64", error: "EIO" },
  { calls: "pwrite64", error: "ENOSPC" },
  { calls: "write", error: "EIO" },
  { calls: "write", error: "ENOSPC" },
  { calls: "rename", error: "EIO" },
  { calls: "rename", error: "ENOSPC" },
  { calls: "openat", error: "ENOSPC" },
  { calls: "ftruncate", error: "EIO" },
  { calls: "pread64", error: "EIO" },
  { calls: "unlink", error: "EIO" },
]

type Act = (node: RealNode, peer: Peer, history: History) => Promise<void>

/** `before` is done in peace, `run` under fire. */
type Operation = {
  readonly name: string
  readonly before: (node: RealNode, peer: Peer, history: History) => Promise<Act>
}

const orderOf = async (
  node: RealNode,
  history: History,
  input: object,
  verb: "release.request" | "withdraw",
) => {
  const { order } = await node.operate<{ order: string }>(verb, input)
  history.requested.add(order)
  await signOrder(node, order)
  for (const { officer } of node.home.officers) history.signatures.add(`${order} ${officer.person}`)
  return order
}

const publishing =
  (order: string): Act =>
  async (node, _peer, history) => {
    history.unknown.add(order)
    const published = await node.operate<{ index: number; size: number }>("publish", { order })
    history.unknown.delete(order)
    history.published.set(order, published)
  }

async function releaseOrder(
  node: RealNode,
  peer: Peer,
  history: History,
): Promise<readonly [string, string]> {
  const { record } = await node.operate<{ record: string }>("draft.add", { source: practice("P") })
  history.drafts.add(record)
  const to = [peer.context.self.id]
  return [record, await orderOf(node, history, { records: [record], to }, "release.request")]
}

export const operations: readonly Operation[] = [
  {
    name: "draft",
    before: async () => async (node, _peer, history) => {
      const { record } = await node.operate<{ record: string }>("draft.add", {
        source: practice("D"),
      })
      history.drafts.add(record)
    },
  },
  {
    name: "publish",
    before: async (node, peer, history) => publishing((await releaseOrder(node, peer, history))[1]),
  },
  {
    name: "withdraw",
    before: async (node, peer, history) => {
      const [record, order] = await releaseOrder(node, peer, history)
      await publishing(order)(node, peer, history)
      return publishing(await orderOf(node, history, { record, reason: "superseded" }, "withdraw"))
    },
  },
  {
    name: "receive",
    before: async () => async (node, peer) => {
      const { record } = await addDraft(peer.context, practice("Theirs"))
      await releaseFrom(peer, [record], node.home.member)
      await received(node)
    },
  },
  {
    name: "purge",
    before: async (node, peer) => {
      const { record } = await addDraft(peer.context, practice("Theirs"))
      await releaseFrom(peer, [record], node.home.member)
      await received(node)
      return async () => {
        await withdrawFrom(peer, record)
        await received(node)
      }
    },
  },
  {
    name: "end",
    before: async (node, peer, history) => {
      await publishing((await releaseOrder(node, peer, history))[1])(node, peer, history)
      return async () => {
        await node.end("SIGTERM")
      }
    },
  },
]

/** It follows its peer anyhow; asked, it says how that went. */
async function received(node: RealNode): Promise<void> {
  const { peers } = await node.operate<{ peers: { code?: string; refused: number }[] }>("sync")
  for (const { code, refused } of peers) {
    if (refused > 0) throw new Violation("an honest delivery was refused")
    if (code !== undefined && !/^(store|signer|peer)\./.test(code)) throw new Violation(code)
  }
}

export type Injection = {
  readonly operation: string
  readonly fault: Fault
  readonly nth: number
  readonly hit: boolean
  readonly said: string
}

/** A home with its peer, for one injection after another. */
export class Range {
  readonly home: Home
  readonly peer: Peer
  readonly history = new History()

  private constructor(home: Home, peer: Peer) {
    this.home = home
    this.peer = peer
  }

  static async open(directory: string): Promise<Range> {
    const peer = await startPeer("XB")
    const home = await foundHome(join(directory, "home"), "XA")
    const node = startNode(home)
    if (!(await node.ready())) throw new Violation(node.words())
    await introduce(node, peer)
    await node.end("SIGTERM")
    return new Range(home, peer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]()
  }

  /** One injection, everything that must hold after it, and a start after that. */
  async inject(operation: Operation, fault: Fault, nth: number): Promise<Injection> {
    const { home, peer, history } = this
    const node = startNode(home)
    try {
      if (!(await node.ready())) throw new Violation(`it does not start: ${node.words()}`)
      const act = await operation.before(node, peer, history)
      const tampering = await tamper(node, fault, nth)
      let said = "done"
      try {
        await act(node, peer, history)
      } catch (cause) {
        if (!(cause instanceof Refused)) throw cause
        said = cause.code
        if (!/^(store\.(full|failed|corrupt)|signer\.stopped)$/.test(said)) throw cause
      }
      const hits = await tampering.end()
      if (operation.name !== "end") {
        const stopped = await this.#assertHonest(node, fault, hits)
        const exit = await node.end("SIGTERM")
        if (exit !== (stopped ? 1 : 0))
          throw new Violation(`it ended with ${exit}: ${node.words()}`)
        if (stopped && !node.words().includes("stopped signing"))
          throw new Violation(`no word of why: ${node.words()}`)
      }
      await auditCopy(home, history)
      await this.#resume()
      return { operation: operation.name, fault, nth, hit: hits.length > 0, said }
    } finally {
      await node.end("SIGKILL")
    }
  }

  /** What it says of itself, and that it can be read. @returns whether it has stopped signing */
  async #assertHonest(node: RealNode, fault: Fault, hits: readonly string[]): Promise<boolean> {
    const { peer, history } = this
    const stopped = (await node.health("/readyz")) === 503
    if ((await node.health("/livez")) !== 200) throw new Violation("not alive")
    // The cipher keeps to an error on the first page: then nothing is read until the next start.
    if (stopped && hits.some((line) => line.includes("pread64")) && !(await canRead(node)))
      return true
    await node.operate("inbox")
    await node.operate("log.head")
    const { checks } = await node.operate<{ checks: { check: string; ok: boolean }[] }>("doctor")
    if (checks.find(({ check }) => check === "signer")!.ok === stopped)
      throw new Violation("readyz and doctor disagree")
    const mustStop = fault.error === "EIO" && hits.some((line) => inDoubt.test(line))
    if (mustStop && !stopped) throw new Violation(`it goes on signing after ${hits.join(" | ")}`)
    if (fault.error === "ENOSPC" && stopped) throw new Violation("a full disk stopped it for good")
    if (stopped) {
      const refusal = await node.operate("draft.add", { source: practice("late") }).catch((e) => e)
      if (!(refusal instanceof Refused) || refusal.code !== "signer.stopped")
        throw new Violation(`stopped, and it still writes: ${refusal}`)
      return true
    }
    const [, order] = await releaseOrder(node, peer, history)
    await publishing(order)(node, peer, history)
    return false
  }

  /** Restarted, it does everything again, and nobody sees two histories. */
  async #resume(): Promise<void> {
    const { home, peer, history } = this
    const node = startNode(home)
    try {
      if (!(await node.ready())) throw new Violation(`it does not start again: ${node.words()}`)
      const [, order] = await releaseOrder(node, peer, history)
      await publishing(order)(node, peer, history)
      await exchange(node, peer, history)
      await settle(node, peer, history)
      await noteReceipts(peer, home.member, history)
    } finally {
      await node.end("SIGTERM")
    }
  }
}

async function canRead(node: RealNode): Promise<boolean> {
  return node.operate("inbox").then(
    () => true,
    (cause: unknown) => {
      if (cause instanceof Refused && cause.code === "store.corrupt") return false
      throw cause
    },
  )
}

/**
 * What cannot be taken back by trying again: a write, a sync or a read of the database or its mark. Not a
 * directory: SQLite takes no notice there, so the node has synced it before.
 */
const inDoubt =
  /^\d+ +(fsync|fdatasync|pwrite64|pread64)\(\d+<[^>]*(comity\.db|-wal|\.tmp|high-water)>/

type Tampering = {
  /** takes the tracer away. @returns the calls that were made to fail */
  end(): Promise<readonly string[]>
}

async function tamper(node: RealNode, { calls, error }: Fault, nth: number): Promise<Tampering> {
  const { directory } = node.home
  const output = `${directory}.injected`
  const paths = ["comity.db", "comity.db-wal", "high-water", ".high-water.tmp", ""]
  const tracer = spawn(
    "strace",
    [
      ...["-f", "-y", "-s", "8", "-p", String(node.pid()), "-o", output],
      ...paths.flatMap((path) => ["-P", join(directory, path)]),
      ...["-e", `trace=${calls}`, "-e", `inject=${calls}:error=${error}:when=${nth}`],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  )
  let words = ""
  tracer.stderr.on("data", (chunk: Buffer) => {
    words += chunk
  })
  const ended = once(tracer, "exit")
  while (!words.includes("attached")) {
    if (tracer.exitCode !== null) throw new Error(`strace: ${words}`)
    await pause(5)
  }
  return {
    end: async () => {
      tracer.kill("SIGTERM")
      await ended
      const lines = readFileSync(output, "latin1").split("\n")
      rmSync(output)
      return lines.filter((line) => line.includes("INJECTED"))
    },
  }
}

export async function injectAll(
  directory: string,
  options: {
    /** every how many-th call of a kind is made to fail */
    readonly step: number
    readonly only?: (operation: Operation, fault: Fault) => boolean
    readonly onInjection?: (injection: Injection) => void
  },
): Promise<readonly Injection[]> {
  const { step, only = () => true, onInjection = () => {} } = options
  const done: Injection[] = []
  await using range = await Range.open(directory)
  for (const operation of operations)
    for (const fault of faults.filter((one) => only(operation, one)))
      for (let nth = 1; ; nth += step) {
        const injection = await range.inject(operation, fault, nth).catch((cause: unknown) => {
          const what = `${operation.name}, ${fault.error} at ${fault.calls} number ${nth}`
          throw new Violation(what, { cause })
        })
        onInjection(injection)
        done.push(injection)
        if (!injection.hit) break
      }
  return done
}
