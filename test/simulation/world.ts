import { NodeError } from "../../node/errors.ts"
import { recover } from "../../node/recover.ts"
import { Actor } from "./actor.ts"
import type { Cursor } from "./books.ts"
import { firstDay, type Home } from "./founding.ts"
import { Died } from "./life.ts"
import { Network, type Sent } from "./network.ts"
import type { Options } from "./options.ts"
import { Random } from "./random.ts"
import { Scheduler } from "./scheduler.ts"
import { Trace } from "./trace.ts"
import { idle } from "./traps.ts"
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
  /** entries of each member's log that others have seen a checkpoint of */
  readonly shownSize = new Map<Actor, number>()
  /** after every event */
  look: (kind: string) => void = () => {}
  readonly #restored = new Map<Actor, readonly Cursor[]>()
  readonly #wasRestored = new Set<Actor>()
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
    // What nobody has seen, nobody can give back.
    const shown = this.shownSize.get(actor) ?? 0
    this.truth.acknowledged = this.truth.acknowledged.filter(
      ({ origin, index }) => origin !== actor.id || index < shown,
    )
    const heard = [...(this.#restored.get(actor) ?? []), ...cursors]
    this.#restored.set(actor, heard)
  }

  /** Some of what it released may not count: a key that signed it was in other hands. */
  hasRevoked(member: string): boolean {
    return [...this.truth.revoked.keys()].some((key) => key.startsWith(member))
  }

  /** Its books are not those that it once kept. */
  wasRestored(actor: Actor): boolean {
    return this.#wasRestored.has(actor)
  }

  /** Whether a member whose disk went back has caught up with itself. */
  hasCaughtUp(actor: Actor): boolean {
    const now = new Map(actor.books.cursors().map((cursor) => [cursor.peer, cursor]))
    return (this.#restored.get(actor) ?? []).every(({ peer, feed, n }) => {
      const cursor = now.get(peer)
      return !this.byId(peer)?.isHonest || (cursor?.feed === feed && cursor.n >= n)
    })
  }

  /** Its operator asks the peers until they have given back what they can. */
  recover(actor: Actor): void {
    let isOver = false
    const again = () => {
      if (isOver) return
      isOver = true
      this.scheduler.after(3 * 3_600_000, "recover", () => this.recover(actor))
    }
    if (!actor.isUp) {
      again()
      return
    }
    // A process that ends in the middle of it tells nobody.
    actor.life?.whenOver(again)
    void this.#recover(actor, again).then(() => {
      isOver = true
    })
  }

  /** By an honest member: what a liar alone has seen it can keep back, and show afterwards. */
  #isContradicted(actor: Actor): boolean {
    const own = actor.books.logs().filter(({ member }) => member === actor.id)
    return this.honest.some((one) =>
      one.books.logs().some((theirs) => {
        const ours = own.find(({ epoch }) => epoch === theirs.epoch)
        if (one === actor || theirs.member !== actor.id || ours === undefined) return false
        const entries = actor.books.entries(ours.id, 0)
        return one.books
          .entries(theirs.id, 0)
          .some((entry, i) => i < entries.length && Buffer.compare(entry, entries[i]!) !== 0)
      }),
    )
  }

  async #recover(actor: Actor, again: () => void): Promise<void> {
    await recover(actor.context).then(
      ({ state, regained }) => {
        if (regained > 0) this.tell(`${actor.name} takes ${regained} entries back: ${state}`)
        if (state === "forked" && actor.isHonest && this.#isContradicted(actor))
          this.violate("S1 a log only grows", `${actor.name} is held to have forked`)
        if (state !== "sound") again()
      },
      (cause: unknown) => {
        if (!(cause instanceof Died || cause instanceof NodeError)) throw cause
        again()
      },
    )
  }

  /** Lets the world go on for some time. */
  async pass(ms: number): Promise<void> {
    await this.scheduler.run(this.scheduler.now + ms, this.look, () => this.violation !== null)
  }

  /** Lets it go on until the work is done, for an hour at most. */
  async during<T>(work: Promise<T>): Promise<T | null> {
    let done: { readonly value: T } | null = null
    const finished = work.then((value) => {
      done = { value }
    })
    for (let second = 0; second < 3600 && done === null && this.violation === null; second++) {
      await Promise.race([finished, idle()])
      if (done === null) await this.pass(1000)
    }
    return done === null ? null : (done as { readonly value: T }).value
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
