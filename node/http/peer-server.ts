import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { getRequestListener } from "@hono/node-server"
import type { Hono } from "hono"
import type { Clock } from "../env.ts"
import { isFrames } from "./message-signature.ts"
import type { PeerBindings } from "./peer-app.ts"
import { answerStranger, strangersAnswer, strangersBytes } from "./stranger.ts"

const maxHeaderSize = 16 * 1024

/** What strangers can take of our memory and time. */
export type Bounds = {
  /** open at once */
  readonly connections: number
  /** milliseconds until the head of a request is there */
  readonly head: number
  /** and until all of it is */
  readonly request: number
  /** in which a connection moves no byte, either way; a held-open feed beats faster */
  readonly idle: number
}
const bounds: Bounds = { connections: 2048, head: 20_000, request: 60_000, idle: 120_000 }

/**
 * The listener that peers reach. What Node, its parser or the adapter would answer by themselves, each
 * in words of its own, is answered as to a stranger; a body is left unread until the app asks for it.
 */
export function peerServer(
  app: Hono<{ Bindings: PeerBindings }>,
  clock: Clock,
  { connections, head, request, idle }: Bounds = bounds,
): Server {
  const answer = getRequestListener(
    async (request, { incoming, outgoing }) => {
      const address = (incoming as IncomingMessage).socket.remoteAddress
      return brokenOff(await app.fetch(request, { address }), outgoing as ServerResponse)
    },
    { errorHandler: strangersAnswer },
  )
  const options = {
    maxHeaderSize,
    headersTimeout: head,
    requestTimeout: request,
    connectionsCheckingInterval: head / 4,
    requireHostHeader: false,
    insecureHTTPParser: false,
  }
  const unfinished = new WeakMap<Duplex, Set<ServerResponse>>()
  const server = createServer(options, (incoming, outgoing) => {
    const answers = unfinished.get(incoming.socket) ?? new Set()
    unfinished.set(incoming.socket, answers.add(outgoing))
    outgoing.on("close", () => answers.delete(outgoing))
    if (isOriginForm(incoming.url ?? "")) void answer(incoming, outgoing)
    else answerStranger(outgoing)
  })
  server.setTimeout(idle)
  admit(server, connections)

  // Left alone, an expected 100 would ask strangers for their body, and CONNECT would get nothing.
  const refuse = (_incoming: IncomingMessage, outgoing: ServerResponse) => answerStranger(outgoing)
  server.on("checkContinue", refuse)
  server.on("checkExpectation", refuse)
  const refuseBytes = (socket: Duplex) => {
    const answers = [...(unfinished.get(socket) ?? [])]
    // Into an answer that has begun nothing else is written.
    if (!socket.writable || answers.some(({ headersSent }) => headersSent)) socket.destroy()
    else socket.end(strangersBytes(new Date(clock.now())))
  }
  server.on("connect", (_incoming, socket) => {
    // Node has let go of it, and an error that nobody hears ends the process.
    socket.on("error", () => socket.destroy())
    refuseBytes(socket)
  })
  server.on("clientError", (_cause, socket: Socket) => refuseBytes(socket))
  return server
}

/**
 * Where too many are open, the one that has waited longest for a request goes: whoever opens connections
 * to keep others out loses those, and a peer that has something to ask gets in.
 */
function admit(server: Server, most: number): void {
  const waiting = new Set<Socket>()
  let open = 0
  server.on("connection", (socket) => {
    open++
    socket.on("close", () => {
      open--
      waiting.delete(socket)
    })
    const [longest] = waiting
    if (open > most) (longest ?? socket).destroy()
    waiting.add(socket)
  })
  server.on("request", ({ socket }, outgoing) => {
    waiting.delete(socket)
    outgoing.on("close", () => {
      if (!socket.destroyed) waiting.add(socket)
    })
  })
}

/**
 * A path and a query as they are signed: what URL parsing would change (dots, backslashes, another
 * authority), a proxy may read otherwise.
 */
function isOriginForm(target: string): boolean {
  const [, path] = /^(\/[!$&-;=@-Z_a-z~]*)(?:\?[!$-;=?-Z_a-z~]*)?$/.exec(target) ?? []
  return path !== undefined && !/\/\.{1,2}(?:\/|$)/.test(path)
}

/** A stream that fails breaks off: the adapter would put the words of the error on the console. */
function brokenOff(response: Response, outgoing: ServerResponse): Response {
  if (!isFrames(response.headers) || response.body === null) return response
  const reader = response.body.getReader()
  // Also while nobody reads from it.
  reader.closed.catch(() => outgoing.destroy())
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await reader.read().catch(() => null)
        if (next === null) return
        if (next.done) controller.close()
        else controller.enqueue(next.value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
  return new Response(body, { status: response.status, headers: response.headers })
}
