import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, test } from "vitest"

const root =
  process.env.COMITY_VECTORS ?? join(import.meta.dirname, "..", "..", "..", "shared", "vectors")

/** A file of the outside vectors, which are read where they lie and never copied in here. */
export function vectorPath(relative: string): string {
  return join(root, relative)
}

/** Tests over outside vectors: without the folder a failure in CI, elsewhere a skip that says so. */
export function describeVectors(name: string, body: () => void): void {
  if (existsSync(root)) {
    describe(name, body)
    return
  }
  // Not describe.skip(name, body): that runs the body to collect its tests, and the body reads files.
  describe(`${name}: outside vectors not found, set COMITY_VECTORS`, () => {
    if (process.env.CI !== "true") return test.skip("skipped", () => {})
    test("the outside vectors are present", () => {
      throw new Error(`no folder ${root}`)
    })
  })
}
