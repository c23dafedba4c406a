import { Actor } from "./actor.ts"
import type { Cursor } from "./books.ts"
import { firstDay, type Home } from "./founding.ts"
import { Network, type Sent } from "./network.ts"
import type { Options } from "./options.ts"
import { Random } from "./random.ts"
import { Scheduler } from "./scheduler.ts"
import { Trace } from "./trace.ts"
import { Truth } from "./truth.ts"

/** An invariant that did not hold. */
export type Violation = { readonly invariant: string; readonly detail: string }

/** Everything of one run: time, network, members, and what is true of them. */
export class World {
  readonly seed: string
  readonly options: Options
  readonly scheduler = new Scheduler(firstDay)
  readonly trace = new Trace()
  readonly truth = new Truth()
  readonly network: Network
  readonly actors: readonly Actor[]
  /** told of each message as it was sent, and of each member whose disk has changed */
  readonly watchers: ((sent: Sent) => void)[] = []
  readonly changed = new Set<Actor>()
  /** told of each member whose database is one of an earlier time */
  readonly forgetters: ((actor: Actor) => void)[] = []
  violation: Violation | null = null
  /** whose disk has failed: what such a node says of itself is no finding */
  readonly faulty = new Set<Actor>()
  readonly #restored = new Map<Actor, readonly Cursor[]>()
  readonly #wasRestored = new Set<Actor>()
  /** nothing fails any more */
  isHealed = false
  #isClosing = false

  constructor(seed: string, options: Options, homes: readonly Home[]) {
    this.seed = seed
    this.options = options
    this.network = new Network(seed, {
      scheduler: this.scheduler,
      trace: this.trace,
      watch: (sent) => {
        for (const watch of this.watchers) watch(sent)
      },
    })
    this.actors = homes.map((home, number) => new Actor(this, number, home))
    for (const actor of this.actors) {
      this.network.add(actor)
      actor.disk.onWrite = () => void this.changed.add(actor)
    }
  }

  get honest(): readonly Actor[] {
    return this.actors.filter(({ isHonest }) => isHonest)
  }

  named(name: string): Actor {
    const found = this.actors.find((actor) => actor.name === name)
    if (found === undefined) throw new RangeError(name)
    return found
  }

  byId(member: string): Actor | undefined {
    return this.actors.find(({ id }) => id === member)
  }

  tell(line: string): void {
    this.trace.tell(this.scheduler.now, line)
  }

  /** The first counts: what follows from a broken invariant is no news. */
  violate(invariant: string, detail: string): void {
    if (this.violation !== null) return
    this.violation = { invariant, detail }
    this.tell(`BROKEN ${invariant}: ${detail}`)
  }

  /** Whether what is said of this member may come from somebody on the way, or from its own past. */
  isTampered(actor: Actor): boolean {
    const { corrupt, truncate, stale, skip } = this.options.laws
    return corrupt + truncate + stale + skip > 0 || this.#wasRestored.has(actor)
  }

  /** Its disk is one of an earlier time; until it has heard again what it had heard, it is excused. */
  restored(actor: Actor, cursors: readonly Cursor[]): void {
    actor.isRestored = true
    this.#wasRestored.add(actor)
    for (const forget of this.forgetters) forget(actor)
    const heard = [...(this.#restored.get(actor) ?? []), ...cursors]
    this.#restored.set(actor, heard)
  }

  /** Whether a member whose disk went back has caught up with itself. */
  hasCaughtUp(actor: Actor): boolean {
    const now = new Map(actor.books.cursors().map((cursor) => [cursor.peer, cursor]))
    return (this.#restored.get(actor) ?? []).every(({ peer, feed, n }) => {
      const cursor = now.get(peer)
      return !this.byId(peer)?.isHonest || (cursor?.feed === feed && cursor.n >= n)
    })
  }

  /** Somebody looks after every machine, sooner or later. */
  revive(actor: Actor): void {
    if (this.#isClosing) return
    const random = new Random(`${this.seed} revival ${actor.name} ${this.scheduler.events}`)
    const ms = random.pick([1_000, 60_000, random.between(1, 6 * 3600) * 1000])
    this.scheduler.after(ms, "start", () => void this.start(actor))
  }

  async start(actor: Actor): Promise<void> {
    if (actor.life !== null) return
    const isUp = await actor.boot()
    if (isUp) this.changed.add(actor)
  }

  close(): void {
    this.#isClosing = true
    for (const actor of this.actors) {
      actor.crash(false)
      actor.disk.close()
    }
  }
}
