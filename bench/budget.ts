import { readFileSync } from "node:fs"
import type { Result } from "./measure.ts"

/** `ratio`: to the floor, at least; `most`: in the row's own unit. */
type Budget = { readonly [name: string]: { readonly ratio?: number; readonly most?: number } }

const slack = 0.3

/** Rows that have slipped by more than 30 %, in words. A row without a line is only shown. */
export function checkBudget(results: readonly Result[]): readonly string[] {
  const path = new URL("./budget.json", import.meta.url)
  const budget: Budget = JSON.parse(readFileSync(path, "utf8"))
  return results.flatMap(({ name, value, unit, ratio }) => {
    const { ratio: least, most } = budget[name] ?? {}
    if (least !== undefined && (ratio ?? value) < least * (1 - slack))
      return [`${name}: ${(ratio ?? value).toFixed(2)} of the floor; it was ${least}`]
    if (most !== undefined && value > most * (1 + slack))
      return [`${name}: ${value.toPrecision(3)} ${unit}; it was ${most}`]
    return []
  })
}
