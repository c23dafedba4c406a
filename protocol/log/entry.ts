import { hmacSha256, labelled } from "../crypto/hash.ts"
import { concat, u64be } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { decodeShape, network as networkShape } from "../shape.ts"

/** Every entry of every log: PROTOCOL §7. */
export const entryBytes = 33

/** What a blinded entry stands for: 1 an order, 2 nothing. */
export type EntryType = 1 | 2

/**
 * `0x01 ‖ SHA-256("comity/entry/v1\0" ‖ u8 type ‖ salt ‖ object digest)`: tells its kind and its
 * object to nobody without the salt. PROTOCOL §7
 */
export function blindedEntry(
  type: EntryType,
  salt: Uint8Array,
  objectDigest: Uint8Array,
): Uint8Array {
  requireLength(salt, 32)
  requireLength(objectDigest, 32)
  const commitment = labelled("comity/entry/v1", Uint8Array.of(type), salt, objectDigest)
  return concat(Uint8Array.of(1), commitment)
}

/** HMAC-SHA-256(salt key, u8 type ‖ object digest), so that a restored node knows its own. PROTOCOL §7 */
export function entrySalt(
  saltKey: Uint8Array,
  type: EntryType,
  objectDigest: Uint8Array,
): Uint8Array {
  requireLength(saltKey, 32)
  requireLength(objectDigest, 32)
  return hmacSha256(saltKey, concat(Uint8Array.of(type), objectDigest))
}

/**
 * The entry at `index` that stands for nothing: its salt is over the index, the object digest is 32
 * zero bytes. To everyone without the salt key it is like any other. PROTOCOL §7
 */
export function dummyEntry(saltKey: Uint8Array, index: number): Uint8Array {
  requireLength(saltKey, 32)
  const salt = hmacSha256(saltKey, concat(Uint8Array.of(2), u64be(index)))
  return blindedEntry(2, salt, new Uint8Array(32))
}

/** `0x01 ‖ SHA-256("comity/withdrawn/v1\0" ‖ K)`: known to the holders of K alone. PROTOCOL §6 */
export function withdrawalTag(contentKey: Uint8Array): Uint8Array {
  requireLength(contentKey, 32)
  return concat(Uint8Array.of(1), labelled("comity/withdrawn/v1", contentKey))
}

/** `0x02 ‖ SHA-256(root or keys document)`: anyone may ask for the document. PROTOCOL §7 */
export function openEntry(documentDigest: Uint8Array): Uint8Array {
  requireLength(documentDigest, 32)
  return concat(Uint8Array.of(2), documentDigest)
}

/** 33 bytes of one of the two kinds. PROTOCOL §7 */
export function isEntry(bytes: Uint8Array): boolean {
  return bytes.length === entryBytes && (bytes[0] === 1 || bytes[0] === 2)
}

/** An entry that names a document. PROTOCOL §7 */
export function isOpenEntry(entry: Uint8Array): boolean {
  return entry.length === entryBytes && entry[0] === 2
}

/** The digest of the document that an open entry names. PROTOCOL §7. @throws `entry.malformed` */
export function openEntryDigest(entry: Uint8Array): Uint8Array {
  if (!isOpenEntry(entry)) throw new ProtocolError("entry.malformed")
  return entry.slice(1)
}

/** Whose log, in which network, since which change of log key. */
export type LogOrigin = {
  readonly network: string
  /** member id, hex */
  readonly member: string
  readonly epoch: number
}

/** `comity/<network>/<member id>/<epoch>`: origin line and key name of a log. PROTOCOL §7 */
export function logOrigin(network: string, memberIdHex: string, epoch: number): string {
  return `comity/${network}/${memberIdHex}/${epoch}`
}

/** @throws `checkpoint.origin` for any other text. PROTOCOL §7 */
export function parseLogOrigin(text: string): LogOrigin {
  const [, networkText = "", member = "", epochText = ""] =
    /^comity\/([^/]+)\/([0-9a-f]{64})\/([1-9]\d{0,6})$/.exec(text) ?? []
  const network = decodeShape(networkShape, networkText, "checkpoint.origin")
  const epoch = Number(epochText)
  // The bound is that of the root document.
  if (epoch > 1_000_000) throw new ProtocolError("checkpoint.origin")
  return { network, member, epoch }
}

function requireLength(bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${bytes.length} bytes, not ${length}`)
}
