import { writeFileSync } from "node:fs"
import type { Result } from "./measure.ts"

type Report = {
  readonly machine: string
  readonly node: string
  readonly results: readonly Result[]
}

export function formatTable(results: readonly Result[]): string {
  const rows = results.map((result) => cells(result))
  return `| row | value | floor | ratio | n |\n|---|---|---|---|---|\n${rows.join("")}`
}

function cells({ name, value, unit, floor, ratio, n }: Result): string {
  const figure = (number: number | undefined) => (number === undefined ? "" : short(number))
  const columns = [name, `${short(value)} ${unit}`, figure(floor), ratio?.toFixed(2) ?? "", n ?? ""]
  return `| ${columns.join(" | ")} |\n`
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3)
}

export function writePage(
  { machine, node, results }: Report,
  { isQuick, runs }: { readonly isQuick: boolean; readonly runs: number },
): void {
  const day = new Date().toISOString().slice(0, 10)
  const how = `${isQuick ? "shortened, " : ""}${runs === 1 ? "one run" : `the median of ${runs} runs`}`
  const text = `${introduction}\nMeasured on ${day}: ${machine}, Node ${node}, ${how}.\n\n${formatTable(results)}`
  writeFileSync(new URL("../docs/performance.md", import.meta.url), text)
}

const introduction = `# What things cost
`
