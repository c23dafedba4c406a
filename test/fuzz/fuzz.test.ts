import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { prepareCrypto } from "../../node/node.ts"
import { scaled } from "../faults/scale.ts"
import { faultOf, fuzz } from "./fuzz.ts"
import { parsers } from "./parsers.ts"

prepareCrypto()
const inputs = scaled(100, 600)

test.each(parsers.map((parser) => [parser.name, parser] as const))(
  "%s: nothing uncaught, nothing slow, and what is accepted is written as it was read",
  { timeout: 120_000 },
  async (_name, parser) => {
    const report = await fuzz(parser, { inputs, seed: 1 })
    const findings = report.findings.map(({ what, input }) => ({
      what,
      input: Buffer.from(input).toString("base64").slice(0, 4000),
    }))
    expect(findings).toEqual([])
    expect(report.inputs).toBeGreaterThanOrEqual(inputs)
  },
)

const corpus = join(import.meta.dirname, "corpus")
const kept = parsers.flatMap((parser) => {
  const directory = join(corpus, parser.name)
  if (!existsSync(directory)) return []
  return readdirSync(directory).map((file) => [parser, file] as const)
})

test.each(kept.map(([parser, file]) => [`${parser.name}/${file}`, parser, file] as const))(
  "found once: %s",
  async (_name, parser, file) => {
    const input = new Uint8Array(readFileSync(join(corpus, parser.name, file)))
    await faultOf(parser, input)
    const before = process.threadCpuUsage()
    expect(await faultOf(parser, input)).toBeNull()
    const { user, system } = process.threadCpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(100)
  },
)
