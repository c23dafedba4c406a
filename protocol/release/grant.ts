import { encodeCanonical, ingest, type Json } from "../canonical.ts"
import { sha256 } from "../crypto/hash.ts"
import { concat, decodeUtf8, utf8 } from "../encoding.ts"
import { limits } from "../limits.ts"
import { markingShape } from "../record/marking.ts"
import { textLine } from "../record/plain-text.ts"
import {
  day,
  decodeShape,
  digest,
  either,
  hex,
  integer,
  list,
  literal,
  object,
  oneOf,
  optional,
  refine,
  type Shape,
  type ShapeOf,
  sortedSet,
} from "../shape.ts"

export const onwardShape = either(oneOf(["no", "consent", "free"]), object({ inside: digest }))
export const evidenceTerm = ["recipient", "members", "public"] as const

/** Under what conditions a recipient holds a record. docs/spec/grant.md */
export const termsShape = object({
  arrangement: optional(digest),
  caveats: list(textLine({ min: 1, max: 256 }), { max: 16 }),
  evidence: oneOf(evidenceTerm),
  expires: optional(day),
  marking: markingShape,
  onward: onwardShape,
  purpose: textLine({ min: 1, max: 256 }),
})
export type Terms = ShapeOf<typeof termsShape>

const recordReferenceShape = object({
  digest,
  id: hex(16),
  origin: digest,
  version: integer(1, 1_000_000),
})
export type RecordReference = ShapeOf<typeof recordReferenceShape>

/** The recipient of a grant that names no member. */
export const everybody = "public"
export const recipientShape: Shape<string> = either(digest, literal(everybody))

const fields = {
  act: oneOf(["release", "withdraw"]),
  after: optional(refine(sortedSet(hex(16), 64), (ids) => ids.length > 0)),
  custody: optional(digest),
  key: optional(hex(32)),
  recipient: recipientShape,
  record: recordReferenceShape,
  salt: hex(32),
  sealed: list(object({ digest, size: integer(1, Number.MAX_SAFE_INTEGER) }), {
    max: limits.attachments + 1,
  }),
  terms: optional(termsShape),
  type: literal("comity/grant/v1"),
}

/** One record version to one recipient under terms, or its withdrawal. PROTOCOL.md §4 */
export const grantShape = refine(object(fields), (grant) =>
  grant.act === "release"
    ? grant.sealed.length > 0 &&
      grant.terms !== undefined &&
      (grant.key !== undefined) === (grant.recipient === everybody)
    : grant.sealed.length === 0 &&
      grant.terms === undefined &&
      grant.key === undefined &&
      grant.after === undefined,
)
export type Grant = ShapeOf<typeof grantShape>

/** @throws `grant.malformed`, `json.*` */
export function decodeGrant(bytes: Uint8Array): Grant {
  return decodeGrantValue(ingest(bytes, limits.grantBytes))
}

/** @throws `grant.malformed` */
export function decodeGrantValue(value: Json): Grant {
  return decodeShape(grantShape, value, "grant.malformed")
}

/**
 * The grant in bytes whose leaf is under a root that officers signed: they, and whoever stored it, have
 * decoded it before. Any other bytes are for `decodeGrant`.
 */
export function signedGrant(bytes: Uint8Array): Grant {
  return JSON.parse(decodeUtf8(bytes))
}

/**
 * The same of many at once. Grants of one record to several members are one text but for the recipient and
 * the salt: the rest of it is parsed once, and shared.
 */
export function signedGrants(many: readonly Uint8Array[]): readonly Grant[] {
  const forms = new Map<string, Grant>()
  const names = new Map<string, string>()
  return many.map((bytes) => {
    const text = decodeUtf8(bytes)
    // Sorted: before these two keys stand names, ids and digests alone, no text that could hold the same.
    const [recipientAt, recipientEnd] = textOf(text, '"recipient":"')
    const [saltAt, saltEnd] = textOf(text, '"salt":"')
    const form = text.slice(0, recipientAt) + text.slice(recipientEnd, saltAt) + text.slice(saltEnd)
    let grant = forms.get(form)
    if (grant === undefined) {
      grant = JSON.parse(text) as Grant
      forms.set(form, grant)
    }
    const recipient = text.slice(recipientAt, recipientEnd)
    const name = names.get(recipient) ?? recipient
    names.set(name, name)
    return { ...grant, recipient: name, salt: text.slice(saltAt, saltEnd) }
  })
}

/** Where the text behind the first `key` begins and ends: digits or letters, none of them escaped. */
function textOf(text: string, key: string): readonly [number, number] {
  const start = text.indexOf(key) + key.length
  return [start, text.indexOf('"', start)]
}

const leafPrefix = concat(Uint8Array.of(0x00), utf8("comity/grant/v1\0"))

/** Leaf = SHA-256(0x00 ‖ "comity/grant/v1\0" ‖ JCS). PROTOCOL.md §4 */
export function grantLeaf(grantBytes: Uint8Array): Uint8Array {
  return sha256(leafPrefix, grantBytes)
}

export function encodeGrant(grant: Grant): Uint8Array {
  const bytes = encodeCanonical(grant)
  decodeGrant(bytes)
  return bytes
}
