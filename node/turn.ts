/** One at a time, in order of arrival; a failure is its own caller's and holds nobody up. */
export class Turn {
  #last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work, work)
    this.#last = run.catch(() => {})
    return run
  }
}

/** One at a time for each peer: two readers would race for its cursor. */
export function turnOf(
  { receiving }: { readonly receiving: Map<string, Turn> },
  peer: string,
): Turn {
  return turnIn(receiving, peer)
}

export function turnIn(turns: Map<string, Turn>, peer: string): Turn {
  const turn = turns.get(peer) ?? new Turn()
  turns.set(peer, turn)
  return turn
}
