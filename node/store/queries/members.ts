import { sql } from "kysely"
import { ProtocolError } from "../../../protocol/errors.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { type KeysDocument, keysFormat, verifyKeys } from "../../../protocol/member/keys.ts"
import { type Member, newestRoot, rootVersion, verifyRoots } from "../../../protocol/member/root.ts"
import { decodeSigned } from "../../../protocol/signed.ts"
import type { Db, Schema } from "../schema.ts"
import { prepared } from "./prepared.ts"
import { remembered } from "./remembered.ts"

export type Peer = Schema["peer"]

/**
 * What was verified, by member id: a chain of root documents costs a millisecond, and is asked for with
 * every request. It is a function of the documents' bytes alone, so it holds as long as they are these.
 */
const verified = new Map<string, Member>()
const membersKept = 512

/** The member as its root documents held here tell it, verified; null when none are held. */
export const memberById = remembered(["root_document"], memberHeld)

async function memberHeld(db: Db, id: string): Promise<Member | null> {
  const rows = await rootRows(db, id)
  if (rows.length === 0) return null
  const known = verified.get(id)
  const isKnown =
    known?.documents.length === rows.length &&
    known.documents.every(({ bytes }, i) => Buffer.compare(bytes, rows[i]!.bytes) === 0)
  const member = isKnown ? known : verifyRoots(rows.map(({ bytes }) => new Uint8Array(bytes)))
  if (member.id !== id) throw new ProtocolError("root.pin")
  keep(verified, id, member)
  return member
}

const rootRows = prepared((db, member: string) =>
  db.selectFrom("root_document").select("bytes").where("member", "=", member).orderBy("version"),
)

/** As the one used last; the one whose use is longest ago makes room. */
function keep(members: Map<string, Member>, id: string, member: Member): void {
  members.delete(id)
  members.set(id, member)
  if (members.size > membersKept) members.delete(members.keys().next().value!)
}

/** Digest of the newest root document held, by which its verified form can be told from an older one. */
export async function newestRootDigest(db: Db, member: string): Promise<string | null> {
  const [row] = await newestRootRow(db, member)
  return row?.digest ?? null
}

const newestRootRow = prepared((db, member: string) =>
  db
    .selectFrom("root_document")
    .select("digest")
    .where("member", "=", member)
    .orderBy("version", "desc")
    .limit(sql.lit(1)),
)

/** Place of each root version in the log of its epoch, version 1 first. */
export async function rootIndexes(db: Db, member: string): Promise<readonly (number | null)[]> {
  const rows = await indexRows(db, member)
  return rows.map(({ idx }) => idx)
}

const indexRows = prepared((db, member: string) =>
  db.selectFrom("root_document").select("idx").where("member", "=", member).orderBy("version"),
)

/**
 * The keys document in force: that at the highest place, or the one a card brought. None by a node key
 * that the newest root has replaced: whoever stole that key announces nothing more. PROTOCOL.md §1
 */
export async function keysInForce(db: Db, member: Member): Promise<KeysDocument | null> {
  const rows = await keysRows(db, member.id)
  const [newest] = rows
  const known = verifiedKeys.get(member)
  if (
    newest !== undefined &&
    known !== undefined &&
    Buffer.compare(known.bytes, newest.bytes) === 0
  )
    return known
  const nodeKid = kidOf(newestRoot(member).payload.nodeKey)
  for (const row of rows) {
    const bytes = new Uint8Array(row.bytes)
    const named = rootVersion(member, decodeSigned(keysFormat, bytes).payload.rootVersion)
    if (named === null || kidOf(named.payload.nodeKey) !== nodeKid) continue
    const keys = verifyKeys(bytes, member.id, named.payload)
    verifiedKeys.set(member, keys)
    return keys
  }
  return null
}

const keysRows = remembered(
  ["keys_document"],
  prepared((db, member: string) =>
    db
      .selectFrom("keys_document")
      .select("bytes")
      .where("member", "=", member)
      .orderBy("epoch", (order) => order.desc().nullsLast())
      .orderBy("idx", (order) => order.desc().nullsLast()),
  ),
)

/** By the member under whose root documents it was verified: under others it is verified again. */
const verifiedKeys = new WeakMap<Member, KeysDocument>()

export async function peerById(db: Db, member: string): Promise<Peer | undefined> {
  const [row] = await peerRows(db, member)
  return row
}

const peerRows = remembered(
  ["peer"],
  prepared((db, member: string) => db.selectFrom("peer").selectAll().where("member", "=", member)),
)

/** Whom we answer: added, verified, not blocked. */
export async function servedPeer(db: Db, member: string): Promise<Peer | null> {
  const peer = await peerById(db, member)
  return peer === undefined || peer.blocked === 1 || peer.verified_on === null ? null : peer
}

export const allPeers: (db: Db) => Promise<Peer[]> = prepared((db) =>
  db.selectFrom("peer").selectAll().orderBy("name"),
)

export async function insertRoots(db: Db, member: Member): Promise<void> {
  const rows = member.documents.map(({ bytes, digest, payload }) => ({
    member: member.id,
    version: payload.version,
    epoch: payload.epoch,
    digest,
    bytes,
    idx: null,
  }))
  await db
    .insertInto("root_document")
    .values(rows)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function insertKeys(
  db: Db,
  document: KeysDocument,
  place: { readonly epoch: number; readonly idx: number } | null = null,
): Promise<void> {
  const { bytes, digest, payload } = document
  const { epoch, idx } = place ?? { epoch: null, idx: null }
  await db
    .insertInto("keys_document")
    .values({ member: payload.member, digest, bytes, epoch, idx })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function readMeta(db: Db, name: string): Promise<Uint8Array | null> {
  const row = await db
    .selectFrom("meta")
    .select("value")
    .where("name", "=", name)
    .executeTakeFirst()
  return row === undefined ? null : new Uint8Array(row.value)
}

export async function writeMeta(db: Db, name: string, value: Uint8Array): Promise<void> {
  await db
    .insertInto("meta")
    .values({ name, value })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
    .execute()
}
