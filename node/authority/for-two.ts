import { combine, split } from "shamir-secret-sharing"
import { xchachaOpen, xchachaSeal } from "../../protocol/crypto/aead.ts"
import { concat } from "../../protocol/encoding.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { type Context, ownRoot } from "../context.ts"
import { type OfficerRow, officersByDigest, opened } from "../store/queries/officers.ts"
import { sealTo } from "./sealed-to.ts"

/**
 * Bytes that two officers open, each on their own machine: sealed under a key of their own, which is shared
 * out among the officers and kept nowhere. The node alone opens nothing. docs/spec/local.md
 */

export const openers = 2

/** What the bytes are: it is bound to them, and to each share. */
export type Purpose = { readonly aad: Uint8Array; readonly info: Uint8Array }

export type SealedShare = { readonly kid: string; readonly sealed: Uint8Array }

type Holder = { readonly person: string; readonly kid: string; readonly sealingKey: Uint8Array }

/** The officers of today by pseudonym, with the keys that shares are sealed to. */
export async function holdersOf(context: Context): Promise<ReadonlyMap<string, readonly Holder[]>> {
  const rows = await officersByDigest(context.db, ownRoot(context).officers)
  const sealing = rows.filter((row): row is OfficerRow & { sealing_key: Uint8Array } => {
    return row.sealing_key !== null
  })
  const keys = sealing.map((row) => ({
    person: row.person,
    kid: kidOf(opened(row).key),
    sealingKey: new Uint8Array(row.sealing_key),
  }))
  return Map.groupBy(keys, ({ person }) => person)
}

/** @param holders at least two */
export async function sealForTwo(
  { env }: Pick<Context, "env">,
  holders: ReadonlyMap<string, readonly Holder[]>,
  { aad, info }: Purpose,
  plaintext: Uint8Array,
): Promise<{ readonly sealed: Uint8Array; readonly shares: readonly SealedShare[] }> {
  const random = (bytes: number) => env.random(bytes)
  const key = random(32)
  const nonce = random(24)
  const sealed = concat(nonce, xchachaSeal(key, nonce, plaintext, aad))
  const parts = await split(key, holders.size, openers)
  key.fill(0)
  const shares: SealedShare[] = []
  // One share a person, whatever number of keys: nobody is two officers.
  for (const [i, keys] of [...holders.values()].entries())
    for (const { kid, sealingKey } of keys)
      shares.push({ kid, sealed: await sealTo(sealingKey, info, parts[i]!, random) })
  return { sealed, shares }
}

/** Null where these shares do not open it. */
export async function openForTwo(
  { aad }: Pick<Purpose, "aad">,
  sealed: Uint8Array,
  shares: Uint8Array[],
): Promise<Uint8Array | null> {
  const key = shares.length < openers ? null : await combine(shares).catch(() => null)
  return key === null ? null : xchachaOpen(key, sealed.subarray(0, 24), sealed.subarray(24), aad)
}
