import { Kysely } from "kysely"
import { kemKeyPair } from "../protocol/crypto/kem.ts"
import { installPrimitives } from "../protocol/crypto/primitives.ts"
import { selfTest } from "../protocol/crypto/sign.ts"
import { decodeHex, decodeUtf8, utf8 } from "../protocol/encoding.ts"
import { logOrigin, openEntry } from "../protocol/log/entry.ts"
import { verifyKeys } from "../protocol/member/keys.ts"
import { newestRoot, rootVersion } from "../protocol/member/root.ts"
import type { Founded } from "./authority/found.ts"
import { readLocalMarks } from "./authority/local-marks.ts"
import { bringStored } from "./authority/profiles.ts"
import { Bell } from "./bell.ts"
import { type Config, type Context, stopSigning } from "./context.ts"
import { nodePrimitives } from "./crypto-node.ts"
import type { Env } from "./env.ts"
import { NodeError } from "./errors.ts"
import { refuseEarlierRequests } from "./http/peer-auth.ts"
import { type NodeKeys, readKeys } from "./keys/keys.ts"
import { appendOwn } from "./log/append.ts"
import { Recent } from "./reading/recent.ts"
import { askBeforeSigning, haltAtStart, writeIdentity } from "./recover.ts"
import { gapOf } from "./regain.ts"
import { StoreDialect } from "./store/dialect.ts"
import { migrate } from "./store/migrations.ts"
import { createLog } from "./store/queries/logs.ts"
import {
  insertKeys,
  insertRoots,
  memberById,
  readMeta,
  writeMeta,
} from "./store/queries/members.ts"
import { type Enrolled, insertOfficers } from "./store/queries/officers.ts"
import type { Db, Schema } from "./store/schema.ts"
import { Turn } from "./turn.ts"

let isTested = false

/** node:crypto's primitives, once judged by what they do. DESIGN.md §7 */
export function prepareCrypto(): void {
  if (isTested) return
  installPrimitives(nodePrimitives)
  selfTest()
  isTested = true
}

async function openStore(
  env: Env,
  key: Uint8Array,
  onDoubt: (failure: NodeError) => void = () => {},
): Promise<Db> {
  const database = env.openDatabase(key)
  const db = new Kysely<Schema>({ dialect: new StoreDialect({ database, onDoubt }) })
  await migrate(db)
  return db
}

/**
 * The composition root: a node on its store, ready for verbs.
 *
 * @throws `home.missing` when no member was founded here, `store.rolled-back`, `store.*`
 */
export async function createNode(
  env: Env,
  keys: NodeKeys,
  config: Partial<Config> = {},
): Promise<Context> {
  prepareCrypto()
  let context: Context | undefined
  const db = await openStore(env, keys.database, (failure) => {
    if (context !== undefined) stopSigning(context, failure)
  })
  const own = await readMeta(db, "member")
  if (own === null) throw new NodeError("home.missing", "No member has been founded here yet.")
  await bringStored(db)
  const inForce = (await readKeys(db, keys)) ?? keys
  const made = await contextOf(env, db, inForce, config, decodeUtf8(own))
  context = made
  made.gap = await gapOf(made)
  made.stopped = await haltAtStart(made)
  if (made.stopped !== null) await refuseEarlierRequests(made)
  let asked: Promise<void> | null = null
  made.beforeSigning = () => {
    asked ??= askBeforeSigning(made)
    return asked
  }
  return made
}

const recentBytes = 8 * 1024 * 1024

async function contextOf(
  env: Env,
  db: Db,
  keys: NodeKeys,
  config: Partial<Config>,
  own: string,
): Promise<Context> {
  const self = await memberById(db, own)
  if (self === null) throw new NodeError("store.corrupt", "Our own root documents are missing.")
  return {
    env,
    db,
    keys,
    config: {
      home: config.home ?? null,
      url: config.url ?? null,
      markings: config.markings ?? {},
      cadence: config.cadence ?? null,
      onInconsistency: config.onInconsistency ?? "wait",
      verify: config.verify ?? { directions: 1, officers: 1 },
      witnessHours: config.witnessHours ?? null,
    },
    self,
    localMarks: new Map((await readLocalMarks(db)).map(({ marking, mark }) => [marking, mark])),
    bell: new Bell(env.clock),
    sequencing: new Turn(),
    receiving: new Map(),
    handing: new Map(),
    epochs: { sending: new Map(), reading: new Map() },
    recent: { sealed: new Recent(recentBytes), deliveries: new Recent(recentBytes) },
    gossip: { revision: 0, told: new Map() },
    stopped: null,
    gap: null,
    beforeSigning: async () => {},
  }
}

/** What of a founding is stored: nothing that an officer or a holder of root keys takes away. */
export type Stored = Pick<Founded, "member" | "keysDocument" | "kem" | "keys"> & {
  readonly officers: readonly Enrolled[]
}

/** Stores a founded member: its documents, and its log with both as first entries. */
export async function storeFounded(env: Env, founded: Stored): Promise<void> {
  prepareCrypto()
  const { member, keysDocument, kem, keys } = founded
  const db = await openStore(env, keys.database)
  if ((await readMeta(db, "member")) !== null)
    throw new NodeError("home.exists", "A member has been founded here already.")
  const root = newestRoot(member)
  const document = verifyKeys(keysDocument, member.id, rootVersion(member, 1)!.payload)
  await db.transaction().execute(async (trx) => {
    await writeMeta(trx, "member", utf8(member.id))
    await writeIdentity({ db: trx, env })
    await insertRoots(trx, member)
    await insertKeys(trx, document)
    await trx
      .insertInto("kem_key")
      .values({
        public_key: kemKeyPair(kem.seed).publicKey,
        seed: kem.seed,
        not_before: kem.notBefore,
        not_after: kem.notAfter,
      })
      .execute()
    const { network, epoch } = root.payload
    await createLog(trx, {
      member: member.id,
      epoch,
      origin: logOrigin(network, member.id, epoch),
    })
    const context = await contextOf(env, trx, keys, {}, member.id)
    const entries = [openEntry(decodeHex(root.digest)), openEntry(decodeHex(document.digest))]
    await appendOwn(context, trx, entries)
    await insertOfficers(trx, founded.officers, env.clock.now())
    await trx.updateTable("root_document").set({ idx: 0 }).execute()
    await trx.updateTable("keys_document").set({ epoch, idx: 1 }).execute()
  })
  await db.destroy()
}

export async function closeNode(context: Context): Promise<void> {
  await context.db.destroy()
}
