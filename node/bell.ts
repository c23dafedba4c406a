import type { Clock } from "./env.ts"

/**
 * Wakes readers, who then read the store: it carries no data, so none can be lost with it. Each in a turn of
 * its own: what the first has to send is on its way before the next one looks.
 */
export class Bell {
  readonly #clock: Pick<Clock, "sleep">
  #waiting = new Set<() => void>()

  constructor(clock: Pick<Clock, "sleep">) {
    this.#clock = clock
  }

  ring(): void {
    const woken = this.#waiting
    this.#waiting = new Set()
    for (const wake of woken) void this.#clock.sleep(0).then(wake)
  }

  /** Resolves at the next ring, or when `signal` aborts. Arm it before reading the store. */
  next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener("abort", wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener("abort", wake)
    })
  }
}
