import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { prepareCrypto } from "../../../node/node.ts"
import { flood } from "./flood.ts"

/** `npm run malformed -- --requests N [--seed S]`: docs/testing.md */
const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
  },
})
prepareCrypto()
const directory = mkdtempSync(join(tmpdir(), "comity-malformed-"))
try {
  const report = await flood(directory, {
    requests: Number(values.requests),
    seed: Number(values.seed),
    onProgress: (sent) => process.stderr.write(`${sent}\n`),
  })
  process.stdout.write(`${JSON.stringify(report)}\n`)
  const isGood =
    report.isAlive &&
    report.faults.length === 0 &&
    report.goodAnswered === report.good &&
    report.peakRssMB < 300 &&
    !Object.keys(report.statuses).some((status) => /^5/.test(status))
  process.exitCode = isGood ? 0 : 1
} finally {
  rmSync(directory, { recursive: true, force: true })
}
