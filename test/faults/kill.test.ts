import { expect, test } from "vitest"
import { scratch } from "../support/scratch.ts"
import { killLoop } from "./kill.ts"
import { scaled } from "./scale.ts"

test("kill −9 at any moment loses, doubles and forks nothing that was acknowledged", {
  timeout: 300_000,
}, async () => {
  const kills = scaled(3, 20)
  const report = await killLoop(scratch(), { kills, seed: 1 })
  expect(report.kills).toBeGreaterThanOrEqual(kills)
  expect(report.acknowledged).toBeGreaterThan(kills)
})
