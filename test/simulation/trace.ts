import { createHash } from "node:crypto"

/** What happened, twice: a digest of every byte of it, and a story of the turns that a person would tell. */
export class Trace {
  readonly #hash = createHash("sha256")
  readonly #story: string[] = []
  #digest: string | null = null

  /** Goes into the digest only. */
  note(...parts: readonly (string | number | Uint8Array)[]): void {
    if (this.#digest !== null) return
    for (const part of parts) {
      if (part instanceof Uint8Array) this.#hash.update(`${part.length}:`).update(part)
      else this.#hash.update(`${part}\n`)
    }
  }

  tell(now: number, line: string): void {
    if (this.#digest !== null) return
    const told = `${new Date(now).toISOString().slice(5, 19).replace("T", " ")} ${line}`
    this.#hash.update(`${told}\n`)
    this.#story.push(told)
  }

  get story(): readonly string[] {
    return this.#story
  }

  /** The end: whatever still stirs is no part of it. */
  digest(): string {
    this.#digest ??= this.#hash.digest("hex")
    return this.#digest
  }
}
