import { expect, test } from "vitest"
import { inMemory, scratch } from "../support/scratch.ts"
import { flipBits, makeSubject } from "./bit-flips.ts"
import { scaled } from "./scale.ts"

test("a flipped bit is found or harms nothing, and is never served", {
  timeout: 200_000,
}, async () => {
  const directory = scratch(inMemory)
  await using subject = await makeSubject(directory, 1)
  const flips = scaled(6, 20)
  const report = await flipBits(subject, directory, { flips, seed: 1 })
  expect(report.flips).toBe(flips)
  expect(report.atOpening + report.atReading).toBeGreaterThan(flips / 2)
})
