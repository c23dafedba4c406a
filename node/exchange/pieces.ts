/** The bytes of a frame, one part after the other; its type is the first byte of the first. */
export type Parts = readonly Uint8Array[]

/** Frames go out in pieces of about this size: a network and its reader pay for each piece. */
const pieceBytes = 64 * 1024

/** Small parts together; a large one as it is, and what lies one behind the other as the one that it is. */
export class Pieces {
  #ready: Uint8Array[] = []
  #small: Uint8Array[] = []
  #smallBytes = 0
  /** the newest part, with those that lie behind it */
  #run: Run | null = null

  add(parts: Parts): void {
    for (const part of parts) {
      if (this.#run !== null && liesBehind(this.#run, part)) this.#run.length += part.length
      else {
        this.#setAside()
        this.#run = { first: part, length: part.length }
      }
      if (this.#run.length < pieceBytes) continue
      this.#put()
      this.#ready.push(bytesOf(this.#run))
      this.#run = null
    }
  }

  #setAside(): void {
    if (this.#run === null) return
    this.#small.push(bytesOf(this.#run))
    this.#smallBytes += this.#run.length
    this.#run = null
    if (this.#smallBytes >= pieceBytes) this.#put()
  }

  #put(): void {
    if (this.#smallBytes > 0) this.#ready.push(Buffer.concat(this.#small, this.#smallBytes))
    this.#small = []
    this.#smallBytes = 0
  }

  /** What is large enough to be sent. */
  *take(): Generator<Uint8Array> {
    const ready = this.#ready
    this.#ready = []
    yield* ready
  }

  *rest(): Generator<Uint8Array> {
    this.#setAside()
    this.#put()
    yield* this.take()
  }
}

type Run = { readonly first: Uint8Array; length: number }

function liesBehind({ first, length }: Run, part: Uint8Array): boolean {
  return part.byteOffset === first.byteOffset + length && part.buffer === first.buffer
}

function bytesOf({ first, length }: Run): Uint8Array {
  return first.length === length ? first : new Uint8Array(first.buffer, first.byteOffset, length)
}
