import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { request } from "node:http"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { OfficerKey } from "../../node/authority/found.ts"
import { reviewExport, signReview } from "../../node/authority/officer.ts"
import { initHome, readOfficerKey } from "../../node/home.ts"
import type { OperationFailure, OperationName } from "../../node/http/operator-app.ts"
import { realEnv } from "../../node/real-env.ts"
import { operatorSocket } from "../../node/serve.ts"
import type { Cipher } from "../../node/store/sqlite.ts"

/**
 * A member whose node runs as it does in earnest: `comity serve` in a process of its own, its encrypted
 * database on a real disk, asked through its operator socket. What it answers is what it promised.
 */

export type Home = {
  readonly directory: string
  readonly key: Uint8Array
  readonly url: string
  readonly member: string
  readonly officers: readonly OfficerKey[]
}

export async function foundHome(
  directory: string,
  state: string,
  options: { readonly cipher?: Cipher } = {},
): Promise<Home> {
  mkdirSync(directory, { recursive: true })
  const { cipher = "aegis" } = options
  const env = realEnv({ home: directory, cipher })
  const key = env.random(32)
  const url = `http://127.0.0.1:${await freePort()}`
  const founding = foundingOf(state, url)
  try {
    const { member } = await initHome(env, { founding, unlocking: key, cipher })
    const officers = await Promise.all(
      founding.officers.map(({ person }) => readOfficerKey(env.files, person, key)),
    )
    writeFileSync(`${directory}.key`, key, { mode: 0o600 })
    return { directory, key, url, member, officers }
  } finally {
    env.close()
  }
}

export function foundingOf(state: string, url: string) {
  return {
    network: "exercise:faults",
    state,
    name: `Authority ${state}`,
    kind: "state" as const,
    officers: [
      { person: "p1", roles: ["competentAuthority"] },
      { person: "p2", roles: ["informationSecurity"] },
    ],
    rootKeys: 1,
    rootThreshold: 1,
    url,
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  probe.listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  if (address === null || typeof address === "string") throw new TypeError("no port")
  return address.port
}

export const launcher = fileURLToPath(new URL("../../cli/comity.js", import.meta.url))

export type RealNode = {
  readonly home: Home
  /** the home as this process sees it */
  readonly seenAt: string
  readonly process: ChildProcess
  /** of the node itself, once it is ready, also behind whatever runs it */
  pid(): number
  /** what it wrote to stderr so far */
  words(): string
  /** false when it ended before it served */
  ready(): Promise<boolean>
  operate<T>(operation: OperationName, input?: object): Promise<T>
  /** the status of a page that is open to strangers */
  health(path: "/livez" | "/readyz"): Promise<number>
  /** its exit code, when it has ended by itself */
  ended(): Promise<number | null>
  /** by this signal, and gone on return */
  end(signal?: NodeJS.Signals): Promise<number | null>
}

export type Running = {
  /** what runs the command instead of a bare `node`: a clock, a namespace, a tracer */
  readonly through?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** where this process sees the home, if it lies elsewhere for the node */
  readonly seenAt?: (pid: number) => string
  readonly args?: readonly string[]
}

export function startNode(home: Home, running: Running = {}): RealNode {
  const { through = [], environment = {}, args = ["serve"] } = running
  const [file = process.execPath, ...before] = through
  const child = spawn(
    file,
    [
      ...before,
      ...(through.length === 0 ? [] : [process.execPath]),
      launcher,
      "--home",
      home.directory,
      ...args,
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR,
        NODE_COMPILE_CACHE: compileCache,
        COMITY_KEY_FILE: `${home.directory}.key`,
        COMITY_LOG: "1",
        ...environment,
      },
    },
  )
  let [said, words] = ["", ""]
  const serving = Promise.withResolvers<boolean>()
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk
    if (said.includes("Serving peers")) serving.resolve(true)
  })
  child.stderr.on("data", (chunk: Buffer) => {
    words += chunk
  })
  const exited = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)))
  void exited.then(() => serving.resolve(false))
  const seenAt = running.seenAt?.(child.pid ?? 0) ?? home.directory
  const socket = operatorSocket(seenAt)
  const pid = () =>
    through.length === 0 ? child.pid! : Number(readFileSync(join(seenAt, "lease.pid"), "latin1"))
  return {
    home,
    seenAt,
    process: child,
    pid,
    words: () => words,
    ready: () => serving.promise,
    operate: (operation, input = {}) => operate(socket, operation, input),
    health: (path) => statusOf(`${home.url}${path}`),
    ended: () => exited,
    end: async (signal = "SIGTERM") => {
      if (child.exitCode === null && child.signalCode === null) process.kill(pid(), signal)
      return exited
    },
  }
}

/** Shared by all nodes of a run: starting is then half as long. */
const compileCache = join(
  process.env.XDG_CACHE_HOME ?? join(process.env.HOME ?? "/tmp", ".cache"),
  "comity",
  "compile-cache",
)

/** The node said no, in its own words. */
export class Refused extends Error {
  readonly code: string

  constructor({ code, message, hint }: OperationFailure) {
    super(`${code}: ${message} ${hint ?? ""}`)
    this.code = code
  }
}

/** @throws Refused; anything else means that nobody knows whether it was done */
function operate<T>(socketPath: string, operation: OperationName, input: object): Promise<T> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        socketPath,
        agent: false,
        path: `/operation/${operation}`,
        method: "POST",
        headers: { "content-type": "application/json", "comity-operator": "1" },
      },
      (response) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => {
          text += chunk
        })
        response.on("error", reject)
        response.on("end", () => {
          try {
            const answer = JSON.parse(text)
            if (response.statusCode === 200) resolve(answer)
            else reject(new Refused(answer))
          } catch (cause) {
            reject(cause)
          }
        })
      },
    )
    asked.on("error", reject)
    asked.end(JSON.stringify(input))
  })
}

async function statusOf(url: string): Promise<number> {
  const response = await fetch(url, { headers: { connection: "close" } })
  await response.arrayBuffer()
  return response.status
}

/** Each officer looks at the order on a machine of their own, and the signature goes back. */
export async function signOrder(node: RealNode, order: string): Promise<void> {
  for (const officer of node.home.officers) {
    const exported = await node.operate<{ export: string }>("order.export", { order })
    const review = reviewExport(
      new Uint8Array(Buffer.from(exported.export, "base64")),
      new Map(),
      null,
    )
    const day = new Date().toISOString().slice(0, 10)
    const line = await signReview(review, officer, day)
    await node.operate("order.import", {
      order,
      protected: line.protected,
      signature: line.signature,
    })
  }
}

export function isThere(command: string): boolean {
  return (process.env.PATH ?? "").split(":").some((path) => existsSync(join(path, command)))
}
