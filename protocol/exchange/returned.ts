import { encodeCanonical, ingest } from "../canonical.ts"
import { sha256 } from "../crypto/hash.ts"
import { sealObject } from "../crypto/seal.ts"
import { decodeHex, encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { consentsPerOrder } from "../profiles/consent.ts"
import { type Consent, decodeConsentValue } from "../release/consent.ts"
import { grantTreeDepth, isInGrantTree } from "../release/grant-tree.ts"
import { decodeOrderValue, type OrderDocument } from "../release/order.ts"
import { type PlacedGrant, placeGrant } from "../release/placed-grant.ts"
import {
  decodeShape,
  digest,
  hex,
  integer,
  json,
  list,
  literal,
  object,
  optional,
  type ShapeOf,
} from "../shape.ts"

/**
 * An order given back by a recipient to the member that made it and has lost it: what the recipient got of
 * it, with the contents it still holds. Travels sealed to the owner like a parcel. docs/spec/returned.md
 */
const returnedShape = object({
  /** those that it was released with, where it needed any */
  consents: optional(list(json, { min: 1, max: consentsPerOrder })),
  contents: list(object({ key: hex(32), record: json }), { max: limits.grantsPerOrder }),
  entry: object({ index: integer(0, Number.MAX_SAFE_INTEGER), salt: digest }),
  grants: list(
    object({
      grant: json,
      path: list(digest, { min: grantTreeDepth, max: grantTreeDepth }),
      position: integer(0, (1 << grantTreeDepth) - 1),
    }),
    { min: 1, max: limits.grantsPerOrder },
  ),
  order: json,
  type: literal("comity/returned/v1"),
})
type ReturnedFields = ShapeOf<typeof returnedShape>

export type Returned = {
  readonly order: OrderDocument
  readonly entry: { readonly index: number; readonly salt: Uint8Array }
  readonly grants: readonly PlacedGrant[]
  readonly consents: readonly Consent[]
  /** digest of a record → its bytes and content key */
  readonly contents: ReadonlyMap<string, { readonly bytes: Uint8Array; readonly key: Uint8Array }>
}

export function encodeReturned(fields: Omit<ReturnedFields, "type">): Uint8Array {
  return encodeCanonical({ ...fields, type: "comity/returned/v1" })
}

/**
 * What was given back, as far as the order's own signatures and seals bear it out: every grant leads to the
 * order's root, every content is the sealed object that its grant names.
 *
 * @throws `delivery.malformed`, `grant.path`, `record.mismatch`, `sealed.mismatch`, and as decodeOrder
 */
export function decodeReturned(plaintext: Uint8Array): Returned {
  const value = ingest(plaintext, limits.deliveryBytes)
  const fields = decodeShape(returnedShape, value, "delivery.malformed")
  const order = decodeOrderValue(fields.order)
  const root = decodeHex(order.payload.root ?? "")
  const grants = fields.grants.map((one) => placeGrant(one))
  for (const { leaf, position, path } of grants)
    if (!isInGrantTree(leaf, position, path, root)) throw new ProtocolError("grant.path")
  const contents = new Map(
    fields.contents.map(({ key, record }) => {
      const bytes = encodeCanonical(record as object)
      return [encodeHex(sha256(bytes)), { bytes, key: decodeHex(key) }]
    }),
  )
  for (const [name, content] of contents) {
    const { grant } = grants.find((one) => one.grant.record.digest === name) ?? {}
    if (grant === undefined) throw new ProtocolError("record.mismatch")
    const sealed = sealObject(content.key, 0, content.bytes)
    // A withdraw grant seals nothing: its record can't have come with it.
    if (encodeHex(sha256(sealed)) !== grant.sealed[0]?.digest)
      throw new ProtocolError("sealed.mismatch")
  }
  const entry = { index: fields.entry.index, salt: decodeHex(fields.entry.salt) }
  const consents = (fields.consents ?? []).map(decodeConsentValue)
  return { order, entry, grants, consents, contents }
}
