import { lookup as systemLookup } from "node:dns/promises"
import * as http from "node:http"
import * as https from "node:https"
import { isIPv6, type LookupFunction } from "node:net"
import { ProtocolError } from "../../protocol/errors.ts"
import { type PeerRequest, type PeerResponse, PeerUnreachable, type Transport } from "../env.ts"
import { connectablePeer, type Lookup, type PeerUrlPolicy, peerUrl } from "./peer-url.ts"

/** The only file that opens connections to peers: what is refused here is refused everywhere. */

export type TransportOptions = PeerUrlPolicy & {
  readonly lookup?: Lookup
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string
  /** Milliseconds until the head of an answer is there. */
  readonly headTimeout?: number
  /** Milliseconds of silence inside an answer; a held-open feed beats faster. */
  readonly idleTimeout?: number
}

const maxHeaderSize = 16 * 1024
const maxHeaders = 100
const agentOptions = {
  keepAlive: true,
  maxSockets: 16,
  maxTotalSockets: 1024,
  maxFreeSockets: 4,
  scheduling: "lifo",
} as const

/**
 * HTTP/1.1 with kept connections; TLS 1.3 or nothing. A redirect is a status like any other, a content
 * coding is refused, and a body is read as fast as it is consumed, up to `maxBytes`. An answer that breaks
 * these rules is a ProtocolError (`http.malformed` `http.too-large` `url.refused`).
 */
export function httpTransport(options: TransportOptions): Transport & { close(): void } {
  const secureAgent = new https.Agent({
    ...agentOptions,
    minVersion: "TLSv1.3",
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  })
  const plainAgent = new http.Agent(agentOptions)

  function open(request: PeerRequest): http.ClientRequest {
    const { url, method, body } = request
    const secure = url.protocol === "https:"
    const headers: Record<string, string> = Object.fromEntries(request.headers)
    headers["accept-encoding"] = "identity"
    if (method !== "GET" || body.length > 0) headers["content-length"] = String(body.length)
    return (secure ? https : http).request(url, {
      method,
      headers,
      maxHeaderSize,
      insecureHTTPParser: false,
      agent: secure ? secureAgent : plainAgent,
      lookup: checkedLookup(url, options),
      timeout: options.idleTimeout ?? 90_000,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    })
  }

  async function send(request: PeerRequest): Promise<PeerResponse> {
    // net.connect never calls `lookup` for an address: those are judged here.
    peerUrl(request.url.origin, options)
    const headTimeout = options.headTimeout ?? 30_000
    for (let attempt = 0; ; attempt++) {
      const outgoing = open(request)
      try {
        return toPeerResponse(await exchange(outgoing, request.body, headTimeout), request.maxBytes)
      } catch (cause) {
        // The peer closed a kept connection while we took it up again. Asking anew is safe: nothing
        // has an effect twice, and a request that was taken after all is stopped by its nonce.
        const { code = "" } = cause as NodeJS.ErrnoException
        const isStale = outgoing.reusedSocket && ["ECONNRESET", "EPIPE"].includes(code)
        if (!isStale || attempt > 0) throw networkFailure(cause)
      }
    }
  }

  function close(): void {
    secureAgent.destroy()
    plainAgent.destroy()
  }

  return { send, close }
}

/** Only what has passed the check reaches the socket; the system's resolver is not asked again. */
function checkedLookup(url: URL, options: TransportOptions): LookupFunction {
  const lookup = options.lookup ?? lookupAll
  return (_hostname, { all }, callback) => {
    connectablePeer(url.origin, lookup, options).then(
      ({ addresses }) => {
        const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
        if (all) callback(null, found)
        else callback(null, found[0]!.address, found[0]!.family)
      },
      (error: unknown) => callback(error as Error, ""),
    )
  }
}

async function lookupAll(hostname: string): Promise<readonly string[]> {
  const found = await systemLookup(hostname, { all: true, order: "verbatim" })
  return found.map(({ address }) => address)
}

function exchange(
  outgoing: http.ClientRequest,
  body: Uint8Array,
  headTimeout: number,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    // Not the socket's time-out: that one starts again with every byte of a head that trickles in.
    const timer = setTimeout(() => outgoing.destroy(new Error("no answer in time")), headTimeout)
    outgoing.maxHeadersCount = maxHeaders
    outgoing.on("timeout", () => outgoing.destroy(new Error("the peer fell silent")))
    outgoing.on("error", (error) => {
      clearTimeout(timer)
      reject(error)
    })
    outgoing.on("response", (incoming) => {
      clearTimeout(timer)
      outgoing.removeAllListeners("timeout")
      outgoing.on("timeout", () => {
        // What lies here unread says that we are slow, not the peer.
        if (incoming.readableLength > 0) incoming.socket.setTimeout(incoming.socket.timeout ?? 0)
        else incoming.destroy(new Error("the peer fell silent"))
      })
      resolve(incoming)
    })
    outgoing.end(body)
  })
}

function toPeerResponse(incoming: http.IncomingMessage, maxBytes: number): PeerResponse {
  try {
    const headers = new Headers()
    for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2)
      headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
    // No inflated byte counts against the cap if nothing is ever inflated.
    if ((headers.get("content-encoding") ?? "identity") !== "identity")
      throw new ProtocolError("http.malformed", { detail: "content-encoding" })
    if (Number(headers.get("content-length") ?? 0) > maxBytes)
      throw new ProtocolError("http.too-large")
    return { status: incoming.statusCode ?? 0, headers, body: bodyStream(incoming, maxBytes) }
  } catch (error) {
    incoming.destroy()
    throw error
  }
}

/** Reads from the socket only when the consumer asks. */
function bodyStream(incoming: http.IncomingMessage, maxBytes: number): ReadableStream<Uint8Array> {
  const chunks: AsyncIterator<Buffer> = incoming[Symbol.asyncIterator]()
  let total = 0
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const next = await chunks.next()
          if (next.done) return controller.close()
          const chunk = next.value
          total += chunk.length
          if (total > maxBytes) throw new ProtocolError("http.too-large")
          controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
        } catch (cause) {
          incoming.destroy()
          controller.error(networkFailure(cause))
        }
      },
      cancel() {
        incoming.destroy()
      },
    },
    { highWaterMark: 0 },
  )
}

function networkFailure(cause: unknown): Error {
  if (cause instanceof ProtocolError || cause instanceof PeerUnreachable) return cause
  return new PeerUnreachable(cause instanceof Error ? cause.message : "no answer", { cause })
}
