/**
 * What was made a moment ago and is about to be asked for again: at most so many bytes of it, the oldest
 * making room. A name says all that its value is made of, so that nothing in here can be out of date.
 */
export class Recent<T> {
  readonly #most: number
  readonly #kept = new Map<string, { readonly value: T; readonly bytes: number }>()
  #bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  get(name: string): T | undefined {
    return this.#kept.get(name)?.value
  }

  keep(name: string, value: T, bytes: number): void {
    if (this.#kept.has(name)) return
    this.#kept.set(name, { value, bytes })
    this.#bytes += bytes
    for (const [oldest, one] of this.#kept) {
      if (this.#bytes <= this.#most) return
      this.#kept.delete(oldest)
      this.#bytes -= one.bytes
    }
  }
}
