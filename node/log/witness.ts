import { sha256 } from "../../protocol/crypto/hash.ts"
import { decodeUtf8, encodeHex, equalBytes, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "../../protocol/errors.ts"
import { parseAddCheckpoint } from "../../protocol/log/add-checkpoint.ts"
import {
  type Checkpoint,
  ownLines,
  parseCheckpoint,
  verifyCheckpoint,
} from "../../protocol/log/checkpoint.ts"
import { signCosignature } from "../../protocol/log/cosignature.ts"
import { parseLogOrigin } from "../../protocol/log/entry.ts"
import { checkConsistency, emptyRoot } from "../../protocol/log/merkle.ts"
import {
  formatNote,
  formatSignatures,
  type NoteSignature,
  parseNote,
} from "../../protocol/log/note.ts"
import { endOfEpoch, logKeyOf, type Member, newestRoot } from "../../protocol/member/root.ts"
import { isReadable } from "../authority/peers.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { witnessSigners } from "../keys/keys.ts"
import { memberById, peerById } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { stopIfUnsure } from "./append.ts"
import { noteEvent } from "./event.ts"
import { hear } from "./gossip.ts"
import { compareWithMirror } from "./inconsistency.ts"

/**
 * This member as a witness of others: it cosigns what continues the last checkpoint that it cosigned of
 * a log, and what it holds of that log itself. C2SP tlog-witness, PROTOCOL.md §7
 */

/** As the specification's status codes: 409 tells the size that is known here. */
export type Witnessed =
  | { readonly status: 200; readonly lines: string }
  | { readonly status: 409; readonly size: number }
  | { readonly status: 400 | 403 | 404 | 422; readonly code: ProtocolErrorCode }

/** Answers `add-checkpoint`. What is cosigned has reached the disk before anyone hears of it. */
export async function addCheckpoint(context: Context, body: Uint8Array): Promise<Witnessed> {
  if (context.stopped !== null)
    throw new NodeError("signer.stopped", "This node has stopped signing after a failed write.")
  const request = read(() => parseAddCheckpoint(decodeUtf8(body)))
  const submitted = request && read(() => parseCheckpoint(parseNote(request.checkpoint).text))
  if (request === null || submitted === null) return { status: 400, code: "witness.malformed" }
  const log = await logOfOrigin(context, submitted.origin)
  if (log === null) return { status: 404, code: "checkpoint.origin" }
  const { checkpoint: note, oldSize, proof } = request
  if (!log.isTrusted || read(() => verifyCheckpoint(note, log)) === null)
    return { status: 403, code: "checkpoint.unverified" }
  if (oldSize > submitted.size) return { status: 400, code: "witness.malformed" }
  const { member } = log
  const witnessed = await record(context, { ...submitted, note, oldSize, proof, member })
  if (witnessed.status === 200) {
    const { origin, size } = submitted
    context.env.log.info("witness.cosigned", { origin, size })
  }
  return witnessed
}

/** Null for what is not of its form: the request is answered, not the exception. */
function read<T>(parse: () => T): T | null {
  try {
    return parse()
  } catch (cause) {
    if (cause instanceof ProtocolError) return null
    throw cause
  }
}

/** The log of a peer's present epoch; null for any other: of strangers, of ourselves, ended ones. */
async function logOfOrigin({ db, self }: Context, origin: string) {
  const named = read(() => parseLogOrigin(origin))
  if (named === null || named.network !== self.network) return null
  const peer = await peerById(db, named.member)
  const member = peer && isReadable(peer) ? await memberById(db, named.member) : null
  if (member === null) return null
  const root = newestRoot(member).payload
  if (root.epoch !== named.epoch) return null
  // Its key may have been revoked without a new one yet.
  const isTrusted = endOfEpoch(member, root.epoch) === null
  return { origin, member, logKey: logKeyOf(root), isTrusted }
}

type Submission = Checkpoint & {
  readonly member: Member
  readonly note: string
  readonly oldSize: number
  readonly proof: readonly Uint8Array[]
}

/**
 * Checks against the last that was cosigned, takes its place and is cosigned, in one step: of two
 * submissions at once, one finds the other's size.
 */
async function record(context: Context, submission: Submission): Promise<Witnessed> {
  const { origin, size, root, note, oldSize, member } = submission
  try {
    return await context.db.transaction().execute(async (trx) => {
      const last = await lastWitnessed(trx, origin)
      const known = last?.size ?? 0
      if (oldSize !== known) return { status: 409, size: known }
      if (!isConsistent(submission, last?.root ?? emptyRoot))
        return { status: 422, code: "consistency.invalid" }
      // What is held of the log here is a second, independent look: PROTOCOL.md §7.
      const found = await compareWithMirror(context, trx, member, note)
      if (found === "forked") {
        await noteEvent(context, trx, "witness.refused", member.id, "checkpoint.forked")
        return { status: 422, code: "checkpoint.forked" }
      }
      // Never earlier than what was stated before, whatever became of the clock.
      const now = Math.floor(context.env.clock.now() / 1000)
      const timestamp = Math.max(now, last?.timestamp ?? 1)
      const swapped = await trx
        .insertInto("witnessed")
        .values({ origin, size, root, timestamp, note: "" })
        .onConflict((conflict) =>
          conflict
            .column("origin")
            .doUpdateSet({ size, root, timestamp })
            .where("witnessed.size", "=", oldSize)
            .where("witnessed.timestamp", "<=", timestamp),
        )
        .executeTakeFirst()
      if (swapped.numInsertedOrUpdatedRows !== 1n)
        return { status: 409, size: (await lastWitnessed(trx, origin))?.size ?? 0 }
      // Where our mirror is not so far yet, it is compared once it is.
      if (found === "ahead") await hear(context, trx, member, ownLines(note))
      const lines = await cosign(context, trx, submission, timestamp)
      return { status: 200, lines: formatSignatures(lines) }
    })
  } catch (cause) {
    throw stopIfUnsure(context, cause)
  }
}

async function lastWitnessed(db: Db, origin: string) {
  const row = await db
    .selectFrom("witnessed")
    .selectAll()
    .where("origin", "=", origin)
    .executeTakeFirst()
  return row === undefined ? null : { ...row, root: new Uint8Array(row.root) }
}

function isConsistent({ oldSize, size, root, proof }: Submission, oldRoot: Uint8Array): boolean {
  if (size === 0 && !equalBytes(root, emptyRoot)) return false
  return checkConsistency({ size1: oldSize, size2: size, root1: oldRoot, root2: root, proof })
}

/** Both lines, kept beside the checkpoint: what was given is what is shown on request. */
async function cosign(
  context: Context,
  trx: Db,
  { origin, note }: Submission,
  timestamp: number,
): Promise<readonly NoteSignature[]> {
  const lines: NoteSignature[] = []
  for (const signer of witnessSigners(context.keys, ownRoot(context).witnessKey.name))
    lines.push(await signCosignature(note, timestamp, signer))
  const { text, signatures } = parseNote(ownLines(note))
  await trx
    .updateTable("witnessed")
    .set({ note: formatNote(text, [...signatures, ...lines]) })
    .where("origin", "=", origin)
    .execute()
  return lines
}

/**
 * The last checkpoint that was cosigned of a log, with our lines. C2SP tlog-witness, Monitor Retrieval
 *
 * @param originHash hex SHA-256 of the log's origin
 */
export async function witnessedCheckpoint(
  { db }: Context,
  originHash: string,
): Promise<string | null> {
  const rows = await db.selectFrom("witnessed").select(["origin", "note"]).execute()
  const row = rows.find(({ origin }) => encodeHex(sha256(utf8(origin))) === originHash)
  return row === undefined || row.note === "" ? null : row.note
}
