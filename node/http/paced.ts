import { type Clock, PeerUnreachable } from "../env.ts"

const windowMs = 60_000
/** Half a kilobyte a second: a modem of forty years ago. */
const leastBytes = 30 * 1024

/**
 * The body, as long as it comes. One that never falls silent and never gets anywhere would hold up its
 * reader for good; only the time spent waiting for it counts, not what its reader does in between.
 */
export function paced(
  body: ReadableStream<Uint8Array>,
  clock: Pick<Clock, "monotonic">,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let [waited, bytes] = [0, 0]
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const began = clock.monotonic()
        const { done, value } = await reader.read()
        if (done) return controller.close()
        waited += clock.monotonic() - began
        bytes += value.length
        if (waited > windowMs) {
          if (bytes < leastBytes) {
            const slow = new PeerUnreachable("the answer comes too slowly")
            await reader.cancel(slow)
            throw slow
          }
          ;[waited, bytes] = [0, 0]
        }
        controller.enqueue(value)
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}
