import { spawn } from "node:child_process"
import { writeFile } from "node:fs/promises"
import { request } from "node:http"
import { join } from "node:path"
import { sql } from "kysely"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { decodeUtf8, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { decodeShape, list, literal, object, optional, text } from "../../protocol/shape.ts"
import type { Context } from "../context.ts"
import { NodeError, noteFailure } from "../errors.ts"
import { readMeta, writeMeta } from "../store/queries/members.ts"

/**
 * Tells the operator's own programs that records came: how many, and which ids. Never a title or a text:
 * what is told goes where nothing is encrypted, and nobody was cleared for it.
 */

export type Hooks = {
  /** run as it is, by no shell, with the notice on its stdin */
  readonly command?: readonly string[]
  /** on this machine, by number: no name that could come to mean another */
  readonly webhook?: string
  /** directory that gets a message for each notice, for a mailer to take */
  readonly digest?: string
}

export type Notice = {
  readonly type: "comity/notice/v1"
  readonly records: readonly {
    readonly id: string
    readonly origin: string
    readonly version: number
  }[]
  readonly count: number
}

const hooksShape = object({
  command: optional(list(text({ min: 1, max: 4096 }), { min: 1, max: 64 })),
  digest: optional(text({ min: 1, max: 4096 })),
  type: literal("comity/notify/v1"),
  webhook: optional(text({ min: 1, max: 512 })),
})

const fileName = "notify.json"
const noticeRecords = 512
const hookMs = 30_000

export function hooksOf({ env }: Pick<Context, "env">): Hooks {
  const bytes = env.files.read(fileName)
  if (bytes === null) return {}
  const { type: _type, ...hooks } = decodeShape(
    hooksShape,
    JSON.parse(decodeUtf8(bytes)),
    "json.profile",
  )
  return hooks as Hooks
}

/** From now on, in place of what was set before; what has come until now is told to nobody. @throws `hook.invalid` */
export async function setHooks(context: Context, hooks: Hooks): Promise<Hooks> {
  if (hooks.webhook !== undefined) assertLoopback(hooks.webhook)
  const newest = await context.db
    .selectFrom("record")
    .select(sql<number | null>`max(rowid)`.as("row"))
    .executeTakeFirst()
  for (const kind of kinds) await keepPlace(context, kind, newest?.row ?? 0)
  context.env.files.write(fileName, encodeCanonical({ ...hooks, type: "comity/notify/v1" }))
  return hooks
}

function assertLoopback(address: string): void {
  const url = URL.canParse(address) ? new URL(address) : null
  const isLoopback = /^(127\.\d+\.\d+\.\d+|\[::1\])$/.test(url?.hostname ?? "")
  if (url?.protocol === "http:" && isLoopback && url.username === "" && url.password === "") return
  throw new NodeError("hook.invalid", `${JSON.stringify(address)} is not on this machine.`, {
    hint: "For example: http://127.0.0.1:9000/comity. What leaves this machine is for a program here to decide.",
  })
}

const kinds = ["command", "webhook", "digest"] as const
type Kind = (typeof kinds)[number]

/** Each hook by itself: what one could not be told waits for the next time, and holds up no other. */
export async function notify(context: Context): Promise<void> {
  const hooks = hooksOf(context)
  for (const kind of kinds)
    try {
      if (hooks[kind] !== undefined) await tell(context, hooks, kind)
    } catch (cause) {
      const { code } = cause as { code?: string }
      context.env.log.warn("notify.failed", { hook: kind, code: code ?? "internal" })
    }
}

async function tell(context: Context, hooks: Hooks, kind: Kind): Promise<void> {
  // By rows of `record`: a content that is destroyed gives its number to the next.
  const rows = await context.db
    .selectFrom("record")
    .select(["id", "origin", "version", sql<number>`rowid`.as("row")])
    .where(sql`rowid`, ">", await placeOf(context, kind))
    .where("origin", "!=", context.self.id)
    .orderBy(sql`rowid`)
    .limit(noticeRecords)
    .execute()
  const last = rows.at(-1)
  if (last === undefined) return
  const records = rows.map(({ id, origin, version }) => ({ id, origin, version }))
  const notice: Notice = { type: "comity/notice/v1", records, count: records.length }
  if (kind === "command") await run(hooks.command!, notice)
  else if (kind === "webhook") await post(hooks.webhook!, notice)
  else await leaveMessage(context, hooks.digest!, notice)
  await keepPlace(context, kind, last.row)
}

async function placeOf({ db }: Context, kind: Kind): Promise<number> {
  const value = await readMeta(db, `notified ${kind}`)
  return value === null ? 0 : Number(decodeUtf8(value))
}

async function keepPlace({ db }: Context, kind: Kind, row: number): Promise<void> {
  await writeMeta(db, `notified ${kind}`, utf8(String(row)))
}

function run([file = "", ...args]: readonly string[], notice: Notice): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      shell: false,
      stdio: ["pipe", "ignore", "ignore"],
      // Nothing of what unlocks this node.
      env: { PATH: process.env.PATH ?? "" },
      timeout: hookMs,
      killSignal: "SIGKILL",
    })
    child.once("error", reject)
    child.once("exit", (status) =>
      status === 0 ? resolve() : reject(failed(`ended with ${String(status)}`)),
    )
    // It need not read it.
    child.stdin.on("error", () => {})
    child.stdin.end(encodeCanonical(notice))
  })
}

/** Follows nothing: an answer that leads elsewhere is a failure. */
function post(address: string, notice: Notice): Promise<void> {
  assertLoopback(address)
  const body = encodeCanonical(notice)
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": body.length }
    const signal = AbortSignal.timeout(hookMs)
    const sent = request(address, { method: "POST", headers, signal, agent: false }, (answer) => {
      answer.destroy()
      const { statusCode = 0 } = answer
      if (statusCode >= 200 && statusCode < 300) resolve()
      else reject(failed(`answered ${String(statusCode)}`))
    })
    sent.once("error", reject)
    sent.end(body)
  })
}

async function leaveMessage(context: Context, directory: string, notice: Notice): Promise<void> {
  const at = new Date(context.env.clock.now())
  const senders = new Set(notice.records.map(({ origin }) => origin)).size
  const head = [
    `Date: ${at.toUTCString().replace("GMT", "+0000")}`,
    `Subject: comity: ${notice.count} from ${senders} members`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=us-ascii",
  ]
  const lines = notice.records.map(({ id, origin, version }) => `${id} ${version} ${origin}`)
  const name = `${at.toISOString().slice(0, 10)}-${encodeHex(context.env.random(8))}.eml`
  const message = [...head, "", ...lines, ""].join("\r\n")
  await writeFile(join(directory, name), message, { flag: "wx", mode: 0o600 })
}

function failed(what: string): NodeError {
  return new NodeError("hook.failed", `The hook ${what}.`)
}

const notifyAgainMs = 60_000

/** At most once a second, and again where a hook failed, for as long as the node serves. */
export async function keepNotifying(context: Context, signal: AbortSignal): Promise<void> {
  const { bell, env } = context
  while (!signal.aborted) {
    const rung = bell.next(signal)
    await notify(context).catch(noteFailure(env.log, "notify.failed"))
    await Promise.race([rung, env.clock.sleep(notifyAgainMs, signal)])
    await env.clock.sleep(1000, signal)
  }
}
