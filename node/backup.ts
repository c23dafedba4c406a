import {
  closeSync,
  constants,
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs"
import { join, resolve } from "node:path"
import { pipeline } from "node:stream/promises"
import type { Database } from "better-sqlite3"
import { sql } from "kysely"
import { hkdfSha256 } from "../protocol/crypto/hash.ts"
import { concat, decodeUtf8, encodeHex, u32be, u64be, utf8 } from "../protocol/encoding.ts"
import { rangeRoot } from "../protocol/log/compact-range.ts"
import type { Context } from "./context.ts"
import { NodeError } from "./errors.ts"
import { databaseName, diskFailure, diskFiles, makeDirectory } from "./files.ts"
import { backedUpFiles, isBackedUp, isHome, openHomeKeys, readConfig } from "./home.ts"
import type { Unlocking } from "./keys/keystore.ts"
import { auditLogs } from "./log/audit.ts"
import { closeNode, createNode } from "./node.ts"
import { realEnv } from "./real-env.ts"
import { metaIdentity, metaRestored } from "./recover.ts"
import { inChunks, openStream, sealStream } from "./sealed-stream.ts"
import { logOf } from "./store/queries/logs.ts"
import { writeMeta } from "./store/queries/members.ts"
import { openSqlite, storeFailure } from "./store/sqlite.ts"

/**
 * A home in one file, as of one moment, made while the node runs. What is in it is encrypted under a key that
 * hangs on the home's own secret. Not in it are root keys, which do not belong in a home, and the seeds of
 * KEM keys: what was sealed to them stays sealed. docs/operating.md
 *
 * `magic ‖ u32be n ‖ key file(n) ‖ sealed stream of (u8 n ‖ name ‖ u64be size ‖ bytes)…`
 */
const magic = concat(utf8("comity/backup"), Uint8Array.of(0x00, 0x01))
const keyFileName = "keys.json"

export type BackedUp = {
  readonly file: string
  readonly bytes: number
  /** of our log at that moment */
  readonly size: number
}

/** @throws `request.malformed` when something is there already, `store.*` */
export async function backUp(context: Context, home: string, path: string): Promise<BackedUp> {
  if (existsSync(path)) throw new NodeError("request.malformed", `${path} is there already.`)
  const files = diskFiles(home)
  const { cipher } = readConfig(files)
  const { database: key } = context.keys
  const copy = join(home, ".backup.tmp")
  const draft = `${path}.tmp`
  try {
    removeDatabase(copy)
    await copyDatabase(context, join(home, databaseName), copy)
    const size = strip(openSqlite(copy, key, { cipher }))
    const keyFile = files.read(keyFileName) ?? new Uint8Array(0)
    async function* content(): AsyncGenerator<Uint8Array> {
      for (const name of backedUpFiles(files)) {
        const bytes = files.read(name) ?? new Uint8Array(0)
        yield concat(heading(name, bytes.length), bytes)
      }
      yield heading(databaseName, statSync(copy).size)
      yield* createReadStream(copy)
    }
    async function* whole(): AsyncGenerator<Uint8Array> {
      yield concat(magic, u32be(keyFile.length), keyFile)
      yield* sealStream(backupKey(key), content())
    }
    await pipeline(whole(), createWriteStream(draft, { flags: "w", mode: 0o600 }))
    sync(draft)
    renameSync(draft, path)
    sync(resolve(path, ".."))
    return { file: path, bytes: statSync(path).size, size }
  } catch (cause) {
    rmSync(draft, { force: true })
    throw storeFailure(diskFailure(cause))
  } finally {
    removeDatabase(copy)
  }
}

function backupKey(databaseKey: Uint8Array): Uint8Array {
  return hkdfSha256(databaseKey, new Uint8Array(0), utf8("comity/backup/v1"), 32)
}

function heading(name: string, size: number): Uint8Array {
  const bytes = utf8(name)
  return concat(Uint8Array.of(bytes.length), bytes, u64be(size))
}

/**
 * The database file as it is, page by page, with everything that was committed in it: nobody writes while it
 * is copied, which takes about a second for each gigabyte.
 */
async function copyDatabase({ db }: Context, from: string, to: string): Promise<void> {
  await db.connection().execute(async (connection) => {
    const { rows } = await sql<{ busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.execute(
      connection,
    )
    if (rows[0]?.busy !== 0)
      throw new NodeError("store.failed", "The database is being read elsewhere.", {
        hint: "No backup was made: try again.",
      })
    copyFileSync(from, to, constants.COPYFILE_EXCL)
  })
}

/** Takes out of a copy what belongs in no backup. @returns the size of our log in it */
function strip(database: Database): number {
  try {
    database.exec(
      "DELETE FROM kem_key; DELETE FROM nonce; DELETE FROM meta WHERE name = 'store-identity'",
    )
    database.pragma("journal_mode=DELETE")
    const size = database
      .prepare(
        "SELECT max(size) FROM log WHERE member = (SELECT CAST(value AS TEXT) FROM meta WHERE name = 'member')",
      )
      .pluck()
      .get()
    return Number(size)
  } finally {
    database.close()
  }
}

function removeDatabase(path: string): void {
  for (const end of ["", "-wal", "-shm", "-journal"]) rmSync(`${path}${end}`, { force: true })
}

function sync(path: string): void {
  const file = openSync(path, "r")
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export type Restored = {
  readonly member: string
  readonly network: string
  /** of our log when the backup was made, and its root */
  readonly size: number
  readonly root: string
  readonly home: string | null
}

/**
 * Brings a backup back into an empty home, where it signs nothing before peers have said how far the log has
 * come. Everything is checked in a directory beside it first.
 *
 * @param isOnlyVerified checks the whole file, and writes nothing that stays
 * @throws `backup.malformed`, `key.unavailable`, `home.exists`, `store.*`
 */
export async function restore(
  file: string,
  home: string,
  unlocking: Unlocking,
  isOnlyVerified: boolean,
): Promise<Restored> {
  const target = diskFiles(home)
  if (!isOnlyVerified && isHome(target))
    throw new NodeError("home.exists", "There is a member in this home already.", {
      hint: "Choose an empty home with --home DIR; nothing was changed.",
    })
  const scratch = `${resolve(home)}.restoring`
  rmSync(scratch, { recursive: true, force: true })
  makeDirectory(scratch)
  try {
    await unpack(file, scratch, unlocking)
    const restored = await inspect(scratch, unlocking)
    if (isOnlyVerified) return { ...restored, home: null }
    makeDirectory(home)
    moveInto(scratch, home)
    return { ...restored, home }
  } catch (cause) {
    throw storeFailure(diskFailure(cause))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The files of a backup, written where nothing else is; the last chunk has passed when this returns. */
async function unpack(file: string, directory: string, unlocking: Unlocking): Promise<void> {
  const source = inChunks(createReadStream(file), 64 * 1024, magic.length + 4)
  const first = (await source.next()).value ?? new Uint8Array(0)
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength)
  const isOurs = first.length === magic.length + 4 && magic.every((byte, i) => first[i] === byte)
  const keyBytes = isOurs ? view.getUint32(magic.length) : 0
  if (keyBytes < 1 || keyBytes > 1024 * 1024) throw malformed()
  const rest = new Taker(source)
  const keyFile = await rest.take(keyBytes)
  const files = diskFiles(directory)
  files.write(keyFileName, keyFile)
  const { database } = await openHomeKeys(files, unlocking)
  const content = new Taker(opened(openStream(backupKey(database), rest.remaining())))
  for (;;) {
    const length = await content.takeOptional(1)
    if (length === null) return
    const name = decodeUtf8(await content.take(length[0]!))
    const size = Number(new DataView((await content.take(8)).slice().buffer).getBigUint64(0))
    if (!isBackedUp(name)) throw malformed()
    await writeFrom(join(directory, name), content, size)
  }
}

async function* opened(
  chunks: AsyncIterable<Uint8Array | null>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    if (chunk === null) throw malformed()
    yield chunk
  }
}

async function writeFrom(path: string, content: Taker, size: number): Promise<void> {
  makeDirectory(resolve(path, ".."))
  const file = openSync(path, "wx", 0o600)
  try {
    for (let left = size; left > 0; ) {
      const bytes = await content.takeSome(left)
      writeSync(file, bytes)
      left -= bytes.length
    }
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Bytes of a stream in the pieces that a reader asks for. */
class Taker {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  async takeOptional(count: number): Promise<Uint8Array | null> {
    while (this.#held.length < count) {
      const next = await this.#source.next()
      if (next.done === true) {
        if (this.#held.length === 0) return null
        throw malformed()
      }
      this.#held = this.#held.length === 0 ? next.value : concat(this.#held, next.value)
    }
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return taken
  }

  async take(count: number): Promise<Uint8Array> {
    const taken = count === 0 ? new Uint8Array(0) : await this.takeOptional(count)
    if (taken === null) throw malformed()
    return taken
  }

  /** As much as is there, at most `count`. */
  async takeSome(count: number): Promise<Uint8Array> {
    if (this.#held.length === 0) this.#held = concat(await this.take(1), this.#held)
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(taken.length)
    return taken
  }

  async *remaining(): AsyncGenerator<Uint8Array> {
    if (this.#held.length > 0) yield this.#held
    for (;;) {
      const next = await this.#source.next()
      if (next.done === true) return
      yield next.value
    }
  }
}

/** Opens what was unpacked as a node would, recomputes its logs, and marks it as coming from a backup. */
async function inspect(directory: string, unlocking: Unlocking): Promise<Omit<Restored, "home">> {
  const files = diskFiles(directory)
  const { cipher } = readConfig(files)
  const env = realEnv({ home: directory, cipher })
  try {
    const context = await createNode(env, await openHomeKeys(files, unlocking))
    const { rows } = await sql<{ quick_check: string }>`PRAGMA quick_check`.execute(context.db)
    const { logs } = await auditLogs(context)
    const damaged = logs.find(({ ok }) => !ok)
    if (rows[0]?.quick_check !== "ok" || damaged !== undefined)
      throw new NodeError("backup.malformed", "The database in this backup is damaged.", {
        hint:
          damaged === undefined ? "Use an earlier backup." : `${damaged.origin}: ${damaged.text}`,
      })
    const log = await logOf(context.db, context.self.id)
    if (log === null) throw malformed()
    await writeMeta(context.db, metaRestored, utf8(String(log.range.size)))
    await context.db.deleteFrom("meta").where("name", "=", metaIdentity).execute()
    await closeNode(context)
    const { id: member, network } = context.self
    return { member, network, size: log.range.size, root: encodeHex(rangeRoot(log.range)) }
  } finally {
    env.close()
  }
}

/** The configuration last: until it is there, there is no member in the home. */
function moveInto(scratch: string, home: string): void {
  const from = diskFiles(scratch)
  for (const end of ["", "-wal", "-shm"])
    if (existsSync(join(scratch, `${databaseName}${end}`)))
      renameSync(join(scratch, `${databaseName}${end}`), join(home, `${databaseName}${end}`))
  const to = diskFiles(home)
  for (const name of [keyFileName, ...backedUpFiles(from).toReversed()])
    to.write(name, from.read(name) ?? new Uint8Array(0))
}

function malformed(): NodeError {
  return new NodeError("backup.malformed", "This is no backup, or it is damaged or cut short.", {
    hint: "Nothing was changed. Use another copy of it, or an earlier one.",
  })
}
