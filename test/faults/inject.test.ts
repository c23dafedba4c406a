import { expect, test } from "vitest"
import { scratch } from "../support/scratch.ts"
import { faults, injectAll, operations, Range } from "./inject.ts"
import { isThere } from "./real-node.ts"
import { isGate } from "./scale.ts"

const options = { timeout: 300_000 }

test.skipIf(!isThere("strace"))(
  "after a sync that failed the node signs nothing, and says so (needs strace)",
  options,
  async () => {
    await using range = await Range.open(scratch())
    const publish = operations.find(({ name }) => name === "publish")!
    const injection = await range.inject(publish, faults[0]!, 1)
    expect(injection).toMatchObject({ hit: true, said: "store.failed" })
  },
)

test.skipIf(!isThere("strace") || !isGate)(
  "whatever call fails, nothing acknowledged is lost (in the gate; needs strace)",
  options,
  async () => {
    const injections = await injectAll(scratch(), {
      step: 10,
      only: ({ name }, { calls }) =>
        /fsync|pwrite64/.test(calls) ? /publish|receive/.test(name) : name === "publish",
    })
    expect(injections.filter(({ hit }) => hit).length).toBeGreaterThan(10)
  },
)
