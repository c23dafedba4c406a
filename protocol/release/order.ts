import type { Json } from "../canonical.ts"
import { encodeCanonical } from "../canonical.ts"
import { verifyStrict } from "../crypto/sign.ts"
import { decodeBase64url, decodeUtf8 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { enrol, kidOf } from "../member/key.ts"
import { officerDigest, organisationShape, personShape, rolesShape } from "../member/officer.ts"
import {
  type Approval,
  conditionsShape,
  isAuthorised,
  kindShape,
  type Requirement,
  roleShape,
} from "../member/policy.ts"
import { headShape, type Root } from "../member/root.ts"
import {
  base64url,
  day,
  digest,
  hex,
  integer,
  literal,
  network,
  object,
  oneOf,
  optional,
  refine,
  type ShapeOf,
} from "../shape.ts"
import {
  decodeSigned,
  decodeSignedValue,
  type Signature,
  type Signed,
  type SignedFormat,
} from "../signed.ts"

export const ruleShape = object({
  conditions: conditionsShape,
  kind: kindShape,
  profile: digest,
})

/** What officers sign. docs/spec/order.md, PROTOCOL.md §5 */
export const orderShape = refine(
  object({
    act: oneOf(["release", "withdraw", "consent"]),
    base: headShape,
    id: hex(16),
    network,
    notAfter: day,
    origin: digest,
    root: optional(digest),
    rootVersion: integer(1, limits.rootVersions),
    rule: ruleShape,
    subject: optional(digest),
    type: literal("comity/order/v1"),
  }),
  (order) =>
    (order.act === "consent") === (order.subject !== undefined) &&
    (order.act === "consent") === (order.root === undefined),
)
export type Order = ShapeOf<typeof orderShape>

/** The protected header under which an officer signs: it opens the digest in the root document. */
export function officerHeaderShape<const T extends string>(typ: T) {
  return object({
    alg: literal("Ed25519"),
    day,
    key: base64url(32),
    kid: digest,
    network,
    organisation: organisationShape,
    person: personShape,
    role: roleShape,
    roles: rolesShape,
    salt: hex(32),
    typ: literal(typ),
  })
}
const headerShape = officerHeaderShape("comity-order+jws")
export type OfficerHeader = Omit<ShapeOf<typeof headerShape>, "typ"> & { readonly typ: string }
export type OrderHeader = ShapeOf<typeof headerShape>

export const orderFormat: SignedFormat<Order, OrderHeader> = {
  typ: "comity-order+jws",
  payload: orderShape,
  header: headerShape,
  code: "order.malformed",
}
export type OrderDocument = Signed<Order, OrderHeader>

/** @throws `order.malformed`, `signed.malformed`, `network.mismatch`, `json.*` */
export function decodeOrder(bytes: Uint8Array): OrderDocument {
  return decodeSigned(orderFormat, bytes)
}

export function decodeOrderValue(value: Json): OrderDocument {
  return decodeSignedValue(orderFormat, value)
}

/**
 * The payload in the bytes of an order that its log commits to: it was decoded before it was logged. Any
 * other bytes are for `decodeOrder`.
 */
export function loggedPayload(bytes: Uint8Array): Order {
  return JSON.parse(decodeUtf8(decodeBase64url(JSON.parse(decodeUtf8(bytes)).payload)))
}

export function encodeOrder(order: Order): Uint8Array {
  return encodeCanonical(order)
}

/** What the newest root known revokes, and the place of the object that is judged. PROTOCOL.md §1 */
export type Revocation = {
  readonly revoked: Root["revoked"]
  readonly epoch: number
  readonly index: number
}

/**
 * One approval for each signature, all by officers whom `root` lists, each person once.
 * A key that `revoked` names from `index` or earlier is ignored, as PROTOCOL.md §1 asks.
 *
 * @throws `signed.unknown-key`, `signed.superfluous`, `signed.invalid`, `key.weak`
 */
export function approvalsOf(
  order: { readonly signatures: readonly Signature<OfficerHeader>[] },
  root: Root,
  revocation: Revocation,
): readonly Approval[] {
  const approvals: Approval[] = []
  const persons = new Set<string>()
  for (const { header, signature, input } of order.signatures) {
    const { organisation, person, role, roles, salt } = header
    const key = { ed25519: header.key }
    const isEnrolled =
      header.kid === kidOf(key) &&
      root.officers.includes(officerDigest({ key, organisation, person, roles, salt })) &&
      roles.includes(role)
    if (!isEnrolled) throw new ProtocolError("signed.unknown-key")
    enrol(key)
    // A second signature of one person would let a server choose between two histories.
    if (persons.has(person)) throw new ProtocolError("signed.superfluous")
    persons.add(person)
    if (!verifyStrict(signature, input, decodeBase64url(header.key)))
      throw new ProtocolError("signed.invalid")
    const isRevoked = revocation.revoked.some(
      ({ kid, from }) =>
        kid === header.kid &&
        (revocation.epoch > from.epoch ||
          (revocation.epoch === from.epoch && revocation.index >= from.size)),
    )
    if (!isRevoked) approvals.push({ organisation, person, role })
  }
  return approvals
}

/**
 * Step 5: the officers who signed satisfy the member's policy and the profile's sign-off.
 *
 * @throws `order.unauthorised`, and as approvalsOf
 */
export function verifyApprovals(
  order: OrderDocument,
  root: Root,
  signoff: readonly Requirement[],
  revocation: Revocation,
): readonly Approval[] {
  const approvals = approvalsOf(order, root, revocation)
  const { act, rule } = order.payload
  if (!isAuthorised(root.policy, signoff, act, rule, approvals))
    throw new ProtocolError("order.unauthorised")
  return approvals
}
