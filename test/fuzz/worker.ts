import { parentPort, workerData } from "node:worker_threads"
import { prepareCrypto } from "../../node/node.ts"
import { fuzz } from "./fuzz.ts"
import { parsers } from "./parsers.ts"

/** One parser in a thread of its own: who waits for it can end it, and still sees what it was reading. */
export type Work = {
  readonly parser: string
  readonly inputs: number
  readonly seed: number
  /** the input at work: its length, a number that grows, its bytes */
  readonly shared: SharedArrayBuffer
}

const { parser: name, inputs, seed, shared } = workerData as Work
const head = new Int32Array(shared, 0, 2)
const room = new Uint8Array(shared, 8)

prepareCrypto()
const parser = parsers.find((one) => one.name === name)!
const report = await fuzz(parser, {
  inputs,
  seed,
  onInput: (input) => {
    room.set(input.subarray(0, room.length))
    head[0] = Math.min(input.length, room.length)
    Atomics.add(head, 1, 1)
  },
  onProgress: (done) => parentPort?.postMessage({ done }),
})
parentPort?.postMessage({ report })
