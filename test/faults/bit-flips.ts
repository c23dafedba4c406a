import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { identityOf, listPeers } from "../../node/authority/peers.ts"
import type { Context } from "../../node/context.ts"
import { doctor } from "../../node/doctor.ts"
import { PeerUnreachable } from "../../node/env.ts"
import { NodeError } from "../../node/errors.ts"
import { feedFrames } from "../../node/exchange/deliver.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { receive } from "../../node/exchange/receive.ts"
import { openHome, readOfficerKey } from "../../node/home.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { logHead } from "../../node/log/log.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { closeNode, createNode } from "../../node/node.ts"
import { listDrafts, showDraft } from "../../node/order/drafts.ts"
import { listOrders, showOrder } from "../../node/order/orders.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { realEnv } from "../../node/real-env.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { framesHeader, readFrames } from "../../protocol/exchange/frames.ts"
import { History, Violation } from "./history.ts"
import { introduce, type Peer, startPeer } from "./peer.ts"
import { foundHome, type Home, startNode } from "./real-node.ts"
import {
  type Draw,
  drawsFrom,
  exchange,
  feedIt,
  practice,
  releaseOne,
  withdrawOne,
} from "./workload.ts"

/**
 * One flipped bit at a time, anywhere in a home at rest. Whatever is read afterwards is what it was, or a
 * refusal with a code; never anything else, to its own people or to a peer.
 */
export type FlipReport = {
  readonly flips: number
  /** the node refused to open */
  readonly atOpening: number
  /** a read, or doctor, refused */
  readonly atReading: number
  readonly harmless: number
  /** a journal that ends early: what came after is gone, and the log's own part of it is noticed */
  readonly shortened: number
}

type Files = { readonly home: Home; readonly directory: string }
type Look = {
  readonly readings: ReadonlyMap<string, string>
  readonly refusals: ReadonlySet<string>
  readonly isOpen: boolean
}

/** A member with a history, closed in good order, and the same with its journal still to be read. */
export type Subject = {
  readonly closed: Files
  readonly killed: Files
  /** the peer as it was before it had read anything */
  readonly peerImage: Uint8Array
  readonly peer: Peer
  [Symbol.asyncDispose](): Promise<void>
}

export async function makeSubject(directory: string, seed: number): Promise<Subject> {
  const peer = await startPeer("XB")
  const home = await foundHome(join(directory, "home"), "XA")
  const draw = drawsFrom(seed)
  const history = new History()
  let node = startNode(home)
  try {
    if (!(await node.ready())) throw new Violation(node.words())
    await introduce(node, peer)
    const peerImage = imageOf(peer)
    const to = peer.context.self.id.slice(0, 16)
    const records: string[] = []
    for (let i = 0; i < 6; i++) records.push(await releaseOne(node, history, to, draw))
    await withdrawOne(node, history, records[0]!)
    for (let i = 0; i < 6; i++) await feedIt(peer, node, draw)
    await exchange(node, peer, history)
    await node.end("SIGTERM")
    const closed = copyOf(home, join(directory, "closed"))
    node = startNode(home)
    if (!(await node.ready())) throw new Violation(node.words())
    for (let i = 0; i < 3; i++) await releaseOne(node, history, to, draw)
    for (let i = 0; i < 3; i++) await node.operate("draft.add", { source: practice(`Last ${i}`) })
    await node.end("SIGKILL")
    const killed = copyOf(home, join(directory, "killed"))
    return {
      closed,
      killed,
      peerImage,
      peer,
      [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
    }
  } finally {
    await node.end("SIGKILL")
  }
}

function imageOf({ context }: Peer): Uint8Array {
  return new Uint8Array(context.env.openDatabase(new Uint8Array(32)).serialize())
}

function copyOf(home: Home, directory: string): Files {
  rmSync(directory, { recursive: true, force: true })
  cpSync(home.directory, directory, { recursive: true, filter: (path) => !/\.sock$/.test(path) })
  return { home, directory }
}

export async function flipBits(
  subject: Subject,
  directory: string,
  options: { readonly flips: number; readonly seed: number },
): Promise<FlipReport> {
  const draw = drawsFrom(options.seed)
  const report = { flips: 0, atOpening: 0, atReading: 0, harmless: 0, shortened: 0 }
  const baselines = new Map<Files, Look>()
  for (const files of [subject.closed, subject.killed]) {
    const state = copyOf({ ...files.home, directory: files.directory }, join(directory, "state"))
    baselines.set(files, await read(state, subject))
  }
  for (; report.flips < options.flips; report.flips++) {
    const files = draw() < 0.8 ? subject.closed : subject.killed
    const state = copyOf({ ...files.home, directory: files.directory }, join(directory, "state"))
    const where = flip(state.directory, draw)
    const { readings, refusals, isOpen } = await read(state, subject).catch((cause: unknown) => {
      throw new Violation(`seed ${options.seed}, ${where}`, { cause })
    })
    const baseline = baselines.get(files)!
    const changed = [...readings].filter(([name, value]) => baseline.readings.get(name) !== value)
    const refused = [...refusals].filter((name) => !baseline.refusals.has(name))
    const missing = [...baseline.readings.keys()].filter((name) => !readings.has(name))
    if (!isOpen) report.atOpening++
    else if (/-wal/.test(where) && refused.length === 0 && changed.length > 0) report.shortened++
    else if (changed.length > 0 && refused.length === 0)
      throw new Violation(`${where} changes what is read: ${described(changed, baseline)}`)
    else if (refused.length > 0) report.atReading++
    else if (missing.length > 0) throw new Violation(`${where} takes away ${missing.join(", ")}`)
    else report.harmless++
  }
  return report
}

function described(changed: readonly [string, string][], { readings }: Look): string {
  return changed
    .map(
      ([name, value]) => `${name}: ${readings.get(name)?.slice(0, 200)} → ${value.slice(0, 200)}`,
    )
    .join("\n")
}

function flip(directory: string, draw: Draw): string {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).length > 0)
  // The database is nearly all of it, and the small files matter as much.
  const large = paths.filter((path) => /comity\.db/.test(path))
  const chosen = draw() < 0.75 ? large : paths
  const path = chosen[Math.floor(draw() * chosen.length)]!
  const bytes = readFileSync(path)
  const bit = Math.floor(draw() * bytes.length * 8)
  bytes[bit >> 3]! ^= 1 << (bit & 7)
  writeFileSync(path, bytes)
  return `bit ${bit} of ${path.slice(directory.length + 1)}`
}

/** Everything that anyone can read of it. A refusal without a code is a fault. */
async function read({ home, directory }: Files, subject: Subject): Promise<Look> {
  const readings = new Map<string, string>()
  const refusals = new Set<string>()
  const env = realEnv({ home: directory })
  let context: Context | undefined
  const look = async (name: string, reading: () => Promise<unknown>): Promise<void> => {
    try {
      readings.set(name, JSON.stringify(await reading()))
    } catch (cause) {
      assertCoded(cause)
      refusals.add(name)
    }
  }
  try {
    for (const { officer } of home.officers)
      await look(`officer ${officer.person}`, async () =>
        encodeHex((await readOfficerKey(env.files, officer.person, home.key)).seed),
      )
    try {
      context = await openHome(env, home.key)
    } catch (cause) {
      assertCoded(cause)
      return { readings, refusals, isOpen: false }
    }
    const open = context
    await look("identity", async () => identityOf(open.self))
    await look("peers", () => listPeers(open))
    await look("head", async () => {
      const { origin, size, root } = await logHead(open)
      return { origin, size, root }
    })
    await look("drafts", () => listDrafts(open))
    await look("orders", () => listOrders(open))
    await look("inbox", () => inbox(open))
    await look("search", async () => (await search(open, "practice")).records)
    for (const { record } of await listOf(listDrafts(open))) {
      await look(`draft ${record}`, () => showDraft(open, record))
      await look(`receipts ${record}`, () => receiptsOf(open, record))
      await look(`record ${record}`, () => show(open, record))
    }
    for (const { order } of await listOf(listOrders(open).then(({ orders }) => orders)))
      await look(`order ${order}`, () => showOrder(open, order))
    for (const { record } of await listOf(inbox(open).then(({ records }) => records))) {
      await look(`record ${record}`, () => show(open, record))
      await look(
        `evidence ${record}`,
        async () => (await exportEvidence(open, record, {})).file.length,
      )
    }
    await look("feed", () => received(open, subject))
    const { checks } = await doctor(open).catch((cause: unknown) => {
      assertCoded(cause)
      return { checks: [{ check: "doctor", ok: false }] }
    })
    for (const { check, ok } of checks)
      if (!ok && /^(doctor|database|log)$/.test(check)) refusals.add(`doctor: ${check}`)
    return { readings, refusals, isOpen: true }
  } finally {
    if (context !== undefined) await closeNode(context)
    env.close()
  }
}

async function listOf<T>(asked: Promise<readonly T[]>): Promise<readonly T[]> {
  return asked.catch(() => [])
}

function assertCoded(cause: unknown): void {
  const isCoded =
    cause instanceof NodeError || cause instanceof ProtocolError || cause instanceof PeerUnreachable
  if (!isCoded) throw cause
}

/** What a peer that has nothing yet holds after reading its feed. */
async function received(context: Context, { peer, peerImage }: Subject): Promise<unknown> {
  const database = memoryDatabase(peerImage)
  const env = { ...peer.context.env, files: memoryFiles(), openDatabase: () => database }
  const reader = await createNode(env, peer.context.keys)
  async function* body() {
    yield framesHeader()
    const nothing = { feed: null, after: 0, epoch: 1, size: 0, pending: null }
    yield* feedFrames(context, reader.self.id, nothing)
  }
  const counts = await receive(reader, context.self.id, readFrames(body()), () => {
    throw new PeerUnreachable("nothing is fetched here")
  })
  const { records } = await inbox(reader)
  const shown = []
  // What came within one millisecond and what did not is chance: by their ids they stand as always.
  for (const { record, withdrawn } of records.toSorted((a, b) => (a.record < b.record ? -1 : 1)))
    shown.push(withdrawn ? record : (await show(reader, record)).content)
  await closeNode(reader)
  return { counts, shown }
}
