import { createHash } from "node:crypto"
import { existsSync, lstatSync, rmSync } from "node:fs"
import type { Server } from "node:http"
import { tmpdir, userInfo } from "node:os"
import { dirname, join } from "node:path"
import { createAdaptorServer } from "@hono/node-server"
import type { Hono } from "hono"
import { isAskable } from "./authority/peers.ts"
import { renewKeys } from "./authority/renew.ts"
import type { Context } from "./context.ts"
import { NodeError, noteFailure } from "./errors.ts"
import { keepNotifying } from "./exchange/notify.ts"
import { keepHandingOver } from "./exchange/outbox.ts"
import { noteOverdue } from "./exchange/overdue.ts"
import { follow } from "./exchange/subscribe.ts"
import { makeDirectory } from "./files.ts"
import { operatorApp } from "./http/operator-app.ts"
import { peerApp } from "./http/peer-app.ts"
import { peerServer } from "./http/peer-server.ts"
import { keepAuditing } from "./log/audit.ts"
import { keepCadence } from "./log/cadence.ts"
import { keepCosigning } from "./log/cosign.ts"
import { keepRecovering } from "./recover.ts"
import { allPeers } from "./store/queries/members.ts"

/** A running node: peers' listener, operator socket, followed peers, and what falls due. */
export type Serving = {
  /** as it listens, `http://host:port` */
  readonly url: string
  readonly socket: string
  /** Lets requests end, then stops. */
  close(): Promise<void>
}

export type ServeOptions = {
  readonly home: string
  readonly host: string
  readonly port: number
}

/** @throws `socket.failed` when an address is taken or not ours */
export async function serve(context: Context, options: ServeOptions): Promise<Serving> {
  const closing = new AbortController()
  const authorities: string[] = []
  const app = peerApp(context, { authorities, closing: closing.signal })
  const peers = peerServer(app, context.env.clock)
  await listen(peers, { host: options.host, port: options.port })
  const address = peers.address()
  const port = typeof address === "object" && address !== null ? address.port : options.port
  const host = options.host.includes(":") ? `[${options.host}]` : options.host
  authorities.push(`${host}:${port}`.toLowerCase())
  if (context.config.url !== null) authorities.push(new URL(context.config.url).host)

  const socket = operatorSocket(options.home)
  const operators = await serveSocket(socket, operatorApp(context, { closing: closing.signal }))

  await renewAtStart(context)
  void keepRenewing(context, closing.signal)
  void keepRecovering(context, closing.signal)
  void keepCadence(context, closing.signal)
  void keepAuditing(context, closing.signal)
  void followPeers(context, closing.signal)
  void keepHandingOver(context, closing.signal)
  void keepNotifying(context, closing.signal)
  void keepWitnessed(context, closing.signal)
  context.env.log.info("node.serving", { port })
  return {
    url: `http://${host}:${port}`,
    socket,
    close: async () => {
      closing.abort()
      await Promise.all([stop(peers), operators.close()])
    },
  }
}

/** On a Unix socket of the owner's own; one left by a process that was killed makes room. */
export async function serveSocket(
  path: string,
  app: { readonly fetch: Hono["fetch"] },
): Promise<{ close(): Promise<void> }> {
  makeDirectory(dirname(path))
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) rmSync(path)
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  // Nobody else's from the first moment on.
  const umask = process.umask(0o177)
  try {
    await listen(server, { path })
  } finally {
    process.umask(umask)
  }
  const close = async () => {
    await stop(server)
    rmSync(path, { force: true })
  }
  return { close }
}

function listen(server: Server, where: { host: string; port: number } | { path: string }) {
  return new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new NodeError(
          "socket.failed",
          `This node can't listen on ${nameOf(where)} (${cause.code ?? "error"}).`,
          {
            hint: "Another program may use that port: choose one with --listen HOST:PORT.",
            cause,
          },
        ),
      ),
    )
    server.listen(where, () => resolve())
  })
}

function nameOf(where: { host: string; port: number } | { path: string }): string {
  return "path" in where ? where.path : `${where.host}:${where.port}`
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
    // Held-open streams have been told; whoever does not let go is cut.
    server.closeAllConnections()
  })
}

const longestSocketPath = 107

/**
 * In the home, or, where its path is too long for a socket, under a short name of the user's own.
 *
 * @throws `socket.failed` where somebody else has made that place first
 */
export function operatorSocket(home: string): string {
  const path = join(home, "operator.sock")
  if (Buffer.byteLength(path) <= longestSocketPath) return path
  const runtime = process.env.XDG_RUNTIME_DIR
  const base = runtime && existsSync(runtime) ? runtime : ownTemporary()
  const name = createHash("sha256").update(home).digest("hex").slice(0, 16)
  return join(base, `comity-${name}.sock`)
}

/** Anyone may make a directory of this name: whoever owns it could put a socket of theirs in ours. */
function ownTemporary(): string {
  const { uid } = userInfo()
  const path = join(tmpdir(), `comity-${uid}`)
  makeDirectory(path)
  const found = lstatSync(path)
  const isOurs = found.isDirectory() && found.uid === uid && (found.mode & 0o077) === 0
  if (isOurs || process.platform === "win32") return path
  throw new NodeError("socket.failed", `${path} belongs to somebody else, or is open to others.`, {
    hint: "Remove it, use a home with a shorter path, or set XDG_RUNTIME_DIR.",
  })
}

const renewEveryMs = 6 * 3_600_000
const overdueEveryMs = 3_600_000

/** A node that may not sign yet renews nothing; it serves what it has. */
async function renewAtStart(context: Context): Promise<void> {
  if (context.stopped === null) await renewKeys(context)
}

async function keepRenewing(context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await context.env.clock.sleep(renewEveryMs, signal)
    if (signal.aborted) return
    await renewKeys(context).catch(noteFailure(context.env.log, "keys.renewal-failed"))
  }
}

/** Asks witnesses, and looks now and then for orders that have waited too long. */
async function keepWitnessed(context: Context, signal: AbortSignal): Promise<void> {
  const looking = (async () => {
    while (!signal.aborted) {
      await noteOverdue(context).catch(noteFailure(context.env.log, "overdue.failed"))
      await context.env.clock.sleep(overdueEveryMs, signal)
    }
  })()
  await Promise.all([keepAsking(context, signal), looking])
}

async function keepAsking(context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted)
    try {
      await keepCosigning(context, signal)
    } catch (cause) {
      noteFailure(context.env.log, "witnesses.failed")(cause)
      await context.env.clock.sleep(lookAgainMs, signal)
    }
}

const lookAgainMs = 30_000

/** Every verified peer with an address is followed for as long as it is one. */
async function followPeers(context: Context, signal: AbortSignal): Promise<void> {
  const followed = new Map<string, AbortController>()
  while (!signal.aborted) {
    const wanted = await peersToFollow(context).catch(noteFailure(context.env.log, "follow.failed"))
    for (const [member, controller] of followed)
      if (wanted?.has(member) === false) {
        controller.abort()
        followed.delete(member)
      }
    for (const member of wanted ?? []) {
      if (followed.has(member)) continue
      const controller = new AbortController()
      followed.set(member, controller)
      const until = AbortSignal.any([signal, controller.signal])
      void drain(context, member, until).finally(() => followed.delete(member))
    }
    const waiting = new AbortController()
    const until = AbortSignal.any([signal, waiting.signal])
    await Promise.race([context.env.clock.sleep(lookAgainMs, until), context.bell.next(until)])
    waiting.abort()
  }
}

async function peersToFollow({ db }: Context): Promise<ReadonlySet<string>> {
  return new Set((await allPeers(db)).filter(isAskable).map(({ member }) => member))
}

async function drain(context: Context, member: string, signal: AbortSignal): Promise<void> {
  try {
    for await (const synced of follow(context, member, signal))
      if (synced.code !== undefined)
        context.env.log.warn("follow.failed", { peer: member, code: synced.code })
  } catch (cause) {
    const { code } = cause as { code?: string }
    if (!signal.aborted)
      context.env.log.error("follow.ended", { peer: member, code: code ?? "internal" })
  }
}
