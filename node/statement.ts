import { encodeCanonical, type Json } from "../protocol/canonical.ts"
import { signEd25519, verifyStrict } from "../protocol/crypto/sign.ts"
import { decodeBase64url } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { enrol, kidOf } from "../protocol/member/key.ts"
import {
  type Officer,
  officerDigest,
  organisationShape,
  personShape,
  rolesShape,
} from "../protocol/member/officer.ts"
import type { Root } from "../protocol/member/root.ts"
import {
  base64url,
  day,
  decodeShape,
  digest,
  hex,
  json,
  literal,
  network,
  object,
  type Shape,
  type ShapeOf,
} from "../protocol/shape.ts"
import { decodeSigned, encodeSigned, type SignedFormat, signLine } from "../protocol/signed.ts"
import type { OfficerKey } from "./found.ts"

/**
 * What an officer signs beside orders: a statement to the own member, which never leaves it. It refuses an
 * order, asks to be enrolled, vouches for a peer's words, gives a share of a sealed register entry.
 */

const payloadShape = object({
  day,
  member: digest,
  network,
  says: json,
  type: literal("comity/statement/v1"),
})
type Payload = ShapeOf<typeof payloadShape>

const headerShape = object({
  alg: literal("Ed25519"),
  key: base64url(32),
  kid: digest,
  network,
  organisation: organisationShape,
  person: personShape,
  roles: rolesShape,
  salt: hex(32),
  typ: literal("comity-statement+jws"),
})
type Header = ShapeOf<typeof headerShape>

const format: SignedFormat<Payload, Header> = {
  typ: "comity-statement+jws",
  payload: payloadShape,
  header: headerShape,
  code: "statement.malformed",
}

/** The member that is spoken to, and the day. */
export type Addressed = { readonly member: string; readonly network: string; readonly day: string }

export async function signStatement(
  { officer, seed }: OfficerKey,
  { member, network, day }: Addressed,
  says: Json,
): Promise<Uint8Array> {
  const payload = encodeCanonical({ day, member, network, says, type: "comity/statement/v1" })
  const { key, organisation, person, roles, salt } = officer
  const header = {
    alg: "Ed25519",
    key: key.ed25519,
    kid: kidOf(key),
    network,
    organisation,
    person,
    roles,
    salt,
    typ: "comity-statement+jws",
  } as const
  return encodeSigned(payload, [await signLine(header, payload, (m) => signEd25519(m, seed))])
}

export type Statement = {
  readonly officer: Officer
  readonly member: string
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
  const { payload, signatures } = decodeSigned(format, bytes)
  const [line, ...more] = signatures
  if (line === undefined || more.length > 0) throw new ProtocolError("signed.superfluous")
  const { key: ed25519, kid, organisation, person, roles, salt } = line.header
  const key = { ed25519 }
  if (kid !== kidOf(key)) throw new ProtocolError("signed.unknown-key")
  enrol(key)
  if (!verifyStrict(line.signature, line.input, decodeBase64url(ed25519)))
    throw new ProtocolError("signed.invalid")
  if (payload.network !== to.network) throw new ProtocolError("network.mismatch")
  if (payload.member !== to.member)
    throw new ProtocolError("statement.malformed", { detail: "to another member" })
  return {
    officer: { key, organisation, person, roles, salt },
    member: payload.member,
    day: payload.day,
    says: payload.says,
  }
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
