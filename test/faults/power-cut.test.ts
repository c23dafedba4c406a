import { expect, test } from "vitest"
import { prepareCrypto } from "../../node/node.ts"
import { inMemory, scratch } from "../support/scratch.ts"
import { powerCuts, record } from "./power-cut.ts"
import { isThere } from "./real-node.ts"
import { scaled } from "./scale.ts"

test.skipIf(!isThere("strace"))(
  "a power cut at any moment leaves what had been promised (needs strace)",
  { timeout: 300_000 },
  async () => {
    prepareCrypto()
    const directory = scratch(inMemory)
    const recording = await record(directory, 1, scaled(300, 1000))
    const points = scaled(25, 1000)
    const report = await powerCuts(recording, directory, { points, seed: 1 })
    expect(report.points).toBe(points)
    expect(report.promises).toBeGreaterThan(5)
    expect(Math.min(...Object.values(report.byLoss))).toBeGreaterThan(0)
  },
)
