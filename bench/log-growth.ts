import { parseArgs } from "node:util"
import type { Context } from "../node/context.ts"
import { commitEntries } from "../node/log/append.ts"
import { logConsistency, logProof } from "../node/log/log.ts"
import { mirrorLog } from "../node/log/mirror.ts"
import { truncateWal } from "../node/store/purge.ts"
import { entriesFrom, logOf } from "../node/store/queries/logs.ts"
import { keysInForce } from "../node/store/queries/members.ts"
import { limits } from "../protocol/limits.ts"
import { dummyEntry } from "../protocol/log/entry.ts"
import { percentile, spentOn } from "./measure.ts"
import { know, makeMember } from "./member.ts"

/**
 * What a log costs as it grows: to append two entries and sign, to prove, and to catch up with it after a
 * week. Encrypted database, full syncs. `node bench/log-growth.ts [--sizes 1000,100000,1000000] [--json]`
 */

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "1000,100000,1000000" },
    json: { type: "boolean", default: false },
  },
})
const sizes = values.sizes.split(",").map(Number)
/** What a log that took five years to become as large gains in one. */
const week = Math.ceil(Math.max(...sizes) / (5 * 52))

const publisher = await makeMember("XA")
const { context } = publisher

async function grow(to: number): Promise<void> {
  const entriesAtOnce = 20_000
  for (;;) {
    const { range } = (await logOf(context.db, context.self.id))!
    const count = Math.min(entriesAtOnce, to - range.size)
    if (count <= 0) return
    const entries = Array.from({ length: count }, (_, i) =>
      dummyEntry(context.keys.salt, range.size + i),
    )
    await commitEntries(context, entries, async () => {})
  }
}

type Cost = { readonly ms: number; readonly cpuMs: number }

/** Median of the time it took, mean of the processor's. */
async function costOf(times: number, work: (i: number) => Promise<unknown>): Promise<Cost> {
  const taken: number[] = []
  const { cpuSeconds } = await spentOn(async () => {
    for (let i = 0; i < times; i++) {
      const start = performance.now()
      await work(i)
      taken.push(performance.now() - start)
    }
  })
  return { ms: percentile(taken, 50), cpuMs: (cpuSeconds * 1000) / times }
}

/** Takes the log of `publisher` over at `reader`, from what it holds on. */
async function catchUp(reader: Context): Promise<void> {
  const log = (await logOf(context.db, context.self.id))!
  const held = (await logOf(reader.db, context.self.id))?.range.size ?? 0
  const entries = []
  for (let start = held; start < log.range.size; start += limits.entriesPerFrame)
    entries.push({
      origin: log.origin,
      start,
      entries: await entriesFrom(context.db, log.id, start, limits.entriesPerFrame),
    })
  const keys = (await keysInForce(context.db, context.self))!
  const documents = [...context.self.documents.map(({ bytes }) => bytes), keys.bytes]
  const news = { checkpoint: log.checkpoint!, entries, documents }
  await reader.db.transaction().execute((trx) => mirrorLog(reader, trx, context.self.id, news))
}

const rows = []
for (const size of sizes) {
  await grow(size)
  const append = await costOf(41, async () => {
    const { range } = (await logOf(context.db, context.self.id))!
    const entries = [0, 1].map((i) => dummyEntry(context.keys.salt, range.size + i))
    await commitEntries(context, entries, async () => {})
  })
  const inclusion = await costOf(101, (i) => logProof(context, (i * 7919) % size))
  const consistency = await costOf(101, (i) => logConsistency(context, 1 + ((i * 7919) % size)))
  const { proof } = await logConsistency(context, size - 1)
  rows.push({ size, append, inclusion, consistency, hashes: proof.length })
}

const reader = await makeMember("XB")
await know(reader.context, publisher.card)
await catchUp(reader.context)
// A million rows in one transaction: what they left in the WAL is not the week's to pay.
await truncateWal(reader.context.db)
const { range } = (await logOf(context.db, context.self.id))!
await grow(range.size + week)
const { ms, cpuMs } = await costOf(1, () => catchUp(reader.context))
const away = { size: range.size + week, entries: week, ms, cpuMs }

if (values.json) process.stdout.write(`${JSON.stringify({ rows, away })}\n`)
else {
  const say = (cost: Cost) => `${cost.ms.toFixed(2)} (${cost.cpuMs.toFixed(2)})`
  process.stdout.write(
    "entries | append and sign, ms (CPU) | inclusion | consistency | hashes in a proof\n",
  )
  for (const { size, append, inclusion, consistency, hashes } of rows)
    process.stdout.write(
      `${size} | ${say(append)} | ${say(inclusion)} | ${say(consistency)} | ${hashes}\n`,
    )
  process.stdout.write(
    `a week away: ${away.entries} entries of ${away.size} taken over and verified in ${say(away)} ms\n`,
  )
}
