import { readFileSync } from "node:fs"
import type { Result } from "./measure.ts"

/** `ratio`: to the floor, or of a row that is a ratio, at least; `most`: in the row's own unit. */
type Budget = { readonly [name: string]: { readonly ratio?: number; readonly most?: number } }

const slack = 0.3

export function readBudget(): Budget {
  return JSON.parse(readFileSync(new URL("./budget.json", import.meta.url), "utf8"))
}

/** Rows that have slipped by more than 30 %, in words. A row without a line is only shown. */
export function checkBudget(results: readonly Result[], budget: Budget): readonly string[] {
  return results.flatMap(({ name, value, unit, ratio }) => {
    const { ratio: least, most } = budget[name] ?? {}
    if (least !== undefined && (ratio ?? value) < least * (1 - slack))
      return [`${name}: a ratio of ${(ratio ?? value).toFixed(2)}; it was ${least}`]
    if (most !== undefined && value > most * (1 + slack))
      return [`${name}: ${value.toPrecision(3)} ${unit}; it was ${most}`]
    return []
  })
}
