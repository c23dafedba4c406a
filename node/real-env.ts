import { randomFillSync } from "node:crypto"
import { join } from "node:path"
import type { Database } from "better-sqlite3"
import type { Clock, Env, Log } from "./env.ts"
import { databaseName, diskFiles, makeDirectory } from "./files.ts"
import { httpTransport } from "./http/transport.ts"
import { type Cipher, openSqlite } from "./store/sqlite.ts"

/** The one place where a node's clock, randomness, network and disk are the real ones. */

export type RealEnvOptions = {
  readonly home: string
  /** True where the node's own URL is loopback. */
  readonly allowPrivate?: boolean
  /** Peers' hosts (`name` or `name:port`) that the operator vouches for. */
  readonly allow?: readonly string[]
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string
  readonly cipher?: Cipher
  readonly log?: Log
}

export function realEnv(options: RealEnvOptions): Env & { close(): void } {
  const { home, allowPrivate = false, allow = [], ca, cipher = "aegis" } = options
  const transport = httpTransport({ allowPrivate, allow, ...(ca === undefined ? {} : { ca }) })
  const opened = new Set<Database>()
  return {
    clock: realClock,
    random: realRandom,
    transport,
    files: diskFiles(home),
    openDatabase: (key) => {
      makeDirectory(home)
      const database = openSqlite(join(home, databaseName), key, { cipher })
      opened.add(database)
      return database
    },
    log: options.log ?? silentLog,
    close: () => {
      transport.close()
      for (const database of opened) database.close()
      opened.clear()
    },
  }
}

/** setTimeout takes no more, and would fire at once. */
const longestTimeout = 2 ** 31 - 1

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      // What goes on without waiting for the event loop keeps sockets from being written and read.
      if (ms <= 0) return setImmediate(resolve)
      const end = performance.now() + ms
      let timer: NodeJS.Timeout | undefined
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener("abort", done)
        resolve()
      }
      // A timer counts from the time of its event loop's turn, and so may be early.
      const wait = () => {
        const left = end - performance.now()
        if (left <= 0) done()
        else timer = setTimeout(wait, Math.min(Math.ceil(left), longestTimeout))
      }
      if (signal?.aborted) return resolve()
      signal?.addEventListener("abort", done, { once: true })
      wait()
    }),
}

const batch = new Uint8Array(4096)
let used = batch.length

/** Drawn by 4 KiB, as a call costs more than its bytes; what was given out is wiped from the batch. */
export function realRandom(bytes: number): Uint8Array {
  const drawn = new Uint8Array(bytes)
  if (bytes > batch.length) {
    randomFillSync(drawn)
    return drawn
  }
  if (used + bytes > batch.length) {
    randomFillSync(batch)
    used = 0
  }
  const taken = batch.subarray(used, used + bytes)
  drawn.set(taken)
  taken.fill(0)
  used += bytes
  return drawn
}

export const silentLog: Log = { info: () => {}, warn: () => {}, error: () => {} }
