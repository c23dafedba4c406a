import { expect, test } from "vitest"
import { prepareCrypto } from "../../node/node.ts"
import { inMemory, scratch } from "../support/scratch.ts"
import { foundingCuts, powerCuts, record } from "./power-cut.ts"
import { isThere } from "./real-node.ts"
import { scaled } from "./scale.ts"

test.skipIf(!isThere("strace"))(
  "a power cut at any moment leaves what had been promised (needs strace)",
  { timeout: 300_000 },
  async () => {
    prepareCrypto()
    const directory = scratch(inMemory)
    const recording = await record(directory, 1, scaled(300, 600))
    const points = scaled(25, 400)
    const report = await powerCuts(recording, directory, { points, seed: 1 })
    expect(report.points).toBe(points)
    expect(report.promises).toBeGreaterThan(5)
    expect(Math.min(...Object.values(report.byLoss))).toBeGreaterThan(0)
  },
)

test.skipIf(!isThere("strace"))(
  "a power cut while a member is founded leaves the whole member or none (needs strace)",
  { timeout: 100_000 },
  async () => {
    prepareCrypto()
    const found = await foundingCuts(scratch(inMemory), { points: scaled(20, 100), seed: 1 })
    expect(found.whole).toBeGreaterThan(0)
    expect(found.none).toBeGreaterThan(0)
  },
)
