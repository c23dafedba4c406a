import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { minimise } from "./minimise.ts"
import type { Wanted } from "./options.ts"
import { plantNamed, plants } from "./plants.ts"
import { Pool } from "./pool.ts"
import type { Asked, Told } from "./seeds.ts"

/** `npm run simulate`: docs/simulation.md */

const usage = `npm run simulate -- --seeds N [--from S] [--members M] [--plant NAME] [--json]
  --honest          without adversaries, but with every fault
  --days D          every run so many days long (drawn: 16 to 32, one in ten 46 to 92)
  --plants          the planted bugs, one name a line
  --twice           runs every seed twice and compares the two traces
  --attempts N      at most so many runs to make a story shorter (200; 0: the story as it is)
  --keep NAME       writes a broken scenario to test/simulation/regressions/NAME.json
  --replay FILE     runs one scenario from a file`

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1" },
    from: { type: "string", default: "1" },
    members: { type: "string" },
    honest: { type: "boolean", default: false },
    days: { type: "string" },
    plant: { type: "string" },
    plants: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    twice: { type: "boolean", default: false },
    attempts: { type: "string", default: "200" },
    keep: { type: "string" },
    replay: { type: "string" },
    help: { type: "boolean", default: false },
  },
})

function count(name: string, text: string, least: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least) return value
  process.stderr.write(`--${name}: a whole number, at least ${least}\n`)
  process.exit(2)
}

function say(line: string): void {
  if (!values.json) process.stdout.write(`${line}\n`)
}

function* questions(): Generator<Asked> {
  if (values.replay !== undefined) {
    yield { scenario: JSON.parse(readFileSync(values.replay, "utf8")) }
    return
  }
  const first = count("from", values.from, 0)
  const wanted: Wanted = {
    honest: values.honest,
    ...(values.members === undefined ? {} : { members: count("members", values.members, 2) }),
    ...(values.days === undefined ? {} : { days: count("days", values.days, 1) }),
  }
  for (let seed = first; seed < first + count("seeds", values.seeds, 1); seed++)
    yield { seed, wanted, twice: values.twice }
}

function isBroken({ violation, again, traceHash }: Told): boolean {
  return violation !== null || (again !== undefined && again !== traceHash)
}

async function shortest(pool: Pool, told: Told): Promise<Told> {
  let best = told
  const breaks = async (scenario: Told["scenario"]) => {
    const tried = await pool.ask({ scenario })
    if (tried.violation?.invariant !== told.violation?.invariant) return false
    best = tried
    return true
  }
  await minimise(told.scenario, breaks, count("attempts", values.attempts, 0))
  return best
}

function tellOptions({ scenario }: Told): string {
  return `${scenario.seed}: ${JSON.stringify(scenario.options)}`
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  if (values.plants) {
    process.stdout.write(plants.map(({ name }) => `${name}\n`).join(""))
    return 0
  }
  if (values.plant !== undefined) plantNamed(values.plant)
  using pool = new Pool(values.plant)
  const answers = await pool.askAll(questions(), isBroken, (told) => say(tellOptions(told)))
  const bad = answers.find(isBroken)
  const sum = (of: (told: Told) => number) => answers.reduce((total, told) => total + of(told), 0)
  const hash = createHash("sha256")
  for (const { traceHash } of answers) hash.update(traceHash)
  const result = {
    seeds: answers.length,
    events: sum(({ events }) => events),
    nodeDays: Math.round(sum(({ nodeDays }) => nodeDays)),
    cpuSeconds: Math.round(sum(({ cpuSeconds }) => cpuSeconds) * 10) / 10,
    traceHash: hash.digest("hex"),
  }
  const violation = bad === undefined ? undefined : await explain(pool, bad)
  if (values.json)
    process.stdout.write(`${JSON.stringify({ ...result, ...(violation && { violation }) })}\n`)
  const restores = sum(({ story }) => story.filter((one) => / restore: \w+ from /.test(one)).length)
  say(JSON.stringify({ ...result, restores }))
  return violation === undefined ? 0 : 1
}

async function explain(pool: Pool, bad: Told) {
  const { seed } = bad.scenario
  if (bad.violation === null) {
    say(`${seed}: two runs of it differ`)
    return { seed, invariant: "D1 a seed has one trace", story: [] }
  }
  const short = await shortest(pool, bad)
  const { invariant, detail } = short.violation ?? bad.violation
  say(`\n${seed} breaks “${invariant}”: ${detail}`)
  say(`${tellOptions(short)}, ${short.scenario.steps.length} steps`)
  for (const line of short.story) say(`  ${line}`)
  if (values.keep !== undefined) keep(values.keep, short)
  return { seed, invariant, detail, story: short.story }
}

function keep(name: string, { scenario }: Told): void {
  const directory = new URL("regressions/", import.meta.url)
  mkdirSync(directory, { recursive: true })
  writeFileSync(new URL(`${name}.json`, directory), `${JSON.stringify(scenario, null, 2)}\n`)
}

process.exitCode = await main()
