import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"

const root = join(import.meta.dirname, "..", "..")
const page = readFileSync(join(root, "docs", "threat-model.md"), "utf8")
const [, promises = ""] = page.split("\n## Promises and their tests\n")
const rows = [...promises.matchAll(/^\| (.+?) \| (.+?) \|$/gm)]
  .map(([, promise, tests]) => [promise!, tests!] as const)
  .filter(([promise]) => promise !== "promise" && !promise.startsWith("---"))

test("the table of promises is there", () => {
  expect(rows.length).toBeGreaterThan(30)
  expect(new Set(rows.map(([promise]) => promise)).size).toBe(rows.length)
})

describe.each(rows)("%s", (_, tests) => {
  test("names tests that exist, or says that there are none", () => {
    if (tests === "none yet") return
    const paths = [...tests.matchAll(/`([^`]+)`/g)].map(([, path]) => path!)
    expect(paths).not.toEqual([])
    // Nothing but paths and what stands between them.
    expect(tests.replaceAll(/`[^`]+`/g, "").replaceAll(/[,\s]/g, "")).toBe("")
    for (const path of paths) {
      expect(existsSync(join(root, path)), path).toBe(true)
      const isTest = statSync(join(root, path)).isDirectory() || path.endsWith(".test.ts")
      expect(isTest, path).toBe(true)
    }
  })
})
