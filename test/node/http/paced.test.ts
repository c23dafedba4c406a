import { expect, test } from "vitest"
import { PeerUnreachable } from "../../../node/env.ts"
import { paced } from "../../../node/http/paced.ts"
import { readBody } from "../../../node/http/read-body.ts"

/** Chunks of so many bytes, each after so many milliseconds of the clock. */
function trickle(chunks: number, bytes: number, ms: number) {
  const clock = { at: 0, monotonic: () => clock.at }
  let sent = 0
  let isCancelled = false
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        clock.at += ms
        if (sent++ === chunks) controller.close()
        else controller.enqueue(new Uint8Array(bytes))
      },
      cancel() {
        isCancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { clock, body, isCancelled: () => isCancelled }
}

test("a byte a second is no answer, and the connection is let go", async () => {
  const { clock, body, isCancelled } = trickle(1000, 1, 1000)
  await expect(readBody(paced(body, clock), 10_000)).rejects.toThrow(PeerUnreachable)
  expect(clock.at).toBeLessThan(70_000)
  expect(isCancelled()).toBe(true)
})

test("a weak link is an answer", async () => {
  const { clock, body } = trickle(600, 1024, 1000)
  expect(await readBody(paced(body, clock), 1_000_000)).toHaveLength(600 * 1024)
})

test("how long its reader takes is not held against it", async () => {
  const { clock, body } = trickle(50, 10, 10)
  let length = 0
  for await (const chunk of paced(body, clock)) {
    length += chunk.length
    clock.at += 60_000
  }
  expect(length).toBe(500)
})
