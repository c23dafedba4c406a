import type { Log } from "./env.ts"

/** `subject.condition`; listed with the protocol's codes in docs/spec/errors.md. */
export const nodeErrorCodes = [
  ...[
    "home.exists",
    "home.missing",
    "home.in-use",
    "home.newer",
    "config.invalid",
    "key.unavailable",
  ],
  ...["store.failed", "store.full", "store.corrupt", "store.rolled-back", "signer.stopped"],
  ...["store.restored", "store.copied", "store.forked"],
  "socket.failed",
  "backup.malformed",
  ...["peer.unknown", "peer.ambiguous", "peer.unverified", "peer.blocked", "peer.exists"],
  ...[
    "peer.words",
    "peer.network",
    "peer.unreachable",
    "peer.refused",
    "peer.stale",
    "peer.forked",
  ],
  "inconsistency.unknown",
  ...[
    "record.unknown",
    "record.ambiguous",
    "record.withdrawn",
    "record.repudiated",
    "record.suspended",
    "record.not-ours",
    "record.reserved",
    "comparison.forbidden",
    "deadline.unknown",
    "question.closed",
    "record.too-large",
  ],
  ...["draft.unknown", "draft.released", "draft.errors", "draft.sensitive"],
  ...["order.unknown", "order.ambiguous", "order.unsatisfied", "order.expired", "order.closed"],
  ...[
    "order.stale",
    "order.ended-here",
    "order.nothing",
    "officer.unknown",
    "officer.signed",
    "officer.revoked",
    "officer.role",
    "officer.lapsed",
    "log.index",
    "root.unsigned",
    "register.unknown",
    "register.officers",
    "agent.refused",
    "key.shares",
    "order.unproven",
  ],
  ...[
    "terms.invalid",
    "recipient.self",
    "recipient.none",
    "recipient.left",
    "recipient.audience",
    "recipient.ceiling",
    "recipient.naming",
    "recipient.profile",
    "feature.later",
    "public.unconfirmed",
    "evidence.refused",
  ],
  ...["profile.adopted", "profile.looser"],
  ...["consent.unasked", "consent.pending", "onward.refused", "order.pending"],
  ...["record.held", "hold.unknown", "hold.officers"],
  ...["group.unknown", "group.ambiguous", "group.pending", "group.not-ours"],
  ...[
    "witness.missing",
    "request.malformed",
    "search.malformed",
    "list.malformed",
    "search.name",
    "search.unknown",
    "hook.invalid",
    "hook.failed",
  ],
] as const

export type NodeErrorCode = (typeof nodeErrorCodes)[number]

/** Our own store, key file, configuration or state cannot do what was asked. */
export class NodeError extends Error {
  override readonly name = "NodeError"
  readonly code: NodeErrorCode
  /** What to do next, in words for a tired official. */
  readonly hint: string | undefined

  constructor(
    code: NodeErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, options)
    this.code = code
    this.hint = options.hint
  }
}

export const afterFailedWrite = {
  code: "signer.stopped",
  message: "This node has stopped signing after a failed write.",
  hint: "Restart it when the disk is sound again: it then checks what was written.",
} as const

/** What everything that would sign or write answers from then on. */
export function signerStopped(cause?: unknown): NodeError {
  const { code, message, hint } = afterFailedWrite
  return new NodeError(code, message, { hint, cause })
}

/** Says in the journal what a node failed at in the background: it is no reason for the node to end. */
export function noteFailure(
  log: Log,
  event: string,
  fields: Readonly<Record<string, string>> = {},
): (cause: unknown) => null {
  return (cause) => {
    const { code } = cause as { code?: string }
    log.error(event, { ...fields, code: code ?? "internal" })
    return null
  }
}
