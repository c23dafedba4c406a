import { open, writeFile } from "node:fs/promises"
import { resolve } from "node:path"
import type { Readable, Writable } from "node:stream"
import { UsageError } from "./usage-error.ts"

/**
 * The bytes of a file named on the command line; `-` is stdin.
 *
 * @throws `file.missing`; `file.unreadable`, also for more than `maxBytes`
 */
export async function readFileArgument(
  path: string,
  maxBytes: number,
  stdin: Readable,
): Promise<Uint8Array> {
  if (path === "-") return readAll(stdin, maxBytes, "stdin")
  try {
    await using file = await open(path, "r")
    return await readAll(file.createReadStream({ autoClose: false }), maxBytes, path)
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOENT")
      throw new UsageError("file.missing", `There is no file ${path}.`, {
        hint: `It was looked for as ${resolve(path)}`,
        cause,
      })
    const isDirectory = code === "EISDIR"
    throw new UsageError(
      "file.unreadable",
      isDirectory ? `${path} is a directory, not a file.` : `The file ${path} cannot be read.`,
      { cause },
    )
  }
}

/**
 * `-` is stdout. A file that is there already is not touched, a new one is its owner's alone.
 *
 * @throws `file.exists` `file.unwritable`
 */
export async function writeFileArgument(
  path: string,
  bytes: Uint8Array,
  stdout: Writable,
): Promise<void> {
  if (path === "-") {
    await new Promise<void>((resolve, reject) => {
      stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
    return
  }
  try {
    await writeFile(path, bytes, { flag: "wx", flush: true, mode: 0o600 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST")
      throw new UsageError("file.exists", `The file ${path} is there already.`, {
        hint: "Name another, or move this one away first.",
        cause,
      })
    throw new UsageError("file.unwritable", `The file ${path} cannot be written.`, {
      hint: "Check that its directory is there, and who may write in it.",
      cause,
    })
  }
}

async function readAll(stream: Readable, maxBytes: number, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes)
      throw new UsageError("file.unreadable", `The file ${name} is larger than ${maxBytes} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
