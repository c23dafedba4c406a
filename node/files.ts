import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { dirname, join, resolve } from "node:path"
import type { Files } from "./env.ts"
import { NodeError } from "./errors.ts"

/** The encrypted database of a home. */
export const databaseName = "comity.db"

const temporary = /^\..*\.tmp$/

/**
 * `Files` in a directory. A write goes to a temporary file beside its target, reaches the disk, and
 * takes the name: a power cut leaves the old bytes or the new ones. Everything is for its owner only.
 *
 * @throws `store.full` `store.failed`
 */
export function diskFiles(home: string): Files {
  return {
    read(name) {
      const path = inside(home, name)
      return onDisk(() => unlessMissing(() => new Uint8Array(readFileSync(path)), null))
    },

    write(name, bytes) {
      const path = inside(home, name)
      const directory = dirname(path)
      const draft = join(directory, `.${path.slice(directory.length + 1)}.tmp`)
      onDisk(() => {
        makeDirectory(directory)
        // Removed, not truncated: what lies there may be a link, or be readable by others.
        rmSync(draft, { force: true })
        try {
          writeDurably(draft, bytes)
          renameSync(draft, path)
        } catch (error) {
          rmSync(draft, { force: true })
          throw error
        }
        syncDirectory(directory)
      })
    },

    overwrite(name, at, bytes) {
      onDisk(() => overwriteDurably(inside(home, name), at, bytes))
    },

    remove(name) {
      const path = inside(home, name)
      onDisk(() => {
        rmSync(path, { force: true })
        unlessMissing(() => syncDirectory(dirname(path)), undefined)
      })
    },

    identity(name) {
      const path = inside(home, name)
      return onDisk(() =>
        unlessMissing(() => {
          const { ino, birthtimeMs } = statSync(path)
          return `${ino} ${birthtimeMs}`
        }, null),
      )
    },

    list(directory) {
      const path = directory === "" ? home : inside(home, directory)
      return onDisk(() =>
        unlessMissing(() => readdirSync(path, { withFileTypes: true }), [])
          .filter((entry) => entry.isFile() && !temporary.test(entry.name))
          .map((entry) => entry.name)
          .sort(),
      )
    },
  }
}

/**
 * A name is a path relative to the home, with `/` between its parts.
 *
 * @throws RangeError for a name that would lead out of it: names are ours, never a peer's
 */
export function checkName(name: string): string {
  const parts = name.split("/")
  if (parts.some((part) => part === "" || part === "." || part === ".." || /[\0\\:]/.test(part)))
    throw new RangeError("file name")
  return name
}

function inside(home: string, name: string): string {
  return join(home, checkName(name))
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "wx", 0o600)
  try {
    writeFileSync(file, bytes)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Neither its size nor its name changes: there is nothing to sync but the bytes. */
function overwriteDurably(path: string, at: number, bytes: Uint8Array): void {
  const file = openSync(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0))
  try {
    for (let done = 0; done < bytes.length; )
      done += writeSync(file, bytes, done, bytes.length - done, at + done)
    fdatasyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * 0700 for what it creates, and as durable as the file that is to come. Step by step: on a file system
 * that makes no directories, such as /proc, Node's own `recursive` never comes back.
 */
export function makeDirectory(path: string): void {
  const missing: string[] = []
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.push(at)
  for (const directory of missing.toReversed()) {
    mkdirOnce(directory)
    syncDirectory(dirname(directory))
  }
  // Refuses a file.
  mkdirSync(path, { recursive: true })
}

function mkdirOnce(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
}

/** A rename is durable once its directory is. Windows has no such call and needs none. */
export function syncDirectory(path: string): void {
  if (process.platform === "win32") return
  const directory = openSync(path, "r")
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

function unlessMissing<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT" || code === "ENOTDIR") return otherwise
    throw error
  }
}

function onDisk<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw diskFailure(cause)
  }
}

/** What the operating system said about the disk, as a NodeError; anything else unchanged. */
export function diskFailure(cause: unknown): unknown {
  const { code, path, syscall } = cause as NodeJS.ErrnoException
  if (syscall === undefined || cause instanceof NodeError) return cause
  if (isFull(cause))
    return new NodeError("store.full", "There is no room left on the disk of the home.", {
      hint: "Free some space and repeat the command; nothing was lost.",
      cause,
    })
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return new NodeError(
      "store.failed",
      `${path ?? "The home"} cannot be read or written by this account.`,
      {
        hint: "Run as the account that owns it, or choose another directory.",
        cause,
      },
    )
  if (code === "EEXIST" || code === "ENOTDIR")
    return new NodeError("store.failed", `${path ?? "The home"} is a file, not a directory.`, {
      hint: "Choose another directory.",
      cause,
    })
  if (code === "ENOENT" && path !== undefined)
    return new NodeError("store.failed", `${path} cannot be created.`, {
      hint: "Choose another directory.",
      cause,
    })
  const what = path === undefined ? code : `${code}, ${path}`
  return new NodeError("store.failed", `The disk of the home failed (${what}).`, {
    hint: "Check the disk, then run comity doctor.",
    cause,
  })
}

export function isFull(cause: unknown): boolean {
  const { code } = cause as NodeJS.ErrnoException
  return code === "ENOSPC" || code === "EDQUOT"
}
