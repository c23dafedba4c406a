import { combine, split } from "shamir-secret-sharing"
import { xchachaOpen, xchachaSeal } from "../../protocol/crypto/aead.ts"
import { concat, decodeBase64url, encodeBase64url } from "../../protocol/encoding.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { digest, hex, list, object, type Shape, type ShapeOf, text } from "../../protocol/shape.ts"
import { type Context, ownRoot } from "../context.ts"
import { type OfficerRow, officersByDigest, opened } from "../store/queries/officers.ts"
import { type OfficerKey, sealingKeyOf } from "./found.ts"
import { openSealedTo, sealTo } from "./sealed-to.ts"
import { assertOfficer, saidAs, verifyStatement } from "./statement.ts"

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

/** Of the holders, those one of whose keys is among these. */
export function personsAmong(
  holders: ReadonlyMap<string, readonly Holder[]>,
  kids: ReadonlySet<string>,
): readonly string[] {
  return [...holders]
    .filter(([, keys]) => keys.some(({ kid }) => kids.has(kid)))
    .map(([person]) => person)
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

/** In a request: what is to be opened, with the shares of all. */
export const sharedEntries = list(
  object({
    entry: hex(16),
    shares: list(object({ kid: digest, sealed: text({ max: 4096 }) }), { max: 1024 }),
  }),
  { min: 1, max: 256 },
)
type SharedEntry = ShapeOf<typeof sharedEntries>[number]

/** In an officer's statement: the own shares, opened. */
export const givenShares = list(object({ entry: hex(16), share: text({ max: 256 }) }), { max: 256 })
export type GivenShares = ShapeOf<typeof givenShares>

export function sharedEntry(entry: string, shares: readonly SealedShare[]): SharedEntry {
  return {
    entry,
    shares: shares.map(({ kid, sealed }) => ({
      kid,
      sealed: encodeBase64url(new Uint8Array(sealed)),
    })),
  }
}

/** The shares that are sealed to this officer; none where it holds none. */
export async function ownShares(
  entries: readonly SharedEntry[],
  key: OfficerKey,
  infoOf: (entry: string) => Uint8Array,
): Promise<GivenShares> {
  const kid = kidOf(key.officer.key)
  const { seed } = sealingKeyOf(key.seed)
  const given = []
  for (const { entry, shares } of entries)
    for (const one of shares.filter((each) => each.kid === kid)) {
      const share = await openSealedTo(seed, infoOf(entry), decodeBase64url(one.sealed))
      if (share !== null) given.push({ entry, share: encodeBase64url(share) })
    }
  return given
}

/**
 * What officers gave, by person, so that nobody is two officers.
 *
 * @param agree throws for a statement that agrees to something else
 * @throws as verifyStatement and assertOfficer
 */
export async function sharesGiven<T extends { readonly shares: GivenShares }>(
  context: Context,
  statements: readonly Uint8Array[],
  shape: Shape<T>,
  agree: (said: T) => void,
): Promise<ReadonlyMap<string, GivenShares>> {
  const { self } = context
  const given = new Map<string, GivenShares>()
  for (const bytes of statements) {
    const statement = verifyStatement(bytes, { member: self.id, network: self.network })
    assertOfficer(statement, ownRoot(context))
    const said = saidAs(shape, statement)
    agree(said)
    given.set(statement.officer.person, said.shares)
  }
  return given
}

/** Of what was given, the shares of one entry. */
export function sharesFor(entry: string, given: ReadonlyMap<string, GivenShares>): Uint8Array[] {
  return [...given.values()].flatMap((all) => {
    const mine = all.find((one) => one.entry === entry)
    return mine === undefined ? [] : [decodeBase64url(mine.share)]
  })
}
