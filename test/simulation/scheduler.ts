import { idle } from "./traps.ts"

/** Milliseconds of an event that has not yet come; calling `cancel` afterwards has no effect. */
export type Timer = { cancel(): void }

type Entry = {
  readonly at: number
  readonly order: number
  readonly kind: string
  run: (() => void) | null
}

/**
 * Virtual time: a heap of events by (time, order of scheduling). One event runs, then everything that
 * follows from it without further ado, then the next.
 */
export class Scheduler {
  /** Unix milliseconds, as a right clock shows them */
  now: number
  /** events that have run */
  events = 0
  readonly #heap: Entry[] = []
  #order = 0

  constructor(start: number) {
    this.now = start
  }

  at(time: number, kind: string, run: () => void): Timer {
    const entry: Entry = { at: Math.max(time, this.now), order: this.#order++, kind, run }
    this.#push(entry)
    return {
      cancel: () => {
        entry.run = null
      },
    }
  }

  after(ms: number, kind: string, run: () => void): Timer {
    return this.at(this.now + Math.max(0, ms), kind, run)
  }

  /** Runs every event up to `end`, or until `isOver`; `each` looks at the world after each of them. */
  async run(end: number, each: (kind: string) => void, isOver: () => boolean): Promise<void> {
    // What was begun between two runs may have something to schedule.
    await idle()
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > end || isOver()) break
      this.#pop()
      if (next.run === null) continue
      this.now = next.at
      this.events++
      next.run()
      await idle()
      each(next.kind)
    }
    if (!isOver()) this.now = Math.max(this.now, end)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(entry, heap[above]!)) break
      heap[at] = heap[above]!
      at = above
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
