import { ProtocolError } from "../../protocol/errors.ts"
import type { Frame, FrameType } from "../../protocol/exchange/frames.ts"
import { limits } from "../../protocol/limits.ts"
import type { Clock } from "../env.ts"

/** How many of a kind may come before the head that they belong to. */
const beforeHead: { readonly [T in FrameType]?: number } = {
  // One for each third member.
  checkpoint: 1024,
  evidence: 256,
}
/** Of its own log one is enough; while a stream is read, more entries may come. */
const ownCheckpoints = 16

/** That belong to one checkpoint: root documents, and keys documents of every month of a log's life. */
const documentsOfLog = 4 * limits.rootVersions
/** 33 bytes each on the wire, some ten times that while they are hashed. */
const entriesOfLog = 1_000_000

const minute = 60_000
/** A held-open stream with nothing to say repeats its head every half minute. */
const sameHeadsInAMinute = 30

/**
 * What one stream may ask of its reader. Each frame of a flood may be in order by itself: what is not is
 * that they never come to anything.
 */
export class StreamBudget {
  readonly #peer: string
  readonly #clock: Clock
  #counts = new Map<FrameType, number>()
  #own = 0
  #documents = 0
  #entries = 0
  #head = ""
  #sameHeads = 0
  #since = 0

  constructor(peer: string, clock: Clock) {
    this.#peer = peer
    this.#clock = clock
  }

  /** @throws `frames.too-large` for one too many */
  take({ type, bytes }: Frame): void {
    const count = (this.#counts.get(type) ?? 0) + 1
    this.#counts.set(type, count)
    if (count > (beforeHead[type] ?? limits.framesPerStream)) throw flood(type)
    if (type === "checkpoint") this.#takeCheckpoint(textOf(bytes.subarray(0, 256)))
    if (type === "root" || type === "keys") this.#documents++
    if (type === "entries") this.#entries += bytes.length / 33
    if (this.#documents > documentsOfLog || this.#entries > entriesOfLog) throw flood(type)
    if (type === "head") this.#takeHead(textOf(bytes))
  }

  #takeCheckpoint(start: string): void {
    ;[this.#documents, this.#entries] = [0, 0]
    if (start.includes(`/${this.#peer}/`) && ++this.#own > ownCheckpoints) throw flood("checkpoint")
  }

  #takeHead(head: string): void {
    this.#counts = new Map()
    this.#own = 0
    const now = this.#clock.monotonic()
    if (head !== this.#head || now - this.#since > minute) [this.#sameHeads, this.#since] = [0, now]
    this.#head = head
    if (++this.#sameHeads > sameHeadsInAMinute) throw flood("head")
  }
}

function flood(type: FrameType): ProtocolError {
  return new ProtocolError("frames.too-large", { detail: `${type} without end` })
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes)
}
