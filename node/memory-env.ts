import type { Files } from "./env.ts"
import { checkName } from "./files.ts"

/** `Files` in memory. `snapshot` and the argument carry a home over a restart, or back in time. */
export function memoryFiles(
  from: ReadonlyMap<string, Uint8Array> = new Map(),
  identity: string | null = null,
): Files & { snapshot(): ReadonlyMap<string, Uint8Array> } {
  const files = new Map(from)
  return {
    read: (name) => files.get(checkName(name))?.slice() ?? null,
    write: (name, bytes) => {
      files.set(checkName(name), bytes.slice())
    },
    overwrite: (name, at, bytes) => {
      files.get(checkName(name))!.set(bytes, at)
    },
    remove: (name) => {
      files.delete(checkName(name))
    },
    identity: () => identity,
    list: (directory) => {
      const prefix = directory === "" ? "" : `${checkName(directory)}/`
      return [...files.keys()]
        .filter((name) => name.startsWith(prefix) && !name.includes("/", prefix.length))
        .map((name) => name.slice(prefix.length))
        .sort()
    },
    snapshot: () => new Map(files),
  }
}
