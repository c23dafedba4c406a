/** Wakes readers, who then read the store: it carries no data, so none can be lost with it. */
export class Bell {
  #waiting = new Set<() => void>()

  ring(): void {
    const woken = this.#waiting
    this.#waiting = new Set()
    for (const wake of woken) wake()
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
