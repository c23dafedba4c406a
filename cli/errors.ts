import { PeerUnreachable } from "../node/env.ts"
import { NodeError, type NodeErrorCode } from "../node/errors.ts"
import { ProtocolError, type ProtocolErrorCode, protocolErrorCodes } from "../protocol/errors.ts"
import { protocolErrorHints, protocolErrorWords } from "./error-words.ts"
import type { Output } from "./output.ts"
import { UsageError, type UsageErrorCode } from "./usage-error.ts"

/** DESIGN §10. A number that is not here means `failed` to a script. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  partlyDone: 3,
  verificationFailed: 4,
  notFound: 5,
  approvalMissing: 6,
  unreachable: 7,
  conflict: 9,
  notInitialised: 10,
  keyUnavailable: 11,
  forked: 12,
  unverifiedPeer: 13,
  /** 128 + SIGINT, as shells count. */
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** What came from outside and fails is a failed verification, but for these. */
const protocolExits: { readonly [code in ProtocolErrorCode]?: ExitCode } = {
  "consistency.invalid": exitCodes.forked,
  "checkpoint.forked": exitCodes.forked,
  "checkpoint.rollback": exitCodes.forked,
  "delivery.fork": exitCodes.forked,
  "root.forked": exitCodes.forked,
  "words.malformed": exitCodes.usage,
  "vkey.malformed": exitCodes.usage,
  "policy.malformed": exitCodes.usage,
  "time.malformed": exitCodes.usage,
  "lang.malformed": exitCodes.usage,
  "query.malformed": exitCodes.usage,
  "profile.unknown": exitCodes.notFound,
  "root.closed": exitCodes.conflict,
  "self-test.failed": exitCodes.failed,
  "merkle.malformed": exitCodes.failed,
  "feature.unsupported": exitCodes.failed,
  "keys.expired": exitCodes.failed,
  "draft.malformed": exitCodes.failed,
  "group.malformed": exitCodes.failed,
  "group.unaccepted": exitCodes.approvalMissing,
  "interest.malformed": exitCodes.usage,
  "name.refused": exitCodes.failed,
  "order.too-large": exitCodes.failed,
  "order.unconsented": exitCodes.approvalMissing,
  "profile.unadopted": exitCodes.failed,
  "profile.violated": exitCodes.failed,
  "marking.unmapped": exitCodes.failed,
  "marking.ceiling": exitCodes.failed,
  "url.refused": exitCodes.failed,
  "op.unknown": exitCodes.failed,
  "op.malformed": exitCodes.failed,
}

const nodeExits = {
  "home.exists": exitCodes.conflict,
  "home.missing": exitCodes.notInitialised,
  "home.in-use": exitCodes.conflict,
  "home.newer": exitCodes.failed,
  "config.invalid": exitCodes.usage,
  "key.unavailable": exitCodes.keyUnavailable,
  "store.failed": exitCodes.failed,
  "store.full": exitCodes.failed,
  "store.corrupt": exitCodes.failed,
  "store.rolled-back": exitCodes.forked,
  "store.restored": exitCodes.forked,
  "store.copied": exitCodes.forked,
  "store.forked": exitCodes.forked,
  "signer.stopped": exitCodes.failed,
  "backup.malformed": exitCodes.verificationFailed,
  "socket.failed": exitCodes.failed,
  "peer.unknown": exitCodes.notFound,
  "peer.ambiguous": exitCodes.usage,
  "peer.unverified": exitCodes.unverifiedPeer,
  "peer.blocked": exitCodes.unverifiedPeer,
  "peer.exists": exitCodes.conflict,
  "peer.words": exitCodes.verificationFailed,
  "peer.network": exitCodes.failed,
  "peer.unreachable": exitCodes.unreachable,
  "peer.refused": exitCodes.failed,
  "peer.stale": exitCodes.failed,
  "peer.forked": exitCodes.forked,
  "inconsistency.unknown": exitCodes.notFound,
  "record.unknown": exitCodes.notFound,
  "record.ambiguous": exitCodes.usage,
  "record.withdrawn": exitCodes.failed,
  "record.repudiated": exitCodes.verificationFailed,
  "record.suspended": exitCodes.failed,
  "record.not-ours": exitCodes.failed,
  "record.reserved": exitCodes.failed,
  "comparison.forbidden": exitCodes.failed,
  "deadline.unknown": exitCodes.notFound,
  "question.closed": exitCodes.failed,
  "record.too-large": exitCodes.failed,
  "draft.unknown": exitCodes.notFound,
  "draft.released": exitCodes.conflict,
  "draft.errors": exitCodes.failed,
  "draft.sensitive": exitCodes.failed,
  "order.unknown": exitCodes.notFound,
  "order.ambiguous": exitCodes.usage,
  "order.unsatisfied": exitCodes.approvalMissing,
  "order.expired": exitCodes.conflict,
  "order.closed": exitCodes.conflict,
  "order.stale": exitCodes.conflict,
  "order.ended-here": exitCodes.conflict,
  "order.nothing": exitCodes.failed,
  "officer.unknown": exitCodes.notFound,
  "officer.signed": exitCodes.conflict,
  "officer.revoked": exitCodes.approvalMissing,
  "officer.role": exitCodes.approvalMissing,
  "officer.lapsed": exitCodes.approvalMissing,
  "log.index": exitCodes.usage,
  "root.unsigned": exitCodes.approvalMissing,
  "register.unknown": exitCodes.notFound,
  "register.officers": exitCodes.approvalMissing,
  "agent.refused": exitCodes.keyUnavailable,
  "key.shares": exitCodes.keyUnavailable,
  "order.unproven": exitCodes.failed,
  "terms.invalid": exitCodes.usage,
  "recipient.self": exitCodes.usage,
  "recipient.none": exitCodes.usage,
  "recipient.left": exitCodes.failed,
  "recipient.audience": exitCodes.failed,
  "recipient.ceiling": exitCodes.failed,
  "recipient.naming": exitCodes.failed,
  "recipient.profile": exitCodes.failed,
  "feature.later": exitCodes.failed,
  "public.unconfirmed": exitCodes.usage,
  "onward.refused": exitCodes.approvalMissing,
  "order.pending": exitCodes.conflict,
  "consent.unasked": exitCodes.failed,
  "consent.pending": exitCodes.conflict,
  "evidence.refused": exitCodes.approvalMissing,
  "profile.adopted": exitCodes.conflict,
  "profile.looser": exitCodes.failed,
  "record.held": exitCodes.notFound,
  "hold.unknown": exitCodes.notFound,
  "hold.officers": exitCodes.approvalMissing,
  "group.unknown": exitCodes.notFound,
  "group.ambiguous": exitCodes.usage,
  "group.pending": exitCodes.conflict,
  "group.not-ours": exitCodes.failed,
  "witness.missing": exitCodes.failed,
  "request.malformed": exitCodes.usage,
  "list.malformed": exitCodes.failed,
  "search.name": exitCodes.usage,
  "hook.invalid": exitCodes.usage,
  "hook.failed": exitCodes.failed,
  "search.unknown": exitCodes.notFound,
  "search.malformed": exitCodes.usage,
} as const satisfies Record<NodeErrorCode, ExitCode>

const usageExits = {
  "usage.invalid": exitCodes.usage,
  "usage.unconfirmed": exitCodes.usage,
  "usage.interrupted": exitCodes.interrupted,
  "file.missing": exitCodes.notFound,
  "file.unreadable": exitCodes.failed,
  "file.exists": exitCodes.conflict,
  "file.unwritable": exitCodes.failed,
  "piece.malformed": exitCodes.verificationFailed,
  "piece.foreign": exitCodes.verificationFailed,
  "piece.missing": exitCodes.notFound,
} as const satisfies Record<UsageErrorCode, ExitCode>

export type ErrorReport = {
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly exit: ExitCode
}

export function reportOf(error: unknown): ErrorReport {
  if (error instanceof ProtocolError) {
    const { code, message } = error
    const exit = protocolExits[code] ?? exitCodes.verificationFailed
    const hint = hintOf(code)
    return { code, message: wordsOf(code, message), ...(hint === undefined ? {} : { hint }), exit }
  }
  if (error instanceof NodeError) return report(error, nodeExits[error.code])
  if (error instanceof UsageError) return report(error, usageExits[error.code])
  if (error instanceof PeerUnreachable)
    return {
      code: "peer.unreachable",
      message: wordsOf("peer.unreachable", error.message),
      hint: "Try later, or check its address; this says nothing about the peer itself.",
      exit: exitCodes.unreachable,
    }
  return {
    code: "internal.unexpected",
    message: `Something unexpected happened: ${error instanceof Error ? error.message : String(error)}`,
    hint: "This is a fault of comity. COMITY_DEBUG=1 shows where it happened.",
    exit: exitCodes.failed,
  }
}

function report(error: NodeError | UsageError, exit: ExitCode): ErrorReport {
  const { code, message, hint } = error
  return { code, message, ...(hint === undefined ? {} : { hint }), exit }
}

export function hintOf(code: string): string | undefined {
  return protocolErrorHints[code as ProtocolErrorCode]
}

/**
 * The words of a code, also where it comes as a value. What was said beside a code of the protocol names
 * a field, a version or a step; beside the network's, what the system calls it.
 */
export function wordsOf(code: string, message: string): string {
  if (code === "peer.unreachable")
    return message === "" ? "No answer came." : `No answer came (${message}).`
  if (!(protocolErrorCodes as readonly string[]).includes(code)) return message
  const words = protocolErrorWords[code as ProtocolErrorCode]
  return message.startsWith(`${code}: `) ? `${words} (${message.slice(code.length + 2)})` : words
}

/** To stderr: words for a person, one JSON document with --json. */
export function printError(error: unknown, output: Output, isDebugging: boolean): ExitCode {
  const { exit, code, message, hint } = reportOf(error)
  output.failure(code, message, hint)
  if (isDebugging && error instanceof Error) output.trace(stackOf(error))
  return exit
}

function stackOf(error: Error): string {
  const stack = error.stack ?? String(error)
  return error.cause instanceof Error ? `${stack}\nCaused by: ${stackOf(error.cause)}` : stack
}
