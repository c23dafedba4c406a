import { jsonOf } from "../../protocol/canonical.ts"
import { encodeHex, equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { verifyExplanation } from "../../protocol/explanation.ts"
import {
  bareCheckpoint,
  encodeInconsistency,
  verifyInconsistency,
} from "../../protocol/inconsistency.ts"
import { verifyCheckpoint } from "../../protocol/log/checkpoint.ts"
import { proveConsistencyFrom } from "../../protocol/log/compact-range.ts"
import { parseLogOrigin } from "../../protocol/log/entry.ts"
import { proveConsistency, treeRoot } from "../../protocol/log/merkle.ts"
import {
  extendRoots,
  logKeyOf,
  type Member,
  type RootDocument,
} from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import { fromNodes, logOf, rootAt } from "../store/queries/logs.ts"
import { memberById } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { noteEvent } from "./event.ts"

/**
 * Two histories of one member, found here or told by others: kept as a file that convinces anyone, told to
 * the member concerned first, then to everyone. What of it follows for what is new of that member, this
 * member's own officers decide. PROTOCOL.md §7
 */

/** More of one member prove nothing that these do not. */
const keptForMember = 8

/** @returns whether it was new here; @throws as verifyInconsistency */
export async function keepInconsistency(
  context: Context,
  db: Db,
  bytes: Uint8Array,
): Promise<boolean> {
  const { digest, member, kind } = verifyInconsistency(bytes)
  // Only of members that are known: anyone can make a member of his own and let it contradict itself.
  if ((await memberById(db, member.id)) === null) return false
  const kept = await db
    .selectFrom("inconsistency")
    .select("digest")
    .where("member", "=", member.id)
    .execute()
  if (kept.length >= keptForMember || kept.some((row) => row.digest === digest)) return false
  await db
    .insertInto("inconsistency")
    .values({
      digest,
      member: member.id,
      kind,
      bytes,
      at: context.env.clock.now(),
      told: member.id === context.self.id ? 1 : 0,
      decided: null,
    })
    .execute()
  context.gossip.revision++
  await noteEvent(context, db, "inconsistency.found", member.id, digest)
  return true
}

/** What the member concerned says to a proof that is held; of more than a few the first. @throws as verifyExplanation */
export async function keepExplanation(db: Db, bytes: Uint8Array, member: Member): Promise<void> {
  const { digest, payload } = verifyExplanation(bytes, member)
  const proof = await db
    .selectFrom("inconsistency")
    .select("digest")
    .where("digest", "=", payload.subject)
    .where("member", "=", member.id)
    .executeTakeFirst()
  const said = await db
    .selectFrom("explanation")
    .select("digest")
    .where("subject", "=", payload.subject)
    .execute()
  if (proof === undefined || said.length >= keptForMember) return
  await db
    .insertInto("explanation")
    .values({ digest, subject: payload.subject, bytes })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/**
 * Compares a checkpoint of a log with what is held of it. `ahead` is more than is held here: nothing can
 * be said of it yet.
 *
 * @throws `checkpoint.*` when it is not signed by that log
 */
export async function compareWithMirror(
  context: Context,
  db: Db,
  member: Member,
  note: string,
): Promise<"consistent" | "ahead" | "forked"> {
  const { checkpoint, epoch } = openCheckpoint(member, note)
  const log = await logOf(db, member.id, epoch)
  if (log === null || log.checkpoint === null || checkpoint.size > log.range.size) return "ahead"
  const ours = await rootAt(db, log, checkpoint.size)
  if (ours === null || equalBytes(ours, checkpoint.root)) return "consistent"
  const [size, whole] = [checkpoint.size, log.range.size]
  const proof =
    size === whole
      ? []
      : await fromNodes(db, log.id, (read) => proveConsistencyFrom(read, size, whole))
  await accuse(context, db, member, { smaller: note, larger: log.checkpoint, root: ours, proof })
  return "forked"
}

/** @returns whether the proof is new here */
export function accuse(
  context: Context,
  db: Db,
  member: Member,
  trees: {
    readonly smaller: string
    readonly larger: string
    /** of the larger's first entries, as many as the smaller has */
    readonly root: Uint8Array
    readonly proof?: readonly Uint8Array[]
  },
): Promise<boolean> {
  const file = encodeInconsistency({
    kind: "checkpoints",
    larger: bareCheckpoint(trees.larger, member),
    proof: (trees.proof ?? []).map(encodeHex),
    root: encodeHex(new Uint8Array(trees.root)),
    roots: member.documents.map(({ bytes }) => jsonOf(bytes)),
    smaller: bareCheckpoint(trees.smaller, member),
  })
  return keepInconsistency(context, db, file)
}

/**
 * The whole of another tree of a log that is held here: when its own checkpoint covers what is held and
 * does not continue it, that is proof. @returns whether it is
 */
export async function compareTrees(
  context: Context,
  member: Member,
  note: string,
  leafHashes: readonly Uint8Array[],
): Promise<boolean> {
  const { db } = context
  const { checkpoint, epoch } = openCheckpoint(member, note)
  const log = await logOf(db, member.id, epoch)
  const isWhole =
    leafHashes.length === checkpoint.size && equalBytes(treeRoot(leafHashes), checkpoint.root)
  if (log === null || log.checkpoint === null || !isWhole) return false
  const size = log.range.size
  const theirs = treeRoot(leafHashes.slice(0, size))
  const ours = await rootAt(db, log, size)
  if (size > checkpoint.size || ours === null || equalBytes(theirs, ours)) return false
  const proof = size === checkpoint.size ? [] : proveConsistency(leafHashes, size, checkpoint.size)
  return accuse(context, db, member, { smaller: log.checkpoint, larger: note, root: theirs, proof })
}

/** Whoever keeps a chain was given another payload of a version that is held. */
export class RootsContradict extends ProtocolError {
  readonly known: RootDocument
  readonly other: Uint8Array

  constructor(known: RootDocument, other: Uint8Array) {
    super("root.forked", { detail: `version ${known.payload.version}` })
    this.known = known
    this.other = other
  }
}

/**
 * What a failure to take over a member's log or root documents proves about the member, if anything. Run
 * after its transaction has been rolled back.
 *
 * @param note the checkpoint that came with it, signed by the log
 */
export async function examine(
  context: Context,
  member: Member,
  cause: unknown,
  note?: string,
): Promise<void> {
  const { db } = context
  if (cause instanceof RootsContradict)
    return compareRoots(context, db, member, cause.known, cause.other)
  const isAboutTrees =
    cause instanceof ProtocolError &&
    (cause.code === "checkpoint.forked" || cause.code === "checkpoint.rollback")
  if (isAboutTrees && note !== undefined) await compareWithMirror(context, db, member, note)
}

/** A second payload of a version that is held: proof, if the version before signed both. */
async function compareRoots(
  context: Context,
  db: Db,
  member: Member,
  known: RootDocument,
  other: Uint8Array,
): Promise<void> {
  const { version } = known.payload
  const before = { ...member, documents: member.documents.slice(0, version - 1) }
  if (version < 2) return
  extendRoots(before, other)
  const file = encodeInconsistency({
    first: jsonOf(known.bytes),
    kind: "roots",
    roots: before.documents.map(({ bytes }) => jsonOf(bytes)),
    second: jsonOf(other),
  })
  await keepInconsistency(context, db, file)
}

/** @throws `checkpoint.*` */
export function openCheckpoint(member: Member, note: string) {
  const { origin } = bareOrigin(note)
  const { epoch } = parseLogOrigin(origin)
  const document = member.documents.find(({ payload }) => payload.epoch === epoch)
  const logKey = logKeyOf((document ?? member.documents[0]!).payload)
  const { checkpoint } = verifyCheckpoint(note, { origin, logKey })
  return { checkpoint, epoch }
}

function bareOrigin(note: string): { readonly origin: string } {
  return { origin: note.slice(0, Math.max(0, note.indexOf("\n"))) }
}

/** Proofs against this member on which its officers here have not decided yet. */
export async function undecided(db: Db, member: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("inconsistency")
    .select("digest")
    .where("member", "=", member)
    .where("decided", "is", null)
    .orderBy("at")
    .execute()
  return rows.map(({ digest }) => digest)
}
