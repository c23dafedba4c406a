import type { Context } from "../../node/context.ts"
import { NodeError } from "../../node/errors.ts"
import { publish } from "../../node/log/sequencer.ts"
import { createNode } from "../../node/node.ts"
import type { Scene } from "./action.ts"
import { Disk } from "./disk.ts"
import { Life } from "./life.ts"
import { Random } from "./random.ts"
import { signedOrder } from "./workload/release.ts"

/** A node on a copy of a member's database, which knows nothing of what the other one does meanwhile. */
export class Twin {
  readonly #scene: Scene
  readonly #life = new Life(() => {})
  readonly #disk: Disk
  #context: Context | null = null
  #orders: readonly string[] = []

  constructor(scene: Scene) {
    const { disk } = scene.actor
    this.#scene = scene
    this.#disk = new Disk(disk.image(), disk.shelf)
    this.#disk.identity = "a copy"
  }

  /** Starts, and has some orders signed. @returns false when it would not */
  async boot(): Promise<boolean> {
    const { actor, random } = this.#scene
    const chance = new Random(`twin ${random.next()}`)
    const env = actor.envOn(this.#life, this.#disk, chance)
    const orders: string[] = []
    try {
      this.#context = await createNode(env, actor.founded.keys)
      for (let count = random.between(1, 3); count > 0; count--)
        orders.push(await signedOrder(this.#scene, this.#context))
    } catch (cause) {
      if (cause instanceof NodeError) return false
      throw cause
    }
    this.#orders = orders
    return true
  }

  /** All of them at once. @returns what it signed, null when it signed nothing */
  async publish(): Promise<string | null> {
    const { world, actor } = this.#scene
    const context = this.#context!
    const done = await Promise.allSettled(this.#orders.map((order) => publish(context, order)))
    const signed = done.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []))
    for (const published of signed) world.truth.acknowledge(actor.id, published)
    return signed.length === 0 ? null : signed.map(({ order }) => order.slice(0, 6)).join(",")
  }

  /** @returns the database as it leaves it */
  end(): Uint8Array {
    this.#life.end()
    const image = this.#disk.image()
    this.#disk.close()
    return image
  }
}
