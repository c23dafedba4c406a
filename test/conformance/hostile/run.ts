import { execFile, fork } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { parseArgs, promisify } from "node:util"
import { prepareCrypto } from "../../../node/node.ts"
import { verifyCard } from "../../../protocol/exchange/card.ts"
import { wordsOf } from "../../../protocol/words.ts"
import { foundHome, type RealNode, startNode } from "../../faults/real-node.ts"
import { sendAs } from "./asking.ts"
import type { Probe } from "./prober.ts"
import { type Reading, Stage, type Target } from "./stage.ts"
import { behaviours, expectHonest, tryBehaviour, villainsNeeded } from "./trial.ts"
import { cardOf, know, startVillain, type Villain } from "./villain.ts"

/**
 * `npm run hostile` starts a node of ours and measures what its other peers notice; `npm run hostile --
 * --url URL --card FILE` tries any node. docs/testing.md
 */
const { values } = parseArgs({
  options: {
    url: { type: "string" },
    card: { type: "string" },
    /** where the villains listen, as the target reaches them; ports follow one another */
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string" },
    /** where the villains' cards are written, for the target to add and verify */
    cards: { type: "string", default: "hostile-cards" },
    /** a command that has the target read from `{member}`, and prints what `comity sync --json` does */
    read: { type: "string" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
})
const say = (text: string) => process.stderr.write(`${text}\n`)

type Line = {
  readonly behaviour: string
  readonly kind: string
  readonly code: string
  readonly ok: boolean
  readonly p99?: number
}

prepareCrypto()
const wanted = behaviours.filter(({ name, kind }) =>
  values.only === undefined ? true : new RegExp(values.only).test(`${kind} ${name}`),
)

async function startVillains(network: string, card: Uint8Array, url: URL): Promise<Villain[]> {
  const villains: Villain[] = []
  const first = values.port === undefined ? undefined : Number(values.port)
  for (let i = 0; i < villainsNeeded; i++) {
    const port = first === undefined ? {} : { port: first + i }
    const villain = await startVillain({ state: "XV", network, hostname: values.host, ...port })
    await know(villain, card, url.origin)
    villains.push(villain)
  }
  return villains
}

async function tryAll(
  villains: readonly Villain[],
  target: Target,
  around: (name: string, work: () => Promise<string>) => Promise<Pick<Line, "code" | "p99">>,
): Promise<readonly Line[]> {
  const [lasting, ...others] = villains
  const lines: Line[] = []
  const mortal = others.values()
  for (const behaviour of wanted) {
    const { name, kind, codes, isFinal } = behaviour
    const villain = isFinal ? mortal.next().value! : lasting!
    const stage = new Stage(villain, target)
    let line: Line
    try {
      const done = await around(name, () => tryBehaviour(stage, behaviour))
      line = {
        behaviour: name,
        kind,
        ok: done.code === "unsaid" || codes.includes(done.code),
        ...done,
      }
    } catch (cause) {
      line = { behaviour: name, kind, ok: false, code: String(cause) }
    }
    say(
      `${line.ok ? "✔" : "✘"} ${kind}: ${name}: ${line.code}${line.p99 === undefined ? "" : `, others' p99 ${line.p99} ms`}`,
    )
    lines.push(line)
  }
  return lines
}

/** Another implementation, or a node that somebody runs. */
async function tryUrl(urlText: string, cardFile: string): Promise<object> {
  const url = new URL(urlText)
  const card = new Uint8Array(readFileSync(cardFile))
  const { member } = verifyCard(card)
  const villains = await startVillains(member.network, card, url)
  mkdirSync(values.cards, { recursive: true })
  for (const [i, villain] of villains.entries()) {
    const file = join(values.cards, `hostile-${i + 1}.card`)
    writeFileSync(file, await cardOf(villain))
    say(`${file}: ${wordsOf(villain.context.self.id)}`)
  }
  const target: Target = { member: member.id, url, read: readerOf() }
  say("Add and verify these members at the target; this goes on when it knows them all.")
  for (const villain of villains) {
    const poll = { path: "/feed?after=0&epoch=1&size=0" }
    while (!(await sendAs(villain, target, poll)).headers.has("signature")) await pause(1000)
  }
  await expectHonest(new Stage(villains[0]!, target))
  const lines = await tryAll(villains, target, async (_name, work) => ({ code: await work() }))
  for (const villain of villains) await villain[Symbol.asyncDispose]()
  return { lines }
}

/** By the command that was given, else whenever the target comes by itself. */
function readerOf(): Target["read"] {
  const command = values.read
  if (command !== undefined)
    return async (villain) => {
      const line = command.replaceAll("{member}", villain.context.self.id)
      const run = promisify(execFile)("sh", ["-c", line], { maxBuffer: 1 << 24 })
      const { stdout } = await run.catch((cause: { stdout?: string }) => ({
        stdout: cause.stdout ?? "",
      }))
      const peers: Reading[] = stdout === "" ? [] : JSON.parse(stdout).peers
      return peers[0] ?? null
    }
  return async (villain) => {
    let asked = 0
    const mask = villain.mask
    villain.mask = async (request, honest) => {
      if (new URL(request.url).pathname === "/feed") asked++
      return mask === null ? honest() : mask(request, honest)
    }
    const until = performance.now() + 10 * 60_000
    // Once for what is offered, and once more: by then it has judged the first.
    while (asked < 2 && performance.now() < until) await pause(200)
    return null
  }
}

/** A node of ours in a process of its own, with an honest peer beside the villains. */
async function tryOurs(): Promise<object> {
  const directory = mkdtempSync(join(tmpdir(), "comity-hostile-"))
  const network = "exercise:faults"
  const home = await foundHome(join(directory, "home"), "XT")
  const node = startNode(home)
  const prober = fork(new URL("prober.ts", import.meta.url))
  const ask = async <T>(message: object): Promise<T> => {
    prober.send(message)
    return (await once(prober, "message"))[0] as T
  }
  try {
    if (!(await node.ready())) throw new Error(node.words())
    const { card } = await node.operate<{ card: string }>("id.card")
    const bytes = new Uint8Array(Buffer.from(card, "base64"))
    const villains = await startVillains(network, bytes, new URL(home.url))
    for (const villain of villains) await introduce(node, await cardOf(villain))
    await introduce(node, Buffer.from(await ask<string>({ call: "begin", network }), "base64"))
    await ask({ call: "know", card, url: home.url })
    const target: Target = {
      member: home.member,
      url: new URL(home.url),
      read: async (villain) => {
        const { peers } = await node.operate<{ peers: Reading[] }>("sync", {
          peer: villain.context.self.id,
        })
        return peers[0] ?? null
      },
      proofs: async () => {
        const { inconsistencies } = await node.operate<{ inconsistencies: object[] }>(
          "inconsistency.list",
        )
        return inconsistencies.length
      },
    }
    const stage = new Stage(villains[0]!, target)
    const measured = async <T>(work: () => Promise<T>) => {
      await ask({ call: "start" })
      const result = await work()
      await pause(300)
      return { result, probe: await ask<Probe>({ call: "stop" }) }
    }
    const idle = await measured(() => pause(3000))
    const honest = await measured(async () => {
      for (let i = 0; i < 20; i++) await expectHonest(stage)
    })
    const all: number[] = []
    let failed = 0
    let peakRss = rssOf(node)
    const lines = await tryAll(villains, target, async (_name, work) => {
      const { result: code, probe } = await measured(work)
      all.push(...probe.latencies)
      failed += probe.failed
      peakRss = Math.max(peakRss, rssOf(node))
      return { code, p99: percentile(probe.latencies, 99) }
    })
    for (const villain of villains) await villain[Symbol.asyncDispose]()
    const others = {
      idle: {
        p50: percentile(idle.probe.latencies, 50),
        p99: percentile(idle.probe.latencies, 99),
      },
      honest: {
        p50: percentile(honest.probe.latencies, 50),
        p99: percentile(honest.probe.latencies, 99),
      },
      hostile: { p50: percentile(all, 50), p99: percentile(all, 99), n: all.length, failed },
    }
    return { lines, others, peakRssMB: Math.round(peakRss / 1024) }
  } finally {
    prober.disconnect()
    await node.end("SIGTERM")
    rmSync(directory, { recursive: true, force: true })
  }
}

async function introduce(node: RealNode, card: Uint8Array): Promise<void> {
  const added = await node.operate<{ name: string; member: string }>("peer.add", {
    card: Buffer.from(card).toString("base64"),
  })
  await node.operate("peer.verify", { name: added.name, words: wordsOf(added.member) })
}

/** VmHWM in KiB: the most that it ever held. */
function rssOf(node: RealNode): number {
  const status = readFileSync(`/proc/${node.pid()}/status`, "latin1")
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0)
}

function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)]
  return Math.round((value ?? Number.NaN) * 10) / 10
}

const result =
  values.url === undefined
    ? await tryOurs()
    : await tryUrl(values.url, values.card ?? "target.card")
const { lines, ...rest } = result as { lines: readonly Line[] }
const refused = lines.filter(({ ok }) => ok).length
say(`${refused} of ${lines.length} refused as they should be ${JSON.stringify(rest)}`)
if (values.json) process.stdout.write(`${JSON.stringify({ lines, ...rest })}\n`)
process.exit(refused === lines.length ? 0 : 1)
