import type { Clock } from "../../node/env.ts"
import type { Life } from "./life.ts"
import type { Scheduler } from "./scheduler.ts"

/** How a node's wall clock goes; the machine's other clock is always right. */
export type ClockLaw =
  | { readonly kind: "right" }
  | { readonly kind: "off"; readonly ms: number }
  | { readonly kind: "frozen"; readonly at: number }
  | { readonly kind: "rate"; readonly since: number; readonly rate: number }

export const rightClock: ClockLaw = { kind: "right" }

export class WallClock {
  law: ClockLaw = rightClock
  readonly #scheduler: Scheduler

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  now(): number {
    const { now } = this.#scheduler
    const { law } = this
    if (law.kind === "off") return now + law.ms
    if (law.kind === "frozen") return law.at
    if (law.kind === "rate") return Math.floor(law.since + (now - law.since) * law.rate)
    return now
  }

  /** The clock as one process sees it. */
  seenBy(life: Life): Clock {
    const scheduler = this.#scheduler
    const start = scheduler.now
    return {
      now: () => this.now(),
      monotonic: () => scheduler.now - start,
      sleep: (ms, signal) => {
        life.step()
        return new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const wake = () => {
            timer.cancel()
            signal?.removeEventListener("abort", wake)
            if (life.isAlive) resolve()
          }
          const timer = scheduler.after(ms, "wake", wake)
          signal?.addEventListener("abort", wake, { once: true })
        })
      },
    }
  }
}
