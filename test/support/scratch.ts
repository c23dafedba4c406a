import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, onTestFinished } from "vitest"

export { inMemory } from "./scratch-place.ts"

/** A directory of the test's own, gone when the test is. */
export function scratch(base = tmpdir()): string {
  const path = mkdtempSync(join(base, "comity-test-"))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A throw of ours, by its code: messages are words and may change. */
export function failure(code: string) {
  return expect.objectContaining({ code })
}
