import { kemKeyPair } from "../../../protocol/crypto/kem.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import {
  decodeParcelContent,
  joinEpoch,
  openParcel,
  type ParcelContent,
  type ParcelEpoch,
  parcelEnc,
} from "../../../protocol/exchange/parcel.ts"
import { everybody } from "../../../protocol/release/grant.ts"
import type { Actor } from "../actor.ts"
import type { FactRow } from "../books.ts"
import type { World } from "../world.ts"
import { endsOf, Facts } from "./facts.ts"
import { piecesOf } from "./frames.ts"
import { Broken, hex, type Invariant, type MakeInvariant } from "./invariant.ts"

type Parcel = {
  readonly from: Actor
  readonly to: Actor
  readonly bytes: Uint8Array
  readonly at: number
}

/** S3, S8: the keys that a member hands out are for what its officers released and did not take back. */
export const keysAreGranted: MakeInvariant = (world) => new Parcels(world)

class Parcels implements Invariant {
  readonly #world: World
  readonly #sent: Parcel[] = []
  readonly #opened = new Map<string, ParcelEpoch>()
  readonly #facts = new Map<Actor, Facts>()
  /** what was known before a loss: what only adversaries were given may be lost for good */
  readonly #lost = new Map<Actor, readonly Facts[]>()
  /** every seed that a member ever had: a backup has none */
  readonly #seeds = new Map<Actor, Map<string, Uint8Array>>()
  /** order → when its commit was seen */
  readonly #endedAt = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  heard({ from, to, path, answer, bytes }: Parameters<NonNullable<Invariant["heard"]>>[0]): void {
    const sender = this.#world.named(from)
    if (answer === undefined || answer.isHead || !sender.isHonest || path !== "/feed") return
    const recipient = this.#world.named(to)
    for (const { type, content } of piecesOf(bytes)) {
      if (type !== "parcel") continue
      // Only the honest are looked at, and a hostile member's restore loses its seeds as anyone's does.
      this.#learnSeeds(recipient)
      this.#sent.push({
        from: sender,
        to: recipient,
        bytes: content.slice(),
        at: this.#world.scheduler.now,
      })
    }
  }

  look(actor: Actor): void {
    const facts = this.#facts.get(actor) ?? new Facts(actor)
    this.#facts.set(actor, facts)
    this.#learnSeeds(actor)
    for (const { act, order } of facts.read())
      if (act === "withdraw" && !this.#endedAt.has(order))
        this.#endedAt.set(order, this.#world.scheduler.now)
  }

  #learnSeeds(actor: Actor): void {
    const known = this.#seeds.get(actor) ?? new Map<string, Uint8Array>()
    this.#seeds.set(actor, known)
    for (const seed of actor.books.kemSeeds()) known.set(hex(seed), seed)
  }

  forget(actor: Actor): void {
    const facts = this.#facts.get(actor)
    if (facts !== undefined) this.#lost.set(actor, [...(this.#lost.get(actor) ?? []), facts])
    this.#facts.delete(actor)
  }

  async finish(): Promise<void> {
    for (const parcel of this.#sent) await this.#judge(parcel)
  }

  async #judge({ from, to, bytes, at }: Parcel): Promise<void> {
    const content = await this.#open(from, to, bytes)
    if (content === null)
      throw new Broken("S3 a parcel opens for its recipient", `${from.name} to ${to.name}`)
    for (const place of content.keys.keys()) {
      const { grant } = content.delivery.grants[place]!
      const { id, version } = grant.record
      const what = `${id} version ${version}, ${from.name} to ${to.name}`
      const { recipient } = grant
      if (recipient !== to.id && recipient !== everybody)
        throw new Broken("S3 keys go to the recipient only", what)
      const known = this.#facts.get(from)?.about(from.id, id, recipient) ?? []
      const before = this.#lost.get(from) ?? []
      const release = [known, ...before.map((facts) => facts.about(from.id, id, recipient))]
        .flat()
        .find(
          (fact) => fact.order === content.delivery.order.payload.id && fact.version === version,
        )
      const wasEnded = (end: FactRow) => (this.#endedAt.get(end.order) ?? at) < at
      if (release === undefined || endsOf(release, known).some(wasEnded))
        throw new Broken("S8 no key is handed out after its end", what)
    }
  }

  /** With the recipient's own keys, and once for each secret that the two share. */
  async #open(from: Actor, to: Actor, bytes: Uint8Array): Promise<ParcelContent | null> {
    const enc = parcelEnc(bytes)
    const name = `${to.name} ${Buffer.from(enc).toString("latin1")}`
    const known = this.#opened.get(name)
    if (known !== undefined) return decodeParcelContent(openParcel(known, bytes))
    this.#learnSeeds(to)
    for (const seed of this.#seeds.get(to)!.values()) {
      const epoch = await joinEpoch(from.id, to.id, kemKeyPair(seed), enc)
      try {
        const content = decodeParcelContent(openParcel(epoch, bytes))
        this.#opened.set(name, epoch)
        return content
      } catch (cause) {
        if (!(cause instanceof ProtocolError)) throw cause
      }
    }
    return null
  }
}
