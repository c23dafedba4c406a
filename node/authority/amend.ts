import { decodeHex } from "../../protocol/encoding.ts"
import { logOrigin, openEntry } from "../../protocol/log/entry.ts"
import { type KeysDocument, verifyKeys } from "../../protocol/member/keys.ts"
import { officerDigest } from "../../protocol/member/officer.ts"
import {
  type Head,
  type Member,
  newestRoot,
  nextDigest,
  payloadDigest,
  type Root,
} from "../../protocol/member/root.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import { type Context, ownRoot, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import {
  areNamedBy,
  makeNodeKeys,
  type NodeKeys,
  nodeKid,
  publicLogKey,
  publicSigningKey,
  readKeys,
  writeKeys,
} from "../keys/keys.ts"
import { commitEntries } from "../log/append.ts"
import { rejudge } from "../log/repudiate.ts"
import { createLog, type LogState } from "../store/queries/logs.ts"
import { insertKeys, insertRoots, keysInForce } from "../store/queries/members.ts"
import {
  type Enrolled,
  insertOfficers,
  officerByPerson,
  officersByDigest,
  opened,
} from "../store/queries/officers.ts"
import type { Db } from "../store/schema.ts"
import { assembleRoot, decodeProposal, encodeProposal } from "./ceremony.ts"
import { type KeySet, signKeys } from "./found.ts"

/**
 * The node's side of a root ceremony: it proposes the next version of its root document and logs what
 * root keys have signed offline. PROTOCOL.md §1
 */

/** What the next version changes; everything else stays. */
export type RootChanges = {
  readonly fields?: Partial<
    Pick<
      Root,
      "name" | "expires" | "ceiling" | "policy" | "witnesses" | "quorum" | "closing" | "succeeds"
    >
  >
  readonly enrol?: readonly Enrolled[]
  /** pseudonyms whose every key leaves the list */
  readonly dismiss?: readonly string[]
  /** digests of profiles */
  readonly adopt?: readonly string[]
  readonly drop?: readonly string[]
  readonly revoke?: Root["revoked"]
  /** keys of the running node that are made anew */
  readonly renew?: readonly ("node" | "witness")[]
  /** a new log key, and with it a new epoch, after which this of the old log still counts */
  readonly survives?: Head
  /** the root keys that `next` commits to take over; `next` is who may follow them */
  readonly rotate?: { readonly now: KeySet; readonly next: KeySet }
}

/**
 * Proposes the next version, as one file for the machines that hold root keys.
 *
 * @throws `officer.unknown`, `root.malformed`, `root.chain`
 */
export async function proposeRoot(context: Context, changes: RootChanges): Promise<Uint8Array> {
  const { self } = context
  const before = ownRoot(context)
  const keys = await renewedKeys(context, changes)
  const { survives: _ended, ...kept } = before
  const payload: Root = {
    ...kept,
    ...changes.fields,
    member: self.id,
    prev: payloadDigest(newestRoot(self)),
    version: before.version + 1,
    officers: await changedOfficers(context, before, changes),
    profiles: changedSet(before.profiles, changes.adopt ?? [], changes.drop ?? []),
    revoked: [...before.revoked, ...(changes.revoke ?? [])],
    ...(keys === null
      ? {}
      : {
          nodeKey: publicSigningKey(keys.node),
          witnessKey: { ...publicLogKey(keys.witness), name: before.witnessKey.name },
        }),
    ...(changes.survives === undefined || keys === null
      ? {}
      : {
          epoch: before.epoch + 1,
          logKey: publicLogKey(keys.log),
          survives: changes.survives,
        }),
    ...(changes.rotate === undefined
      ? {}
      : {
          rootKeys: changes.rotate.now.rootKeys,
          threshold: changes.rotate.now.threshold,
          next: nextDigest(changes.rotate.next.rootKeys, changes.rotate.next.threshold),
        }),
  }
  await insertOfficers(context.db, changes.enrol ?? [], context.env.clock.now())
  const moved = [...before.officers, ...payload.officers].filter(
    (one) => before.officers.includes(one) !== payload.officers.includes(one),
  )
  const openings = (await officersByDigest(context.db, moved)).map(opened)
  const proposal = encodeProposal(payload, self, openings)
  decodeProposal(proposal)
  return proposal
}

/** The node's keys with those made anew that the change asks for, kept until their root is logged. */
async function renewedKeys(context: Context, changes: RootChanges) {
  const renew = changes.renew ?? []
  if (renew.length === 0 && changes.survives === undefined) return null
  const fresh = makeNodeKeys((bytes) => context.env.random(bytes))
  const keys = {
    ...context.keys,
    ...(renew.includes("node") ? { node: fresh.node } : {}),
    ...(renew.includes("witness") ? { witness: fresh.witness } : {}),
    // A new log has a new salt key: by an old one, entries of both could be told to be dummies.
    ...(changes.survives === undefined ? {} : { log: fresh.log, salt: fresh.salt }),
  }
  await writeKeys(context.db, keys, "proposed")
  return keys
}

async function changedOfficers(
  context: Context,
  before: Root,
  changes: RootChanges,
): Promise<readonly string[]> {
  const dismissed: string[] = []
  for (const person of changes.dismiss ?? []) {
    const found = await officerByPerson(context.db, person)
    const listed = found.map(({ digest }) => digest).filter((one) => before.officers.includes(one))
    if (listed.length === 0)
      throw new NodeError("officer.unknown", `${person} is not an officer of this member.`)
    dismissed.push(...listed)
  }
  // A deputy whose days are over leaves with the next version, whatever it is for.
  const day = today(context)
  for (const row of await officersByDigest(context.db, before.officers))
    if (row.not_after !== null && row.not_after < day) dismissed.push(row.digest)
  const enrolled = (changes.enrol ?? []).map(({ officer }) => officerDigest(officer))
  return changedSet(before.officers, enrolled, dismissed)
}

function changedSet(
  before: readonly string[],
  added: readonly string[],
  removed: readonly string[],
): readonly string[] {
  return [...new Set([...before, ...added])].filter((one) => !removed.includes(one)).sort()
}

/**
 * The proposal with enough signatures becomes the next version, and is logged. Orders made under the
 * version before must be signed again.
 *
 * @throws `root.threshold`, `root.chain`, `root.invalid`, `signed.*`, `key.unavailable` for keys of the
 * node that this node does not hold, `signer.stopped`, `store.*`
 */
export async function publishRoot(
  context: Context,
  proposal: Uint8Array,
  lines: readonly SignatureLine[],
): Promise<{ readonly version: number; readonly index: number }> {
  const { payload } = decodeProposal(proposal)
  const { member } = assembleRoot({ member: context.self, payload }, lines)
  const document = newestRoot(member)
  const { version, epoch } = document.payload
  const keys = await keysNamedBy(context, document.payload)
  const isNewEpoch = epoch !== ownRoot(context).epoch
  const announced = await announcement(context, member, keys, isNewEpoch)
  const documents = announced === null ? [document] : [document, announced]
  const entries = documents.map(({ digest }) => openEntry(decodeHex(digest)))
  const log = await commitEntries(
    context,
    entries,
    async (trx, after) => {
      const index = after.range.size - entries.length
      await insertRoots(trx, member)
      await rejudge(context, trx, member)
      await trx
        .updateTable("root_document")
        .set({ idx: index })
        .where("member", "=", member.id)
        .where("version", "=", version)
        .execute()
      if (announced !== null) await insertKeys(trx, announced, { epoch, idx: index + 1 })
      await writeKeys(trx, keys)
    },
    async (trx) => (isNewEpoch ? { keys, log: await beginEpoch(trx, member) } : { keys }),
  )
  context.self = member
  context.keys = keys
  // Whoever was woken by the entry alone has read the document before it.
  context.bell.ring()
  return { version, index: log.range.size - entries.length }
}

/** The keys that a root document names for this node: those in force, or those proposed with it. */
async function keysNamedBy(context: Context, root: Root): Promise<NodeKeys> {
  if (areNamedBy(root, context.keys)) return context.keys
  const proposed = await readKeys(context.db, context.keys, "proposed")
  if (proposed !== null && areNamedBy(root, proposed)) return proposed
  throw new NodeError(
    "key.unavailable",
    "The signed root document names node keys that this node does not hold.",
    { hint: "A later proposal has replaced them: propose again, and have that signed." },
  )
}

/**
 * The keys document again, signed by the new node key, or entered in the new log; null when the one in
 * force stays.
 */
async function announcement(
  { db, self, keys: before }: Context,
  member: Member,
  keys: NodeKeys,
  isNewEpoch: boolean,
): Promise<KeysDocument | null> {
  if (nodeKid(keys) === nodeKid(before) && !isNewEpoch) return null
  const current = await keysInForce(db, self)
  if (current === null) throw new NodeError("store.corrupt", "Our own keys document is missing.")
  const root = newestRoot(member).payload
  const bytes = await signKeys(keys, { ...current.payload, rootVersion: root.version })
  return verifyKeys(bytes, member.id, root)
}

function beginEpoch(trx: Db, member: Member): Promise<LogState> {
  const { epoch } = newestRoot(member).payload
  const origin = logOrigin(member.network, member.id, epoch)
  return createLog(trx, { member: member.id, epoch, origin })
}
