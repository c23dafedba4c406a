/**
 * Stable and listed in docs/spec/errors.md: `subject.condition`, added but never renamed.
 * One line a subject, in the order in which the eight steps meet them.
 */
export const protocolErrorCodes = [
  // form
  ...[
    "json.malformed",
    "json.noncanonical",
    "json.profile",
    "json.too-large",
    "encoding.malformed",
  ],
  ...["signed.malformed", "signed.unknown-key", "signed.invalid", "signed.superfluous"],
  ...["network.mismatch", "suite.unknown", "feature.unsupported"],
  // cryptography
  ...["key.malformed", "key.weak", "self-test.failed", "aead.unopenable", "kem.malformed"],
  ...[
    "sealed.malformed",
    "sealed.uncommitted",
    "sealed.unopenable",
    "sealed.padding",
    "sealed.mismatch",
  ],
  // members
  ...["root.malformed", "root.chain", "root.threshold", "root.invalid", "root.pin", "root.unknown"],
  ...["root.forked", "root.closed"],
  ...["keys.malformed", "keys.invalid", "keys.expired", "words.malformed", "statement.malformed"],
  // log
  ...["entry.malformed", "entry.mismatch", "merkle.malformed", "inclusion.invalid"],
  ...["consistency.invalid", "note.malformed", "note.unverified", "vkey.malformed"],
  ...["checkpoint.malformed", "checkpoint.unverified", "checkpoint.origin", "checkpoint.forked"],
  ...["checkpoint.rollback", "cosignature.malformed", "cosignature.invalid", "policy.malformed"],
  ...["tile.malformed", "tlogproof.malformed", "quorum.missing", "witness.malformed"],
  ...["inconsistency.malformed", "inconsistency.unproven"],
  // records and releases
  ...["record.malformed", "record.mismatch", "grant.malformed", "grant.recipient", "grant.path"],
  ...["order.malformed", "order.base", "order.root-version", "order.unauthorised", "order.ended"],
  "order.unconsented",
  "consent.malformed",
  "order.repudiated",
  ...[
    "order.too-large",
    "rule.mismatch",
    "profile.malformed",
    "profile.unknown",
    "profile.unadopted",
  ],
  ...[
    "profile.violated",
    "marking.unmapped",
    "marking.ceiling",
    "custody.malformed",
    "custody.unpermitted",
    "draft.malformed",
  ],
  ...["group.malformed", "group.succession", "group.unaccepted", "interest.malformed"],
  // exchange
  ...[
    "delivery.malformed",
    "delivery.gap",
    "delivery.fork",
    "parcel.malformed",
    "parcel.unopenable",
  ],
  ...[
    "frames.malformed",
    "frames.too-large",
    "receipt.malformed",
    "receipt.invalid",
    "card.malformed",
  ],
  ...["evidence.malformed", "evidence.pin", "evidence.witnesses", "signature.missing"],
  ...["http.malformed", "http.signature", "http.replayed", "http.too-large", "http.busy"],
  "url.refused",
  // conform
  ...[
    "op.unknown",
    "op.malformed",
    "time.malformed",
    "lang.malformed",
    "name.refused",
    "query.malformed",
  ],
] as const

export type ProtocolErrorCode = (typeof protocolErrorCodes)[number]

/** A peer, a file or a record broke the protocol. Our own mistakes are TypeError or RangeError. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError"
  readonly code: ProtocolErrorCode

  constructor(code: ProtocolErrorCode, options: { detail?: string; cause?: unknown } = {}) {
    super(options.detail === undefined ? code : `${code}: ${options.detail}`, options)
    this.code = code
  }
}
