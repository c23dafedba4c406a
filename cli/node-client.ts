import { existsSync } from "node:fs"
import { request as httpRequest, type IncomingMessage } from "node:http"
import type { Command } from "commander"
import { type Env, PeerUnreachable } from "../node/env.ts"
import { NodeError, type NodeErrorCode, nodeErrorCodes } from "../node/errors.ts"
import type { OperationFailure, OperationName } from "../node/http/operator-app.ts"
import type { Unlocking } from "../node/keys/keystore.ts"
import { ProtocolError, type ProtocolErrorCode, protocolErrorCodes } from "../protocol/errors.ts"
import type { CliContext } from "./context.ts"

/**
 * The operator app, over the socket of the running node or in this process when none is running: the
 * same code answers, and a command can't tell which.
 */
export interface NodeClient {
  call<T>(operation: OperationName, input: object): Promise<T>
  follow(peer: string, signal: AbortSignal): AsyncGenerator<unknown>
  [Symbol.asyncDispose](): Promise<void>
}

type Fetch = (path: string, body: string, signal?: AbortSignal) => Promise<Answer>
type Answer = { readonly status: number; readonly body: AsyncIterable<Uint8Array> }

export async function connect(context: CliContext, command: Command): Promise<NodeClient> {
  const home = context.home(command)
  const { operatorSocket } = await import("../node/serve.ts")
  const socket = operatorSocket(home)
  if (existsSync(socket) && (await isAnswering(socket)))
    return clientOver(
      (path, body, signal) => overSocket(socket, path, body, signal),
      async () => {},
    )
  return inProcess(context, home)
}

/** A connection for each request: one that is kept may have been closed while an officer was reading. */
const agent = false

function isAnswering(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = httpRequest({ socketPath, path: "/", method: "GET", agent }, (response) => {
      response.resume()
      resolve(true)
    })
    probe.on("error", () => resolve(false))
    probe.end()
  })
}

function overSocket(
  socketPath: string,
  path: string,
  body: string,
  signal?: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        socketPath,
        path,
        method: "POST",
        agent,
        headers: { "content-type": "application/json", "comity-operator": "1" },
        ...(signal === undefined ? {} : { signal }),
      },
      (response: IncomingMessage) => resolve({ status: response.statusCode ?? 0, body: response }),
    )
    outgoing.on("error", reject)
    outgoing.end(body)
  })
}

/** The node itself, for the length of one command. */
async function inProcess(context: CliContext, home: string): Promise<NodeClient> {
  const opened = await openLocally(context, home)
  const { operatorApp } = await import("../node/http/operator-app.ts")
  const closing = new AbortController()
  const app = operatorApp(opened.node, { closing: closing.signal })
  const fetch: Fetch = async (path, body, signal) => {
    const response = await app.request(path, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", "comity-operator": "1" },
      ...(signal === undefined ? {} : { signal }),
    })
    return { status: response.status, body: response.body ?? new Blob([]).stream() }
  }
  return clientOver(fetch, async () => {
    closing.abort()
    await opened.close()
  })
}

/** A node opened by this process: its home is leased until `close`. */
export async function openLocally(context: CliContext, home: string) {
  const { createHomeNode, hasMember, openHomeKeys, readConfig } = await import("../node/home.ts")
  const { diskFiles } = await import("../node/files.ts")
  const { acquireLease } = await import("../node/log/lease.ts")
  const files = diskFiles(home)
  if (!hasMember(files))
    throw new NodeError("home.missing", `There is no member in ${home} yet.`, {
      hint: 'Name another home with --home or COMITY_HOME, or found a member: comity init --state XA --name "Authority XA"',
    })
  const config = readConfig(files)
  // A wrong passphrase ends here, with nothing touched.
  const keys = await openHomeKeys(files, await unlockingOf(context))
  const lease = acquireLease(home)
  const env = await environmentOf(context, home, config)
  try {
    const node = await createHomeNode(env, keys, home)
    const close = async () => {
      const { closeNode } = await import("../node/node.ts")
      await closeNode(node)
      env.close()
      lease.release()
    }
    return { node, env, config, close }
  } catch (cause) {
    env.close()
    lease.release()
    throw cause
  }
}

/** Plain http and private addresses only for those who live there themselves. DESIGN.md §10 */
export async function environmentOf(
  context: CliContext,
  home: string,
  config: { readonly url: string | null; readonly cipher: "aegis" | "chacha20" },
): Promise<Env & { close(): void }> {
  const { realEnv } = await import("../node/real-env.ts")
  const allow = (context.environment.COMITY_ALLOW_PEERS ?? "")
    .split(",")
    .filter((one) => one !== "")
  const log = context.environment.COMITY_LOG === "1" ? await logOf() : undefined
  return realEnv({
    home,
    cipher: config.cipher,
    allowPrivate: config.url !== null && isLoopback(config.url),
    allow,
    ...(log === undefined ? {} : { log }),
  })
}

async function logOf() {
  const { pinoLog } = await import("../node/pino-log.ts")
  return pinoLog(process.stderr)
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url)
  return hostname === "localhost" || hostname === "[::1]" || /^127\./.test(hostname)
}

const unlocked = new WeakMap<CliContext, Promise<Unlocking>>()

/** Asked once for a command, wherever it is needed. @throws `key.unavailable` */
export function unlockingOf(
  context: CliContext,
  options: { readonly isNew?: boolean } = {},
): Promise<Unlocking> {
  const known = unlocked.get(context)
  if (known !== undefined) return known
  const asked = askUnlocking(context, options.isNew === true)
  unlocked.set(context, asked)
  return asked
}

/** What was asked already, if anything was. */
export async function openedUnlocking(context: CliContext): Promise<Unlocking | undefined> {
  return unlocked.get(context)
}

function askUnlocking(context: CliContext, isNew: boolean): Promise<Unlocking> {
  return unlockingFor(context, { what: "this home", isNew })
}

/**
 * The passphrase of a key file that has its own: a root key, an officer's key.
 *
 * @throws `key.unavailable`
 */
export async function unlockingFor(
  context: CliContext,
  options: {
    readonly what: string
    readonly isNew?: boolean
    readonly passphraseFile?: string | undefined
  },
): Promise<Unlocking> {
  const { unlock } = await import("../node/keys/unlock.ts")
  const { terminal, environment } = context
  const { promptNewSecret, promptSecret } = await import("./prompt.ts")
  const { what, isNew = false, passphraseFile } = options
  const prompt =
    terminal === null
      ? undefined
      : () =>
          isNew
            ? promptNewSecret(`New passphrase for ${what}: `, terminal)
            : promptSecret(`Passphrase of ${what}: `, terminal)
  const { unlocking, warnings } = await unlock({
    environment,
    prompt,
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
  })
  for (const warning of warnings) context.warn(warning)
  return unlocking
}

function clientOver(fetch: Fetch, close: () => Promise<void>): NodeClient {
  return {
    async call<T>(operation: OperationName, input: object): Promise<T> {
      const { status, body } = await fetch(`/operation/${operation}`, JSON.stringify(input))
      const answer: unknown = JSON.parse(await textOf(body))
      if (status === 200) return answer as T
      throw errorOf(answer as OperationFailure)
    },
    async *follow(peer, signal) {
      const { status, body } = await fetch("/follow", JSON.stringify({ peer }), signal)
      if (status !== 200) throw errorOf(JSON.parse(await textOf(body)))
      let held = ""
      const decoder = new TextDecoder()
      try {
        for await (const chunk of body) {
          held += decoder.decode(chunk, { stream: true })
          const lines = held.split("\n")
          held = lines.pop() ?? ""
          for (const line of lines) {
            const value = JSON.parse(line) as { readonly failure?: OperationFailure }
            if (value.failure !== undefined) throw errorOf(value.failure)
            yield value
          }
        }
      } catch (cause) {
        if (!signal.aborted) throw cause
      }
    },
    [Symbol.asyncDispose]: close,
  }
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of body) text += decoder.decode(chunk, { stream: true })
  return text
}

/** The error that the operation threw, as if it had been thrown here. */
function errorOf({ layer, code, message, hint }: OperationFailure): Error {
  if (layer === "peer") return new PeerUnreachable(message)
  const isProtocol =
    layer === "protocol" && (protocolErrorCodes as readonly string[]).includes(code)
  if (isProtocol) {
    const detail = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : undefined
    return new ProtocolError(code as ProtocolErrorCode, detail === undefined ? {} : { detail })
  }
  if ((nodeErrorCodes as readonly string[]).includes(code))
    return new NodeError(code as NodeErrorCode, message, hint === undefined ? {} : { hint })
  return new Error(message)
}
