import { encodeCanonical, ingest, type Json, recode } from "../canonical.ts"
import { xchachaDetached, xchachaOpen } from "../crypto/aead.ts"
import { sha256 } from "../crypto/hash.ts"
import { hpkeSetupRecipient, hpkeSetupSender } from "../crypto/kem.ts"
import { unpad, withPadded } from "../crypto/padding.ts"
import { chainBehind, decodeLinkValue, groupNamed, insideOf, type Link } from "../custody.ts"
import { concat, decodeHex, decodeUtf8, utf8 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { recordDigest } from "../record/record.ts"
import { decodeShape, hex, integer, json, list, literal, object, optional } from "../shape.ts"
import { type Delivery, decodeDeliveryValue } from "./delivery.ts"

/**
 * Parcel: `0x01 ‖ enc(1120) ‖ nonce(24) ‖ XChaCha20-Poly1305(E, nonce, aad = 0x01 ‖ enc, padded)`,
 * E exported from HPKE to the recipient's X-Wing key. docs/spec/parcel.md, PROTOCOL.md §8
 */
const version = Uint8Array.of(0x01)
const encBytes = 1120
const nonceBytes = 24
const headerBytes = 1 + encBytes + nonceBytes
const exportContext = utf8("comity-1/epoch")
const infoLabel = utf8("comity-1/parcel\0")

/** The secret that one sender and one recipient key share; lives in memory only, at most 24 h. */
export type ParcelEpoch = { readonly enc: Uint8Array; readonly secret: Uint8Array }

function parcelInfo(sender: string, recipient: string, kemKey: Uint8Array): Uint8Array {
  return concat(infoLabel, decodeHex(sender), decodeHex(recipient), sha256(kemKey))
}

/** @param coins randomness of the encapsulation, fresh for every epoch */
export async function openEpoch(
  sender: string,
  recipient: string,
  kemKey: Uint8Array,
  coins: Uint8Array,
): Promise<ParcelEpoch> {
  const context = await hpkeSetupSender(kemKey, parcelInfo(sender, recipient, kemKey), coins)
  return { enc: context.enc, secret: await context.export(exportContext, 32) }
}

/** The same secret from `enc`, under one of the recipient's own keys. */
export async function joinEpoch(
  sender: string,
  recipient: string,
  key: { readonly publicKey: Uint8Array; readonly seed: Uint8Array },
  enc: Uint8Array,
): Promise<ParcelEpoch> {
  const info = parcelInfo(sender, recipient, key.publicKey)
  const context = await hpkeSetupRecipient(enc, key.seed, info)
  return { enc, secret: await context.export(exportContext, 32) }
}

/** @param nonce 24 random bytes, never used twice under one epoch */
export function sealParcel(
  epoch: ParcelEpoch,
  nonce: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  return concat(...parcelParts(epoch, nonce, [plaintext]))
}

/** The same in parts, from a plaintext in parts: one that is sent is never put together. */
export function parcelParts(
  epoch: ParcelEpoch,
  nonce: Uint8Array,
  plaintext: readonly Uint8Array[],
): readonly Uint8Array[] {
  const aad = concat(version, epoch.enc)
  const { ciphertext, tag } = withPadded(plaintext, (padded) =>
    xchachaDetached(epoch.secret, nonce, padded, aad),
  )
  return [aad, nonce, ciphertext, tag]
}

/** @throws `parcel.malformed` */
export function parcelEnc(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= headerBytes || bytes[0] !== 0x01 || bytes.length > limits.frameBytes)
    throw new ProtocolError("parcel.malformed")
  return bytes.subarray(1, 1 + encBytes)
}

/** @throws `parcel.unopenable`: damage, another sender, recipient or key, all alike */
export function openParcel(epoch: ParcelEpoch, bytes: Uint8Array): Uint8Array {
  parcelEnc(bytes)
  const aad = bytes.subarray(0, 1 + encBytes)
  const nonce = bytes.subarray(1 + encBytes, headerBytes)
  const padded = xchachaOpen(epoch.secret, nonce, bytes.subarray(headerBytes), aad)
  if (padded === null) throw new ProtocolError("parcel.unopenable")
  return recode("parcel.unopenable", () => unpad(padded))
}

const contentShape = object({
  /** what grants of another member's record rest on */
  custody: optional(list(json, { min: 1, max: limits.grantsPerOrder })),
  delivery: json,
  /** the lists that terms name by `inside` */
  groups: optional(list(json, { min: 1, max: limits.grantsPerOrder })),
  keys: list(object({ grant: integer(0, limits.grantsPerOrder - 1), key: hex(32) }), {
    max: limits.grantsPerOrder,
  }),
  type: literal("comity/parcel/v1"),
})

/** A delivery with its content keys beside it. */
export type ParcelContent = {
  readonly delivery: Delivery
  readonly deliveryBytes: Uint8Array
  /** place in `delivery.grants` → content key (32 bytes); absent when withdrawn meanwhile */
  readonly keys: ReadonlyMap<number, Uint8Array>
  /** by their digests: all that the grants rest on, and nothing else */
  readonly links: ReadonlyMap<string, Link>
  /** by their digests, the records of the lists inside which grants that have a key may be passed on */
  readonly groups: ReadonlyMap<string, Uint8Array>
}

/** What a parcel has beside its delivery and keys: both sorted by digest. */
export type ParcelEnclosed = {
  readonly links?: readonly Pick<Link, "bytes">[]
  /** JCS forms */
  readonly groups?: readonly Uint8Array[]
}

/** The JCS form, written around the delivery as it is; `keys` ascend by their place in its grants. */
export function encodeParcelContent(
  deliveryBytes: Uint8Array,
  keys: readonly ParcelKey[],
  enclosed: ParcelEnclosed = {},
): Uint8Array {
  return concat(...parcelContentParts(deliveryBytes, keys, enclosed))
}

/** A grant's place in the delivery, and its content key in hex. */
export type ParcelKey = { readonly grant: number; readonly key: string }

/** The same in parts, for `parcelParts`. */
export function parcelContentParts(
  deliveryBytes: Uint8Array,
  keys: readonly ParcelKey[],
  { links = [], groups = [] }: ParcelEnclosed = {},
): readonly Uint8Array[] {
  return [contentOpening(links), deliveryBytes, contentClosing(keys, groups)]
}

function contentOpening(links: readonly Pick<Link, "bytes">[]): Uint8Array {
  const custody = links.map(({ bytes }) => decodeUtf8(bytes)).join(",")
  return utf8(links.length === 0 ? '{"delivery":' : `{"custody":[${custody}],"delivery":`)
}

function contentClosing(keys: readonly ParcelKey[], groups: readonly Uint8Array[]): Uint8Array {
  const lists = groups.length === 0 ? "" : `,"groups":[${groups.map(decodeUtf8).join(",")}]`
  const list = keys.map(({ grant, key }) => `{"grant":${grant},"key":"${key}"}`).join(",")
  return utf8(`${lists},"keys":[${list}],"type":"comity/parcel/v1"}`)
}

/** @throws `delivery.malformed`, `json.*`, and as decodeDeliveryValue */
export function decodeParcelContent(plaintext: Uint8Array): ParcelContent {
  const value = ingest(plaintext, limits.deliveryBytes)
  const content = decodeShape(contentShape, value, "delivery.malformed")
  const delivery = decodeDeliveryValue(content.delivery)
  const keys = new Map<number, Uint8Array>()
  let previous = -1
  for (const { grant, key } of content.keys) {
    // Ascending, each once, for a release that is there, and the one that it says itself: one encoding.
    const release = delivery.grants[grant]?.grant
    const isWanted = release?.act === "release" && (release.key ?? key) === key
    if (!isWanted || grant <= previous)
      throw new ProtocolError("delivery.malformed", { detail: "keys" })
    previous = grant
    keys.set(grant, decodeHex(key))
  }
  // What is canonical has the delivery where it would have been written.
  const links = linksOf(content.custody ?? [], delivery, keys)
  const start = contentOpening([...links.values()]).length
  const groups = groupsOf(content.groups ?? [], delivery, keys)
  const end = plaintext.length - contentClosing(content.keys, [...groups.values()]).length
  return { delivery, deliveryBytes: plaintext.subarray(start, end), keys, links, groups }
}

/** Sorted by their digests, each named by some grant that has its key: one encoding. */
function groupsOf(
  values: readonly Json[],
  { grants, order }: Delivery,
  keys: ReadonlyMap<number, Uint8Array>,
): ReadonlyMap<string, Uint8Array> {
  const brought = new Map(
    values.map((value) => {
      const bytes = encodeCanonical(value as object)
      return [recordDigest(bytes), { value, bytes }]
    }),
  )
  const named = new Set<string>()
  for (const place of keys.keys()) {
    const { grant } = grants[place]!
    const inside = insideOf(grant)
    if (inside === null) continue
    named.add(inside)
    groupNamed(grant, brought.get(inside)?.value, order.payload.network)
  }
  if ([...named].toSorted().join() !== [...brought.keys()].join() || values.length !== named.size)
    throw new ProtocolError("custody.malformed", { detail: "lists" })
  return new Map([...brought].map(([digest, { bytes }]) => [digest, bytes]))
}

/** Sorted by their digests, each behind some grant that has its key: one encoding. */
function linksOf(
  custody: readonly Json[],
  { grants }: Delivery,
  keys: ReadonlyMap<number, Uint8Array>,
): ReadonlyMap<string, Link> {
  const decoded = custody.map(decodeLinkValue)
  const links = new Map(decoded.map((link) => [link.digest, link]))
  const used = [...keys.keys()].flatMap((place) => chainBehind(grants[place]!.grant, links))
  const expected = [...new Set(used.map(({ digest }) => digest))].toSorted()
  if (expected.join() !== decoded.map(({ digest }) => digest).join())
    throw new ProtocolError("custody.malformed", { detail: "superfluous" })
  return links
}
