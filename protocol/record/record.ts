import { encodeCanonical, ingest } from "../canonical.ts"
import { sha256 } from "../crypto/hash.ts"
import { encodeHex } from "../encoding.ts"
import { limits } from "../limits.ts"
import { kindShape } from "../member/policy.ts"
import {
  decodeShape,
  dictionary,
  digest,
  hex,
  integer,
  list,
  literal,
  network,
  object,
  optional,
  refine,
  type ShapeOf,
  sortedSet,
  text,
} from "../shape.ts"
import { isLanguage } from "../time.ts"
import { aboutShape, translationShape } from "./link.ts"
import { markingShape } from "./marking.ts"
import { textBlock, textLine } from "./plain-text.ts"

const id = hex(16)
const version = integer(1, 1_000_000)

export const titleLength = 300
export const bodyLength = 256 * 1024
export const fieldLength = 16 * 1024
export const areaShape = textLine({ min: 1, max: 64 })
export const fieldNamePattern = /^[a-z][A-Za-z0-9]{0,39}$/

/** A name and no path: what a person sees; files are stored under their digest. PROTOCOL.md §2 */
export const attachmentNameShape = refine(
  textLine({ min: 1, max: 120 }),
  (name) => !/[/\\]/.test(name) && name !== "." && name !== "..",
)

const attachmentShape = object({
  digest,
  mediaType: text({
    min: 3,
    max: 127,
    pattern: /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/,
  }),
  name: attachmentNameShape,
  size: integer(0, limits.attachmentBytes),
})
export type Attachment = ShapeOf<typeof attachmentShape>

// Names stand in the order of JCS: what is decoded encodes again without sorting.
/** One version of a practice, finding, question… under a profile. docs/spec/record.md, PROTOCOL.md §2 */
export const recordShape = object({
  about: optional(aboutShape),
  areas: sortedSet(areaShape, 64),
  attachments: refine(list(attachmentShape, { max: limits.attachments }), haveDistinctNames),
  body: textBlock({ max: bodyLength }),
  fields: dictionary(fieldNamePattern, textBlock({ min: 1, max: fieldLength }), 64),
  id,
  kind: kindShape,
  language: refine(text({ min: 2, max: 35 }), isLanguage),
  marking: markingShape,
  network,
  origin: digest,
  profile: object({ digest, id: text({ min: 1, max: 41, pattern: /^[a-z][a-z0-9-]*$/ }) }),
  title: textLine({ min: 1, max: titleLength }),
  translationOf: optional(translationShape),
  type: literal("comity/record/v1"),
  version,
})
export type ComityRecord = ShapeOf<typeof recordShape>

function haveDistinctNames(attachments: readonly Attachment[]): boolean {
  return new Set(attachments.map(({ name }) => name)).size === attachments.length
}

/**
 * A record in its only byte form. PROTOCOL.md §2
 *
 * @throws `record.malformed`, `json.*`
 */
export function decodeRecord(bytes: Uint8Array): ComityRecord {
  return decodeShape(recordShape, ingest(bytes, limits.recordBytes), "record.malformed")
}

/**
 * The JCS form, checked as a recipient will check it: nothing leaves that would be refused there.
 *
 * @throws `record.malformed`, `json.*`
 */
export function encodeRecord(record: ComityRecord): Uint8Array {
  const bytes = encodeCanonical(record)
  decodeRecord(bytes)
  return bytes
}

/** SHA-256 of the JCS form, hex: what a grant names. PROTOCOL.md §4 */
export function recordDigest(bytes: Uint8Array): string {
  return encodeHex(sha256(bytes))
}
