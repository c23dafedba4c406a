import { combine, split } from "shamir-secret-sharing"
import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { concat, decodeBase64url, encodeBase64url } from "../../protocol/encoding.ts"
import { kidOf } from "../../protocol/member/key.ts"
import {
  decodeShape,
  digest,
  integer,
  literal,
  object,
  type ShapeOf,
  text,
} from "../../protocol/shape.ts"
import { publicRootKey, type RootPair } from "../authority/found.ts"
import { NodeError } from "../errors.ts"

/**
 * A backup of one root key in shares: so many of them give it back, fewer say nothing. The threshold of the
 * root document is another matter: shares are for one holder's loss, not for several holders' consent.
 */

const shareShape = object({
  kid: digest,
  number: integer(1, 255),
  share: text({ min: 1, max: 256 }),
  shares: integer(2, 255),
  threshold: integer(2, 255),
  type: literal("comity/key-share/v1"),
})
type Share = ShapeOf<typeof shareShape>

/** One file a share. */
export async function splitRootKey(
  pair: RootPair,
  { threshold, shares }: { readonly threshold: number; readonly shares: number },
): Promise<readonly Uint8Array[]> {
  const kid = kidOf(publicRootKey(pair))
  const secret = concat(pair.ed25519, pair.mldsa65)
  const parts = await split(secret, shares, threshold)
  secret.fill(0)
  return parts.map((part, i) =>
    encodeCanonical({
      kid,
      number: i + 1,
      share: encodeBase64url(part),
      shares,
      threshold,
      type: "comity/key-share/v1",
    }),
  )
}

/**
 * The root key that these shares give back; what they say of themselves is believed only once it is.
 *
 * @throws `key.shares` for too few, for shares of different keys, and for shares that do not fit;
 * `key.malformed`, `json.*`
 */
export async function joinShares(files: readonly Uint8Array[]): Promise<RootPair> {
  const shares = new Map<string, Share>()
  for (const bytes of files) {
    const share = decodeShape(shareShape, ingest(bytes, 4096), "key.malformed")
    shares.set(share.share, share)
  }
  const [first, ...rest] = shares.values()
  const need = first?.threshold ?? 2
  if (first === undefined || rest.some(({ kid }) => kid !== first.kid))
    throw new NodeError("key.shares", "These are shares of different keys.")
  if (shares.size < need)
    throw new NodeError("key.shares", `${need} different shares are needed, not ${shares.size}.`)
  const parts = [...shares.values()].map(({ share }) => decodeBase64url(share))
  const secret = await combine(parts).catch(() => new Uint8Array(0))
  if (secret.length === 64) {
    const pair = { ed25519: secret.slice(0, 32), mldsa65: secret.slice(32) }
    secret.fill(0)
    if (kidOf(publicRootKey(pair)) === first.kid) return pair
  }
  throw new NodeError("key.shares", "These shares do not give the key back: one is damaged.")
}
