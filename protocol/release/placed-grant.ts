import { encodeCanonical } from "../canonical.ts"
import { decodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { digest, integer, json, list, type ShapeOf } from "../shape.ts"
import { decodeGrantValue, type Grant, grantLeaf } from "./grant.ts"
import { grantTreeDepth } from "./grant-tree.ts"

export const placedFields = {
  grant: json,
  path: list(digest, { min: grantTreeDepth, max: grantTreeDepth }),
  position: integer(0, (1 << grantTreeDepth) - 1),
}
type PlacedFields = {
  readonly [name in keyof typeof placedFields]: ShapeOf<(typeof placedFields)[name]>
}

/** A grant as it travels: with its exact bytes and its way to the order's root. */
export type PlacedGrant = {
  readonly grant: Grant
  readonly bytes: Uint8Array
  readonly leaf: Uint8Array
  readonly position: number
  readonly path: readonly Uint8Array[]
}

/** @throws `grant.malformed` */
export function placeGrant(fields: PlacedFields): PlacedGrant {
  const grant = decodeGrantValue(fields.grant)
  const bytes = encodeCanonical(fields.grant as object)
  if (bytes.length > limits.grantBytes) throw new ProtocolError("grant.malformed")
  return {
    grant,
    bytes,
    leaf: grantLeaf(bytes),
    position: fields.position,
    path: fields.path.map(decodeHex),
  }
}
