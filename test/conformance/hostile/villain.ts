import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Readable } from "node:stream"
import type { ReadableStream as NodeStream } from "node:stream/web"
import { foundMember } from "../../../node/authority/found.ts"
import { addPeer, ownCard, verifyPeer } from "../../../node/authority/peers.ts"
import type { Context } from "../../../node/context.ts"
import type { Env } from "../../../node/env.ts"
import { peerApp } from "../../../node/http/peer-app.ts"
import { httpTransport, type TransportOptions } from "../../../node/http/transport.ts"
import { memoryFiles } from "../../../node/memory-env.ts"
import { closeNode, createNode, prepareCrypto, storeFounded } from "../../../node/node.ts"
import { realEnv } from "../../../node/real-env.ts"
import { memoryDatabase } from "../../../node/store/sqlite.ts"
import { wordsOf } from "../../../protocol/words.ts"
import { freePort } from "../../faults/real-node.ts"
import type { TestNode } from "../../support/network.ts"

/**
 * A member whose operator has turned against the others: all its keys are real, and what answers at its
 * address is whatever a behaviour puts there.
 */

/** An answer of fetch, or whatever one likes to do to the connection. */
export type Answer = Response | ((response: ServerResponse) => void)
export type Host = (request: Request, honest: () => Promise<Response>) => Promise<Answer>

export type Villain = Member & {
  /** what answers from now on; null: what an honest node would */
  mask: Host | null
}

export type MemberOptions = {
  readonly state: string
  readonly network: string
  readonly hostname?: string
  readonly port?: number
  /** how many times as fast its monotonic clock goes */
  readonly hasten?: number
  /** where it may connect to; anywhere by default, as from loopback */
  readonly reach?: TransportOptions
}

export type Member = TestNode & { readonly url: string } & AsyncDisposable

/** A node in memory behind a server that this gives it, listening on loopback. */
export async function startMember(
  options: MemberOptions,
  serve: (context: Context, host: string, closing: AbortSignal) => Server,
): Promise<Member> {
  prepareCrypto()
  const { hostname = "127.0.0.1", hasten = 1, reach = { allowPrivate: true } } = options
  const port = options.port ?? (await freePort())
  const host = `${hostname}:${port}`
  const url = `http://${host}`
  const database = memoryDatabase()
  const real = realEnv({ home: "", allowPrivate: true })
  const transport = httpTransport(reach)
  const env: Env = {
    ...real,
    transport,
    clock: { ...real.clock, monotonic: () => hasten * real.clock.monotonic() },
    files: memoryFiles(),
    // Founding closes the database, which in memory would lose it.
    openDatabase: () => Object.assign(database, { close: () => database }),
  }
  const founded = await foundMember(env, {
    network: options.network,
    state: options.state,
    name: `Authority ${options.state}`,
    kind: "state",
    officers: [
      { person: "p1", roles: ["competentAuthority"] },
      { person: "p2", roles: ["informationSecurity"] },
    ],
    rootKeys: 1,
    rootThreshold: 1,
    url,
  })
  await storeFounded(env, founded)
  const context = await createNode(env, founded.keys, { url })
  const closing = new AbortController()
  const server = serve(context, host, closing.signal)
  await new Promise<void>((resolve) => server.listen(port, hostname, resolve))
  return {
    name: options.state.toLowerCase(),
    context,
    founded,
    served: new Map(),
    journal: [],
    host,
    env,
    url,
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await closeNode(context)
      transport.close()
      real.close()
    },
  }
}

export async function startVillain(options: MemberOptions): Promise<Villain> {
  const behind: { villain?: Villain } = {}
  const member = await startMember(options, (context, host, closing) => {
    const app = peerApp(context, { authorities: [host], closing })
    return createServer((incoming, outgoing) => {
      void answer(behind.villain!, incoming, outgoing, async (request) => app.fetch(request))
    })
  })
  behind.villain = Object.assign(member, { mask: null })
  return behind.villain
}

async function answer(
  villain: Villain,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  honest: (request: Request) => Promise<Response>,
): Promise<void> {
  const request = await requestOf(villain.url, incoming)
  const spare = request.clone()
  const answered =
    villain.mask === null ? await honest(request) : await villain.mask(request, () => honest(spare))
  if (typeof answered === "function") {
    answered(outgoing)
    return
  }
  outgoing.writeHead(answered.status, Object.fromEntries(answered.headers))
  if (answered.body === null) outgoing.end()
  else
    Readable.fromWeb(answered.body as NodeStream)
      .on("error", () => outgoing.destroy())
      .pipe(outgoing)
}

async function requestOf(url: string, incoming: IncomingMessage): Promise<Request> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const headers = new Headers()
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
  const { method = "GET" } = incoming
  const body = method === "POST" ? { body: Buffer.concat(chunks) } : {}
  return new Request(new URL(incoming.url ?? "/", url), { method, headers, ...body })
}

/** The target, as this villain knows it. @returns its member id */
export async function know(villain: Villain, card: Uint8Array, url?: string): Promise<string> {
  const { member, name } = await addPeer(villain.context, card, url === undefined ? {} : { url })
  await verifyPeer(villain.context, name, wordsOf(member))
  return member
}

export function cardOf(villain: Villain): Promise<Uint8Array> {
  return ownCard(villain.context)
}
