import { hash } from "node:crypto"
import canonicalize from "canonicalize"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeCanonical, type Json } from "../../../protocol/canonical.ts"
import { decodeUtf8, encodeHex } from "../../../protocol/encoding.ts"
import {
  decodeDeliveryValue,
  deliveryDigest,
  encodeDelivery,
  firstPrev,
} from "../../../protocol/exchange/delivery.ts"
import { decodeParcelContent, encodeParcelContent } from "../../../protocol/exchange/parcel.ts"
import { encodeGrant, type Grant, grantLeaf } from "../../../protocol/release/grant.ts"
import { buildGrantTree, isInGrantTree } from "../../../protocol/release/grant-tree.ts"
import { decodeOrder } from "../../../protocol/release/order.ts"
import { refusal, runs } from "../../support/refusal.ts"
import { makeMember, orderOf, signOrder } from "../../support/world.ts"

const a = await makeMember({ seed: "delivery a" })
const b = await makeMember({ seed: "delivery b", state: "XB" })
const grantOf = (version: number): Grant => ({
  act: "release",
  recipient: b.id,
  record: { digest: "05".repeat(32), id: "0a".repeat(16), origin: a.id, version },
  salt: "06".repeat(32),
  sealed: [{ digest: "07".repeat(32), size: 4144 }],
  terms: { caveats: [], evidence: "recipient", marking: "TLP:AMBER", onward: "no", purpose: "use" },
  type: "comity/grant/v1",
})
const grants = [grantOf(1), grantOf(2), grantOf(3)]
const at = [9, 512, 1023]
const leaves = grants.map((grant) => grantLeaf(encodeGrant(grant)))
const tree = buildGrantTree(
  new Map(leaves.map((leaf, i) => [at[i]!, leaf])),
  new Uint8Array(32).fill(7),
)
const rule = { conditions: [], kind: "good-practice", profile: "33".repeat(32) }
const payload = orderOf(a, { id: "11".repeat(16), root: encodeHex(tree.root), rule })
const order = await signOrder(a, payload, ["p1", "p2"])
const placed = grants.map((grant, i) => ({
  grant: JSON.parse(JSON.stringify(grant)) as Json,
  path: tree.path(at[i]!).map(encodeHex),
  position: at[i]!,
}))
const bytes = encodeDelivery({
  entry: { index: 12, salt: new Uint8Array(32).fill(0x5a) },
  feed: "fe".repeat(16),
  grants: grants.map((grant, i) => ({
    bytes: encodeGrant(grant),
    path: tree.path(at[i]!),
    position: at[i]!,
  })),
  n: 1,
  order,
  prev: firstPrev,
})
const value = JSON.parse(decodeUtf8(bytes)) as { [field: string]: Json }
const edited = (fields: { [field: string]: unknown }) =>
  refusal(() => decodeDeliveryValue({ ...value, ...fields } as Json))
const key = (grant: number) => ({ grant, key: (grant + 1).toString(16).padStart(64, "0") })

describe("a delivery", () => {
  test("carries the order and the grants in the very bytes that were signed", () => {
    const delivery = decodeDeliveryValue(value)
    expect(delivery.order.bytes).toEqual(order)
    expect(delivery.order.digest).toBe(decodeOrder(order).digest)
    expect(delivery.grants.map(({ leaf }) => encodeHex(leaf))).toEqual(leaves.map(encodeHex))
    for (const { leaf, position, path } of delivery.grants)
      expect(isInGrantTree(leaf, position, path, tree.root)).toBe(true)
  })

  test("its digest, the next one's prev, is labelled and over all of it", () => {
    expect(deliveryDigest(bytes)).toBe(
      hash("sha256", Buffer.concat([Buffer.from("comity/delivery/v1\0"), bytes])),
    )
    const other = encodeCanonical({ ...value, n: 2 })
    expect(deliveryDigest(other)).not.toBe(deliveryDigest(bytes))
  })

  test("a grant changed on the way leads nowhere", () => {
    const swapped = [{ ...placed[0]!, grant: placed[1]!.grant }]
    const [found] = decodeDeliveryValue({ ...value, grants: swapped } as Json).grants
    expect(isInGrantTree(found!.leaf, found!.position, found!.path, tree.root)).toBe(false)
  })

  test("other forms are refused, each by its own subject", () => {
    expect(edited({})).toBeNull()
    for (const fields of [
      { grants: [] },
      { n: 0 },
      { n: 1.5 },
      { feed: "FE".repeat(16) },
      { prev: "00" },
      { entry: { index: -1, salt: "5a".repeat(32) } },
      { type: "comity/delivery/v2" },
      { more: 1 },
      { consents: undefined },
      { grants: [{ ...placed[0], position: 1024 }] },
      { grants: [{ ...placed[0], path: placed[0]!.path.slice(1) }] },
    ])
      expect(edited(fields), JSON.stringify(fields)).toBe("delivery.malformed")
    expect(edited({ grants: [{ ...placed[0], grant: {} }] })).toBe("grant.malformed")
    expect(edited({ order: {} })).toBe("signed.malformed")
    expect(edited({ order: a.roots[0] && JSON.parse(decodeUtf8(a.roots[0])) })).toBe(
      "order.malformed",
    )
    expect(edited({ consents: [value.order] })).toBe("consent.malformed")
  })
})

test("what is written around its parts is the JCS form of the whole", () => {
  expect(decodeUtf8(bytes)).toBe(canonicalize(value))
  const keyed = encodeParcelContent(bytes, [key(0), key(2)])
  expect(decodeUtf8(keyed)).toBe(canonicalize(JSON.parse(decodeUtf8(keyed))))
})

describe("a parcel's content", () => {
  test("reads back the delivery unchanged and the keys it carries, whichever they are", () => {
    fc.assert(
      fc.property(fc.subarray([0, 1, 2]), (given) => {
        const content = decodeParcelContent(encodeParcelContent(bytes, given.map(key)))
        expect(content.deliveryBytes).toEqual(bytes)
        expect([...content.keys].map(([grant, k]) => [grant, encodeHex(k)])).toEqual(
          given.map((grant) => [grant, key(grant).key]),
        )
      }),
      runs,
    )
  })

  test("the delivery's digest does not depend on the keys beside it", () => {
    const [bare, keyed] = [[], [key(0)]].map((keys) =>
      decodeParcelContent(encodeParcelContent(bytes, keys)),
    )
    expect(deliveryDigest(bare!.deliveryBytes)).toBe(deliveryDigest(keyed!.deliveryBytes))
  })

  test("a key out of order, twice, for no grant or of another size is refused", () => {
    const code = (...keys: readonly { grant: number; key: string }[]) =>
      refusal(() => decodeParcelContent(encodeParcelContent(bytes, keys)))
    for (const keys of [
      [key(1), key(0)],
      [key(1), key(1)],
      [key(3)],
      [key(511)],
      [key(512)],
      [{ grant: 0, key: "00" }],
    ])
      expect(code(...keys)).toBe("delivery.malformed")
  })

  test("a key beside a public grant, which has its own, or beside a withdrawal is refused", () => {
    const { terms: _, ...unbound } = grants[0]!
    const publicGrant = { ...grants[0], recipient: "public", key: "08".repeat(32) }
    for (const grant of [publicGrant, { ...unbound, act: "withdraw", sealed: [] }]) {
      const other = encodeCanonical({ ...value, grants: [{ ...placed[0], grant }] })
      expect(refusal(() => decodeParcelContent(encodeParcelContent(other, [])))).toBeNull()
      expect(refusal(() => decodeParcelContent(encodeParcelContent(other, [key(0)])))).toBe(
        "delivery.malformed",
      )
    }
  })

  test("whatever opens, it is refused with a code", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (delivery) => {
        const content = { delivery, keys: [], type: "comity/parcel/v1" }
        const text = new TextEncoder().encode(JSON.stringify(content))
        expect(refusal(() => decodeParcelContent(text))).not.toBeNull()
      }),
      runs,
    )
  })
})
