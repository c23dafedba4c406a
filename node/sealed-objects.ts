const bytesKept = 8 * 1024 * 1024

/**
 * Sealed objects that went out a moment ago, by their digest: what is released to many members is sealed
 * once for all of them. Ciphertext only; what is destroyed in the store can't be read here either.
 */
export class SealedObjects {
  readonly #kept = new Map<string, Uint8Array>()
  #bytes = 0

  get(digest: string): Uint8Array | undefined {
    return this.#kept.get(digest)
  }

  /** The oldest make room. */
  keep(digest: string, bytes: Uint8Array): void {
    if (this.#kept.has(digest)) return
    this.#kept.set(digest, bytes)
    this.#bytes += bytes.length
    for (const [oldest, { length }] of this.#kept) {
      if (this.#bytes <= bytesKept) return
      this.#kept.delete(oldest)
      this.#bytes -= length
    }
  }
}
