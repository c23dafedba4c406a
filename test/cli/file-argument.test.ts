import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PassThrough, Readable } from "node:stream"
import { expect, test } from "vitest"
import { readFileArgument, writeFileArgument } from "../../cli/file-argument.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { failure, scratch } from "../support/scratch.ts"

const noInput = Readable.from([])

test("a file, or stdin for -", async () => {
  const path = join(scratch(), "file")
  writeFileSync(path, "content")
  expect(Buffer.from(await readFileArgument(path, 100, noInput)).toString()).toBe("content")
  const stdin = Readable.from([utf8("con"), utf8("tent")])
  expect(Buffer.from(await readFileArgument("-", 100, stdin)).toString()).toBe("content")
})

test("a missing file is told from one that cannot be read", async () => {
  const directory = scratch()
  const missing = readFileArgument(join(directory, "missing"), 100, noInput)
  await expect(missing).rejects.toThrow(failure("file.missing"))
  await expect(readFileArgument(directory, 100, noInput)).rejects.toThrow(
    failure("file.unreadable"),
  )
})

test("a file beyond its limit is refused before it is all read", async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield new Uint8Array(10)
    })(),
  )
  await expect(readFileArgument("-", 99, endless)).rejects.toThrow(failure("file.unreadable"))
})

test("what is there already is not overwritten", async () => {
  const path = join(scratch(), "evidence")
  const stdout = new PassThrough()
  await writeFileArgument(path, utf8("first"), stdout)
  await expect(writeFileArgument(path, utf8("second"), stdout)).rejects.toThrow(
    failure("file.exists"),
  )
  expect(readFileSync(path, "utf8")).toBe("first")
  await writeFileArgument("-", utf8("out"), stdout)
  expect(String(stdout.read())).toBe("out")
})
