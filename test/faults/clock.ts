import { existsSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { sync } from "../../node/exchange/subscribe.ts"
import { signRequest } from "../../node/http/message-signature.ts"
import { nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { History, Violation } from "./history.ts"
import { auditCopy, settle } from "./kill.ts"
import { introduce, type Peer, startPeer } from "./peer.ts"
import { foundHome, type Home, type RealNode, Refused, signOrder, startNode } from "./real-node.ts"
import { drawsFrom, exchange, feedIt, noteReceipts, practice, releaseOne } from "./workload.ts"

/**
 * A clock that is wrong, in a node that runs: ahead, behind, stepped back, frozen, ten times as fast. What
 * the node takes and refuses may be less than it would be, never more; it does not fall over, and when the
 * clock is right again it goes on.
 */
const fakers = "/usr/lib"

export function faketimeLibrary(): string | null {
  if (!existsSync(fakers)) return null
  for (const machine of readdirSync(fakers)) {
    const path = join(fakers, machine, "faketime", "libfaketime.so.1")
    if (existsSync(path)) return path
  }
  return null
}

export type Time = { readonly name: string; readonly offsetMs: number; readonly setting: string }

const hour = 3_600_000
const at = (name: string, hours: number): Time => ({
  name,
  offsetMs: hours * hour,
  setting: `${hours < 0 ? "-" : "+"}${Math.abs(hours)}h`,
})

export const times: readonly Time[] = [
  at("72 hours ahead", 72),
  at("72 hours behind", -72),
  at("stepped back by an hour", -1),
  at("20 days ahead", 480),
  { name: "frozen", offsetMs: 0, setting: "frozen" },
  { name: "ten times as fast", offsetMs: 0, setting: "+0 x10" },
]

export type ClockReport = {
  readonly time: string
  readonly published: boolean
  readonly said: string
}

export async function wrongClocks(
  directory: string,
  options: { readonly times?: readonly Time[] } = {},
): Promise<readonly ClockReport[]> {
  const reports: ClockReport[] = []
  for (const [i, time] of (options.times ?? times).entries())
    reports.push(await wrongClock(join(directory, `clock-${i}`), time))
  return reports
}

async function wrongClock(directory: string, time: Time): Promise<ClockReport> {
  await using peer = await startPeer("XB")
  const home = await foundHome(join(directory, "home"), "XA")
  const history = new History()
  const file = join(directory, "clock")
  set(file, "+0")
  const node = startNode(home, {
    environment: {
      LD_PRELOAD: faketimeLibrary()!,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
  })
  try {
    if (!(await node.ready())) throw new Violation(`it does not start: ${node.words()}`)
    await introduce(node, peer)
    const report = await under(time, file, node, peer, history)
    await settle(node, peer, history)
    await noteReceipts(peer, home.member, history)
    await node.end("SIGTERM")
    await auditCopy(home, history)
    return report
  } finally {
    await node.end("SIGKILL")
  }
}

async function under(
  time: Time,
  file: string,
  node: RealNode,
  peer: Peer,
  history: History,
): Promise<ClockReport> {
  const draw = drawsFrom(1)
  const to = peer.context.self.id.slice(0, 16)
  await releaseOne(node, history, to, draw)
  await feedIt(peer, node, draw)
  await exchange(node, peer, history)
  const taken = await requestFrom(peer, node.home, 0)
  expectAnswer(await taken(), 200, `${time.name}: a request in time`)
  expectAnswer(await taken(), 404, `${time.name}: sent again at once`)

  const waiting = await signedOrder(node, to)

  set(file, time.setting === "frozen" ? stamp(new Date()) : time.setting)
  await expectPublication(node, waiting, time)
  let said = "published"
  try {
    await releaseOne(node, history, to, draw)
  } catch (cause) {
    if (!(cause instanceof Refused)) throw cause
    said = cause.code
  }
  const { peers } = await node.operate<{ peers: { code?: string; refused: number }[] }>("sync")
  if (peers.some(({ refused }) => refused > 0)) throw new Violation("it refused what is honest")
  const synced = await sync(peer.context)
  const isFar = Math.abs(time.offsetMs) > hour / 4
  if (
    isFar &&
    synced.peers[0]?.code !== "peer.refused" &&
    synced.peers[0]?.code !== "http.signature"
  )
    throw new Violation(`${time.name}: a request of another time was answered`)
  expectAnswer(await taken(), 404, `${time.name}: a replay`)
  // Of whoever shares the wrong clock a request is in time, and nothing is learnt by taking it.
  const shared = await requestFrom(peer, node.home, time.offsetMs)
  // Before the day from which its KEM key counts, that is what it is told.
  const isEarly = time.offsetMs < 0
  const answered = isFar ? await shared() : 200
  if (answered !== 200 && !(isEarly && answered === 400))
    throw new Violation(`${time.name}: in time by that clock is answered ${answered}`)
  if ((await node.health("/livez")) !== 200) throw new Violation("not alive")
  const { checks } = await node.operate<{ checks: { check: string; ok: boolean }[] }>("doctor")
  if (checks.some(({ check, ok }) => !ok && /^(database|log|signer)$/.test(check)))
    throw new Violation(`${time.name}: doctor finds damage`)

  set(file, "+0")
  expectAnswer(await taken(), 404, `${time.name}: a replay once the clock is right`)
  if (isFar) expectAnswer(await shared(), 404, `${time.name}: a request of the other time`)
  // What it had forgotten under the other clock it must not take for new: five minutes at most.
  for (let i = 0; ; i++) {
    const { peers: lines } = await sync(peer.context)
    if (lines[0]?.code === undefined) break
    if (i > 60) throw new Violation(`${time.name}: it does not go on: ${lines[0]?.code}`)
    await pause(5000)
  }
  await feedIt(peer, node, draw)
  await releaseOne(node, history, to, draw)
  return { time: time.name, published: said === "published", said }
}

/** Officers had until a day that this clock may have passed: nothing else is decided by it. */
async function expectPublication(node: RealNode, order: string, time: Time): Promise<void> {
  const isLate = time.offsetMs > 14 * 24 * hour
  const outcome = await node.operate("publish", { order }).then(
    () => "published",
    (cause: unknown) => (cause instanceof Refused ? cause.code : String(cause)),
  )
  if (outcome !== (isLate ? "order.expired" : "published"))
    throw new Violation(`${time.name}: an order of today is ${outcome}`)
}

async function signedOrder(node: RealNode, to: string): Promise<string> {
  const { record } = await node.operate<{ record: string }>("draft.add", {
    source: practice("Waiting"),
  })
  const input = { records: [record], to: [to] }
  const { order } = await node.operate<{ order: string }>("release.request", input)
  await signOrder(node, order)
  return order
}

function set(file: string, setting: string): void {
  writeFileSync(file, `${setting}\n`)
}

/** Without `@` in front libfaketime stands still there. */
function stamp(date: Date): string {
  const pad = (value: number) => String(value).padStart(2, "0")
  const day = [date.getFullYear(), pad(date.getMonth() + 1), pad(date.getDate())].join("-")
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":")}`
}

/** A poll of the peer's, signed at a time `offsetMs` from now, to be sent as often as one likes. */
async function requestFrom(
  peer: Peer,
  home: Home,
  offsetMs: number,
): Promise<() => Promise<number>> {
  const { env, keys, self } = peer.context
  const url = new URL("/feed?after=0&size=0", home.url)
  const headers = new Headers()
  const body = new Uint8Array(0)
  await signRequest(
    { method: "GET", url, headers, body },
    {
      from: self.id,
      to: home.member,
      keyid: nodeKid(keys),
      sign: nodeSigner(keys),
      created: Math.floor((env.clock.now() + offsetMs) / 1000),
      nonce: encodeHex(env.random(16)),
    },
  )
  return async () => {
    const response = await fetch(url, { headers })
    await response.body?.cancel()
    return response.status
  }
}

function expectAnswer(status: number, expected: number, what: string): void {
  if (status !== expected) throw new Violation(`${what} is answered ${status}, not ${expected}`)
}
