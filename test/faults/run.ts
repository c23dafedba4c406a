import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { prepareCrypto } from "../../node/node.ts"
import { inMemory } from "../support/scratch-place.ts"
import { flipBits, makeSubject } from "./bit-flips.ts"
import { faketimeLibrary, wrongClocks } from "./clock.ts"
import { type Injection, injectAll } from "./inject.ts"
import { killLoop } from "./kill.ts"
import { foundingCuts, type PowerCutReport, powerCuts, record } from "./power-cut.ts"
import { isThere } from "./real-node.ts"
import { canMount, smallDisk } from "./small-disk.ts"

/** The long runs of docs/testing.md: `npm run faults -- --only kill,power --seed 7`. */

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    kills: { type: "string", default: "1000" },
    cuts: { type: "string", default: "10000" },
    step: { type: "string", default: "1" },
    flips: { type: "string", default: "500" },
    json: { type: "boolean", default: false },
  },
})
const seed = Number(values.seed)
const say = (text: string) => process.stderr.write(`${text}\n`)

type Instrument = {
  readonly needs?: { readonly name: string; readonly isThere: () => boolean }
  readonly run: (directory: string) => Promise<unknown>
  /** nothing is learnt by waiting for a real disk */
  readonly inMemory?: boolean
}

const strace = { name: "strace", isThere: () => isThere("strace") }
const instruments: Readonly<Record<string, Instrument>> = {
  kill: {
    run: (directory) =>
      killLoop(directory, {
        kills: Number(values.kills),
        seed,
        onProgress: (kills) => say(`kill: ${kills}`),
      }),
  },
  power: { needs: strace, inMemory: true, run: cutPower },
  inject: {
    needs: strace,
    run: async (directory) => {
      const onInjection = ({ operation, fault, nth, hit, said }: Injection) =>
        say(
          `inject: ${operation}, ${fault.error} at ${fault.calls} ${nth}: ${hit ? said : "through"}`,
        )
      const done = await injectAll(directory, { step: Number(values.step), onInjection })
      return { injections: done.filter(({ hit }) => hit).length, runs: done.length }
    },
  },
  disk: {
    needs: { name: "a mount name space", isThere: canMount },
    run: (directory) => smallDisk(directory, { mebibytes: 8 }),
  },
  clock: {
    needs: { name: "faketime", isThere: () => faketimeLibrary() !== null },
    run: (directory) => wrongClocks(directory),
  },
  flips: {
    inMemory: true,
    run: async (directory) => {
      await using subject = await makeSubject(directory, seed)
      return flipBits(subject, directory, { flips: Number(values.flips), seed })
    },
  },
}

const cutsPerRecording = 1000

/** A new recording for each thousand: another interleaving, other places in the journal. */
async function cutPower(directory: string): Promise<unknown> {
  let total = { recordings: 0, points: 0, events: 0, promises: 0 }
  for (let i = 0; total.points < Number(values.cuts); i++) {
    const recording = await record(directory, seed + i, 1000)
    const points = Math.min(cutsPerRecording, Number(values.cuts) - total.points)
    const report: PowerCutReport = await powerCuts(recording, directory, { points, seed: seed + i })
    total = {
      recordings: total.recordings + 1,
      points: total.points + report.points,
      events: total.events + report.events,
      promises: total.promises + report.promises,
    }
    rmSync(directory, { recursive: true, force: true })
    say(`power: ${total.points}`)
  }
  mkdirSync(directory)
  const founding = await foundingCuts(directory, { points: Math.min(1000, total.points), seed })
  return { ...total, founding }
}

prepareCrypto()
const wanted = values.only?.split(",") ?? Object.keys(instruments)
const results: Record<string, unknown> = {}
for (const name of wanted) {
  const instrument = instruments[name]
  if (instrument === undefined) throw new RangeError(`no instrument ${name}`)
  if (instrument.needs?.isThere() === false) {
    results[name] = `skipped: needs ${instrument.needs.name}`
    say(`${name}: ${results[name]}`)
    continue
  }
  const directory = mkdtempSync(join(instrument.inMemory ? inMemory : tmpdir(), "comity-faults-"))
  const began = performance.now()
  try {
    const report = await instrument.run(directory)
    results[name] = { report, seconds: Math.round((performance.now() - began) / 1000) }
    say(`${name}: ${JSON.stringify(results[name])}`)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`)
process.exit(0)
