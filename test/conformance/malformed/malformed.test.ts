import { expect, test } from "vitest"
import { prepareCrypto } from "../../../node/node.ts"
import { scaled } from "../../faults/scale.ts"
import { scratch } from "../../support/scratch.ts"
import { flood } from "./flood.ts"

test("malformed requests: no crash, no 5xx, and every good one among them is answered", {
  timeout: 200_000,
}, async () => {
  prepareCrypto()
  const report = await flood(scratch(), { requests: scaled(400, 4000), seed: 1 })
  expect(report).toMatchObject({ isAlive: true, faults: [] })
  expect(Object.keys(report.statuses).filter((status) => /^5/.test(status))).toEqual([])
  expect(report.goodAnswered).toBe(report.good)
  expect(report.peakRssMB).toBeLessThan(300)
})
