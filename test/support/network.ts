import { type Founded, foundMember } from "../../node/authority/found.ts"
import { reviewExport, signReview } from "../../node/authority/officer.ts"
import { addPeer, ownCard, verifyPeer } from "../../node/authority/peers.ts"
import { type Config, type Context, dayOf } from "../../node/context.ts"
import {
  type Env,
  type Log,
  type LogFields,
  PeerUnreachable,
  type Transport,
} from "../../node/env.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { type Published, publish } from "../../node/log/sequencer.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { closeNode, createNode, prepareCrypto, storeFounded } from "../../node/node.ts"
import { addSignature, exportOrder } from "../../node/order/orders.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import { wordsOf } from "../../protocol/words.ts"
import { seededRandom } from "./world.ts"

/** Whole nodes in one process: real bytes, signatures, encryption and SQL; the network is a map. */
export type TestNode = {
  readonly name: string
  readonly context: Context
  readonly founded: Founded
  /** every byte that this node served to each asker, by `comity-from` or "stranger" */
  readonly served: Map<string, Uint8Array[]>
  /** what it wrote to its journal, a line of JSON for each event */
  readonly journal: string[]
  readonly host: string
  readonly env: Env
}

export type TestNetwork = {
  readonly nodes: Readonly<Record<string, TestNode>>
  readonly clock: { now: number }
  readonly hosts: Map<string, (request: Request) => Promise<Response>>
  readonly down: Set<string>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export const startOfTests = Date.parse("2026-11-23T09:00:00Z")

export async function network(
  names: readonly string[],
  options: {
    readonly network?: string
    readonly networks?: Readonly<Record<string, string>>
    readonly officers?: Parameters<typeof foundMember>[1]["officers"]
    /** what is else for one of them */
    readonly founding?: Readonly<Record<string, Partial<Parameters<typeof foundMember>[1]>>>
    readonly acquainted?: boolean
    readonly seed?: string
    readonly config?: Partial<Config>
  } = {},
): Promise<TestNetwork> {
  prepareCrypto()
  const clock = { now: startOfTests }
  const hosts: TestNetwork["hosts"] = new Map()
  const down = new Set<string>()
  const nodes: Record<string, TestNode> = {}
  const closing = new AbortController()
  for (const name of names) {
    const host = `${name}.example`
    const served = new Map<string, Uint8Array[]>()
    const transport: Transport = {
      async send({ method, url, headers, body, signal }) {
        const app = hosts.get(url.host)
        if (app === undefined || down.has(url.host) || down.has(host))
          throw new PeerUnreachable("nobody there")
        const sent = new Headers(headers)
        sent.set("host", url.host)
        sent.set("content-length", String(body.length))
        const response = await app(
          new Request(url, {
            method,
            headers: sent,
            ...(method === "POST" ? { body: body as Uint8Array<ArrayBuffer> } : {}),
            ...(signal === undefined ? {} : { signal }),
          }),
        )
        const { status, headers: answered, body: content } = response
        return { status, headers: answered, body: content ?? new Blob([]).stream() }
      },
    }
    const journal: string[] = []
    const note = (event: string, fields: LogFields = {}) =>
      void journal.push(JSON.stringify({ event, ...fields }))
    const log: Log = { info: note, warn: note, error: note }
    const env = { ...testEnv(`${options.seed ?? "network"} ${name}`, clock, transport), log }
    const founded = await foundMember(env, {
      network: options.networks?.[name] ?? options.network ?? "exercise:test",
      state: name.toUpperCase(),
      name: `Authority ${name.toUpperCase()}`,
      kind: "state",
      officers: options.officers ?? [
        { person: "p1", roles: ["competentAuthority"] },
        { person: "p2", roles: ["informationSecurity"] },
      ],
      rootKeys: 1,
      rootThreshold: 1,
      url: `https://${host}`,
      ...options.founding?.[name],
    })
    // One database for founding and for the node, as on a disk.
    const database = memoryDatabase()
    const held: Env = {
      ...env,
      openDatabase: () => Object.assign(database, { close: () => database }),
    }
    await storeFounded(held, founded)
    const context = await createNode(held, founded.keys, {
      ...options.config,
      url: `https://${host}`,
    })
    const app = peerApp(context, { authorities: [host], closing: closing.signal })
    hosts.set(host, async (request) => {
      const from = request.headers.get("comity-from") ?? "stranger"
      const response = await app.fetch(request)
      return recorded(response, served, from)
    })
    nodes[name] = { name, context, founded, served, journal, host, env: held }
  }
  if (options.acquainted !== false)
    for (const a of Object.values(nodes))
      for (const b of Object.values(nodes)) if (a !== b) await acquaint(a, b)
  const close = async () => {
    closing.abort()
    for (const { context } of Object.values(nodes)) await closeNode(context)
  }
  return { nodes, clock, hosts, down, close, [Symbol.asyncDispose]: close }
}

export function testEnv(seed: string, clock: { now: number }, transport: Transport): Env {
  const random = seededRandom(seed)
  return {
    clock: {
      now: () => clock.now,
      monotonic: () => clock.now,
      sleep: (_ms, signal) =>
        new Promise((resolve) => {
          if (signal === undefined || signal.aborted) resolve()
          else signal.addEventListener("abort", () => resolve(), { once: true })
        }),
    },
    random,
    transport,
    files: memoryFiles(),
    openDatabase: () => memoryDatabase(),
    log: { info: () => {}, warn: () => {}, error: () => {} },
  }
}

/** What goes out is kept, for tests that search it. */
function recorded(response: Response, served: Map<string, Uint8Array[]>, from: string): Response {
  const kept = served.get(from) ?? []
  served.set(from, kept)
  const head = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n")
  kept.push(new TextEncoder().encode(`${response.status}\n${head}\n`))
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      kept.push(chunk.slice())
      controller.enqueue(chunk)
    },
  })
  const body = response.body === null ? new Response("").body : response.body
  return new Response(body!.pipeThrough(tap), {
    status: response.status,
    headers: response.headers,
  })
}

/** `a` adds `b` and has compared its words. */
export async function acquaint(a: TestNode, b: TestNode): Promise<void> {
  await addPeer(a.context, await ownCard(b.context))
  await verifyPeer(a.context, b.name, wordsOf(b.context.self.id))
}

/**
 * One officer looks at the order on their own machine and signs it.
 *
 * @param confirmed ids of records that the officer says again are for everybody
 */
export async function signAs(
  node: TestNode,
  order: string,
  person: string,
  confirmed: readonly string[] = [],
): Promise<void> {
  const key = node.founded.officers.find(({ officer }) => officer.person === person)
  if (key === undefined) throw new TypeError(`no officer ${person}`)
  const review = reviewExport(await exportOrder(node.context, order), new Map(), null)
  await addSignature(
    node.context,
    order,
    await signReview(review, key, dayOf(node.env.clock.now()), undefined, confirmed),
  )
}

export async function authorise(
  node: TestNode,
  order: string,
  confirmed: readonly string[] = [],
): Promise<void> {
  for (const { officer } of node.founded.officers)
    await signAs(node, order, officer.person, confirmed)
}

export async function authoriseAndPublish(
  node: TestNode,
  orders: readonly string[],
  confirmed: readonly string[] = [],
) {
  const published: Published[] = []
  for (const order of orders) {
    await authorise(node, order, confirmed)
    const done = await publish(node.context, order)
    if ("slotAt" in done) throw new TypeError("this log has a cadence: publish, then fillSlot")
    published.push(done)
  }
  return published
}
