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

test("what a power cut spoiled is the mark that nobody was told of: the one before it counts", () => {
  const marks = [1, 2, 3, 4].map((size) => ({ epoch: 1, size, root }))
  const files = memoryFiles()
  writeHighWater(files, marks[0]!)
  for (const [i, mark] of marks.entries()) {
    const before = files.read("high-water")!
    writeHighWater(files, mark)
    const after = files.read("high-water")!
    const changed = after.findIndex((byte, at) => byte !== before[at])
    expect(readHighWater(files)).toEqual(mark)
    if (i === 0) continue
    // As much of it as may have reached the disk.
    for (const length of [1, 40, 150, 200]) {
      const torn = new Map([["high-water", before.slice()]])
      torn.get("high-water")!.set(after.subarray(changed, changed + length), changed)
      const left = memoryFiles(torn)
      expect([mark, marks[i - 1]]).toContainEqual(readHighWater(left))
      writeHighWater(left, signed)
      expect(readHighWater(left)).toEqual(signed)
    }
  }
})

test("the last mark counts, also one that is not so far: a signer was let resume there", () => {
  const files = memoryFiles()
  for (const size of [4, 5, 2]) {
    writeHighWater(files, { epoch: 1, size, root })
    expect(readHighWater(files)).toEqual({ epoch: 1, size, root })
  }
})

test("where both places are damaged, none is believed", () => {
  const files = memoryFiles()
  writeHighWater(files, signed)
  for (const at of [20, 4096 + 20]) {
    const bytes = files.read("high-water")!
    files.overwrite("high-water", at, Uint8Array.of(bytes[at]! ^ 1))
  }
  expect(() => readHighWater(files)).toThrow(failure("store.corrupt"))
  expect(() => writeHighWater(files, signed)).toThrow(failure("store.corrupt"))
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
