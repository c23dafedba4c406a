import type { Founded } from "../../node/authority/found.ts"
import { renewKeys } from "../../node/authority/renew.ts"
import type { Context } from "../../node/context.ts"
import type { Env, Log, LogFields } from "../../node/env.ts"
import { NodeError } from "../../node/errors.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { createNode } from "../../node/node.ts"
import { keepRecovering } from "../../node/recover.ts"
import { storeFailure } from "../../node/store/sqlite.ts"
import { Books } from "./books.ts"
import { WallClock } from "./clock.ts"
import { Disk } from "./disk.ts"
import type { Home } from "./founding.ts"
import { Died, Life } from "./life.ts"
import type { Host } from "./network.ts"
import { Officer } from "./officer.ts"
import { Random } from "./random.ts"
import type { World } from "./world.ts"

/** Of whom an adversary is: the people around the server, or only the server. */
export type Hostility = "server" | "whole"

/** Answers in place of the node, which it may ask what it would have said. */
export type Interceptor = (
  request: Request,
  honest: (request: Request) => Promise<Response>,
) => Promise<Response>

const renewEveryMs = 6 * 3_600_000

/** As a serving node does. */
async function keepRenewing(context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await context.env.clock.sleep(renewEveryMs, signal)
    if (signal.aborted) return
    await renewKeys(context).catch((cause: unknown) => {
      if ((cause as { code?: string }).code === undefined) throw cause
    })
  }
}

async function unlessDead(work: Promise<void>): Promise<void> {
  await work.catch((cause: unknown) => {
    if (!(cause instanceof Died)) throw cause
  })
}

/** One member: its home, its people, and its node while that runs. */
export class Actor implements Host {
  readonly number: number
  readonly name: string
  readonly host: string
  readonly founded: Founded
  readonly disk: Disk
  readonly books: Books
  readonly clock: WallClock
  readonly officers: readonly Officer[]
  /** null for those who keep to the rules */
  hostility: Hostility | null = null
  interceptor: Interceptor | null = null
  life: Life | null = null
  /** images of the database as its operator keeps them, newest last */
  readonly backups: Uint8Array[] = []
  /** the database was brought back to an earlier state and has not caught up yet */
  isRestored = false
  /** the code with which the node last refused to start */
  refusal: string | null = null
  /** its next crash takes the power with it */
  losesPower = false
  /** what it was told of failures inside, since the last look */
  readonly complaints: string[] = []
  #context: Context | null = null
  #app: ReturnType<typeof peerApp> | null = null
  #lives = 0
  readonly #world: World
  readonly #random: Random

  constructor(world: World, number: number, home: Home) {
    this.#world = world
    this.number = number
    this.name = home.name
    this.host = home.host
    this.founded = home.founded
    this.disk = new Disk(home.image, new Map(home.files))
    this.books = new Books(this.disk)
    this.clock = new WallClock(world.scheduler)
    this.officers = home.founded.officers.map((key) => new Officer(key))
    this.#random = new Random(`${world.seed} disk ${home.name}`)
  }

  get id(): string {
    return this.founded.member.id
  }

  get isHonest(): boolean {
    return this.hostility === null
  }

  get isUp(): boolean {
    return this.#context !== null
  }

  /** @throws Died while the node does not run */
  get context(): Context {
    if (this.#context === null) throw new Died()
    return this.#context
  }

  get env(): Env {
    return this.context.env
  }

  /** Starts the node. @returns whether it runs; `refusal` says why not */
  async boot(): Promise<boolean> {
    if (this.life !== null) return this.isUp
    const world = this.#world
    const life = new Life(() => this.crash(this.losesPower))
    this.life = life
    this.refusal = null
    const random = new Random(`${world.seed} ${this.name} ${++this.#lives}`)
    const env = this.envOn(life, this.disk, random)
    try {
      const url = `https://${this.host}`
      const context = await createNode(env, this.founded.keys, { url })
      if (context.stopped === null) await renewKeys(context)
      const closing = new AbortController()
      life.whenOver(() => closing.abort())
      this.#app = peerApp(context, { authorities: [this.host], closing: closing.signal })
      this.#context = context
      void unlessDead(keepRenewing(context, closing.signal))
      if (random.chance(0.3)) void unlessDead(keepRecovering(context, closing.signal))
      return true
    } catch (thrown) {
      if (thrown instanceof Died) return false
      const cause = storeFailure(thrown)
      if (!(cause instanceof NodeError)) throw cause
      this.refusal = cause.code
      world.trace.tell(world.scheduler.now, `${this.name} does not start: ${cause.code}`)
      this.crash(false)
      return false
    }
  }

  /** The world as a process on this member's machine sees it. */
  envOn(life: Life, disk: Disk, random: Random): Env {
    return {
      clock: this.clock.seenBy(life),
      random: (length) => {
        life.step()
        return random.bytes(length)
      },
      transport: { send: (request) => this.#world.network.send(this, life, request) },
      files: disk.filesOf(life),
      openDatabase: () => disk.database(life),
      log: this.#log(life),
    }
  }

  /** The process ends where it stands; its operator starts it again sooner or later. */
  crash(withPower: boolean): void {
    const { life } = this
    this.life = null
    this.#context = null
    this.#app = null
    life?.end()
    this.losesPower = false
    this.disk.settle(withPower, this.#random)
    this.#world.revive(this)
  }

  async answer(request: Request): Promise<Response> {
    if (this.interceptor !== null) return this.interceptor(request, (one) => this.honestly(one))
    return this.honestly(request)
  }

  async honestly(request: Request): Promise<Response> {
    if (this.#app === null) throw new Died()
    return this.#app.fetch(request)
  }

  #log(life: Life): Log {
    const complain = (event: string, fields?: LogFields) => {
      // A dead process fails at everything, and says it to nobody.
      if (!life.isAlive) return
      this.complaints.push(`${event} ${fields?.code ?? ""}`.trim())
    }
    return { info: () => {}, warn: () => {}, error: complain }
  }
}
