import { createReadStream } from "node:fs"
import { basename, dirname } from "node:path"
import { createInterface } from "node:readline"

/**
 * What a traced process asked of its disk, and what it let others hear, in one order.
 * `strace -f -y -xx`: texts in hexadecimal, descriptors with their paths.
 */
export type Event =
  | {
      readonly kind: "write"
      readonly path: string
      readonly at: number
      readonly bytes: Uint8Array
    }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  | { readonly kind: "create" | "unlink" | "sync" | "directory"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly to: string }
  | { readonly kind: "sent"; readonly text: string }

const calls = [
  ...["pwrite64", "pwritev", "pwritev2", "write", "writev", "sendto", "sendmsg"],
  ...["fsync", "fdatasync", "sync_file_range", "ftruncate", "truncate", "fallocate"],
  ...["unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink"],
  ...["openat", "open", "creat", "mkdir", "mkdirat", "copy_file_range"],
]

/** The command line before that of the process to be traced. */
export function tracing(output: string): readonly string[] {
  const options = ["-f", "--seccomp-bpf", "-y", "-xx", "-s", "70000", "-o", output]
  return ["strace", ...options, "-e", `trace=${calls.join(",")}`]
}

/** @param under the directory that is looked at; what happens elsewhere is no event */
export async function readTrace(path: string, under: string): Promise<readonly Event[]> {
  const reader = new TraceReader(under)
  const lines = createInterface({ input: createReadStream(path, "latin1"), crlfDelay: Infinity })
  for await (const line of lines) reader.take(line)
  return reader.events
}

class TraceReader {
  readonly events: Event[] = []
  readonly #under: string
  /** where the next `write` of a descriptor goes */
  readonly #offsets = new Map<string, number>()
  readonly #unfinished = new Map<string, string>()

  constructor(under: string) {
    this.#under = under
  }

  take(line: string): void {
    const space = line.indexOf(" ")
    const pid = line.slice(0, space)
    let call = line.slice(space).trimStart()
    if (call.endsWith("<unfinished ...>")) {
      this.#unfinished.set(pid, call.slice(0, -"<unfinished ...>".length))
      return
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(call)
    if (resumed !== null) {
      call = (this.#unfinished.get(pid) ?? "") + call.slice(resumed[0].length)
      this.#unfinished.delete(pid)
    }
    // A signal, or the end of a process.
    if (/^(---|\+\+\+)/.test(call)) return
    const [, name, input, result] = /^(\w+)\((.*?) *\) += (\S.*)$/.exec(call) ?? []
    if (name === undefined || input === undefined || result === undefined)
      throw new RangeError(`a line of the trace that is no call: ${call.slice(0, 100)}`)
    // What failed has changed nothing.
    if (result.startsWith("-") || result.startsWith("?")) return
    this.#takeCall(name, input, result)
  }

  #takeCall(name: string, input: string, result: string): void {
    switch (name) {
      case "pwrite64":
      case "write":
      case "sendto":
        this.#takeWrite(name, input, Number.parseInt(result, 10))
        break
      case "writev":
      case "sendmsg":
        if (pathOf(input).startsWith("socket:")) this.#sent(input)
        else this.#refuse(name, input)
        break
      case "fsync":
      case "fdatasync":
        this.#push(pathOf(input), (path) => ({ kind: "sync", path }))
        break
      case "ftruncate":
        this.#push(pathOf(input), (path) => ({ kind: "truncate", path, size: lastOf(input) }))
        break
      case "unlink":
      case "unlinkat":
        this.#push(textsOf(input).at(-1)!, (path) => ({ kind: "unlink", path }))
        break
      case "rename":
      case "renameat":
      case "renameat2": {
        const [from = "", to = ""] = textsOf(input)
        this.#push(from, (path) => ({ kind: "rename", path, to }))
        break
      }
      case "mkdir":
      case "mkdirat":
        this.#push(textsOf(input).at(-1)!, (path) => ({ kind: "directory", path }))
        break
      case "openat":
      case "open":
      case "creat":
        this.#takeOpen(name, input, result)
        break
      default:
        this.#refuse(name, input)
    }
  }

  #takeWrite(name: string, input: string, length: number): void {
    const path = pathOf(input)
    if (path.startsWith("socket:")) this.#sent(input)
    if (!this.#isUnder(path)) return
    const bytes = bytesOf(input)
    if (bytes.length < length) throw new RangeError(`${name} was recorded in part`)
    const descriptor = input.slice(0, input.indexOf("<"))
    const at = name === "pwrite64" ? lastOf(input) : (this.#offsets.get(descriptor) ?? 0)
    if (name === "write") this.#offsets.set(descriptor, at + length)
    this.events.push({ kind: "write", path, at, bytes: bytes.subarray(0, length) })
  }

  #takeOpen(name: string, input: string, result: string): void {
    const path = decode(/<([^>]*)>/.exec(result)?.[1] ?? "")
    this.#offsets.set(result.slice(0, result.indexOf("<")), 0)
    if (!this.#isUnder(path)) return
    if (name === "creat" || input.includes("O_CREAT")) this.events.push({ kind: "create", path })
    if (name === "creat" || input.includes("O_TRUNC"))
      this.events.push({ kind: "truncate", path, size: 0 })
  }

  #sent(input: string): void {
    const text = new TextDecoder("latin1").decode(bytesOf(input))
    if (text !== "") this.events.push({ kind: "sent", text })
  }

  #push(path: string, event: (path: string) => Event): void {
    if (this.#isUnder(path)) this.events.push(event(path))
  }

  /** A call that is not modelled must not be met: the states made from the rest would be dreams. */
  #refuse(name: string, input: string): void {
    if (this.#isUnder(pathOf(input)) || textsOf(input).some((path) => this.#isUnder(path)))
      throw new TypeError(`${name} is not modelled`)
  }

  #isUnder(path: string): boolean {
    const isInside = path === this.#under || dirname(path).startsWith(this.#under)
    // A socket does not survive.
    return isInside && !/\.sock$/.test(basename(path))
  }
}

/** Of the descriptor that is the first argument. */
function pathOf(input: string): string {
  return decode(/^\d+<([^>]*)>/.exec(input)?.[1] ?? "")
}

function lastOf(input: string): number {
  return Number(input.slice(input.lastIndexOf(",") + 1))
}

function textsOf(input: string): readonly string[] {
  return [...input.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, text = ""]) => decode(text))
}

function bytesOf(input: string): Uint8Array {
  const found = [...input.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, text = ""]) =>
    Buffer.from(text.replaceAll("\\x", ""), "hex"),
  )
  return Buffer.concat(found)
}

function decode(text: string): string {
  return text.replace(/(?:\\x[0-9a-f]{2})+/g, (run) =>
    Buffer.from(run.replaceAll("\\x", ""), "hex").toString("utf8"),
  )
}
