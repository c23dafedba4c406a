import { encodeCanonical } from "../canonical.ts"
import { labelled } from "../crypto/hash.ts"
import { isEnrollable } from "../crypto/sign.ts"
import { decodeBase64url, encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { base64url, object, type ShapeOf } from "../shape.ts"

/** A single Ed25519 key: an officer's or a node's. */
export const signingKeyShape = object({ ed25519: base64url(32) })
/** A root key: counts once, and only if both verify. */
export const rootKeyShape = object({ ed25519: base64url(32), mldsa65: base64url(1952) })
/** A log or witness key (C2SP note types 0x01/0x04 and 0x06). */
export const logKeyShape = object({ ed25519: base64url(32), mldsa44: base64url(1312) })

export type SigningKey = ShapeOf<typeof signingKeyShape>
export type RootKey = ShapeOf<typeof rootKeyShape>
export type LogKeyFields = ShapeOf<typeof logKeyShape>

/** kid = SHA-256("comity/key/v1\0" ‖ JCS of the key or key pair), hex; PROTOCOL.md §0. */
export function kidOf(key: SigningKey | RootKey | LogKeyFields): string {
  let kid = kids.get(key)
  if (kid === undefined) {
    kid = encodeHex(labelled("comity/key/v1", encodeCanonical(key)))
    kids.set(key, kid)
  }
  return kid
}

/** Of what was decoded once, and is never changed: canonical form and hash of a long key take a while. */
const kids = new WeakMap<object, string>()

/** Root keys in the order in which we write them down: `next` commits to a list, and people to a set. */
export function sortRootKeys(keys: readonly RootKey[]): readonly RootKey[] {
  return [...keys].sort((a, b) => (kidOf(a) < kidOf(b) ? -1 : 1))
}

/**
 * Enrolment check of a public key: canonical, not of small order, torsion-free; PROTOCOL.md §0.
 *
 * @throws `key.weak`
 */
export function enrol(key: { readonly ed25519: string }): void {
  if (!isEnrollable(decodeBase64url(key.ed25519))) throw new ProtocolError("key.weak")
}
