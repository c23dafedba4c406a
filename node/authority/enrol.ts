import { kemSizes } from "../../protocol/crypto/kem.ts"
import { decodeBase64url, encodeBase64url } from "../../protocol/encoding.ts"
import { base64url, literal, object } from "../../protocol/shape.ts"
import type { Enrolled } from "../store/queries/officers.ts"
import { type OfficerKey, sealingKeyOf } from "./found.ts"
import { type Addressed, saidAs, signStatement, verifyStatement } from "./statement.ts"

/**
 * How an officer comes to be one: the key is made where it stays, and what travels is a statement signed
 * with it, so that nobody enrols a key that its holder does not have or did not offer to this member.
 */

const saysShape = object({ enrolment: literal(true), sealing: base64url(kemSizes.publicKey) })

export function requestEnrolment(key: OfficerKey, to: Addressed): Promise<Uint8Array> {
  const sealing = encodeBase64url(sealingKeyOf(key.seed).publicKey)
  return signStatement(key, to, { enrolment: true, sealing })
}

/** @throws as verifyStatement */
export function readEnrolment(
  request: Uint8Array,
  to: Pick<Addressed, "member" | "network">,
): Enrolled {
  const statement = verifyStatement(request, to)
  const { sealing } = saidAs(saysShape, statement)
  return { officer: statement.officer, sealingKey: decodeBase64url(sealing) }
}
