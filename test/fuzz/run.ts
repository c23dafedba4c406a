import { spawn } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import type { FuzzReport } from "./fuzz.ts"
import { parsers } from "./parsers.ts"

/** `npm run fuzz -- --inputs N [--parser NAME,…] [--seed S]`: docs/testing.md */
const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "10000" },
    parser: { type: "string" },
    seed: { type: "string", default: "1" },
    /** parsers at once */
    atonce: { type: "string", default: "2" },
    /** seconds without a new input after which a parser counts as hanging */
    hang: { type: "string", default: "60" },
    findings: { type: "string", default: "fuzz-findings" },
    json: { type: "boolean", default: false },
  },
})
const say = (text: string) => process.stderr.write(`${text}\n`)
const names = parsers.map(({ name }) => name)
const wanted = values.parser?.split(",") ?? names
for (const name of wanted)
  if (!names.includes(name)) throw new RangeError(`no parser ${name}: ${names.join(" ")}`)

function run(parser: string): Promise<FuzzReport> {
  const shared = new SharedArrayBuffer(8 + 128 * 1024)
  const head = new Int32Array(shared, 0, 2)
  const workerData = { parser, inputs: Number(values.inputs), seed: Number(values.seed), shared }
  const worker = new Worker(new URL("worker.ts", import.meta.url), { workerData })
  return new Promise((resolve, reject) => {
    let seen = -1
    const watch = setInterval(() => {
      const now = Atomics.load(head, 1)
      if (now === seen && now > 0) {
        clearInterval(watch)
        const input = new Uint8Array(shared, 8, head[0]).slice()
        void worker.terminate()
        resolve({
          parser,
          inputs: now,
          accepted: 0,
          interesting: 0,
          slowestMs: Number(values.hang) * 1000,
          grownMiB: 0,
          findings: [{ parser, what: "it hangs", input }],
        })
      }
      seen = now
    }, Number(values.hang) * 1000)
    worker.on("message", (message: { report?: FuzzReport; done?: number }) => {
      if (message.report === undefined) return
      clearInterval(watch)
      void worker.terminate()
      resolve(message.report)
    })
    worker.on("error", (cause) => {
      clearInterval(watch)
      reject(cause)
    })
  })
}

type Outcome = Omit<FuzzReport, "findings"> & {
  readonly findings: readonly string[]
  readonly seconds: number
}

/** Here, with its findings kept as files. */
async function runHere(name: string): Promise<Outcome> {
  const began = performance.now()
  const { findings, ...figures } = await run(name)
  for (const { what, input } of findings) {
    mkdirSync(values.findings, { recursive: true })
    const file = join(values.findings, `${name}-${encodeHex(sha256(input)).slice(0, 12)}`)
    writeFileSync(file, input)
    const shown = JSON.stringify(new TextDecoder("latin1").decode(input).slice(0, 200))
    say(`    ${what}\n    ${file}: ${shown}`)
  }
  const seconds = Math.round((performance.now() - began) / 1000)
  return { ...figures, findings: findings.map(({ what }) => what), seconds }
}

/** In a process of its own: what memory it takes is then its own. */
function runApart(name: string): Promise<Outcome> {
  const args = ["--parser", name, "--json"]
  for (const option of ["inputs", "seed", "hang", "findings"] as const)
    args.push(`--${option}`, values[option])
  const child = spawn(process.execPath, [import.meta.filename, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk
  })
  return new Promise((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code) => {
      try {
        resolve(JSON.parse(output)[0])
      } catch (cause) {
        reject(new Error(`${name} ended with ${code}`, { cause }))
      }
    })
  })
}

const outcomes: Outcome[] = []
if (wanted.length === 1) outcomes.push(await runHere(wanted[0]!))
else {
  const waiting = [...wanted]
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const outcome = await runApart(name)
      outcomes.push(outcome)
      say(`${outcome.findings.length === 0 ? "✔" : "✘"} ${JSON.stringify(outcome)}`)
    }
  }
  await Promise.all(Array.from({ length: Number(values.atonce) }, work))
}
if (values.json) process.stdout.write(`${JSON.stringify(outcomes)}\n`)
else if (wanted.length === 1) say(JSON.stringify(outcomes[0]))
process.exit(outcomes.every(({ findings }) => findings.length === 0) ? 0 : 1)
