import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"

const bytesPerPeer = 2 * limits.requestBytes
const requestsPerPeer = 16

type Open = { bytes: number; requests: number }

/**
 * How much of our memory the bodies of each peer's requests take at once. More is refused, not made to
 * wait: two nodes that post to one another could wait for each other.
 */
export class Posts {
  readonly #open = new Map<string, Open>()

  /** @param bytes that the body will have, or the most that it may @throws `http.busy` */
  async hold<T>(peer: string, bytes: number, work: () => Promise<T>): Promise<T> {
    const open = this.#open.get(peer) ?? { bytes: 0, requests: 0 }
    if (open.requests >= requestsPerPeer || open.bytes + bytes > bytesPerPeer)
      throw new ProtocolError("http.busy")
    this.#open.set(peer, open)
    open.requests++
    open.bytes += bytes
    try {
      return await work()
    } finally {
      open.requests--
      open.bytes -= bytes
      if (open.requests === 0) this.#open.delete(peer)
    }
  }
}
