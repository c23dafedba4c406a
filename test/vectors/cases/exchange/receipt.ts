import { encodeCanonical } from "../../../../protocol/canonical.ts"
import { verifyReceipts } from "../../../../protocol/exchange/receipt.ts"
import type { Root } from "../../../../protocol/member/root.ts"
import { encodeSigned } from "../../../../protocol/signed.ts"
import { envelopeOf } from "../../../support/envelope.ts"
import { signByNode, signReceipts, today } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  type Input,
  misshapen,
  type Run,
  repeated,
  shown,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const [from, to] = [text(input, "from"), text(input, "to")]
  const root = input.root as Root
  const { digest, payload } = verifyReceipts(bytes(input, "bytes"), { from, to, root })
  return { digest, items: payload.items }
}

async function cases(): Promise<Cases> {
  const { network, version, nodeKey } = b.root
  const root = { network, version, nodeKey }
  const item = {
    day: today,
    leaf: filled(32, 0x1e),
    order: filled(16, 0x11),
    state: "delivered" as const,
  }
  const at = (bytes: Uint8Array, more: Input = {}) => ({
    bytes: shown(bytes),
    from: b.id,
    to: a.id,
    root,
    ...more,
  })
  const delivered = await signReceipts(b, a.id, [item])
  const refused = { ...item, state: "refused" as const, code: "marking.unmapped" }
  const held = { ...item, state: "held" as const, until: "2027-01-31" }
  const rest = (["declined", "purged", "sealed"] as const).map((state) => ({ ...item, state }))
  const one = "delivered"
  const payload = { from: b.id, items: [item], network, to: a.id, type: "comity/receipts/v1" }
  const first = "/bytes/payload/items/0"
  const signed = (bytes: Uint8Array) => envelopeOf(bytes).signatures
  const other = await signByNode(a, "comity-receipts+jws", encodeCanonical(payload))
  const both = encodeSigned(encodeCanonical(payload), [...signed(delivered), ...signed(other)])
  const items = (count: number) => Array.from({ length: count }, () => item)
  const code = "receipt.malformed"
  return {
    about: "receipts of one member to another, signed by its node key",
    valid: [
      [one, at(delivered)],
      ["refused and held", at(await signReceipts(b, a.id, [refused, held]))],
      ["declined, purged, sealed", at(await signReceipts(b, a.id, rest))],
    ],
    hostile: [
      ...misshapen(one, "/bytes/payload", payload, code),
      ...misshapen(one, first, item, code, { what: "item: " }),
      ...edited(one, code, [
        ["another type", "/bytes/payload/type", "comity/receipts/v2"],
        ["typ of another object", "/bytes/signatures/0/protected/typ", "comity-keys+jws"],
        ["no item", "/bytes/payload/items", []],
        ["1,025 items", "/bytes/payload/items", items(1025).map(() => 0)],
        ["a state that nobody defined", `${first}/state`, "burnt"],
        ["a state in capitals", `${first}/state`, "Delivered"],
        ["a refusal that does not say why", `${first}/state`, "refused"],
        ["held without a day of review", `${first}/state`, "held"],
        ["delivered with a reason", `${first}/code`, "marking.unmapped"],
        ["delivered until a day", `${first}/until`, "2027-01-31"],
        ["a refusal in words", first, { ...refused, code: "no" }],
        ["a code in capitals", first, { ...refused, code: "MARKING.UNMAPPED" }],
        ["a code of three parts", first, { ...refused, code: "a.b.c" }],
        ["a code of 65 characters", first, { ...refused, code: `a.${"b".repeat(63)}` }],
        ["held until a day that does not exist", first, { ...held, until: "2027-02-29" }],
        ["a day that does not exist", `${first}/day`, "2026-11-31"],
        ["an order by its digest", `${first}/order`, filled(32, 1)],
        ["a leaf of 31 bytes", `${first}/leaf`, filled(31, 1)],
        ["to by its words", "/bytes/payload/to", "abandon ability able"],
      ]),
      ["to another member", at(delivered, { to: b.id }), "receipt.invalid"],
      ["from another member", at(delivered, { from: a.id }), "receipt.invalid"],
      ["from and to exchanged", at(delivered, { from: a.id, to: b.id }), "receipt.invalid"],
      [
        "signed by another node",
        at(await signReceipts({ ...a, id: b.id }, a.id, [item])),
        "signed.unknown-key",
      ],
      ["a second signature", at(both), "signed.superfluous"],
      ["no signature", edit(one, ["/bytes/signatures", []]), "signed.malformed"],
      ["edited after signing", edit(one, [`${first}/state`, "purged"]), "signed.invalid"],
      [
        "an item added after signing",
        edit(one, ["/bytes/payload/items/1", refused]),
        "signed.invalid",
      ],
      [
        "a signature of zeros",
        edit(one, ["/bytes/signatures/0/signature", "A".repeat(86)]),
        "signed.invalid",
      ],
      [
        "another network",
        at(delivered, { root: { ...root, network: "operational" } }),
        "network.mismatch",
      ],
      [
        "another network in the header",
        edit(one, ["/bytes/signatures/0/protected/network", "operational"]),
        "network.mismatch",
      ],
      [
        "one byte more than receipts may have",
        at(new Uint8Array(0), { bytes: repeated("20", 262_145) }),
        "json.too-large",
      ],
    ],
  }
}

export const receipts: Format = { run, cases }
