import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { decodeHex, encodeBase64url } from "../../protocol/encoding.ts"
import { openEntry } from "../../protocol/log/entry.ts"
import { type KeysPayload, verifyKeys } from "../../protocol/member/keys.ts"
import { type Context, dayOf, ownRoot, today } from "../context.ts"
import { commitEntries } from "../log/append.ts"
import { truncateWal } from "../store/purge.ts"
import { factsWithContent } from "../store/queries/contents.ts"
import { insertKeys, keysInForce } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { type Founded, makeKemKey, publicKemKey, signKeys } from "./found.ts"

const dayMs = 86_400_000
/** A new KEM key comes when the last one has so many days left: half of its life. */
const renewBeforeDays = 30
/** A seed outlives its key's last day by so many days, for what was sealed late. PROTOCOL.md §1 */
const destroyAfterDays = 30

/**
 * Renews what the running node must keep fresh: the KEM key that peers seal to, and with it the keys
 * document in the log; destroys the seeds whose time has passed. Does nothing when nothing is due.
 */
export async function renewKeys(context: Context, url: string | null = null): Promise<boolean> {
  const { env } = context
  const now = env.clock.now()
  await destroySeeds(context, dayOf(now - destroyAfterDays * dayMs))
  const current = await announced(context)
  const held = await heldKeys(context.db)
  // A key whose seed is not here (it is in no backup) opens nothing: nobody should seal to it.
  const live = current.kem.filter(
    ({ key, notAfter }) => held.has(key) && notAfter >= today(context),
  )
  const isFresh = live.some(({ notAfter }) => notAfter >= dayOf(now + renewBeforeDays * dayMs))
  const urls = url === null ? current.urls : [url]
  const isMoved = urls.join() !== current.urls.join()
  if (isFresh && !isMoved) return false
  await announce(context, { kem: live, urls }, isFresh ? null : makeKemKey(env))
  env.log.info("keys.renewed", { kem: !isFresh })
  return true
}

/** A new KEM key before its time; what was sealed to the former ones still opens. */
export async function rotateKem(context: Context): Promise<{ readonly notAfter: string }> {
  const { kem } = await announced(context)
  const live = kem.filter(({ notAfter }) => notAfter >= today(context))
  const fresh = makeKemKey(context.env)
  await announce(context, { kem: live }, fresh)
  return { notAfter: fresh.notAfter }
}

export type Exposed = {
  /** member id of the origin */
  readonly origin: string
  readonly record: string
  readonly version: number
  readonly title: string
}

/**
 * A KEM key is in other hands. None of those announced so far is announced any more, so nobody seals to
 * them from now on; their seeds go at once, for whoever copied one has what they could still open here.
 *
 * @returns what could have been read by whoever also kept the traffic: all that came while they were in use
 */
export async function replaceKem(context: Context): Promise<readonly Exposed[]> {
  const { db, env, self } = context
  const { since } = await db
    .selectFrom("kem_key")
    .select((eb) => eb.fn.min("not_before").as("since"))
    .executeTakeFirstOrThrow()
  await announce(context, { kem: [] }, makeKemKey(env))
  await destroySeeds(context, null)
  context.epochs.reading.clear()
  env.log.warn("keys.replaced")
  const rows = await factsWithContent(db)
    .select(["content.origin", "content.id", "content.version", "content.title"])
    .distinct()
    .where("fact.recipient", "=", self.id)
    .where("fact.act", "=", "release")
    .where("fact.at", ">=", Date.parse(since ?? today(context)))
    .orderBy("content.title")
    .execute()
  return rows.map(({ id, ...row }) => ({ ...row, record: id }))
}

/** Lines by name: mailbox, hours, languages, validUntil… For people; nobody is trusted by them. */
export type Contact = { readonly [name: string]: string }

/**
 * Changes the lines that are given, takes away those that are empty, and notes that all were confirmed
 * today.
 *
 * @throws `keys.malformed` for a name or line that is not in its form
 */
export async function setContact(context: Context, changes: Contact): Promise<Contact> {
  const { card } = await announced(context)
  const lines = Object.entries({ ...card, ...changes, confirmed: today(context) })
  const kept = Object.fromEntries(lines.filter(([, line]) => line !== ""))
  await announce(context, { card: kept })
  return kept
}

async function announced({
  db,
  self,
}: Context): Promise<Pick<KeysPayload, "card" | "kem" | "urls">> {
  return (await keysInForce(db, self))?.payload ?? { card: {}, kem: [], urls: [] }
}

/** The next keys document: what is not said anew is as before. A fresh KEM key comes first. */
async function announce(
  context: Context,
  changes: Partial<Pick<KeysPayload, "card" | "kem" | "urls">>,
  fresh: Founded["kem"] | null = null,
): Promise<void> {
  const { self, keys } = context
  const { card, kem, urls } = { ...(await announced(context)), ...changes }
  const root = ownRoot(context)
  const bytes = await signKeys(keys, {
    card,
    kem: fresh === null ? kem : [publicKemKey(fresh), ...kem],
    member: self.id,
    network: self.network,
    rootVersion: root.version,
    type: "comity/keys/v1",
    urls,
  })
  const document = verifyKeys(bytes, self.id, root)
  await commitEntries(
    context,
    [openEntry(decodeHex(document.digest))],
    async (trx, { epoch, range }) => {
      if (fresh !== null)
        await trx
          .insertInto("kem_key")
          .values({
            public_key: kemKeyPair(fresh.seed).publicKey,
            seed: fresh.seed,
            not_before: fresh.notBefore,
            not_after: fresh.notAfter,
          })
          .execute()
      await insertKeys(trx, document, { epoch, idx: range.size - 1 })
    },
  )
}

/** Those that ended before `day`, or all but what is announced; they leave the write-ahead log as well. */
async function destroySeeds(context: Context, day: string | null): Promise<void> {
  const { db } = context
  const live = new Set((await announced(context)).kem.map(({ key }) => key))
  const rows = await db.selectFrom("kem_key").select(["public_key", "not_after"]).execute()
  const ended = rows.filter(({ public_key, not_after }) =>
    day === null ? !live.has(encodeBase64url(new Uint8Array(public_key))) : not_after < day,
  )
  if (ended.length === 0) return
  await db
    .deleteFrom("kem_key")
    .where(
      "public_key",
      "in",
      ended.map(({ public_key }) => public_key),
    )
    .execute()
  await truncateWal(db)
}

async function heldKeys(db: Db): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom("kem_key").select("public_key").execute()
  return new Set(rows.map(({ public_key }) => encodeBase64url(new Uint8Array(public_key))))
}
