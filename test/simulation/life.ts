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
  #steps = 0
  #last = Number.POSITIVE_INFINITY
  #edges = 0
  #lastEdge = Number.POSITIVE_INFINITY
  readonly #whenOver: (() => void)[] = []
  readonly #crash: () => void

  constructor(crash: () => void) {
    this.#crash = crash
  }

  /** The process ends at its n-th step from now. */
  endAfter(steps: number): void {
    this.#last = this.#steps + steps
  }

  /** It ends at its n-th edge from now: right before a commit, or right after one. */
  endAtEdge(edges: number): void {
    this.#lastEdge = this.#edges + edges
  }

  /** @throws Died */
  step(): void {
    if (!this.isAlive) throw new Died()
    if (++this.#steps >= this.#last) this.#die()
  }

  /** One of the two edges of a commit. @throws Died */
  edge(): void {
    this.step()
    if (++this.#edges >= this.#lastEdge) this.#die()
  }

  #die(): never {
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
