import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { NodeError } from "../../node/errors.ts"
import { openHome, readOfficerKey } from "../../node/home.ts"
import { closeNode } from "../../node/node.ts"
import { decodeBase64, decodeBase64url, decodeUtf8, encodeHex } from "../../protocol/encoding.ts"
import { DiskModel, type Loss, losses, materialise } from "./disk-model.ts"
import { audit, History, Violation } from "./history.ts"
import { auditHome, settle, standIn } from "./kill.ts"
import { introduce, type Peer, startPeer } from "./peer.ts"
import { foundHome, type Home, startNode } from "./real-node.ts"
import { type Event, readTrace, tracing } from "./trace.ts"
import { drawsFrom, exchange, noteReceipts, releaseOne, work } from "./workload.ts"

/**
 * Power cuts, replayed: what a working node wrote is recorded once, and the states that a cut could have
 * left on the disk are made from the record. Each must hold what had been promised up to that moment,
 * where a promise is what went out through a socket: answers, frames, receipts.
 */
export type Recording = {
  readonly home: Home
  readonly events: readonly Event[]
  /** leaf of a grant to the node → `record version` and digest: what its receipts speak of */
  readonly grants: ReadonlyMap<string, { readonly name: string; readonly digest: string }>
  readonly before: ReadonlyMap<string, Uint8Array>
}

/** A few seconds of work, a kill in the midst, a start after it, and a clean end. */
export async function record(directory: string, seed: number, ms = 4000): Promise<Recording> {
  await using peer = await startPeer("XB")
  const home = await foundHome(join(directory, "home"), "XA")
  const before = filesUnder(home.directory)
  const history = new History()
  const draw = drawsFrom(seed)
  const traces = ["first", "second"].map((name) => join(directory, `${name}.trace`))
  for (const [i, trace] of traces.entries()) {
    const node = startNode(home, { through: tracing(trace) })
    if (!(await node.ready())) throw new Violation(`it does not start: ${node.words()}`)
    if (i === 0) await introduce(node, peer)
    const stop = new AbortController()
    const working = Promise.all([
      work(node, peer, history, draw, stop.signal),
      work(node, peer, history, draw, stop.signal),
    ])
    await pause(ms)
    if (i === 0) {
      await node.end("SIGKILL")
      stop.abort()
      await working
      continue
    }
    stop.abort()
    await working
    await releaseOne(node, history, peer.context.self.id.slice(0, 16), draw)
    await exchange(node, peer, history)
    await settle(node, peer, history)
    await node.end("SIGTERM")
  }
  await noteReceipts(peer, home.member, history)
  const events = (await Promise.all(traces.map((path) => readTrace(path, home.directory)))).flat()
  for (const trace of traces) rmSync(trace)
  return { home, events, grants: await grantsTo(peer, home.member), before }
}

function filesUnder(directory: string): ReadonlyMap<string, Uint8Array> {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  return new Map(paths.map((path) => [path, new Uint8Array(readFileSync(path))]))
}

async function grantsTo({ context }: Peer, recipient: string): Promise<Recording["grants"]> {
  const rows = await context.db
    .selectFrom("fact")
    .innerJoin("record", (join) =>
      join
        .onRef("record.id", "=", "fact.record_id")
        .onRef("record.version", "=", "fact.version")
        .onRef("record.origin", "=", "fact.record_origin"),
    )
    .select(["fact.leaf", "fact.act", "record.id", "record.version", "record.digest"])
    .where("fact.recipient", "=", recipient)
    .execute()
  return new Map(
    rows.map(({ leaf, id, version, digest }) => [leaf, { name: `${id} ${version}`, digest }]),
  )
}

export type PowerCutReport = {
  readonly points: number
  readonly events: number
  readonly byLoss: Readonly<Record<Loss, number>>
  readonly promises: number
}

export async function powerCuts(
  { home, events, grants, before }: Recording,
  directory: string,
  options: {
    readonly points: number
    readonly seed: number
    readonly onProgress?: (points: number) => void
  },
): Promise<PowerCutReport> {
  const draw = drawsFrom(options.seed)
  const cuts = Array.from({ length: options.points }, () => Math.floor(draw() * events.length))
  cuts.sort((a, b) => a - b)
  const model = new DiskModel(before)
  const history = new History()
  const byLoss = { none: 0, prefix: 0, subset: 0, torn: 0 }
  const state = join(directory, "state")
  let [at, points] = [0, 0]
  for (const cut of cuts) {
    for (; at <= cut; at++) {
      const event = events[at]!
      if (event.kind === "sent") hear(event.text, history, grants, home.member)
      else model.take(event)
    }
    const loss = losses[Math.floor(draw() * losses.length)]!
    byLoss[loss]++
    materialise(model.after(loss, draw), home.directory, state)
    await auditHome(state, home.key, history).catch((cause: unknown) => {
      throw new Violation(`seed ${options.seed}, cut after event ${cut}, ${loss}`, { cause })
    })
    if (++points % 1000 === 0) options.onProgress?.(points)
  }
  const promises = history.published.size + history.drafts.size + history.signatures.size
  return { points, events: events.length, byLoss, promises: promises + history.delivered.size }
}

/**
 * The same for the founding of a member, database and migration included: what is left is a member with
 * all its keys, or none, and a home that says so.
 */
export async function foundingCuts(
  directory: string,
  options: { readonly points: number; readonly seed: number },
): Promise<{ readonly whole: number; readonly none: number }> {
  const home: Home = {
    directory: join(directory, "founded"),
    key: new Uint8Array(32).fill(7),
    url: "http://127.0.0.1:1",
    member: "",
    officers: [],
  }
  writeFileSync(`${home.directory}.key`, home.key, { mode: 0o600 })
  const trace = join(directory, "founding.trace")
  const named = ["--state", "XA", "--name", "Authority XA", "--network", "exercise:faults"]
  const founding = startNode(home, { through: tracing(trace), args: ["init", ...named] })
  if ((await founding.ended()) !== 0) throw new Violation(founding.words())
  const events = await readTrace(trace, home.directory)
  const whole = namesUnder(home.directory)
  const draw = drawsFrom(options.seed)
  const cuts = Array.from({ length: options.points - 1 }, () =>
    Math.floor(draw() * (events.length + 1)),
  )
  cuts.push(events.length)
  cuts.sort((a, b) => a - b)
  const model = new DiskModel(new Map())
  const state = join(directory, "state")
  const found = { whole: 0, none: 0 }
  let at = 0
  for (const cut of cuts) {
    for (; at < cut; at++) if (events[at]!.kind !== "sent") model.take(events[at]!)
    const loss = losses[Math.floor(draw() * losses.length)]!
    materialise(model.after(loss, draw), home.directory, state)
    const isWhole = await auditFounding(state, home, whole).catch((cause: unknown) => {
      throw new Violation(`founding, seed ${options.seed}, cut after ${cut}, ${loss}`, { cause })
    })
    if (isWhole) found.whole++
    else found.none++
  }
  return found
}

function namesUnder(directory: string): readonly string[] {
  return [...filesUnder(directory).keys()].map((path) => relative(directory, path))
}

async function auditFounding(
  directory: string,
  home: Home,
  files: readonly string[],
): Promise<boolean> {
  let env: ReturnType<typeof standIn> | undefined
  try {
    env = standIn(directory)
    const context = await openHome(env, home.key)
    await audit(context, new History())
    const left = namesUnder(directory)
    const missing = files.filter((name) => !/^lease/.test(name) && !left.includes(name))
    if (missing.length > 0) throw new Violation(`a member without ${missing.join(", ")}`)
    for (const person of ["p1", "p2"]) await readOfficerKey(env.files, person, home.key)
    await closeNode(context)
    return true
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code !== "home.missing") throw cause
    return false
  } finally {
    env?.close()
  }
}

/** Keeps what somebody was told by these bytes. */
function hear(text: string, history: History, grants: Recording["grants"], member: string): void {
  const published = /"order":"([0-9a-f]{32})","index":(\d+),"size":(\d+)/.exec(text)
  if (published !== null)
    history.published.set(published[1]!, {
      index: Number(published[2]),
      size: Number(published[3]),
    })
  const draft = /\r\n\r\n\{"record":"([0-9a-f]{32})","version":\d+,"title"/.exec(text)
  if (draft !== null) history.drafts.add(draft[1]!)
  const requested = /\r\n\r\n\{"order":"([0-9a-f]{32})","orders":/.exec(text)
  if (requested !== null) history.requested.add(requested[1]!)
  const signed = /\r\n\r\n\{"order":"([0-9a-f]{32})","act":.*"signatures":\[(.*?)\]/.exec(text)
  for (const [, person] of signed?.[2]?.matchAll(/"person":"(\w+)"/g) ?? [])
    history.signatures.add(`${signed![1]} ${person}`)
  const heads = text.matchAll(
    new RegExp(`comity/[a-z:]+/${member}/1\\n(\\d+)\\n([A-Za-z0-9+/=]{44})\\n`, "g"),
  )
  for (const [, size, root] of heads) history.note(Number(size), encodeHex(decodeBase64(root!)))
  hearReceipts(text, history, grants)
}

function hearReceipts(text: string, history: History, grants: Recording["grants"]): void {
  for (const [, encoded] of text.matchAll(/\{"payload":"([A-Za-z0-9_-]+)","signatures":/g)) {
    const payload = JSON.parse(decodeUtf8(decodeBase64url(encoded!)))
    if (payload.type !== "comity/receipts/v1") continue
    for (const { leaf, state } of payload.items as { leaf: string; state: string }[]) {
      const grant = grants.get(leaf)
      if (grant === undefined) throw new Violation("a receipt for nothing")
      if (state === "delivered") history.delivered.set(grant.name, grant.digest)
      if (state === "purged") history.purged.add(grant.name)
    }
  }
}
