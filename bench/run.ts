import { cpus, loadavg } from "node:os"
import { parseArgs } from "node:util"
import { checkBudget, readBudget } from "./budget.ts"
import { type Measurement, median, type Result } from "./measure.ts"
import { formatTable, writePage } from "./page.ts"
import { bulk, single } from "./rows/bulk.ts"
import { command } from "./rows/command.ts"
import { growth } from "./rows/growth.ts"
import { addRecipient, fanOut, live, liveWitnessed, poll } from "./rows/latency.ts"

const measurements = [
  bulk,
  single,
  live,
  liveWitnessed,
  fanOut,
  poll,
  addRecipient,
  growth,
  command,
]

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    runs: { type: "string", default: "1" },
    write: { type: "boolean", default: false },
  },
})

const known = measurements.flatMap(({ names }) => names)
const wanted = options.only?.split(",") ?? known
for (const name of wanted)
  if (!known.includes(name)) fail(`No row is called ${name}; there are: ${known.join(", ")}.`)
const runs = Number(options.runs)
if (!(Number.isInteger(runs) && runs > 0)) fail("--runs takes a number.")

const [processor] = cpus()
const machine = `${cpus().length} × ${processor?.model.trim() ?? "unknown"}`
const load = loadavg()[0] ?? 0
const results = (await Promise.all([measureAll()])).flat()
const report = { machine, node: process.version, load, results }

if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else process.stdout.write(`${machine}, Node ${process.version}\n\n${formatTable(results)}`)
if (options.write) writePage(report, { isQuick: options.quick, runs })
if (options.check) {
  const slipped = checkBudget(results, readBudget())
  for (const line of slipped) process.stderr.write(`${line}\n`)
  if (slipped.length > 0) process.exitCode = 1
}

async function measureAll(): Promise<readonly Result[]> {
  const rows: Result[] = []
  for (const measurement of measurements)
    if (measurement.names.some((name) => wanted.includes(name)))
      rows.push(...(await measureRow(measurement)))
  return rows.filter(({ name }) => wanted.includes(name))
}

/** Of several runs the one in the middle: value, floor and ratio stay those of one run. */
async function measureRow(measurement: Measurement): Promise<readonly Result[]> {
  const repeated: (readonly Result[])[] = []
  for (let run = 0; run < runs; run++) {
    process.stderr.write(`measuring ${measurement.names.join(", ")} …\n`)
    repeated.push(await measurement.run({ isQuick: options.quick }))
  }
  return repeated[0]!.map(({ name }) => {
    const same = repeated.map((results) => results.find((result) => result.name === name)!)
    const measure = ({ ratio, value }: Result) => ratio ?? value
    const middle = median(same.map(measure))
    return same.find((result) => measure(result) === middle)!
  })
}

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`)
  process.exit(2)
}
