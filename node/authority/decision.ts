import { textBlock } from "../../protocol/record/plain-text.ts"
import { object, oneOf } from "../../protocol/shape.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import type { OfficerKey } from "./found.ts"
import {
  type Addressed,
  assertOfficer,
  type Statement,
  saidAs,
  signStatement,
  verifyStatement,
} from "./statement.ts"

/** What one officer may decide for this node alone, with a reason that is kept. */
export const decisionActs = [
  /** go on receiving from a member against which there is a proof of inconsistency */
  "continue",
  /** sign again although nobody could say how far our log has come */
  "resume",
  /** count recovered entries that nobody could open as lost */
  "lose",
  /** handle a marking under a mark of our own */
  "map-marking",
  /** keep what the law forbids to destroy when it is taken back */
  "hold",
  /** the same, sealed for two officers */
  "seal",
  /** destroy it after all */
  "unhold",
  /** read what is kept so */
  "open",
  /** let an order that is open go no further */
  "refuse",
] as const
export type DecisionAct = (typeof decisionActs)[number]

const decisionShape = object({
  act: oneOf(decisionActs),
  reason: textBlock({ min: 1, max: 2000 }),
  /** the digest, or whatever the act is about */
  subject: textBlock({ min: 1, max: 256 }),
})
export type Decision = {
  readonly act: DecisionAct
  readonly reason: string
  readonly subject: string
}

/** An officer's decision, made where the officer's key is. */
export function signDecision(
  key: OfficerKey,
  to: Addressed,
  { act, reason, subject }: Decision,
): Promise<Uint8Array> {
  return signStatement(key, to, { act, reason, subject })
}

/**
 * The decision in these bytes, if an officer of ours has signed it, and about what is expected.
 *
 * @throws `statement.malformed`, `signed.*`, `officer.unknown` for another decision
 */
export function verifyDecision(
  context: Context,
  bytes: Uint8Array,
  expected: { readonly act: DecisionAct; readonly subject?: string },
): Statement & Decision {
  const { id: member, network } = context.self
  const statement = verifyStatement(bytes, { member, network })
  assertOfficer(statement, ownRoot(context))
  const decision = saidAs(decisionShape, statement)
  const isMeant =
    decision.act === expected.act &&
    (expected.subject === undefined || decision.subject === expected.subject)
  if (!isMeant)
    throw new NodeError("officer.unknown", "No officer of this member has signed this decision.")
  return { ...statement, ...decision }
}
