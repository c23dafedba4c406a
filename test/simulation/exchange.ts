import { type PeerRequest, type PeerResponse, PeerUnreachable } from "../../node/env.ts"
import { concat } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { type FrameType, frameHeaderBytes } from "../../protocol/exchange/frames.ts"
import { Died, type Life } from "./life.ts"
import type { Host, Network, NetworkLaws, Recorded } from "./network.ts"
import type { Random } from "./random.ts"
import { piecesOf } from "./safety/frames.ts"
import type { Timer } from "./scheduler.ts"

/** As the real transport waits for the head of an answer, and for the next piece of its body. */
const headTimeoutMs = 30_000
const silenceMs = 90_000
const repeatWithinMs = 600_000
/** A process that ended may be there again. */
const afterRestartMs = [5_000, 65_000]
/** how much more often than a piece */
const skipsOfParcels = 8

/** What befalls one request and its answer, drawn before anything of it happens. */
type Fate = {
  readonly going: number
  readonly coming: number
  readonly pause: number
  readonly isLost: boolean
  readonly isAnswerLost: boolean
  readonly isStale: boolean
  /** later in milliseconds, or null */
  readonly repeat: number | null
  readonly isRepeatElsewhere: boolean
  /** pieces of the body until it breaks off, or ends */
  readonly breakAfter: number
  readonly truncateAfter: number
  readonly corruptRequest: boolean
  readonly corruptPiece: number
  readonly skipPiece: number
  /** pieces that come together */
  readonly together: number
}

function drawFate(random: Random, laws: NetworkLaws): Fate {
  const piece = (chance: number) =>
    random.chance(chance) ? random.below(8) : Number.POSITIVE_INFINITY
  return {
    going: random.around(laws.delay),
    coming: random.around(laws.delay),
    pause: random.around(laws.delay),
    isLost: random.chance(laws.drop),
    isAnswerLost: random.chance(laws.drop),
    isStale: random.chance(laws.stale),
    repeat: random.chance(laws.repeat) ? random.below(repeatWithinMs) : null,
    isRepeatElsewhere: random.chance(0.2),
    breakAfter: piece(laws.breakOff),
    truncateAfter: piece(laws.truncate),
    corruptRequest: random.chance(laws.corrupt),
    corruptPiece: piece(laws.corrupt),
    skipPiece: piece(laws.skip),
    together: random.between(1, 6),
  }
}

/** One request on its way, its answer, and the body of that for as long as it is open. */
export class Exchange {
  readonly answer: Promise<PeerResponse>
  readonly #network: Network
  readonly #from: Host
  readonly #to: Host
  readonly #request: PeerRequest
  readonly #fate: Fate
  readonly #random: Random
  #settle!: {
    readonly resolve: (response: PeerResponse) => void
    readonly reject: (cause: unknown) => void
  }
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null
  /** ends whoever waits for a piece of the body */
  #broken: (cause: Error) => void = () => {}
  #isOver = false
  #timer: Timer
  #heardAt = 0
  readonly #sentAt: number

  constructor(network: Network, from: Host, life: Life, to: Host, request: PeerRequest) {
    this.#network = network
    this.#from = from
    this.#to = to
    // The request is on its way as it is now, whatever its sender does to its parts.
    this.#request = { ...request, headers: new Headers(request.headers) }
    this.#random = network.chance(from.name, to.name)
    this.#fate = drawFate(this.#random, network.laws)
    this.answer = new Promise((resolve, reject) => {
      this.#settle = {
        resolve: (response) => {
          if (life.isAlive) resolve(response)
        },
        reject: (cause) => {
          if (life.isAlive) reject(cause)
        },
      }
    })
    this.#timer = network.scheduler.after(headTimeoutMs, "time-out", () =>
      this.#fail("no answer in time"),
    )
    request.signal?.addEventListener("abort", () => this.#fail("aborted"), { once: true })
    life.whenOver(() => this.#fail("the asker is gone"))
    const { headers, body, url } = this.#request
    network.watch({ from: from.name, to: to.name, path: url.pathname, headers, bytes: body })
    this.#sentAt = network.scheduler.now
    network.scheduler.after(this.#fate.going, "request", () => this.#arrive())
    const { going, repeat, isRepeatElsewhere } = this.#fate
    if (repeat === null) return
    const hosts = [...network.hosts.values()]
    this.#repeat(isRepeatElsewhere ? this.#random.pick(hosts) : to, going + repeat)
  }

  /** Whoever kept a copy hopes that a process forgets with its end. */
  #repeatAfterRestart(): void {
    if (this.#network.scheduler.now - this.#sentAt > repeatWithinMs) return
    for (const ms of afterRestartMs) this.#repeat(this.#to, ms)
  }

  /** Somebody on the way kept a copy. Its answer goes nowhere. */
  #repeat(target: Host, later: number): void {
    this.#network.scheduler.after(later, "repeat", () => {
      if (target.life === null) return
      void this.#ask(target, this.#request)
        .then((response) => this.#seen(response, target))
        .then(({ body }) => body.cancel())
        .catch(ignoreDeath)
    })
  }

  #arrive(): void {
    const { network, fate } = { network: this.#network, fate: this.#fate }
    if (this.#isOver || fate.isLost || network.isCut(this.#from.name, this.#to.name)) return
    const { life } = this.#to
    if (life === null) {
      network.scheduler.after(fate.coming, "refusal", () => this.#fail("connection refused"))
      return
    }
    life.whenOver(() => this.#fail("connection reset"))
    if (network.laws.repeat > 0) life.whenOver(() => this.#repeatAfterRestart())
    const request = fate.corruptRequest ? this.#corrupted() : this.#request
    this.#ask(this.#to, request)
      .then((response) => {
        const seen = this.#seen(response, this.#to)
        network.scheduler.after(fate.coming, "answer", () => this.#deliver(seen))
      })
      .catch((cause: unknown) => {
        ignoreDeath(cause)
        this.#fail("connection reset")
      })
  }

  async #ask(to: Host, { method, url, headers, body }: PeerRequest): Promise<Response> {
    const sent = new Headers(headers)
    sent.set("host", url.host)
    if (method === "POST") sent.set("content-length", String(body.length))
    const { trace, scheduler } = this.#network
    trace.note(scheduler.now, this.#from.name, to.name, method, url.href, formatHeaders(sent), body)
    const message = method === "POST" ? { body: body as Uint8Array<ArrayBuffer> } : {}
    return to.answer(new Request(url, { method, headers: sent, ...message }))
  }

  #corrupted(): PeerRequest {
    const { body, headers } = this.#request
    if (body.length > 0 && this.#random.chance(0.5))
      return { ...this.#request, body: flipped(body, this.#random) }
    const names = [...headers.keys()]
    const changed = new Headers(headers)
    if (names.length === 0) return this.#request
    const name = this.#random.pick(names)
    changed.set(name, `${headers.get(name)}x`)
    return { ...this.#request, headers: changed }
  }

  /** The answer as it leaves; what it turns into on the way is decided when it arrives. */
  #seen(response: Response, to: Host) {
    const { status, headers } = response
    this.#tell(to, { status, headers, isHead: true }, new Uint8Array(0))
    return { status, headers, body: response.body ?? new Response("").body! }
  }

  #tell(
    to: Host,
    answer: { readonly status: number; readonly headers: Headers; readonly isHead: boolean },
    bytes: Uint8Array,
  ): void {
    const { trace, scheduler, watch } = this.#network
    const { url, headers } = this.#request
    if (answer.isHead) trace.note(scheduler.now, to.name, answer.status)
    trace.note(answer.isHead ? formatHeaders(answer.headers) : bytes)
    watch({ from: to.name, to: this.#from.name, path: url.pathname, headers, bytes, answer })
  }

  #deliver(answer: {
    readonly status: number
    readonly headers: Headers
    readonly body: ReadableStream<Uint8Array>
  }): void {
    const network = this.#network
    const isLost = this.#fate.isAnswerLost || network.isCut(this.#to.name, this.#from.name)
    if (this.#isOver || isLost) {
      void answer.body.cancel().catch(ignoreDeath)
      return
    }
    this.#timer.cancel()
    this.#heard()
    const old = network.recorded.get(this.#place())
    if (this.#fate.isStale && old !== undefined) {
      void answer.body.cancel().catch(ignoreDeath)
      this.#isOver = true
      this.#settle.resolve({ ...old, headers: new Headers(old.headers), body: streamOf(old.body) })
      return
    }
    this.#reader = answer.body.getReader()
    const { status, headers } = answer
    this.#settle.resolve({ status, headers, body: this.#body(status, headers) })
  }

  #place(): string {
    return `${this.#from.name}>${this.#to.name}${this.#request.url.pathname}`
  }

  #body(status: number, headers: Headers): ReadableStream<Uint8Array> {
    const { maxBytes } = this.#request
    const pieces: Uint8Array[] = []
    const broken = new Promise<never>((_resolve, reject) => {
      this.#broken = reject
    })
    broken.catch(() => {})
    let total = 0
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const piece = await Promise.race([this.#next(pieces.length), broken])
          if (piece === null) {
            this.#end({ status, headers, body: concat(...pieces) })
            return controller.close()
          }
          this.#tell(this.#to, { status, headers, isHead: false }, piece)
          pieces.push(piece)
          total += piece.length
          if (total > maxBytes) {
            this.#fail("too much")
            throw new ProtocolError("http.too-large")
          }
          controller.enqueue(this.#tampered(piece, pieces.length - 1) as Uint8Array<ArrayBuffer>)
        },
        cancel: () => {
          this.#fail("cancelled")
        },
      },
      { highWaterMark: 0 },
    )
  }

  #tampered(piece: Uint8Array, place: number): Uint8Array {
    if (place === this.#fate.skipPiece) return new Uint8Array(0)
    const skip = this.#network.laws.skip * skipsOfParcels
    const parcels = skip === 0 ? 0 : piecesOf(piece).filter(isParcel).length
    // Where one may be missed among others: answers like that are few.
    if (parcels > 1 && this.#random.chance(skip))
      return withoutParcel(piece, this.#random.below(parcels - 1))
    const isHit = place === this.#fate.corruptPiece && piece.length > 0
    return isHit ? flipped(piece, this.#random) : piece
  }

  /** The next piece of the body once it has come this far; null at its end. */
  async #next(count: number): Promise<Uint8Array | null> {
    const { scheduler } = this.#network
    const { together, pause, breakAfter, truncateAfter } = this.#fate
    if (count > 0 && count % together === 0)
      await new Promise<void>((resolve) => void scheduler.after(pause, "piece", resolve))
    if (count >= breakAfter) throw this.#fail("connection reset")
    if (count >= truncateAfter) return null
    const { done, value } = await this.#reader!.read()
    // What is sent over a line that is cut never comes; the silence ends it.
    if (this.#network.isCut(this.#to.name, this.#from.name)) return new Promise(() => {})
    this.#heard()
    return done ? null : value
  }

  #heard(): void {
    const { scheduler } = this.#network
    this.#heardAt = scheduler.now
    this.#timer.cancel()
    const listen = () => {
      const rest = this.#heardAt + silenceMs - scheduler.now
      if (rest <= 0) this.#fail("the peer fell silent")
      else this.#timer = scheduler.after(rest, "silence", listen)
    }
    this.#timer = scheduler.after(silenceMs, "silence", listen)
  }

  #end(answer: Recorded): void {
    if (answer.body.length < 1 << 20) this.#network.recorded.set(this.#place(), answer)
    this.#isOver = true
    this.#timer.cancel()
    if (this.#fate.truncateAfter < Number.POSITIVE_INFINITY) this.#release()
  }

  /** Both ends learn that there is nothing more to come. */
  #fail(why: string): PeerUnreachable {
    const cause = new PeerUnreachable(why)
    if (this.#isOver) return cause
    this.#isOver = true
    this.#timer.cancel()
    this.#settle.reject(cause)
    this.#broken(cause)
    this.#release()
    return cause
  }

  #release(): void {
    const reader = this.#reader
    this.#reader = null
    if (reader === null) return
    const { scheduler } = this.#network
    scheduler.after(this.#fate.going, "hang up", () => {
      if (this.#to.life !== null) void reader.cancel().catch(ignoreDeath)
    })
  }
}

function ignoreDeath(cause: unknown): void {
  if (!(cause instanceof Died)) throw cause
}

function formatHeaders(headers: Headers): string {
  return [...headers].map(([name, value]) => `${name}: ${value}`).join("\n")
}

function flipped(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = bytes.slice()
  changed[random.below(changed.length)]! ^= 1 << random.below(8)
  return changed
}

const isParcel = ({ type }: { readonly type: FrameType }) => type === "parcel"

/** Without one that another follows, and the objects behind it. */
function withoutParcel(piece: Uint8Array, which: number): Uint8Array {
  const frames = piecesOf(piece)
  const parcels = frames.filter(isParcel)
  const [missing, next] = parcels.slice(which)
  const start = ({ content }: (typeof frames)[number]) =>
    content.byteOffset - frameHeaderBytes - piece.byteOffset
  return concat(piece.subarray(0, start(missing!)), piece.subarray(start(next!)))
}

function streamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(bytes)
      controller.close()
    },
  })
}
