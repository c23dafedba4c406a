import { encodeCanonical } from "./canonical.ts"
import { ProtocolError } from "./errors.ts"
import { verifyNodeSignature } from "./member/keys.ts"
import { type Member, newestRoot } from "./member/root.ts"
import { textBlock } from "./record/plain-text.ts"
import { day, digest, literal, network, object, type ShapeOf } from "./shape.ts"
import { decodeSigned, type Signed, type SignedFormat } from "./signed.ts"

/**
 * What a member says to a proof of inconsistency against it, signed by its node: it travels with the
 * file. A statement, which nobody has to believe. docs/spec/inconsistency.md, PROTOCOL.md §7
 */
const explanationShape = object({
  day,
  member: digest,
  network,
  /** of the file that it is about */
  subject: digest,
  text: textBlock({ min: 1, max: 4000 }),
  type: literal("comity/explanation/v1"),
})
export type Explanation = ShapeOf<typeof explanationShape>

/** `typ` of its signature. */
export const explanationTyp = "comity-explanation+jws"

const headerShape = object({
  alg: literal("Ed25519"),
  kid: digest,
  network,
  typ: literal(explanationTyp),
})

const explanationFormat: SignedFormat<Explanation, ShapeOf<typeof headerShape>> = {
  typ: explanationTyp,
  payload: explanationShape,
  header: headerShape,
  code: "inconsistency.malformed",
}

export function encodeExplanation(explanation: Explanation): Uint8Array {
  return encodeCanonical(explanation)
}

/** @throws `inconsistency.malformed`, `signed.*`, `json.*`, `network.mismatch` */
export function verifyExplanation(
  bytes: Uint8Array,
  member: Member,
): Signed<Explanation, ShapeOf<typeof headerShape>> {
  const document = decodeExplanation(bytes)
  if (document.payload.network !== member.network) throw new ProtocolError("network.mismatch")
  if (document.payload.member !== member.id) throw new ProtocolError("inconsistency.malformed")
  verifyNodeSignature(document.signatures, newestRoot(member).payload)
  return document
}

/** Whose it claims to be, not verified yet. @throws as verifyExplanation */
export function decodeExplanation(bytes: Uint8Array) {
  return decodeSigned(explanationFormat, bytes)
}
