import { describe, expect, test } from "vitest"
import { isBehind, readHighWater, writeHighWater } from "../../../node/log/high-water.ts"
import { memoryFiles } from "../../../node/memory-env.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import { failure } from "../../support/scratch.ts"

const root = "11".repeat(32)
const otherRoot = "22".repeat(32)
const signed = { epoch: 2, size: 10, root }

test("what was written is what is read", () => {
  const files = memoryFiles()
  expect(readHighWater(files)).toBeNull()
  writeHighWater(files, signed)
  expect(readHighWater(files)).toEqual(signed)
})

test("a damaged file is no missing file: it would let an old database sign", () => {
  const files = memoryFiles()
  for (const bytes of ["", "{}", `{"epoch":1,"root":"${root}","size":-1}`]) {
    files.write("high-water", utf8(bytes))
    expect(() => readHighWater(files)).toThrow(failure("store.corrupt"))
  }
})

describe("a database", () => {
  test.each([
    ["is older", { epoch: 2, size: 9, root: otherRoot }],
    ["has another history of the same length", { epoch: 2, size: 10, root: otherRoot }],
    ["is of an earlier epoch, however long", { epoch: 1, size: 99, root }],
    ["is empty", { epoch: 1, size: 0, root: otherRoot }],
  ])("that %s does not sign", (_case, state) => {
    expect(isBehind(signed, state)).toBe(true)
  })

  test.each([
    ["is where it was", signed],
    ["committed before a crash kept the file back", { epoch: 2, size: 11, root: otherRoot }],
    ["has begun a new epoch", { epoch: 3, size: 0, root: otherRoot }],
  ])("that %s may sign", (_case, state) => {
    expect(isBehind(signed, state)).toBe(false)
    expect(isBehind(null, state)).toBe(false)
  })
})
