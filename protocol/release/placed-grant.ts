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

/**
 * @param known hashes of its neighbours' paths: near the root they are the same, and kept once
 * @throws `grant.malformed`
 */
export function placeGrant(
  fields: PlacedFields,
  known: Map<string, Uint8Array> = new Map(),
): PlacedGrant {
  const grant = decodeGrantValue(fields.grant)
  const bytes = encodeCanonical(fields.grant as object)
  if (bytes.length > limits.grantBytes) throw new ProtocolError("grant.malformed")
  return {
    grant,
    bytes,
    leaf: grantLeaf(bytes),
    position: fields.position,
    path: fields.path.map((digits) => known.get(digits) ?? learn(digits, known)),
  }
}

function learn(digits: string, known: Map<string, Uint8Array>): Uint8Array {
  const hash = decodeHex(digits)
  known.set(digits, hash)
  return hash
}
