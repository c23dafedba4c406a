import { describe, expect, test } from "vitest"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import {
  encodeReceipts,
  type ReceiptItem,
  receiptStates,
  verifyReceipts,
} from "../../../protocol/exchange/receipt.ts"
import { encodeSigned } from "../../../protocol/signed.ts"
import { alteredHeader, alteredPayload, envelopeOf } from "../../support/envelope.ts"
import { refusal } from "../../support/refusal.ts"
import { keysPayload, makeMember, signByNode, signReceipts, today } from "../../support/world.ts"

const a = await makeMember({ seed: "receipts a" })
const b = await makeMember({ seed: "receipts b", state: "XB" })
const item: ReceiptItem = {
  day: today,
  leaf: "1e".repeat(32),
  order: "11".repeat(16),
  state: "delivered",
}
const receipts = await signReceipts(b, a.id, [item])
const expected = { from: b.id, to: a.id, root: b.root }
const code = (bytes: Uint8Array, what = expected) => refusal(() => verifyReceipts(bytes, what))
const items = async (...list: readonly object[]) =>
  code(await signReceipts(b, a.id, list as ReceiptItem[]))

describe("receipts", () => {
  test("say every state there is, and no other", async () => {
    const saying: { readonly [state: string]: object } = {
      refused: { code: "marking.unmapped" },
      held: { until: "2027-01-31" },
    }
    for (const state of receiptStates)
      expect(await items({ ...item, state, ...saying[state] }), state).toBeNull()
    expect(await items({ ...item, state: "read" })).toBe("receipt.malformed")
  })

  test("a refusal says why, what is held says until when, nothing else says either", async () => {
    const [code, until] = ["marking.unmapped", "2027-01-31"]
    for (const state of receiptStates) {
      const wrong = {
        refused: [{}, { until }, { code, until }],
        held: [{}, { code }, { code, until }],
      }[state as string] ?? [{ code }, { until }]
      for (const fields of wrong)
        expect(await items({ ...item, state, ...fields }), state).toBe("receipt.malformed")
    }
  })

  test("count for nobody but the two they name", async () => {
    expect(code(receipts)).toBeNull()
    expect(code(receipts, { ...expected, to: b.id })).toBe("receipt.invalid")
    expect(code(receipts, { ...expected, from: a.id })).toBe("receipt.invalid")
  })

  test("are signed by the sender's own node: another member can't acknowledge for it", async () => {
    const payload = encodeReceipts({
      from: b.id,
      items: [item],
      network: a.network,
      to: a.id,
      type: "comity/receipts/v1",
    })
    const forged = await signByNode(a, "comity-receipts+jws", payload)
    expect(code(forged)).toBe("signed.unknown-key")
    const both = encodeSigned(payload, [
      ...envelopeOf(receipts).signatures,
      ...envelopeOf(forged).signatures,
    ])
    expect(code(both)).toBe("signed.superfluous")
  })

  test("of another network, or another kind of object under the same key, are refused", async () => {
    expect(code(receipts, { ...expected, root: { ...b.root, network: "operational" } })).toBe(
      "network.mismatch",
    )
    const asKeys = await signByNode(b, "comity-receipts+jws", encodeCanonical(keysPayload(b)))
    expect(code(asKeys)).toBe("receipt.malformed")
    expect(code(b.keys)).toBe("receipt.malformed")
  })

  test("edited after signing are refused: delivered never becomes purged", () => {
    expect(code(alteredPayload(receipts, { items: [{ ...item, state: "purged" }] }))).toBe(
      "signed.invalid",
    )
    expect(code(alteredHeader(receipts, { kid: "00".repeat(32) }))).toBe("signed.unknown-key")
  })

  test("items have one form, at least one and at most 1,024", async () => {
    expect(await items()).toBe("receipt.malformed")
    for (const fields of [
      { day: "today" },
      { leaf: "1e" },
      { order: "" },
      { code: "NO" },
      { code: "a.b.c" },
      { until: "2027" },
      { more: 1 },
    ])
      expect(await items({ ...item, ...fields }), JSON.stringify(fields)).toBe("receipt.malformed")
    expect(await items(...Array.from({ length: 700 }, () => item))).toBeNull()
    expect(await items(...Array.from({ length: 1025 }, () => item))).not.toBeNull()
  })
})
