import type { Actor } from "../actor.ts"
import type { FactRow } from "../books.ts"

/** The facts in one database, by record and recipient, read as they are added. */
export class Facts {
  readonly #byRecord = new Map<string, FactRow[]>()
  readonly #actor: Actor
  #position = 0

  constructor(actor: Actor) {
    this.#actor = actor
  }

  /** @returns those that are new */
  read(): readonly FactRow[] {
    const { rows, position } = this.#actor.books.facts(this.#position)
    this.#position = position
    for (const row of rows) {
      const key = keyOf(row.recordOrigin, row.record, row.recipient)
      this.#byRecord.set(key, [...(this.#byRecord.get(key) ?? []), row])
    }
    return rows
  }

  about(origin: string, record: string, recipient: string): readonly FactRow[] {
    return this.#byRecord.get(keyOf(origin, record, recipient)) ?? []
  }

  all(): Iterable<readonly FactRow[]> {
    return this.#byRecord.values()
  }
}

function keyOf(origin: string, record: string, recipient: string): string {
  return `${origin} ${record} ${recipient}`
}

/** PROTOCOL.md §6, once more and apart from the node's: what ends a release, wherever it was entered. */
export function endsOf(release: FactRow, facts: readonly FactRow[]): readonly FactRow[] {
  return facts.filter(
    (one) =>
      one.act === "withdraw" &&
      one.version >= release.version &&
      one.rule === release.rule &&
      (one.orderOrigin === release.orderOrigin || one.orderOrigin === release.recordOrigin) &&
      !release.after.includes(one.order) &&
      (one.epoch > release.baseEpoch ||
        (one.epoch === release.baseEpoch && one.index >= release.baseSize)),
  )
}

/** Whether some release of this version holds it up. */
export function isLive(facts: readonly FactRow[], version: number): boolean {
  return facts.some(
    (one) => one.act === "release" && one.version === version && endsOf(one, facts).length === 0,
  )
}
