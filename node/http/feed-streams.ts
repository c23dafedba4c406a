import { utf8 } from "../../protocol/encoding.ts"
import {
  encodeFrame,
  type FeedHead,
  formatHead,
  framesHeader,
} from "../../protocol/exchange/frames.ts"
import type { Context } from "../context.ts"
import { type FeedPosition, feedFrames, feedHead, proofsWanted } from "../exchange/deliver.ts"
import { gossipFrames, noteTold, type Told } from "../log/gossip.ts"
import { servedPeer } from "../store/queries/members.ts"

const heartbeatMs = 30_000
/** One held open, one that catches up, and one of each whose connection died unnoticed. */
const streamsPerPeer = 4

/** The bodies of feed answers. Of too many for one peer the oldest breaks off: memory is everybody's. */
export class FeedStreams {
  readonly #context: Context
  readonly #closing: AbortSignal
  /** oldest first */
  readonly #open = new Map<string, Set<AbortController>>()

  /** @param closing ends those that are held open */
  constructor(context: Context, closing: AbortSignal) {
    this.#context = context
    this.#closing = closing
  }

  feed(peer: string, position: FeedPosition, isLive: boolean): ReadableStream<Uint8Array> {
    const broken = new AbortController()
    const live = isLive ? AbortSignal.any([this.#closing, broken.signal]) : null
    return this.#stream(peer, framesFor(this.#context, peer, position, live), broken)
  }

  /** Any other frames, to their end. */
  once(peer: string, frames: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
    return this.#stream(peer, withHeader(frames), new AbortController())
  }

  /** Reads from the store only as fast as the peer reads from us. */
  #stream(
    peer: string,
    frames: AsyncGenerator<Uint8Array>,
    broken: AbortController,
  ): ReadableStream<Uint8Array> {
    return new ReadableStream(
      {
        start: (controller) => {
          const breakOff = () => controller.error(new Error("too many feeds"))
          broken.signal.addEventListener("abort", breakOff, { once: true })
        },
        pull: async (controller) => {
          this.#admit(peer, broken)
          try {
            const next = await frames.next()
            if (broken.signal.aborted) return
            if (!next.done) return controller.enqueue(next.value)
            this.#forget(peer, broken)
            controller.close()
          } catch (cause) {
            this.#forget(peer, broken)
            // The head has gone out: all that is left is to break off, and to say so here.
            const { code } = cause as { code?: string }
            this.#context.env.log.error("feed.failed", { peer, code: code ?? "internal" })
            throw cause
          }
        },
        cancel: async () => {
          this.#forget(peer, broken)
          // Awake first: a generator that waits for news returns only after it.
          broken.abort()
          await frames.return(undefined)
        },
      },
      { highWaterMark: 0 },
    )
  }

  /** Only what is read from counts: the answer to HEAD never is. */
  #admit(peer: string, stream: AbortController): void {
    const streams = this.#open.get(peer) ?? new Set()
    if (streams.has(stream)) return
    const [oldest] = streams
    if (oldest !== undefined && streams.size >= streamsPerPeer) {
      streams.delete(oldest)
      oldest.abort()
    }
    this.#open.set(peer, streams.add(stream))
  }

  #forget(peer: string, stream: AbortController): void {
    const streams = this.#open.get(peer)
    streams?.delete(stream)
    if (streams?.size === 0) this.#open.delete(peer)
  }
}

/**
 * Once to the head, or, while `live` is not aborted and the peer is one, again whenever something was
 * added for it. Bells ring for others too, and for what this node receives: on those nothing is sent, not
 * even gossip, which waits for the next beat. By its time a peer would know who was given something.
 */
async function* framesFor(
  context: Context,
  peer: string,
  position: FeedPosition,
  live: AbortSignal | null,
): AsyncGenerator<Uint8Array> {
  const { bell, db, env } = context
  yield framesHeader()
  let at = yield* feedFrames(context, peer, position)
  let beatAt = env.clock.monotonic() + heartbeatMs
  while (live !== null && !live.aborted) {
    const waiting = new AbortController()
    const signal = AbortSignal.any([live, waiting.signal])
    // Armed before the look, so that nothing added meanwhile is slept over.
    const rung = bell.next(signal)
    try {
      if ((await servedPeer(db, peer)) === null) return
      const { head, log } = await feedHead(context, peer)
      const isGrown = head.n !== at.after || head.size !== at.size || log.epoch !== at.epoch
      const isNews = isGrown || (await proofsWanted(context, peer, log, at)).length > 0
      const wait = beatAt - env.clock.monotonic()
      if (isNews) {
        at = yield* feedFrames(context, peer, at)
        // On its way before the next look.
        await env.clock.sleep(0)
      } else if (wait <= 0) {
        const told: Told[] = []
        yield* gossipFrames(context, peer, told)
        yield headFrame(head)
        await noteTold(db, peer, told)
      } else await Promise.race([rung, env.clock.sleep(wait, signal)])
      if (isNews || wait <= 0) beatAt = env.clock.monotonic() + heartbeatMs
    } finally {
      waiting.abort()
    }
  }
}

async function* withHeader(frames: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield framesHeader()
  yield* frames
}

function headFrame(head: FeedHead): Uint8Array {
  return encodeFrame("head", utf8(formatHead(head)))
}
