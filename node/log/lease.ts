import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import SQLite from "better-sqlite3"
import { NodeError } from "../errors.ts"
import { diskFailure, isFull, makeDirectory } from "../files.ts"
import { storeFailure } from "../store/sqlite.ts"

/**
 * One process to a home: two would sign two histories. The lock is SQLite's on an empty database, which
 * the system lets go of when its holder dies, however it dies; a process id in a file would outlive it.
 * Nobody else may open `lease.db`: with POSIX locks, closing it anywhere in the process ends the lock.
 */
export interface Lease {
  release(): void
  [Symbol.dispose](): void
}

/** @throws `home.in-use` `store.failed` `store.full` */
export function acquireLease(home: string): Lease {
  const pidFile = join(home, "lease.pid")
  try {
    makeDirectory(home)
    const lock = new SQLite(join(home, "lease.db"), { timeout: 0 })
    try {
      // Nothing is ever written here: on a full disk a journal could not even be begun.
      lock.pragma("journal_mode=MEMORY")
      lock.exec("BEGIN EXCLUSIVE")
      notePid(pidFile)
    } catch (error) {
      lock.close()
      throw error
    }
    const release = () => {
      lock.close()
    }
    return { release, [Symbol.dispose]: release }
  } catch (cause) {
    const { code } = cause as { code?: unknown }
    if (typeof code === "string" && /^SQLITE_(?:BUSY|LOCKED)/.test(code))
      throw new NodeError("home.in-use", `Another process has this home open${holder(pidFile)}.`, {
        hint: "Stop the other one first, or use another home with --home.",
        cause,
      })
    throw storeFailure(diskFailure(cause))
  }
}

/** For the words of the refusal only: nothing is decided by it, and a full disk can do without. */
function notePid(path: string): void {
  const file = openSync(path, "w", 0o600)
  try {
    writeFileSync(file, String(process.pid))
  } catch (cause) {
    if (!isFull(cause)) throw cause
  } finally {
    closeSync(file)
  }
}

function holder(path: string): string {
  try {
    const pid = readFileSync(path, "latin1")
    return /^\d{1,10}$/.test(pid) ? ` (process ${pid})` : ""
  } catch {
    return ""
  }
}
