/** Thrown into whatever a process was doing when it ended: nothing it does afterwards reaches anything. */
export class Died extends Error {
  override readonly name = "Died"

  constructor() {
    super("the process has ended")
  }
}

/**
 * One life of a node, from its start to its end. Everything it does to the world passes `step`, so that
 * it can end at any of these places: between two of them nothing that others could see has happened.
 */
export class Life {
  isAlive = true
  #calls = 0
  #last = Number.POSITIVE_INFINITY
  readonly #whenOver: (() => void)[] = []
  readonly #crash: () => void

  constructor(crash: () => void) {
    this.#crash = crash
  }

  /** The process ends at its n-th step from now. */
  endAfter(steps: number): void {
    this.#last = this.#calls + steps
  }

  /** @throws Died */
  step(): void {
    if (!this.isAlive) throw new Died()
    if (++this.#calls < this.#last) return
    this.#crash()
    throw new Died()
  }

  whenOver(work: () => void): void {
    this.#whenOver.push(work)
  }

  end(): void {
    if (!this.isAlive) return
    this.isAlive = false
    for (const work of this.#whenOver.splice(0)) work()
  }
}
