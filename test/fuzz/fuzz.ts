import { Session } from "node:inspector"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { NodeError } from "../../node/errors.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { type Draw, drawsFrom, mutateBytes, mutateJson, mutateLines } from "./mutate.ts"

/** A parser of ours, with inputs that it takes and what has to be true of any. */
export type Parser = {
  readonly name: string
  readonly form: "json" | "lines" | "bytes"
  readonly seeds: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>
  /**
   * Reads the input. What it accepts it also writes: the same bytes again, or null where a format has
   * several for one thing.
   *
   * @throws a coded error for what it refuses; any other one is a finding
   */
  readonly read: (input: Uint8Array) => Written | Promise<Written>
}

type Written = Uint8Array | string | null

export type Finding = {
  readonly parser: string
  readonly what: string
  readonly input: Uint8Array
}

export type FuzzReport = {
  readonly parser: string
  readonly inputs: number
  readonly accepted: number
  /** inputs that reached code nothing had reached before */
  readonly interesting: number
  readonly slowestMs: number
  readonly grownMiB: number
  readonly findings: readonly Finding[]
}

const tooSlowMs = 100
const tooMuchMiB = 32
/** In fewer inputs than these what a process takes from its machine says nothing: it is still starting. */
const residentCounts = 10_000
const mutators = { json: mutateJson, lines: mutateLines, bytes: mutateBytes }

export type Fuzzing = {
  readonly inputs: number
  readonly seed: number
  /** of each input, before it is read: for whoever waits for a hang */
  readonly onInput?: (input: Uint8Array) => void
  readonly onProgress?: (inputs: number) => void
}

/** Inputs that reach something new join the seeds; a coverage of V8 says which. */
export async function fuzz(parser: Parser, options: Fuzzing): Promise<FuzzReport> {
  const draw = drawsFrom(options.seed)
  const pool = [...(await parser.seeds())]
  if (pool.length === 0) pool.push(new Uint8Array(0))
  const run = new Run(parser, options)
  for (const seed of pool) await run.take(seed)
  // A small run has other seeds than a large one each time; it is not worth what coverage costs.
  const guided = options.inputs < 1000 ? 0 : Math.min(options.inputs, guidedInputs)
  let interesting = 0
  if (guided >= batch) {
    using coverage = new Coverage()
    coverage.news()
    for (let done = 0; done < guided; done += batch) {
      const inputs = Array.from({ length: batch }, () => mutated(parser, pool, draw))
      for (const input of inputs) await run.take(input)
      if (!coverage.news()) continue
      // Which of them it was is seen when each is read once more, alone.
      coverage.forget()
      for (const input of inputs) {
        await run.take(input)
        if (!coverage.news()) continue
        pool.push(input)
        interesting++
      }
    }
  }
  run.settle()
  const half = Math.ceil(options.inputs / 2)
  while (run.inputs < options.inputs) {
    await run.take(mutated(parser, pool, draw))
    if (run.inputs === half) run.settleResident()
    if (run.inputs % 50_000 === 0) options.onProgress?.(run.inputs)
  }
  return { ...run.report(), interesting }
}

const batch = 64
const guidedInputs = 20_000

function mutated({ form }: Parser, pool: readonly Uint8Array[], draw: Draw): Uint8Array {
  return mutators[form](pool[draw(pool.length)]!, pool, draw)
}

/** The properties, one input after another. */
class Run {
  readonly #parser: Parser
  readonly #options: Fuzzing
  readonly #findings: Finding[] = []
  inputs = 0
  #accepted = 0
  #slowestMs = 0
  #live = 0
  #resident = 0

  constructor(parser: Parser, options: Fuzzing) {
    this.#parser = parser
    this.#options = options
  }

  async take(input: Uint8Array): Promise<void> {
    this.inputs++
    this.#options.onInput?.(input)
    const began = performance.now()
    const { written, fault } = await attempt(this.#parser, input)
    const ms = performance.now() - began
    if (written !== undefined) this.#accepted++
    if (fault !== null) this.#find(input, fault)
    if (ms > tooSlowMs) {
      // The machine may have been busy: processor time tells, and only if it does so again.
      const spent = await leastSpent(this.#parser, input)
      if (spent > tooSlowMs) this.#find(input, `it takes ${Math.round(spent)} ms`)
      this.#slowestMs = Math.max(this.#slowestMs, Math.min(ms, spent))
    } else this.#slowestMs = Math.max(this.#slowestMs, ms)
  }

  /** From here on memory counts: before, code is compiled and caches fill. */
  settle(): void {
    this.#live = memory().live
    this.settleResident()
  }

  /** What the process takes from its machine rises long after what is alive does not, and then no more. */
  settleResident(): void {
    this.#resident = memory().resident
  }

  #find(input: Uint8Array, what: string): void {
    // One of a kind is enough to look into.
    if (this.#findings.some((one) => one.what === what) || this.#findings.length > 50) return
    this.#findings.push({ parser: this.#parser.name, what, input })
  }

  report(): Omit<FuzzReport, "interesting"> {
    const { live, resident } = memory()
    const taken = this.inputs < residentCounts ? 0 : resident - this.#resident
    const grown = Math.max(0, live - this.#live, taken)
    const grownMiB = inMiB(grown)
    if (grownMiB > tooMuchMiB)
      this.#find(
        new Uint8Array(0),
        `memory grows by ${grownMiB} MiB, ${inMiB(live - this.#live)} of it alive`,
      )
    return {
      parser: this.#parser.name,
      inputs: this.inputs,
      accepted: this.#accepted,
      slowestMs: Math.round(this.#slowestMs),
      grownMiB,
      findings: this.#findings,
    }
  }
}

/** What is wrong with how the parser takes this input; null for nothing. */
export async function faultOf(parser: Parser, input: Uint8Array): Promise<string | null> {
  return (await attempt(parser, input)).fault
}

async function attempt(
  { read }: Parser,
  input: Uint8Array,
): Promise<{ readonly written?: Written; readonly fault: string | null }> {
  const before = Buffer.from(input)
  try {
    const result = read(input)
    const written = result instanceof Promise ? await result : result
    if (written === null) return { written, fault: null }
    const again = typeof written === "string" ? Buffer.from(written, "utf8") : Buffer.from(written)
    return {
      written,
      fault: again.equals(before) ? null : "it is written otherwise than it was read",
    }
  } catch (cause) {
    const isCoded = cause instanceof ProtocolError || cause instanceof NodeError
    return { fault: isCoded ? null : faultText(cause) }
  }
}

function faultText(cause: unknown): string {
  if (!(cause instanceof Error)) return `it throws ${String(cause)}`
  const place = cause.stack?.split("\n").find((line) => /\/(protocol|node|cli)\//.test(line)) ?? ""
  return `${cause.name}: ${cause.message.slice(0, 120)} ${place.trim()}`
}

async function leastSpent(parser: Parser, input: Uint8Array): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 3; i++) {
    const before = process.threadCpuUsage()
    await attempt(parser, input)
    const { user, system } = process.threadCpuUsage(before)
    least = Math.min(least, (user + system) / 1000)
  }
  return least
}

const inMiB = (bytes: number) => Math.round(bytes / 2 ** 20)

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Bytes: what V8 knows to be in use, and what the process holds, with what V8 knows nothing of. */
function memory(): { readonly live: number; readonly resident: number } {
  // Buffers that the first one found dead are given back while it is over; the second waits for that.
  collectGarbage()
  collectGarbage()
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage()
  // What V8 keeps of emptied pages is its business.
  return { live: heapUsed + external, resident: rss - (heapTotal - heapUsed) }
}

/** Which blocks of our own code have run. */
class Coverage implements Disposable {
  readonly #session = new Session()
  readonly #seen = new Set<string>()
  #last: string[] = []

  constructor() {
    this.#session.connect()
    this.#session.post("Profiler.enable")
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
  }

  /** Whether anything ran since the last call that never had before. */
  news(): boolean {
    this.#last = []
    this.#session.post("Profiler.takePreciseCoverage", (error, taken) => {
      if (error !== null) throw error
      for (const { url, functions } of taken.result) {
        if (!/\/(protocol|node|cli)\//.test(url) || url.includes("node_modules")) continue
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of ranges) {
            const key = `${url} ${startOffset} ${endOffset}`
            if (count === 0 || this.#seen.has(key)) continue
            this.#seen.add(key)
            this.#last.push(key)
          }
      }
    })
    return this.#last.length > 0
  }

  /** As if what ran last had not. */
  forget(): void {
    for (const key of this.#last) this.#seen.delete(key)
  }

  [Symbol.dispose](): void {
    this.#session.disconnect()
  }
}
