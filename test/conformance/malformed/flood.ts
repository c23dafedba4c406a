import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { wordsOf } from "../../../protocol/words.ts"
import { foundHome, type RealNode, startNode } from "../../faults/real-node.ts"
import { drawsFrom } from "../../fuzz/mutate.ts"
import { type Prepared, prepare } from "../hostile/asking.ts"
import type { Target } from "../hostile/stage.ts"
import { cardOf, know, startVillain, type Villain } from "../hostile/villain.ts"
import { malformed } from "./messages.ts"

/**
 * Malformed requests in a stream, a good one among each twenty, against a node in a process of its own:
 * nothing falls over, nothing is answered as a fault of ours, and every good one is answered.
 */
export type FloodReport = {
  readonly malformed: number
  readonly good: number
  readonly goodAnswered: number
  /** milliseconds */
  readonly goodP99: number
  readonly statuses: Readonly<Record<string, number>>
  /** faults that the node noted in its journal */
  readonly faults: readonly string[]
  readonly peakRssMB: number
  readonly isAlive: boolean
}

const atOnce = 48
const oneInGood = 20

export async function flood(
  directory: string,
  options: {
    readonly requests: number
    readonly seed: number
    readonly onProgress?: (requests: number) => void
  },
): Promise<FloodReport> {
  const home = await foundHome(`${directory}/home`, "XT")
  const node = startNode(home)
  try {
    if (!(await node.ready())) throw new Error(node.words())
    await using peer = await startVillain({ state: "XP", network: "exercise:faults" })
    const { card } = await node.operate<{ card: string }>("id.card")
    await know(peer, new Uint8Array(Buffer.from(card, "base64")), home.url)
    const added = await node.operate<{ name: string; member: string }>("peer.add", {
      card: Buffer.from(await cardOf(peer)).toString("base64"),
    })
    await node.operate("peer.verify", { name: added.name, words: wordsOf(added.member) })
    const target: Target = { member: home.member, url: new URL(home.url), read: async () => null }
    return await run(node, peer, target, options)
  } finally {
    await node.end("SIGTERM")
  }
}

async function run(
  node: RealNode,
  peer: Villain,
  target: Target,
  options: Parameters<typeof flood>[1],
): Promise<FloodReport> {
  const draw = drawsFrom(options.seed)
  const statuses: Record<string, number> = {}
  const latencies: number[] = []
  const count = { malformed: 0, good: 0, goodAnswered: 0, sent: 0 }
  const { host } = target.url
  const poll = { path: "/feed?after=0&epoch=1&size=0" }
  let templates = await goodTexts(peer, target)
  let end: string | null = null
  node.process.once("exit", (code, signal) => {
    end = `it ended with ${signal ?? code} at request ${count.sent}: ${node.words().slice(-2000)}`
  })
  let peakRssKiB = 0
  const worker = async () => {
    while (count.sent < options.requests && end === null) {
      const number = count.sent++
      if (number % 1000 === 0) peakRssKiB = peakOf(node)
      if (number % 5000 === 0) {
        // Else their signatures would be out of date, and none of them nearly good.
        templates = await goodTexts(peer, target)
        options.onProgress?.(number)
      }
      if (number % oneInGood === 0) {
        count.good++
        const began = performance.now()
        if (await isAnswered(await prepare(peer, target, poll))) count.goodAnswered++
        latencies.push(performance.now() - began)
      } else {
        count.malformed++
        const status = await send(target.url, malformed(host, templates, draw), draw)
        statuses[status] = (statuses[status] ?? 0) + 1
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  latencies.sort((a, b) => a - b)
  const words = node.words()
  const isAlive = end === null && (await node.health("/livez")) === 200
  if (isAlive) peakRssKiB = peakOf(node)
  return {
    malformed: count.malformed,
    good: count.good,
    goodAnswered: count.goodAnswered,
    goodP99: Math.round(latencies[Math.ceil(latencies.length * 0.99) - 1] ?? 0),
    statuses,
    faults: [
      ...(end === null ? [] : [end]),
      ...new Set(words.split("\n").filter((line) => /http\.failed|feed\.failed/.test(line))),
    ].map((line) => line.replace(/"time":"[^"]*",?/, "")),
    peakRssMB: Math.round(peakRssKiB / 1024),
    isAlive,
  }
}

async function isAnswered({ url, init }: Prepared): Promise<boolean> {
  try {
    const response = await fetch(url, init)
    await response.arrayBuffer()
    return response.status === 200 && response.headers.has("signature")
  } catch {
    return false
  }
}

/** Good requests as they are on the wire. */
async function goodTexts(peer: Villain, target: Target): Promise<readonly Uint8Array[]> {
  const sendings = [
    { path: "/feed?after=0&epoch=1&size=0" },
    { path: `/sealed/${"0".repeat(64)}` },
    { path: `/log/${target.member}?epoch=1&size=0` },
    { path: "/frames", method: "POST" as const, body: new TextEncoder().encode("comity/frames") },
  ]
  return Promise.all(
    sendings.map(async (sending) => {
      const { url, init } = await prepare(peer, target, sending)
      const fields = [...(init.headers as Headers)].map(([name, value]) => `${name}: ${value}\r\n`)
      const body = sending.body === undefined ? "" : Buffer.from(sending.body).toString("latin1")
      const length = sending.body === undefined ? "" : `content-length: ${sending.body.length}\r\n`
      const text = `${init.method} ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\n${fields.join("")}${length}\r\n${body}`
      return new Uint8Array(Buffer.from(text, "latin1"))
    }),
  )
}

/** Waits for the first line of an answer, and no longer than a little. */
function send(url: URL, bytes: Uint8Array, draw: (below: number) => number): Promise<string> {
  return new Promise((resolve) => {
    let status = "no answer"
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      // Many addresses of loopback: one alone has not ports enough for so many connections.
      localAddress: `127.0.${draw(250)}.${2 + draw(250)}`,
      noDelay: true,
    })
    socket.setTimeout(250, () => socket.destroy())
    socket.on("connect", () => socket.write(bytes))
    socket.on("data", (chunk) => {
      status = /^HTTP\/1\.1 (\d{3})/.exec(chunk.toString("latin1"))?.[1] ?? status
      socket.destroy()
    })
    socket.on("error", () => {})
    socket.on("close", () => resolve(status))
  })
}

/** VmHWM in KiB. */
function peakOf(node: RealNode): number {
  const status = readFileSync(`/proc/${node.pid()}/status`, "latin1")
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)
}
