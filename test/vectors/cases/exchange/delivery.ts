import { encodeCanonical } from "../../../../protocol/canonical.ts"
import { decodeHex, decodeUtf8, encodeHex } from "../../../../protocol/encoding.ts"
import { deliveryDigest, encodeDelivery } from "../../../../protocol/exchange/delivery.ts"
import { decodeParcelContent, encodeParcelContent } from "../../../../protocol/exchange/parcel.ts"
import { grantLeaf } from "../../../../protocol/release/grant.ts"
import { buildGrantTree } from "../../../../protocol/release/grant-tree.ts"
import { linkOf, listOf, makeStory } from "../../../support/story.ts"
import { orderOf, signOrder } from "../../../support/world.ts"
import { a, b, c, rule, sampleGrant, sampleWithdrawal } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  misshapen,
  type Run,
  repeated,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const { delivery, deliveryBytes, keys } = decodeParcelContent(bytes(input, "bytes"))
  return {
    digest: deliveryDigest(deliveryBytes),
    feed: delivery.feed,
    n: delivery.n,
    prev: delivery.prev,
    order: delivery.order.digest,
    index: delivery.entry.index,
    leaves: delivery.grants.map(({ leaf }) => encodeHex(leaf)),
    keys: [...keys].map(([grant, key]) => ({ grant, key: encodeHex(key) })),
  }
}

async function cases(): Promise<Cases> {
  const grants = [sampleGrant, { ...sampleGrant, record: { ...sampleGrant.record, version: 2 } }]
  const leaves = grants.map((one) => grantLeaf(encodeCanonical(one)))
  const tree = buildGrantTree(
    new Map([
      [9, leaves[0]!],
      [512, leaves[1]!],
    ]),
    decodeHex(filled(32, 0x5e)),
  )
  const release = orderOf(a, { id: filled(16, 0x11), rule, root: encodeHex(tree.root) })
  const path = tree.path(9).map(encodeHex)
  const whole = encodeDelivery({
    entry: { index: 12, salt: decodeHex(filled(32, 0x5a)) },
    feed: filled(16, 0xfe),
    grants: [9, 512].map((position, i) => ({
      bytes: encodeCanonical(grants[i]!),
      path: tree.path(position),
      position,
    })),
    n: 1,
    order: await signOrder(a, release, ["p1", "p2"]),
    prev: "0".repeat(64),
  })
  const k = (grant: number) => ({ grant, key: filled(32, grant + 1) })
  const keyed = (...keys: readonly ReturnType<typeof k>[]) => ({
    bytes: shown(encodeParcelContent(whole, keys)),
  })
  const toAll = (key: number) => ({ ...sampleGrant, key: filled(32, key), recipient: "public" })
  const two = "two grants with their keys"
  const code = "delivery.malformed"
  const of = (field: string) => `/bytes/delivery/${field}`
  const content = JSON.parse(keyed(k(0), k(1)).bytes)
  // A link by which the first of them came, in no matter what log: its order is not looked at here.
  const link = await linkOf(await makeStory())
  const onward = "a grant that was passed on, with what it rests on"
  const passedOn = edit(
    two,
    [of("grants/0/grant/custody"), link.digest],
    ["/bytes/custody", [JSON.parse(decodeUtf8(link.bytes))]],
  )
  const { list, digest } = listOf(a, [b])
  const another = listOf(a, [b, c])
  const inside = "a grant whose terms name a list"
  const round = edit(
    two,
    [of("grants/0/grant/terms/onward"), { inside: digest }],
    ["/bytes/groups", [list]],
  )
  return {
    about: "what a parcel holds: a delivery and the content keys beside it",
    valid: [
      [two, keyed(k(0), k(1))],
      ["one withdrawn meanwhile: no key for it", keyed(k(1))],
      ["no key at all", keyed()],
      ["a further delivery", edit(two, [of("n"), 2], [of("prev"), filled(32, 0x77)])],
      [
        "a release and a withdrawal",
        edit(two, [of("grants/1/grant"), sampleWithdrawal], ["/bytes/keys/1"]),
      ],
      [onward, passedOn],
      [inside, round],
      [
        "a grant to everybody, with the key that it has itself",
        edit(two, [of("grants/0/grant"), toAll(1)]),
      ],
      [
        "one to everybody that was withdrawn meanwhile",
        edit(two, [of("grants/0/grant"), toAll(1)], ["/bytes/keys", [k(1)]]),
      ],
      ["at the end of a long log", edit(two, [of("entry/index"), 9007199254740991])],
    ],
    hostile: [
      ...misshapen(two, "/bytes", content, code, { what: "parcel: " }),
      ...misshapen(two, "/bytes/keys/0", content.keys[0], code, { what: "key: " }),
      ...misshapen(two, "/bytes/delivery", content.delivery, code).filter(
        ([name]) => name !== "order null" && name !== "grants null",
      ),
      ...misshapen(two, of("entry"), content.delivery.entry, code, { what: "entry: " }),
      ...misshapen(two, of("grants/0"), content.delivery.grants[0], code, {
        what: "grant: ",
      }).filter(([name]) => name !== "grant: grant null"),
      ...edited(two, code, [
        ["grants null", of("grants"), null],
        ["another type of parcel", "/bytes/type", "comity/parcel/v2"],
        ["another type of delivery", of("type"), "comity/delivery/v2"],
        ["keys out of order", "/bytes/keys", [k(1), k(0)]],
        ["a key twice", "/bytes/keys", [k(0), k(0)]],
        ["a key for no grant", "/bytes/keys", [k(2)]],
        ["a key for a place below zero", "/bytes/keys", [k(-1)]],
        ["a key of 31 bytes", "/bytes/keys", [{ grant: 0, key: filled(31, 1) }]],
        ["a key in capitals", "/bytes/keys", [{ grant: 0, key: filled(32, 0xab).toUpperCase() }]],
        ["keys by name", "/bytes/keys", { 0: filled(32, 1) }],
        ["a key for a withdrawal", of("grants/0/grant"), sampleWithdrawal],
        ["another key than the grant to everybody has itself", of("grants/0/grant"), toAll(8)],
        ["no grant", of("grants"), []],
        ["a place beyond the tree", of("grants/0/position"), 1024],
        ["a place below zero", of("grants/0/position"), -1],
        ["a path one too short", of("grants/0/path"), path.slice(1)],
        ["a path one too long", of("grants/0/path"), [...path, filled(32, 0)]],
        ["a sibling of 31 bytes", of("grants/0/path/0"), filled(31, 1)],
        ["number 0", of("n"), 0],
        ["a number in a text", of("n"), "1"],
        ["prev of 31 bytes", of("prev"), filled(31, 0)],
        ["a feed of 32 bytes", of("feed"), filled(32, 1)],
        ["a feed in capitals", of("feed"), filled(16, 0xfe).toUpperCase()],
        ["an entry below zero", of("entry/index"), -1],
        ["a short salt", of("entry/salt"), filled(16, 1)],
        ["seventeen consents", of("consents"), Array.from({ length: 17 }, () => ({}))],
      ]),
      ["513 grants", edit(two, [of("grants"), Array.from({ length: 513 }, () => ({}))]), code],
      ["a grant that is none", edit(two, [of("grants/0/grant"), {}]), "grant.malformed"],
      ["a grant that is null", edit(two, [of("grants/0/grant"), null]), "grant.malformed"],
      [
        "a grant larger than one may be",
        edit(
          two,
          [
            of("grants/0/grant/terms/caveats"),
            Array.from({ length: 16 }, () => "\u{10ffff}".repeat(128)),
          ],
          [of("grants/0/grant/sealed"), Array.from({ length: 65 }, () => sampleGrant.sealed[0])],
          [
            of("grants/0/grant/after"),
            Array.from({ length: 64 }, (_, i) => i.toString(16).padStart(32, "0")),
          ],
        ),
        "grant.malformed",
      ],
      [
        "an onward grant without what it rests on",
        edit(two, [of("grants/0/grant/custody"), filled(32, 1)]),
        "custody.malformed",
      ],
      [
        "custody where no grant rests on any",
        edit(onward, [of("grants/0/grant/custody")]),
        "custody.malformed",
      ],
      [
        "a link twice",
        edit(onward, ["/bytes/custody/1", JSON.parse(decodeUtf8(link.bytes))]),
        "custody.malformed",
      ],
      ["a link that is none", edit(onward, ["/bytes/custody/0", {}]), "custody.malformed"],
      ["a link for a grant without its key", edit(onward, ["/bytes/keys/0"]), "custody.malformed"],
      ["a list that does not come along", edit(inside, ["/bytes/groups"]), "custody.malformed"],
      ["another list", edit(inside, ["/bytes/groups/0", another.list]), "custody.malformed"],
      ["a list that no terms name", edit(two, ["/bytes/groups", [list]]), "custody.malformed"],
      ["a list more", edit(inside, ["/bytes/groups/1", another.list]), "custody.malformed"],
      ["a list twice", edit(inside, ["/bytes/groups/1", list]), "custody.malformed"],
      ["a list for a grant without its key", edit(inside, ["/bytes/keys/0"]), "custody.malformed"],
      ["a list that is none", edit(inside, ["/bytes/groups/0", {}]), "custody.malformed"],
      ["an order that is none", edit(two, [of("order"), {}]), "signed.malformed"],
      ["an order that is null", edit(two, [of("order"), null]), "signed.malformed"],
      [
        "an order of another form",
        edit(two, [of("order/payload/act"), "share"]),
        "order.malformed",
      ],
      [
        "an order of two networks",
        edit(two, [of("order/payload/network"), "operational"]),
        "network.mismatch",
      ],
      ["a consent that is none", edit(two, [of("consents"), [{}]]), "consent.malformed"],
      ["white space", { bytes: JSON.stringify(content, null, 1) }, "json.noncanonical"],
      ["one byte more than it may have", { bytes: repeated("20", 8_388_609) }, "json.too-large"],
    ],
  }
}

export const delivery: Format = { run, cases }
