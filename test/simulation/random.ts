import { createHash } from "node:crypto"

/**
 * Numbers that follow from a name: SFC32 (Doty-Humphrey), seeded by SHA-256. Each purpose has a stream
 * of its own name, so that a draw more in one of them shifts no other.
 */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(name: string) {
    const seed = createHash("sha256").update(name).digest()
    this.#a = seed.readInt32LE(0)
    this.#b = seed.readInt32LE(4)
    this.#c = seed.readInt32LE(8)
    for (let i = 0; i < 12; i++) this.next()
  }

  /** 0 … 2³² − 1 */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** 0 ≤ x < 1 */
  unit(): number {
    return this.next() / 2 ** 32
  }

  /** A whole number, 0 … bound − 1. */
  below(bound: number): number {
    return Math.floor(this.unit() * bound)
  }

  /** A whole number, both ends included. */
  between(least: number, greatest: number): number {
    return least + this.below(greatest - least + 1)
  }

  chance(probability: number): boolean {
    return this.unit() < probability
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("nothing to pick from")
    return list[this.below(list.length)]!
  }

  shuffled<T>(list: readonly T[]): T[] {
    const rest = [...list]
    const drawn: T[] = []
    while (rest.length > 0) drawn.push(...rest.splice(this.below(rest.length), 1))
    return drawn
  }

  /** Mostly near `typical`, sometimes many times as much: the law of delays. */
  around(typical: number): number {
    return Math.max(1, Math.round(typical * Math.exp(1.2 * (this.unit() + this.unit() - 1))))
  }

  bytes(length: number): Uint8Array {
    const drawn = new Uint8Array(length)
    const words = new DataView(drawn.buffer)
    let at = 0
    for (; at + 4 <= length; at += 4) words.setUint32(at, this.next(), true)
    for (let rest = this.next(); at < length; at++, rest >>>= 8) drawn[at] = rest
    return drawn
  }
}
