import { encodeCanonical } from "../protocol/canonical.ts"
import { signEd25519 } from "../protocol/crypto/sign.ts"
import { textBlock } from "../protocol/record/plain-text.ts"
import { approvalsOf, type OfficerHeader, officerHeaderShape } from "../protocol/release/order.ts"
import { day, digest, literal, network, object, oneOf, type ShapeOf } from "../protocol/shape.ts"
import {
  decodeSigned,
  encodeSigned,
  type SignatureLine,
  type Signed,
  type SignedFormat,
  signLine,
} from "../protocol/signed.ts"
import { type Context, ownRoot } from "./context.ts"
import { NodeError } from "./errors.ts"
import type { OfficerKey } from "./found.ts"
import { officerHeader } from "./officer.ts"

/**
 * What one officer may decide for this node alone, with a reason that is kept: it is signed like an order,
 * and never leaves the house.
 */
export const decisionActs = [
  /** go on receiving from a member against which there is a proof of inconsistency */
  "continue",
  /** sign again although nobody could say how far our log has come */
  "resume",
  /** count recovered entries that nobody could open as lost */
  "lose",
  /** handle a marking under a mark of our own */
  "map-marking",
] as const
export type DecisionAct = (typeof decisionActs)[number]

const typ = "comity-decision+jws"
const decisionShape = object({
  act: oneOf(decisionActs),
  day,
  /** ours */
  member: digest,
  network,
  reason: textBlock({ min: 1, max: 2000 }),
  /** the digest, or whatever the act is about */
  subject: textBlock({ min: 1, max: 256 }),
  type: literal("comity/decision/v1"),
})
export type Decision = ShapeOf<typeof decisionShape>

const format: SignedFormat<Decision, OfficerHeader> = {
  typ,
  payload: decisionShape,
  header: officerHeaderShape(typ),
  code: "order.malformed",
}

export function encodeDecision(decision: Omit<Decision, "type">): Uint8Array {
  return encodeCanonical({ ...decision, type: "comity/decision/v1" })
}

/** An officer's line under a decision, made where the officer's key is. */
export function signDecision(
  payload: Uint8Array,
  key: OfficerKey,
  on: string,
  of: string,
): Promise<SignatureLine> {
  const [role] = key.officer.roles
  const header = officerHeader(key.officer, role ?? "", on, of, typ)
  return signLine(header, payload, (message) => signEd25519(message, key.seed))
}

/**
 * The decision in these bytes, if an officer of ours has signed exactly it.
 *
 * @throws `order.malformed`, `signed.*`, `officer.unknown` when nobody's approval counts
 */
export function verifyDecision(
  context: Context,
  payload: Uint8Array,
  line: SignatureLine,
  expected: { readonly act: DecisionAct; readonly subject: string },
): Signed<Decision, OfficerHeader> {
  const document = decodeSigned(format, encodeSigned(payload, [line]))
  const root = ownRoot(context)
  const isMeant =
    document.payload.member === context.self.id &&
    document.payload.network === context.self.network &&
    document.payload.act === expected.act &&
    document.payload.subject === expected.subject
  const revocation = { revoked: root.revoked, epoch: root.epoch, index: Number.MAX_SAFE_INTEGER }
  if (!isMeant || approvalsOf(document, root, revocation).length === 0)
    throw new NodeError("officer.unknown", "No officer of this member has signed this decision.")
  return document
}
