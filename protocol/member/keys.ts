import { verifyStrict } from "../crypto/sign.ts"
import { decodeBase64url } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { textLine } from "../record/plain-text.ts"
import {
  base64url,
  day,
  dictionary,
  digest,
  integer,
  list,
  literal,
  network,
  object,
  type ShapeOf,
  text,
} from "../shape.ts"
import {
  decodeSigned,
  type Signature,
  type SignatureHeader,
  type Signed,
  type SignedFormat,
} from "../signed.ts"
import { kidOf } from "./key.ts"
import type { Root } from "./root.ts"

/** A member's current KEM keys, addresses and contact card. docs/spec/keys.md, PROTOCOL.md §1 */
export const keysShape = object({
  card: dictionary(/^[a-z][A-Za-z]{0,31}$/, textLine({ max: 256 }), 16),
  kem: list(object({ key: base64url(1216), notAfter: day, notBefore: day }), {
    min: 1,
    max: limits.kemKeys,
  }),
  member: digest,
  network,
  rootVersion: integer(1, limits.rootVersions),
  type: literal("comity/keys/v1"),
  // Printable ASCII: an address acts on no terminal, and other scripts come as punycode.
  urls: list(text({ min: 1, max: 512, pattern: /^https?:\/\/[!-~]+$/ }), { max: 8 }),
})
export type KeysPayload = ShapeOf<typeof keysShape>

const headerShape = object({
  alg: literal("Ed25519"),
  kid: digest,
  network,
  typ: literal("comity-keys+jws"),
})
type KeysHeader = ShapeOf<typeof headerShape>

export const keysFormat: SignedFormat<KeysPayload, KeysHeader> = {
  typ: "comity-keys+jws",
  payload: keysShape,
  header: headerShape,
  code: "keys.malformed",
}
export type KeysDocument = Signed<KeysPayload, KeysHeader>

/**
 * The keys document in `bytes`, signed by the node key of `root`, whose version it names.
 *
 * @throws `keys.malformed`, `keys.invalid`, `signed.*`, `json.*`, `network.mismatch`
 */
export function verifyKeys(bytes: Uint8Array, member: string, root: Root): KeysDocument {
  const document = decodeSigned(keysFormat, bytes)
  const { payload, signatures } = document
  if (payload.network !== root.network) throw new ProtocolError("network.mismatch")
  if (payload.member !== member || payload.rootVersion !== root.version)
    throw new ProtocolError("keys.invalid", { detail: "member or root version" })
  if (!payload.kem.every(hasSoundDates))
    throw new ProtocolError("keys.malformed", { detail: "dates" })
  verifyNodeSignature(signatures, root)
  return document
}

/** The one signature of a document by the node: keys and receipts. */
export function verifyNodeSignature(
  signatures: readonly Signature<SignatureHeader>[],
  root: Root,
): void {
  const [line, ...more] = signatures
  if (line === undefined || more.length > 0) throw new ProtocolError("signed.superfluous")
  if (line.header.kid !== kidOf(root.nodeKey)) throw new ProtocolError("signed.unknown-key")
  if (!verifyStrict(line.signature, line.input, decodeBase64url(root.nodeKey.ed25519)))
    throw new ProtocolError("signed.invalid")
}

const kemKeyDays = 60

/** KEM keys live at most 60 days, the first and the last included. PROTOCOL.md §1 */
function hasSoundDates(key: { readonly notBefore: string; readonly notAfter: string }): boolean {
  const days = 1 + (Date.parse(key.notAfter) - Date.parse(key.notBefore)) / 86_400_000
  return days >= 1 && days <= kemKeyDays
}

/** The key to seal to on `today`: the one valid that ends last. @throws `keys.expired` */
export function kemKeyFor(keys: KeysPayload, today: string): Uint8Array {
  const live = keys.kem.filter(({ notBefore, notAfter }) => notBefore <= today && today <= notAfter)
  if (live.length === 0) throw new ProtocolError("keys.expired")
  const best = live.reduce((a, b) => (b.notAfter > a.notAfter ? b : a))
  return decodeBase64url(best.key)
}
