import { decodeBase64url, decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { formatAddCheckpoint, parseSize, sizeMediaType } from "../../protocol/log/add-checkpoint.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { proveConsistencyFrom } from "../../protocol/log/compact-range.ts"
import { countWitnesses, witnessKeys } from "../../protocol/log/cosignature.ts"
import {
  formatNote,
  keyMark,
  type NoteSignature,
  parseNote,
  parseSignatures,
} from "../../protocol/log/note.ts"
import type { Root } from "../../protocol/member/root.ts"
import { isReadable, nameOf } from "../authority/peers.ts"
import { Bell } from "../bell.ts"
import { type Context, ownRoot } from "../context.ts"
import { PeerUnreachable } from "../env.ts"
import { NodeError } from "../errors.ts"
import { askPeerPlainly, codeOf, PeerRefusal } from "../http/peer-client.ts"
import { fromNodes, type LogState, logOf } from "../store/queries/logs.ts"
import { peerById } from "../store/queries/members.ts"
import type { Schema } from "../store/schema.ts"
import { commitSoon } from "../store/soon.ts"
import { noteEvent } from "./event.ts"
import { keepProof } from "./prove.ts"

/**
 * Our log's newest checkpoint goes to the witnesses that our root document names, all at once: none waits
 * for another, and nothing of publishing or reading waits for any. C2SP tlog-witness, PROTOCOL.md §7
 */

type Named = Root["witnesses"][number]
type Cosigner = Schema["cosigner"]

/** One checkpoint and what it has gathered. */
type Round = {
  readonly log: LogState
  readonly size: number
  /** gains the lines of each witness as they come */
  note: string
  /** witnesses that have not cosigned it, or not for a day */
  readonly due: readonly Named[]
}

export type Asked = {
  readonly name: string
  readonly member: string
  /** why it gave no cosignature */
  readonly error?: string
}

const hourMs = 3_600_000
const dayMs = 24 * hourMs
/** A witness that takes longer is asked again later. */
const patienceMs = 30_000

/** Asks every witness once that has not cosigned the newest checkpoint today, and waits for them all. */
export async function askWitnesses(
  context: Context,
  signal: AbortSignal = new AbortController().signal,
): Promise<readonly Asked[]> {
  const round = await beginRound(context)
  if (round === null) return []
  return Promise.all(round.due.map((witness) => askOne(context, round, witness, signal)))
}

const lookAgainMs = 10 * 60_000
const firstRetryMs = 10_000

/**
 * The same for as long as the node runs: at once when something was logged, daily without. Rounds follow
 * one another as soon as one has its quorum, so that all are asked for the same checkpoint; whoever is
 * slow joins the next round once it has answered.
 */
export async function keepCosigning(context: Context, signal: AbortSignal): Promise<void> {
  const busy = new Set<string>()
  const failed = new Map<string, { readonly times: number; readonly until: number }>()
  const answered = new Bell(context.env.clock)
  while (!signal.aborted) {
    const waiting = new AbortController()
    const until = AbortSignal.any([signal, waiting.signal])
    // Armed before the look, so that nothing logged or answered meanwhile is slept over.
    const woken = [context.bell.next(until), answered.next(until)]
    const round = await beginRound(context)
    const now = context.env.clock.monotonic()
    const free = (round?.due ?? []).filter(
      ({ member }) => !busy.has(member) && (failed.get(member)?.until ?? 0) <= now,
    )
    if (round !== null && free.length > 0)
      await settled(
        free.map(async (witness) => {
          busy.add(witness.member)
          const { error } = await askOne(context, round, witness, signal)
          busy.delete(witness.member)
          const times = error === undefined ? 0 : (failed.get(witness.member)?.times ?? 0) + 1
          const wait = Math.min(firstRetryMs * 2 ** (times - 1), lookAgainMs)
          failed.set(witness.member, { times, until: times === 0 ? 0 : now + wait })
          answered.ring()
          return error === undefined
        }),
        ownRoot(context).quorum,
      )
    else {
      const retries = [...failed.values()].map(({ until: at }) => at - now).filter((ms) => ms > 0)
      const sleep = context.env.clock.sleep(Math.min(lookAgainMs, ...retries), until)
      await Promise.race([...woken, sleep])
    }
    waiting.abort()
  }
}

/** When so many have kept their word, or all have answered. */
function settled(answers: readonly Promise<boolean>[], enough: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let [kept, open] = [0, answers.length]
    for (const answer of answers)
      answer.then((isKept) => {
        if (isKept) kept++
        open--
        if (kept >= enough || open === 0) resolve()
      }, reject)
  })
}

async function beginRound(context: Context): Promise<Round | null> {
  const { db, self, env } = context
  if (ownRoot(context).witnesses.length === 0) return null
  const log = await logOf(db, self.id)
  if (log === null || log.checkpoint === null)
    throw new NodeError("store.corrupt", "Our own log is missing.")
  const { size } = log.range
  const rows = await db.selectFrom("cosigner").selectAll().where("log", "=", log.id).execute()
  const last = new Map(rows.map((row) => [row.member, row]))
  const due = ownRoot(context).witnesses.filter(({ member }) => {
    const row = last.get(member)
    if (row === undefined || row.size < size || row.error !== null) return true
    return env.clock.now() - row.asked_at >= dayMs
  })
  return { log, size, note: log.checkpoint, due }
}

/** What one witness answered is its own: nothing it does holds up or fails another. */
async function askOne(
  context: Context,
  round: Round,
  witness: Named,
  signal: AbortSignal,
): Promise<Asked> {
  const asked = { name: await nameOf(context, witness.member), member: witness.member }
  const last = await lastOf(context, round, witness)
  try {
    const given = await request(context, round, witness, last, signal)
    if (given !== null) await keep(context, round, witness, given)
    return asked
  } catch (cause) {
    const error = errorOf(cause)
    // That this node is stopping says nothing about the witness.
    if (!signal.aborted) await noteFailure(context, last, error)
    return { ...asked, error }
  }
}

async function lastOf(context: Context, { log }: Round, { member }: Named): Promise<Cosigner> {
  const row = await context.db
    .selectFrom("cosigner")
    .selectAll()
    .where("log", "=", log.id)
    .where("member", "=", member)
    .executeTakeFirst()
  return row ?? { log: log.id, member, size: 0, timestamp: 0, asked_at: 0, error: null }
}

type Given = { readonly lines: readonly NoteSignature[]; readonly timestamp: number }

/** Null when the witness has cosigned a newer checkpoint of ours meanwhile. */
async function request(
  context: Context,
  round: Round,
  witness: Named,
  last: Cosigner,
  signal: AbortSignal,
): Promise<Given | null> {
  const { db } = context
  const peer = await peerById(db, witness.member)
  if (peer === undefined || !isReadable(peer))
    throw new NodeError("peer.unverified", "A witness of ours is no verified peer.")
  const done = new AbortController()
  const late = new AbortController()
  void context.env.clock.sleep(patienceMs, done.signal).then(() => late.abort())
  try {
    let oldSize = Math.min(last.size, round.size)
    for (let isFirst = true; ; isFirst = false) {
      const from = oldSize
      const proof = await fromNodes(db, round.log.id, (read) =>
        proveConsistencyFrom(read, from, round.size),
      )
      const { status, headers, body } = await askPeerPlainly(context, peer, {
        method: "POST",
        path: "/add-checkpoint",
        contentType: "text/plain; charset=utf-8",
        body: utf8(formatAddCheckpoint({ oldSize, proof, checkpoint: ownLines(round.note) })),
        signal: AbortSignal.any([signal, late.signal]),
      })
      if (status === 200) return checked(context, round, witness, last, decodeUtf8(body))
      if (status !== 409 || headers.get("content-type") !== sizeMediaType)
        throw new PeerRefusal(peer.name, codeOf(body))
      const known = parseSize(decodeUtf8(body))
      if (known > round.size) return assertNotAhead(context, round, peer.name, known)
      if (!isFirst || known === oldSize)
        throw new ProtocolError("witness.malformed", { detail: "size" })
      oldSize = known
    }
  } finally {
    done.abort()
  }
}

/** A witness that knows more of our log than we do: this may be the copy of a home, or an old one. */
async function assertNotAhead(
  { db, self }: Context,
  round: Round,
  name: string,
  known: number,
): Promise<null> {
  const log = await logOf(db, self.id)
  if (log !== null && (log.id !== round.log.id || log.range.size >= known)) return null
  throw new NodeError(
    "store.rolled-back",
    `${name} says it has cosigned ${known} entries of our log; here it has ${round.size}.`,
    { hint: "comity recover asks all peers how far our log has come." },
  )
}

/** Both lines, by the keys that our root document names, over this checkpoint, at a time of today. */
function checked(
  context: Context,
  round: Round,
  named: Named,
  last: Cosigner,
  answer: string,
): Given {
  const witness = {
    name: named.name,
    ed25519: decodeBase64url(named.ed25519),
    mldsa44: decodeBase64url(named.mldsa44),
  }
  const marks = new Set(witnessKeys(witness).map(keyMark))
  const lines = parseSignatures(answer).filter((line) => marks.has(keyMark(line)))
  const [counted] = countWitnesses(withLines(ownLines(round.note), lines), [witness])
  if (counted === undefined) throw new ProtocolError("cosignature.invalid")
  const { timestamp } = counted
  const isSame = last.size === round.size && timestamp === last.timestamp
  // What it gave before verifies as well: given again much later, it says nothing of today.
  const isOld = context.env.clock.now() - timestamp * 1000 > hourMs
  const isStale = timestamp < last.timestamp || (isSame && isOld)
  if (isStale) throw new ProtocolError("cosignature.invalid", { detail: "not of today" })
  return { lines, timestamp }
}

/** The note with these lines, in place of earlier ones by the same keys. */
function withLines(note: string, lines: readonly NoteSignature[]): string {
  const { text, signatures } = parseNote(note)
  const replaced = new Set(lines.map(keyMark))
  const kept = signatures.filter((line) => !replaced.has(keyMark(line)))
  return formatNote(text, [...kept, ...lines])
}

/** The checkpoint gains the lines; once there are enough, it is the proof of every order it covers. */
async function keep(
  context: Context,
  round: Round,
  { member }: Named,
  { lines, timestamp }: Given,
): Promise<void> {
  const { db, env, self } = context
  round.note = withLines(round.note, lines)
  const { size, note } = round
  // The witness has it on its disk, and gives it again.
  const proven = await commitSoon(db, async (trx) => {
    const log = await logOf(trx, self.id, round.log.epoch)
    if (log === null) return null
    if (log.range.size === size && log.checkpoint !== null)
      await trx
        .updateTable("log")
        .set({ checkpoint: withLines(log.checkpoint, lines) })
        .where("id", "=", log.id)
        .where("size", "=", size)
        .execute()
    const row = { size, timestamp, asked_at: env.clock.now(), error: null }
    await trx
      .insertInto("cosigner")
      .values({ log: log.id, member, ...row })
      .onConflict((conflict) =>
        conflict.columns(["log", "member"]).doUpdateSet(row).where("cosigner.size", "<=", size),
      )
      .execute()
    return keepProof(trx, self, log, note)
  })
  env.log.info("cosignature.kept", { witness: member, size })
  if (proven !== null && proven > 0) context.bell.ring()
}

function errorOf(cause: unknown): string {
  if (cause instanceof PeerRefusal) return cause.theirs
  if (cause instanceof PeerUnreachable) return "peer.unreachable"
  if (cause instanceof ProtocolError || cause instanceof NodeError) return cause.code
  throw cause
}

/** Codes that say the witness knows our log otherwise than we do: an alarm, not a hiccup. */
const alarms: ReadonlySet<string> = new Set([
  "store.rolled-back",
  "consistency.invalid",
  "checkpoint.forked",
])

async function noteFailure(context: Context, last: Cosigner, error: string): Promise<void> {
  const { db, env } = context
  const row = { asked_at: env.clock.now(), error }
  await db
    .insertInto("cosigner")
    .values({ ...last, ...row })
    .onConflict((conflict) => conflict.columns(["log", "member"]).doUpdateSet(row))
    .execute()
  env.log.warn("cosignature.missing", { witness: last.member, code: error })
  if (alarms.has(error) && last.error !== error)
    await noteEvent(context, db, "witness.alarm", last.member, error)
}
