import type { Clock } from "../env.ts"

/** One request of an asker's is worked on while one more is on its way in or out. */
const atOnce = 2
const waitingOfOne = 32
const waitingOfAll = 1024

type Line = { atWork: number; readonly waiting: ((leave: () => void) => void)[] }

/**
 * Whoever asks in a crowd waits behind the own requests, and in nobody else's way: between two of one asker
 * everyone else comes in. Who asks is only what the request claims, so an asker is that and an address.
 */
export class Crowd {
  readonly #clock: Clock
  readonly #lines = new Map<string, Line>()
  #waiting = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @returns what to call when the next may come, once or more; null when too many wait already */
  async enter(asker: string): Promise<(() => void) | null> {
    const line = this.#lines.get(asker) ?? { atWork: 0, waiting: [] }
    this.#lines.set(asker, line)
    if (line.atWork < atOnce) {
      line.atWork++
      return this.#leaving(asker, line)
    }
    if (line.waiting.length >= waitingOfOne || this.#waiting >= waitingOfAll) return null
    this.#waiting++
    return new Promise((resolve) => {
      line.waiting.push(resolve)
    })
  }

  #leaving(asker: string, line: Line): () => void {
    let hasLeft = false
    return () => {
      if (!hasLeft) this.#leave(asker, line)
      hasLeft = true
    }
  }

  #leave(asker: string, line: Line): void {
    const next = line.waiting.shift()
    if (next === undefined) {
      line.atWork--
      if (line.atWork === 0) this.#lines.delete(asker)
      return
    }
    this.#waiting--
    // Not at once: what others have sent meanwhile is read first.
    void this.#clock.sleep(0).then(() => next(this.#leaving(asker, line)))
  }
}
