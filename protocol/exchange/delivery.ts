import type { Json } from "../canonical.ts"
import { labelled } from "../crypto/hash.ts"
import { decodeHex, decodeUtf8, encodeHex, utf8, writeAscii, writeHex } from "../encoding.ts"
import { limits } from "../limits.ts"
import { consentsPerOrder } from "../profiles/consent.ts"
import { type Consent, decodeConsentValue } from "../release/consent.ts"
import { decodeOrderValue, type OrderDocument } from "../release/order.ts"
import { type PlacedGrant, placedFields, placeGrant } from "../release/placed-grant.ts"
import { decodeShape, digest, hex, integer, json, list, literal, object } from "../shape.ts"

const entryShape = object({ index: integer(0, Number.MAX_SAFE_INTEGER), salt: digest })

const deliveryShape = object({
  consents: list(json, { max: consentsPerOrder }),
  entry: entryShape,
  feed: hex(16),
  grants: list(object(placedFields), { min: 1, max: limits.grantsPerOrder }),
  n: integer(1, Number.MAX_SAFE_INTEGER),
  order: json,
  prev: digest,
  type: literal("comity/delivery/v1"),
})

/** What one recipient gets for one order, without content keys. docs/spec/delivery.md */
export type Delivery = {
  /** hex, 16 bytes: one feed over all transports */
  readonly feed: string
  /** 1, 2, 3… within the feed */
  readonly n: number
  /** digest of the delivery before, zeros for n = 1 */
  readonly prev: string
  readonly order: OrderDocument
  readonly entry: { readonly index: number; readonly salt: Uint8Array }
  readonly grants: readonly PlacedGrant[]
  readonly consents: readonly Consent[]
}

export const firstPrev = "0".repeat(64)

/** SHA-256("comity/delivery/v1\0" ‖ delivery), hex. PROTOCOL.md §8 */
export function deliveryDigest(bytes: Uint8Array): string {
  return encodeHex(labelled("comity/delivery/v1", bytes))
}

/**
 * @throws `delivery.malformed`, `grant.malformed`, `order.malformed`, `signed.malformed`,
 * `consent.malformed`
 */
export function decodeDeliveryValue(value: Json): Delivery {
  const fields = decodeShape(deliveryShape, value, "delivery.malformed")
  const hashes = new Map<string, Uint8Array>()
  return {
    feed: fields.feed,
    n: fields.n,
    prev: fields.prev,
    order: decodeOrderValue(fields.order),
    entry: { index: fields.entry.index, salt: decodeHex(fields.entry.salt) },
    grants: fields.grants.map((one) => placeGrant(one, hashes)),
    consents: fields.consents.map(decodeConsentValue),
  }
}

/** A delivery in the making: what is signed is in JCS already, and goes in as it is. */
export type DeliveryParts = {
  readonly feed: string
  readonly n: number
  readonly prev: string
  /** the signed object */
  readonly order: Uint8Array
  readonly entry: { readonly index: number; readonly salt: Uint8Array }
  readonly grants: readonly Pick<PlacedGrant, "bytes" | "path" | "position">[]
  readonly consents?: readonly Pick<Consent, "bytes">[]
}

/** The JCS form, written around its parts: hundreds of grants, each byte of them once. */
export function encodeDelivery(delivery: DeliveryParts): Uint8Array {
  const { consents = [], entry, feed, grants, n, order, prev } = delivery
  const salt = encodeHex(entry.salt)
  const agreed = consents.map((one) => decodeUtf8(one.bytes)).join(",")
  // Not ASCII alone: a proof has dashes.
  const opening = utf8(
    `{"consents":[${agreed}],"entry":{"index":${entry.index},"salt":"${salt}"},"feed":"${feed}","grants":[`,
  )
  const numbered = `],"n":${n},"order":`
  const ending = `,"prev":"${prev}","type":"comity/delivery/v1"}`
  let length = opening.length + numbered.length + order.length + ending.length
  for (const { bytes, path } of grants)
    length += bytes.length + hashStep * path.length + longestAround
  const text = new Uint8Array(length)
  text.set(opening, 0)
  let at = opening.length
  let before: WrittenPath = { path: [], at: 0 }
  for (const [i, { bytes, path, position }] of grants.entries()) {
    at = writeAscii(i === 0 ? '{"grant":' : ',{"grant":', text, at)
    text.set(bytes, at)
    at = writeAscii(',"path":["', text, at + bytes.length)
    const written = { path, at }
    at = writePath(written, before, text)
    at = writeAscii(`"],"position":${position}}`, text, at)
    before = written
  }
  at = writeAscii(numbered, text, at)
  text.set(order, at)
  at = writeAscii(ending, text, at + order.length)
  return text.subarray(0, at)
}

type WrittenPath = Pick<PlacedGrant, "path"> & { readonly at: number }

/** A hash in hex and what stands between two of them. */
const hashStep = 64 + '","'.length

/**
 * Ways to one root meet, those of neighbours soon: from where the nodes are the same as `before`, they are
 * copied from there.
 *
 * @returns where it ends
 */
function writePath({ path, at: start }: WrittenPath, before: WrittenPath, text: Uint8Array) {
  let meeting = path.length
  while (meeting > 0 && path[meeting - 1] === before.path[meeting - 1]) meeting--
  let at = start
  for (let level = 0; level < meeting; level++) {
    if (level > 0) at = writeAscii('","', text, at)
    at = writeHex(path[level]!, text, at)
  }
  if (meeting === path.length) return at
  const from = before.at + (at - start)
  const end = start + hashStep * path.length - '","'.length
  text.copyWithin(at, from, before.at + (end - start))
  return end
}

/** What stands around the bytes and the path of one grant, at most. */
const longestAround = ',{"grant":,"path":["","position":1023}'.length
