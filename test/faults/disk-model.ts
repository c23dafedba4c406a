import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import type { Event } from "./trace.ts"
import type { Draw } from "./workload.ts"

/**
 * A disk between what was written and what was synced. POSIX promises no more than this: data is there
 * after `fsync` of its file, a name after `fsync` of its directory; of everything else any part may be
 * there, in sectors, in any order; only names follow one another, as in a journal.
 */
type Change = { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number }

type Inode = { durable: Uint8Array; pending: Change[] }
type Naming = {
  readonly directory: string
  readonly apply: (names: Map<string, Inode>) => void
}

export const losses = ["none", "prefix", "subset", "torn"] as const
export type Loss = (typeof losses)[number]

export class DiskModel {
  readonly #names: Map<string, Inode>
  readonly #durableNames: Map<string, Inode>
  #namings: Naming[] = []

  /** @param files what lay there before the trace began: path → content */
  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.#names = new Map()
    for (const [path, durable] of files) this.#names.set(path, { durable, pending: [] })
    this.#durableNames = new Map(this.#names)
  }

  take(event: Event): void {
    switch (event.kind) {
      case "write":
        this.#inode(event.path).pending.push({ at: event.at, bytes: event.bytes })
        return
      case "truncate":
        this.#inode(event.path).pending.push({ size: event.size })
        return
      case "create": {
        const { path } = event
        if (this.#names.has(path)) return
        const inode: Inode = { durable: new Uint8Array(0), pending: [] }
        this.#name(path, (names) => names.set(path, inode))
        return
      }
      case "unlink":
        this.#name(event.path, (names) => names.delete(event.path))
        return
      case "rename": {
        const { path, to } = event
        const inode = this.#inode(path)
        this.#name(path, (names) => {
          names.delete(path)
          names.set(to, inode)
        })
        return
      }
      case "sync":
        this.#sync(event.path)
        return
      default:
        return
    }
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path)
    if (inode === undefined) throw new RangeError(`no file ${path}`)
    return inode
  }

  #name(path: string, apply: Naming["apply"]): void {
    apply(this.#names)
    this.#namings.push({ directory: dirname(path), apply })
  }

  #sync(path: string): void {
    const inode = this.#names.get(path)
    if (inode !== undefined) {
      inode.durable = applied(inode.durable, inode.pending)
      inode.pending = []
      return
    }
    // A journal is in order: what came before in other directories is there as well.
    const last = this.#namings.findLastIndex(({ directory }) => directory === path)
    for (const { apply } of this.#namings.slice(0, last + 1)) apply(this.#durableNames)
    this.#namings = this.#namings.slice(last + 1)
  }

  /** The files that are there when the power comes back. */
  after(loss: Loss, draw: Draw): ReadonlyMap<string, Uint8Array> {
    const names = new Map(this.#durableNames)
    const kept = loss === "none" ? 0 : Math.floor(draw() * (this.#namings.length + 1))
    for (const { apply } of this.#namings.slice(0, kept)) apply(names)
    const contents = new Map<Inode, Uint8Array>()
    const contentOf = (inode: Inode): Uint8Array => {
      const content = contents.get(inode) ?? left(inode, loss, draw)
      contents.set(inode, content)
      return content
    }
    return new Map([...names].map(([path, inode]) => [path, contentOf(inode)]))
  }
}

function left({ durable, pending }: Inode, loss: Loss, draw: Draw): Uint8Array {
  if (loss === "none" || pending.length === 0) return durable
  if (loss === "prefix")
    return applied(durable, pending.slice(0, Math.floor(draw() * (pending.length + 1))))
  const parts = pending.flatMap((change) =>
    "size" in change || loss === "subset" ? [change] : [...sectors(change)],
  )
  const kept = parts.filter(() => draw() < 0.5)
  return applied(durable, kept)
}

const sectorBytes = 512

function* sectors({ at, bytes }: { readonly at: number; readonly bytes: Uint8Array }) {
  for (let start = 0; start < bytes.length; ) {
    const end = Math.min(bytes.length, start + sectorBytes - ((at + start) % sectorBytes))
    yield { at: at + start, bytes: bytes.subarray(start, end) }
    start = end
  }
}

function applied(content: Uint8Array, changes: readonly Change[]): Uint8Array {
  const ends = changes.map((one) => ("size" in one ? one.size : one.at + one.bytes.length))
  const room = new Uint8Array(Math.max(content.length, ...ends))
  room.set(content)
  let size = content.length
  for (const change of changes)
    if ("size" in change) {
      if (change.size < size) room.fill(0, change.size, size)
      size = change.size
    } else {
      room.set(change.bytes, change.at)
      size = Math.max(size, change.at + change.bytes.length)
    }
  return room.slice(0, size)
}

/** Puts the files of `from` into the directory `to`, which holds nothing else then. */
export function materialise(
  files: ReadonlyMap<string, Uint8Array>,
  from: string,
  to: string,
): void {
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true })
  for (const [path, bytes] of files) {
    const target = join(to, relative(from, path))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, bytes)
  }
}
