import { encodeCanonical } from "../canonical.ts"
import { labelled } from "../crypto/hash.ts"
import { encodeHex } from "../encoding.ts"
import { textLine } from "../record/plain-text.ts"
import { hex, list, object, type ShapeOf, text } from "../shape.ts"
import { kidOf, signingKeyShape } from "./key.ts"
import { roleShape } from "./policy.ts"

export const personShape = text({ min: 1, max: 64, pattern: /^[A-Za-z0-9][A-Za-z0-9._-]*$/ })
export const organisationShape = textLine({ min: 1, max: 128 })
export const rolesShape = list(roleShape, { min: 1, max: 16 })

/** One person's enrolment, known to its member only; the root document lists its digest. */
export const officerShape = object({
  key: signingKeyShape,
  organisation: organisationShape,
  person: personShape,
  roles: rolesShape,
  salt: hex(32),
})
export type Officer = ShapeOf<typeof officerShape>

/**
 * What a root document lists of an officer: SHA-256("comity/officer/v1\0" ‖ JCS{salt, person,
 * organisation, roles, kid, key}), hex. Nobody outside learns who exists. PROTOCOL.md §1
 */
export function officerDigest(officer: Officer): string {
  const { key, organisation, person, roles, salt } = officer
  const opened = { key: key.ed25519, kid: kidOf(key), organisation, person, roles, salt }
  return encodeHex(labelled("comity/officer/v1", encodeCanonical(opened)))
}
