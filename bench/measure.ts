/** One figure of the table. `ratio` = value / floor, both from this run, for rates; higher is better. */
export type Result = {
  readonly name: string
  readonly value: number
  readonly unit: "rec/CPU-s" | "ms" | "s" | "bytes" | "MB" | "ratio"
  readonly floor?: number
  readonly ratio?: number
  readonly n?: number
}

/** A piece of the bench that gives some rows: they share what has to be made for them. */
export type Measurement = {
  readonly names: readonly string[]
  run(options: { readonly isQuick: boolean }): Promise<readonly Result[]>
}

/** What a piece of work took of this process: user and system time of all its threads. */
export type Spent = { readonly cpuSeconds: number; readonly wallSeconds: number }

export async function spentOn(work: () => unknown): Promise<Spent> {
  const before = process.cpuUsage()
  const start = performance.now()
  await work()
  const wallSeconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(before)
  return { cpuSeconds: (user + system) / 1e6, wallSeconds }
}

/** Nearest-rank percentile. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)]!
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

export function rateRow(name: string, records: number, ours: Spent, floor: Spent): Result {
  const value = records / ours.cpuSeconds
  const least = records / floor.cpuSeconds
  return { name, value, unit: "rec/CPU-s", floor: least, ratio: value / least, n: records }
}

/** Milliseconds on a clock that all processes of the machine share. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
