import SQLite, { type Database, type Statement } from "better-sqlite3"
import type { Files } from "../../node/env.ts"
import { checkName, databaseName, diskFailure } from "../../node/files.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import type { Life } from "./life.ts"
import type { Random } from "./random.ts"

/** What the next commit meets. `lost` and `kept` fail alike: only a restart shows which of them it was. */
export type Failure = "full" | "lost" | "kept"

const full = 2
const begins = /^\s*begin\b/i
const commits = /^\s*commit\b/i
const syncs = /^\s*pragma\s+wal_checkpoint\b/i
const setsLevel = /^\s*pragma\s+synchronous\b/i

/** Of the commits that are not synced, so many are lost with the power. */
const imageEvery = 32

/** The small files of a home. */
export type Shelf = Map<string, Uint8Array>

/**
 * The disk of one home: its database and its small files. What was acknowledged is on it if the node
 * asked for syncs, as it should; what was not may be there or not after the end of a process.
 */
export class Disk {
  /** told of every commit and every write of a file */
  onWrite: () => void = () => {}
  /** no room until it is set back */
  isFull = false
  /** which file this is: another one after every replacement */
  identity = "file 1"
  #raw: Database
  /** how a file that is opened is synced */
  #levelAtStart: number
  #statements = new Map<string, Statement>()
  readonly shelf: Shelf
  #failure: Failure | null = null
  /** what the disk has after all, should the process end: set by a commit that failed */
  #doubtful: Uint8Array | null = null
  #before: Uint8Array | null = null
  #changesBefore = 0
  /** images after commits that were not synced, oldest first; the first of them is on the disk */
  #unsynced: Uint8Array[] | null = null
  #transitions = 0

  constructor(image: Uint8Array, shelf: Shelf) {
    this.#raw = memoryDatabase(image)
    this.#levelAtStart = this.#level()
    this.shelf = shelf
  }

  /** For whoever looks at the disk from outside; nobody may write through it. */
  read(sql: string, ...parameters: unknown[]): unknown[] {
    return this.#prepare(sql).all(...parameters)
  }

  get isInTransaction(): boolean {
    return this.#raw.inTransaction
  }

  image(): Uint8Array {
    return this.#raw.serialize()
  }

  failNext(failure: Failure | null): void {
    this.#failure = failure
  }

  /** The database of another time in place of this one, as another file; those beside it stay. */
  replace(image: Uint8Array, change: (database: Database) => void = () => {}): void {
    this.#put(image)
    change(this.#raw)
    this.identity = `file ${Number(this.identity.slice(5)) + 1}`
  }

  /** What is on the disk once the process is gone; with the power, what was not synced may be gone too. */
  settle(withPower: boolean, random: Random): void {
    if (this.#raw.inTransaction) this.#raw.exec("rollback")
    const doubtful = this.#doubtful
    if (doubtful !== null) this.#put(doubtful)
    const images = this.#unsynced === null ? [] : [...this.#unsynced, this.image()]
    if (withPower && images.length > 0) this.#put(images[random.below(images.length)]!)
    this.#unsynced = null
    this.#failure = null
    this.#before = null
  }

  close(): void {
    this.#raw.close()
  }

  database(life: Life): Database {
    // Each process opens the file for itself: the last one may have given up writing.
    this.#raw.pragma("query_only=OFF")
    this.#raw.pragma(`synchronous=${this.#levelAtStart}`)
    this.#unsynced = this.#levelAtStart < full ? [this.image()] : null
    // A node keeps its statements: the database under them may be another one since, and its life over.
    const prepare = (sql: string) => {
      life.step()
      return {
        reader: this.#prepare(sql).reader,
        all: (parameters: unknown[]) => this.#run(life, sql, "all", parameters),
        run: (parameters: unknown[]) => this.#run(life, sql, "run", parameters),
      }
    }
    const disk = this
    return {
      prepare,
      pragma: (source: string, options?: { readonly simple: boolean }) => {
        life.step()
        return this.#raw.pragma(source, options)
      },
      get inTransaction() {
        return disk.#raw.inTransaction
      },
      close: () => {},
    } as unknown as Database
  }

  filesOf(life: Life): Files {
    const write = (name: string, bytes: Uint8Array | null) => {
      life.step()
      if (this.isFull) throw diskFailure(systemError("ENOSPC"))
      if (bytes === null) this.shelf.delete(checkName(name))
      else this.shelf.set(checkName(name), bytes.slice())
      this.onWrite()
      life.step()
    }
    return {
      read: (name) => {
        life.step()
        return this.shelf.get(checkName(name))?.slice() ?? null
      },
      write,
      overwrite: (name, at, bytes) => {
        const whole = this.shelf.get(checkName(name))!.slice()
        whole.set(bytes, at)
        write(name, whole)
      },
      remove: (name) => write(name, null),
      identity: (name) => (name === databaseName ? this.identity : null),
      list: (directory) => {
        life.step()
        const prefix = directory === "" ? "" : `${checkName(directory)}/`
        return [...this.shelf.keys()]
          .filter((name) => name.startsWith(prefix) && !name.includes("/", prefix.length))
          .map((name) => name.slice(prefix.length))
          .sort()
      },
    }
  }

  #put(image: Uint8Array): void {
    this.#use(memoryDatabase(image))
    this.#unsynced = null
    this.#doubtful = null
  }

  #level(): number {
    return this.#raw.pragma("synchronous", { simple: true }) as number
  }

  /** Before a commit that is not synced: what the disk has until then is there in any case. */
  #keepImage(): void {
    if (this.#unsynced !== null || this.#level() === full) return
    // An image takes long, and there is one for each request that a node is asked.
    if (this.#transitions++ % imageEvery === 0) this.#unsynced = [this.image()]
  }

  #prepare(sql: string): Statement {
    // It takes effect when it is prepared.
    if (setsLevel.test(sql)) return this.#raw.prepare(sql)
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#raw.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #use(raw: Database): void {
    this.#raw.close()
    this.#raw = raw
    this.#statements = new Map()
  }

  #run(life: Life, sql: string, method: "all" | "run", parameters: unknown[]) {
    life.step()
    const statement = this.#prepare(sql)
    const act = () => statement[method](...parameters)
    if (setsLevel.test(sql)) return act()
    if (begins.test(sql)) {
      this.#keepImage()
      if (this.#isDoubted()) this.#before = this.image()
      const result = act()
      this.#changesBefore = this.#changes()
      return result
    }
    if (syncs.test(sql)) {
      if (this.#unsynced !== null) this.#unsynced = [this.image()]
      return act()
    }
    if (commits.test(sql)) {
      if (this.#changes() === this.#changesBefore) return act()
      return this.#commit(life, act)
    }
    if (statement.readonly || this.#raw.inTransaction) return act()
    this.#keepImage()
    if (!this.isFull && this.#failure === null) return this.#commit(life, act)
    // Whether it writes at all shows when it is done.
    if (this.#isDoubted()) this.#before = this.image()
    this.#raw.exec("begin")
    this.#changesBefore = this.#changes()
    const result = act()
    const commit = () => {
      this.#raw.exec("commit")
      return result
    }
    return this.#changes() === this.#changesBefore ? commit() : this.#commit(life, commit)
  }

  #changes(): number {
    return (this.read("SELECT total_changes() AS n")[0] as { n: number }).n
  }

  #commit<T>(life: Life, act: () => T): T {
    life.edge()
    if (this.isFull || this.#failure === "full") {
      this.#failure = null
      this.#raw.exec("rollback")
      throw new SQLite.SqliteError("database or disk is full", "SQLITE_FULL")
    }
    const isDoubted = this.#isDoubted()
    const result = act()
    if (isDoubted) this.#doubt()
    // A later commit overwrites the one in doubt, which ends it.
    this.#doubtful = null
    // One journal: what is synced takes with it what was not.
    if (this.#level() === full) this.#unsynced = null
    else if (this.#levelAtStart < full) this.#unsynced?.push(this.image())
    this.onWrite()
    // Committed, and not yet told.
    life.edge()
    return result
  }

  #isDoubted(): boolean {
    return this.#failure === "lost" || this.#failure === "kept"
  }

  /** A sync has failed: the process sees its commit undone, and nobody knows what the disk has. */
  #doubt(): never {
    const before = this.#before
    if (before === null) throw new TypeError("no image of before the commit")
    this.#doubtful = this.#failure === "kept" ? this.image() : null
    this.#failure = null
    this.#before = null
    this.#use(memoryDatabase(before))
    throw new SQLite.SqliteError("disk I/O error", "SQLITE_IOERR_FSYNC")
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: "write" })
}
