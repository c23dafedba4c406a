import { encodeCanonical, type Json } from "../../protocol/canonical.ts"
import { signEd25519, verifyStrict } from "../../protocol/crypto/sign.ts"
import { decodeBase64url } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { enrol, kidOf } from "../../protocol/member/key.ts"
import { type Officer, officerDigest } from "../../protocol/member/officer.ts"
import type { Root } from "../../protocol/member/root.ts"
import { type OfficerHeader, officerHeaderShape } from "../../protocol/release/order.ts"
import {
  decodeShape,
  digest,
  json,
  literal,
  network,
  object,
  type Shape,
  type ShapeOf,
} from "../../protocol/shape.ts"
import { decodeSigned, encodeSigned, type SignedFormat, signLine } from "../../protocol/signed.ts"
import type { OfficerKey } from "./found.ts"
import { officerHeader } from "./officer.ts"

/**
 * What an officer signs beside orders: a statement to the own member, which never leaves it. It asks to be
 * enrolled, decides something with a reason, vouches for a peer's words, gives a share of a sealed register
 * entry.
 */

const typ = "comity-statement+jws"
const payloadShape = object({
  member: digest,
  network,
  says: json,
  type: literal("comity/statement/v1"),
})

const format: SignedFormat<ShapeOf<typeof payloadShape>, OfficerHeader> = {
  typ,
  payload: payloadShape,
  header: officerHeaderShape(typ),
  code: "statement.malformed",
}

/** The member that is spoken to, and the day. */
export type Addressed = { readonly member: string; readonly network: string; readonly day: string }

export async function signStatement(
  { officer, seed }: OfficerKey,
  { member, network, day }: Addressed,
  says: Json,
): Promise<Uint8Array> {
  const payload = encodeCanonical({ member, network, says, type: "comity/statement/v1" })
  const header = officerHeader(officer, officer.roles[0] ?? "", day, network, typ)
  return encodeSigned(payload, [await signLine(header, payload, (m) => signEd25519(m, seed))])
}

export type Statement = {
  readonly bytes: Uint8Array
  readonly digest: string
  readonly officer: Officer
  readonly day: string
  readonly says: Json
}

/**
 * A statement that the holder of the key in its header has signed, to `member`: whether that key is an
 * officer's is for `assertOfficer` to say.
 *
 * @throws `statement.malformed`, `signed.*`, `key.weak`, `network.mismatch`, `json.*`
 */
export function verifyStatement(
  bytes: Uint8Array,
  to: Pick<Addressed, "member" | "network">,
): Statement {
  const { payload, signatures, digest } = decodeSigned(format, bytes)
  const [line, ...more] = signatures
  if (line === undefined || more.length > 0) throw new ProtocolError("signed.superfluous")
  const { key: ed25519, kid, day, organisation, person, roles, salt } = line.header
  const key = { ed25519 }
  if (kid !== kidOf(key)) throw new ProtocolError("signed.unknown-key")
  enrol(key)
  if (!verifyStrict(line.signature, line.input, decodeBase64url(ed25519)))
    throw new ProtocolError("signed.invalid")
  if (payload.network !== to.network) throw new ProtocolError("network.mismatch")
  if (payload.member !== to.member)
    throw new ProtocolError("statement.malformed", { detail: "to another member" })
  const officer = { key, organisation, person, roles, salt }
  return { bytes, digest, officer, day, says: payload.says }
}

/** Whoever made the statement is an officer under this root. @throws `signed.unknown-key` */
export function assertOfficer({ officer }: Statement, root: Root): void {
  const isRevoked = root.revoked.some(({ kid }) => kid === kidOf(officer.key))
  if (isRevoked || !root.officers.includes(officerDigest(officer)))
    throw new ProtocolError("signed.unknown-key", { detail: officer.person })
}

/** What it says, of the kind that is expected. @throws `statement.malformed` */
export function saidAs<T>(shape: Shape<T>, { says }: Statement): T {
  return decodeShape(shape, says, "statement.malformed")
}
