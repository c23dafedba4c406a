import { type PeerRequest, type PeerResponse, PeerUnreachable } from "../../node/env.ts"
import { Exchange } from "./exchange.ts"
import type { Life } from "./life.ts"
import { Random } from "./random.ts"
import type { Scheduler } from "./scheduler.ts"
import type { Trace } from "./trace.ts"

/** How badly the network behaves: chances for each message, and delays in milliseconds. */
export type NetworkLaws = {
  readonly delay: number
  readonly drop: number
  /** a request arrives again, up to ten minutes later, here or elsewhere */
  readonly repeat: number
  /** an answer breaks off */
  readonly breakOff: number
  /** an answer ends early as if it were whole */
  readonly truncate: number
  /** one bit of a message is another */
  readonly corrupt: number
  /** an earlier answer comes instead */
  readonly stale: number
  /** a piece of an answer is left out, or a parcel among others */
  readonly skip: number
}

export const calm: NetworkLaws = {
  delay: 20,
  drop: 0,
  repeat: 0,
  breakOff: 0,
  truncate: 0,
  corrupt: 0,
  stale: 0,
  skip: 0,
}

/** Whoever answers at a host. Null while its process does not run. */
export type Host = {
  readonly name: string
  readonly host: string
  readonly life: Life | null
  answer(request: Request): Promise<Response>
}

/** A message as it left its sender, whatever the network then did to it. */
export type Sent = {
  readonly from: string
  readonly to: string
  readonly path: string
  /** of the request that it is or answers */
  readonly headers: Headers
  readonly bytes: Uint8Array
  /** of an answer: its status, and whether this is its head or a piece of its body */
  readonly answer?: { readonly status: number; readonly headers: Headers; readonly isHead: boolean }
}

export type Recorded = {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

export class Network {
  laws: NetworkLaws = calm
  /** `from>to`, both names: what is sent that way is lost */
  readonly cuts = new Set<string>()
  readonly hosts = new Map<string, Host>()
  readonly scheduler: Scheduler
  readonly trace: Trace
  /** told of each message as it was sent */
  readonly watch: (sent: Sent) => void
  /** the last whole answer to each path of each pair, for those who give an old one */
  readonly recorded = new Map<string, Recorded>()
  /** requests sent, by sender */
  readonly requests = new Map<string, number>()
  readonly #seed: string
  readonly #streams = new Map<string, Random>()

  constructor(
    seed: string,
    world: {
      readonly scheduler: Scheduler
      readonly trace: Trace
      readonly watch: (sent: Sent) => void
    },
  ) {
    this.#seed = seed
    this.scheduler = world.scheduler
    this.trace = world.trace
    this.watch = world.watch
  }

  add(host: Host): void {
    this.hosts.set(host.host, host)
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}>${to}`)
  }

  /** What befalls the messages of a pair follows from the seed and the pair alone. */
  chance(from: string, to: string): Random {
    const name = `${from}>${to}`
    let stream = this.#streams.get(name)
    if (stream === undefined) {
      stream = new Random(`${this.#seed} network ${name}`)
      this.#streams.set(name, stream)
    }
    return stream
  }

  async send(from: Host, life: Life, request: PeerRequest): Promise<PeerResponse> {
    life.step()
    this.requests.set(from.name, (this.requests.get(from.name) ?? 0) + 1)
    const to = this.hosts.get(request.url.host)
    if (to === undefined) throw new PeerUnreachable("no such host")
    return new Exchange(this, from, life, to, request).answer
  }
}
