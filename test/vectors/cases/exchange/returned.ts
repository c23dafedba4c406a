import type { Json } from "../../../../protocol/canonical.ts"
import { decodeUtf8, encodeHex } from "../../../../protocol/encoding.ts"
import { decodeReturned, encodeReturned } from "../../../../protocol/exchange/returned.ts"
import { makeStory } from "../../../support/story.ts"
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
  const { order, entry, grants, contents } = decodeReturned(bytes(input, "bytes"))
  return {
    order: order.digest,
    index: entry.index,
    leaves: grants.map(({ leaf }) => encodeHex(leaf)),
    contents: [...contents.keys()],
  }
}

const json = (document: Uint8Array): Json => JSON.parse(decodeUtf8(document))

async function cases(): Promise<Cases> {
  const story = await makeStory()
  const [{ bytes: grant, path, position }] = story.placed as [(typeof story.placed)[number]]
  const fields = {
    contents: [{ key: encodeHex(story.contentKey), record: json(story.recordBytes) }],
    entry: { index: story.claim.entry.index, salt: encodeHex(story.claim.entry.salt) },
    grants: [{ grant: json(grant), path: path.map(encodeHex), position }],
    order: json(story.claim.order.bytes),
  }
  const whole = { bytes: shown(encodeReturned(fields)) }
  const one = "an order with its content"
  const code = "delivery.malformed"
  const shape = JSON.parse(whole.bytes) as typeof fields
  return {
    about: "what a recipient gives back of an order to the member that made it",
    valid: [
      [one, whole],
      ["an order without its content", edit(one, ["/bytes/contents", []])],
    ],
    hostile: [
      ...misshapen(one, "/bytes", shape, code).filter(([name]) => name !== "order null"),
      ...misshapen(one, "/bytes/contents/0", fields.contents[0]!, code, {
        what: "content: ",
      }).filter(([name]) => name !== "content: record null"),
      ...misshapen(one, "/bytes/grants/0", fields.grants[0]!, code, { what: "grant: " }).filter(
        ([name]) => name !== "grant: grant null",
      ),
      ...misshapen(one, "/bytes/entry", fields.entry, code, { what: "entry: " }),
      ...edited(one, code, [
        ["another type", "/bytes/type", "comity/delivery/v1"],
        ["no grant", "/bytes/grants", []],
        ["a short key", "/bytes/contents/0/key", filled(16, 1)],
      ]),
      ["another place in the tree", edit(one, ["/bytes/grants/0/position", 1]), "grant.path"],
      ["a grant edited", edit(one, ["/bytes/grants/0/grant/terms/onward", "free"]), "grant.path"],
      ["no grant of that form", edit(one, ["/bytes/grants/0/grant", {}]), "grant.malformed"],
      ["no order", edit(one, ["/bytes/order", {}]), "signed.malformed"],
      [
        "a record that no grant names",
        edit(one, ["/bytes/contents/0/record/title", "Another title"]),
        "record.mismatch",
      ],
      ["no record", edit(one, ["/bytes/contents/0/record", null]), "record.mismatch"],
      [
        "another key than it was sealed with",
        edit(one, ["/bytes/contents/0/key", filled(32, 1)]),
        "sealed.mismatch",
      ],
      ["white space", { bytes: `${whole.bytes} ` }, "json.noncanonical"],
      ["one byte more than it may have", { bytes: repeated("20", 8_388_609) }, "json.too-large"],
    ],
  }
}

export const returned: Format = { run, cases }
