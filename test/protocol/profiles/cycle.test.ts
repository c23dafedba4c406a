import { expect, test } from "vitest"
import { dueOn } from "../../../protocol/profiles/cycle.ts"

test.each([
  ["2026-11-23", "+P90D", "2027-02-21"],
  ["2026-11-23", "-P8M", "2026-03-23"],
  ["2026-03-31", "-P1M", "2026-02-28"],
  ["2024-02-29", "+P1Y", "2025-02-28"],
  ["2026-11-23", "+P18M", "2028-05-23"],
  ["2026-12-31", "+P2W", "2027-01-14"],
  ["2026-01-31", "+P3M", "2026-04-30"],
])("%s %s is %s", (anchor, offset, day) => {
  expect(dueOn(anchor, { offset })).toBe(day)
})
