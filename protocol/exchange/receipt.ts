import { encodeCanonical } from "../canonical.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { verifyNodeSignature } from "../member/keys.ts"
import type { Root } from "../member/root.ts"
import {
  day,
  digest,
  hex,
  list,
  literal,
  network,
  object,
  oneOf,
  optional,
  refine,
  type ShapeOf,
  text,
} from "../shape.ts"
import { decodeSigned, type Signed, type SignedFormat } from "../signed.ts"

export const receiptStates = [
  "delivered",
  "refused",
  "declined",
  "purged",
  "sealed",
  "held",
] as const

const receiptItemShape = refine(
  object({
    code: optional(text({ min: 1, max: 64, pattern: /^[a-z-]+\.[a-z-]+$/ })),
    day,
    leaf: digest,
    order: hex(16),
    state: oneOf(receiptStates),
    until: optional(day),
  }),
  // A refusal says why, what is held says until when, and nothing else says either.
  ({ code, state, until }) =>
    (state === "refused") === (code !== undefined) && (state === "held") === (until !== undefined),
)
export type ReceiptItem = ShapeOf<typeof receiptItemShape>

/** What a recipient says became of what it was sent. docs/spec/receipt.md, PROTOCOL.md §9 */
export const receiptsShape = object({
  from: digest,
  items: list(receiptItemShape, { min: 1, max: limits.receiptsPerBatch }),
  network,
  to: digest,
  type: literal("comity/receipts/v1"),
})
export type Receipts = ShapeOf<typeof receiptsShape>

const headerShape = object({
  alg: literal("Ed25519"),
  kid: digest,
  network,
  typ: literal("comity-receipts+jws"),
})

export const receiptsFormat: SignedFormat<Receipts, ShapeOf<typeof headerShape>> = {
  typ: "comity-receipts+jws",
  payload: receiptsShape,
  header: headerShape,
  code: "receipt.malformed",
}
export type ReceiptsDocument = Signed<Receipts, ShapeOf<typeof headerShape>>

export function encodeReceipts(receipts: Receipts): Uint8Array {
  return encodeCanonical(receipts)
}

/** The form alone. @throws `receipt.malformed`, `signed.malformed`, `json.*` */
export function decodeReceipts(bytes: Uint8Array): ReceiptsDocument {
  return decodeSigned(receiptsFormat, bytes)
}

/**
 * Receipts by `from`, signed by the node key of its `root`, for `to`. A signed statement, not a
 * proof of erasure.
 *
 * @throws `receipt.malformed`, `receipt.invalid`, `signed.*`, `json.*`, `network.mismatch`
 */
export function verifyReceipts(
  bytes: Uint8Array,
  expected: { readonly from: string; readonly to: string; readonly root: Root },
): ReceiptsDocument {
  const document = decodeReceipts(bytes)
  const { payload } = document
  if (payload.network !== expected.root.network) throw new ProtocolError("network.mismatch")
  if (payload.from !== expected.from || payload.to !== expected.to)
    throw new ProtocolError("receipt.invalid", { detail: "from or to" })
  verifyNodeSignature(document.signatures, expected.root)
  return document
}
