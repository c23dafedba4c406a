import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { diskFiles } from "../../node/files.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { failure, scratch } from "../support/scratch.ts"

const one = utf8("one")
const two = utf8("two")

describe.each([
  ["on disk", () => diskFiles(join(scratch(), "home"))],
  ["in memory", () => memoryFiles()],
])("files %s", (_where, open) => {
  test("a write replaces the whole file", () => {
    const files = open()
    files.write("state", utf8("a longer text"))
    files.write("state", one)
    expect(files.read("state")).toEqual(one)
  })

  test("what is overwritten stands in its place, and nothing else changes", () => {
    const files = open()
    files.write("state", utf8("a longer text"))
    files.overwrite("state", 2, utf8("small"))
    expect(files.read("state")).toEqual(utf8("a smallr text"))
  })

  test("what is missing reads as null, lists as nothing, and may be removed", () => {
    const files = open()
    expect(files.read("root-keys/1")).toBeNull()
    expect(files.list("root-keys")).toEqual([])
    expect(files.list("")).toEqual([])
    files.remove("root-keys/1")
  })

  test("a directory lists its own files, in order, by their bare names", () => {
    const files = open()
    files.write("drafts/b", one)
    files.write("drafts/a", two)
    files.write("drafts/deeper/c", two)
    files.write("top", two)
    expect(files.list("drafts")).toEqual(["a", "b"])
    expect(files.list("")).toEqual(["top"])
    files.remove("drafts/a")
    expect(files.list("drafts")).toEqual(["b"])
  })

  test("bytes are copied in and out", () => {
    const files = open()
    const bytes = one.slice()
    files.write("state", bytes)
    bytes.fill(0)
    files.read("state")!.fill(0)
    expect(files.read("state")).toEqual(one)
  })

  test("no name leads out of the home", () => {
    const files = open()
    for (const name of ["../x", "a/../../x", "/etc/x", "", ".", "a//b", "a\\..\\x", "a\0", "C:x"]) {
      expect(() => files.write(name, one), name).toThrow(RangeError)
      expect(() => files.read(name), name).toThrow(RangeError)
      expect(() => files.overwrite(name, 0, one), name).toThrow(RangeError)
      expect(() => files.remove(name), name).toThrow(RangeError)
    }
    expect(() => files.list("..")).toThrow(RangeError)
  })
})

describe("files on disk", () => {
  test("only their owner can read them", () => {
    const home = join(scratch(), "home")
    diskFiles(home).write("root-keys/1", one)
    const mode = (...path: string[]) => statSync(join(home, ...path)).mode & 0o777
    expect([mode(), mode("root-keys"), mode("root-keys", "1")]).toEqual([0o700, 0o700, 0o600])
  })

  test("what a power cut left of a write is neither read, listed, nor followed as a link", () => {
    const home = scratch()
    const outside = join(scratch(), "outside")
    writeFileSync(outside, "untouched")
    symlinkSync(outside, join(home, ".state.tmp"))
    const files = diskFiles(home)
    expect(files.list("")).toEqual([])
    files.write("state", one)
    expect(files.read("state")).toEqual(one)
    expect(statSync(outside).size).toBe("untouched".length)
    expect(readdirSync(home)).toEqual(["state"])
  })

  test("what is overwritten is a file that is there, and no link to another", () => {
    const home = scratch()
    const outside = join(scratch(), "outside")
    writeFileSync(outside, "untouched")
    symlinkSync(outside, join(home, "state"))
    const files = diskFiles(home)
    for (const name of ["state", "missing"])
      expect(() => files.overwrite(name, 0, one)).toThrow(failure("store.failed"))
    expect(readFileSync(outside, "utf8")).toBe("untouched")
    expect(existsSync(join(home, "missing"))).toBe(false)
  })

  test("a failed write leaves the old bytes and no temporary file", () => {
    const home = scratch()
    const files = diskFiles(home)
    // A directory in the place of the file: the rename fails, after the bytes are written.
    files.write("state/inner", one)
    expect(() => files.write("state", two)).toThrow(failure("store.failed"))
    expect(files.read("state/inner")).toEqual(one)
    expect(existsSync(join(home, ".state.tmp"))).toBe(false)
  })

  test.skipIf(process.getuid?.() === 0)("a home of another account is told as such", () => {
    const home = scratch()
    chmodSync(home, 0o500)
    expect(() => diskFiles(home).write("state", one)).toThrow(failure("store.failed"))
  })
})

test("a snapshot of files in memory brings back what was then", () => {
  const files = memoryFiles()
  files.write("high-water", one)
  const before = files.snapshot()
  files.write("high-water", two)
  expect(memoryFiles(before).read("high-water")).toEqual(one)
})
