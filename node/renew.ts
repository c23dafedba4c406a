import { kemKeyPair } from "../protocol/crypto/kem.ts"
import { decodeHex, encodeBase64url } from "../protocol/encoding.ts"
import { openEntry } from "../protocol/log/entry.ts"
import { verifyKeys } from "../protocol/member/keys.ts"
import { commitEntries } from "./append.ts"
import { type Context, dayOf, ownRoot, today } from "./context.ts"
import { makeKemKey, publicKemKey, signKeys } from "./found.ts"
import { insertKeys, keysInForce } from "./store/queries/members.ts"
import type { Db } from "./store/schema.ts"

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
  const { db, env, self, keys: nodeKeys } = context
  const now = env.clock.now()
  await db
    .deleteFrom("kem_key")
    .where("not_after", "<", dayOf(now - destroyAfterDays * dayMs))
    .execute()
  const current = await keysInForce(db, self)
  const held = await heldKeys(db)
  // A key whose seed is not here (it is in no backup) opens nothing: nobody should seal to it.
  const live =
    current?.payload.kem.filter(
      ({ key, notAfter }) => held.has(key) && notAfter >= today(context),
    ) ?? []
  const isFresh = live.some(({ notAfter }) => notAfter >= dayOf(now + renewBeforeDays * dayMs))
  const urls = url === null ? (current?.payload.urls ?? []) : [url]
  const isMoved = urls.join() !== (current?.payload.urls ?? []).join()
  if (isFresh && !isMoved) return false
  const kem = isFresh ? null : makeKemKey(env)
  const root = ownRoot(context)
  const bytes = await signKeys(nodeKeys, {
    card: current?.payload.card ?? {},
    kem: kem === null ? live : [publicKemKey(kem), ...live],
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
      if (kem !== null)
        await trx
          .insertInto("kem_key")
          .values({
            public_key: kemKeyPair(kem.seed).publicKey,
            seed: kem.seed,
            not_before: kem.notBefore,
            not_after: kem.notAfter,
          })
          .execute()
      await insertKeys(trx, document, { epoch, idx: range.size - 1 })
    },
  )
  env.log.info("keys.renewed", { kem: kem !== null })
  return true
}

async function heldKeys(db: Db): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom("kem_key").select("public_key").execute()
  return new Set(rows.map(({ public_key }) => encodeBase64url(new Uint8Array(public_key))))
}
