import { encodeCanonical, type Json } from "../../../../protocol/canonical.ts"
import { decodeUtf8, utf8 } from "../../../../protocol/encoding.ts"
import { verifyCard } from "../../../../protocol/exchange/card.ts"
import { formatTlogProof, parseTlogProof } from "../../../../protocol/log/tlog-proof.ts"
import { newestRoot } from "../../../../protocol/member/root.ts"
import { cardOf } from "../../../support/story.ts"
import { keysPayload, nextRoot, signByNode, signKeys } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
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
  const { member, keys, index } = verifyCard(bytes(input, "bytes"))
  const { state, version } = newestRoot(member).payload
  return { member: member.id, network: member.network, state, version, keys: keys.digest, index }
}

type Fields = { readonly keys: Json; readonly proof: string; readonly roots: readonly Json[] }
const fieldsOf = (card: Uint8Array): Fields => JSON.parse(decodeUtf8(card))
const json = (document: Uint8Array): Json => JSON.parse(decodeUtf8(document))

async function cases(): Promise<Cases> {
  const second = await nextRoot(a, { newNodeKey: true })
  const card = await cardOf(a)
  const other = fieldsOf(await cardOf(b))
  const one = "version 1"
  const two = "version 2, with another node key"
  const parsed = parseTlogProof(fieldsOf(card).proof)
  const proof = (changes: Partial<typeof parsed>) =>
    edit(one, ["/bytes/proof", formatTlogProof({ ...parsed, ...changes })])
  const log = (from: string, to: string) =>
    edit(one, ["/bytes/proof", fieldsOf(card).proof.replace(from, to)])
  const unlogged = await signKeys(a, { urls: ["https://elsewhere.example"] })
  const forged = await signByNode(b, "comity-keys+jws", encodeCanonical(keysPayload(a)))
  // Signed as it should be, by a log whose newest root document is older than the one in the file.
  const stale = fieldsOf(await cardOf(second, { keys: a.keys }))
  return {
    about: "what is needed to add a peer: root documents, keys document, and its proof",
    valid: [
      [one, { bytes: shown(card) }],
      [two, { bytes: shown(await cardOf(second)) }],
    ],
    hostile: [
      ...misshapen(one, "/bytes", fieldsOf(card), "card.malformed").filter(
        ([name]) => name !== "keys null",
      ),
      ...edited(one, "card.malformed", [
        ["another type", "/bytes/type", "comity/card/v2"],
        ["no root document", "/bytes/roots", []],
        ["a root document that is a number", "/bytes/roots", [1]],
        ["an empty proof", "/bytes/proof", ""],
      ]),
      ["an extra line in the proof", proof({ extra: utf8("hello") }), "card.malformed"],
      ["keys null", edit(one, ["/bytes/keys", null]), "signed.malformed"],
      ["keys that are a list", edit(one, ["/bytes/keys", []]), "signed.malformed"],
      ["keys of another form", edit(one, ["/bytes/keys/payload/kem", []]), "keys.malformed"],
      ["begins with version 2", edit(two, ["/bytes/roots/0"]), "root.chain"],
      [
        "versions in another order",
        edit(two, ["/bytes/roots", fieldsOf(await cardOf(second)).roots.toReversed()]),
        "root.chain",
      ],
      ["version 1 twice", edit(one, ["/bytes/roots/1", json(a.roots[0]!)]), "root.chain"],
      ["a root document edited", edit(one, ["/bytes/roots/0/payload/state", "XB"]), "root.invalid"],
      ["the newest version left out", edit(two, ["/bytes/roots/1"]), "keys.invalid"],
      ["another member's root document", edit(one, ["/bytes/roots", other.roots]), "keys.invalid"],
      ["another member's keys", edit(one, ["/bytes/keys", other.keys]), "keys.invalid"],
      ["another member's proof", edit(one, ["/bytes/proof", other.proof]), "checkpoint.origin"],
      [
        "keys by a node key that was replaced",
        edit(two, ["/bytes/keys", stale.keys], ["/bytes/proof", stale.proof]),
        "keys.invalid",
      ],
      [
        "keys signed by another node",
        edit(one, ["/bytes/keys", json(forged)]),
        "signed.unknown-key",
      ],
      ["keys edited", edit(one, ["/bytes/keys/payload/urls", []]), "signed.invalid"],
      [
        "keys that were never logged",
        edit(one, ["/bytes/keys", json(unlogged)]),
        "inclusion.invalid",
      ],
      ["another index", proof({ index: 0 }), "inclusion.invalid"],
      ["an index outside", proof({ index: 7 }), "inclusion.invalid"],
      ["a hash more", proof({ proof: [...parsed.proof, new Uint8Array(32)] }), "inclusion.invalid"],
      ["another hash", proof({ proof: [new Uint8Array(32)] }), "inclusion.invalid"],
      ["the size edited", log("\n2\n", "\n3\n"), "checkpoint.unverified"],
      [
        "the log's first signature left out",
        log(/— .*\n/.exec(fieldsOf(card).proof)![0], ""),
        "checkpoint.unverified",
      ],
      ["no checkpoint", proof({ checkpoint: "" }), "tlogproof.malformed"],
      ["a proof of another version", log("@v1", "@v2"), "tlogproof.malformed"],
      [
        "a network of another document",
        edit(one, ["/bytes/keys/signatures/0/protected/network", "operational"]),
        "network.mismatch",
      ],
      [
        "a kid that nobody has",
        edit(one, ["/bytes/keys/signatures/0/protected/kid", filled(32, 1)]),
        "signed.unknown-key",
      ],
      ["white space", { bytes: JSON.stringify(fieldsOf(card), null, 1) }, "json.noncanonical"],
      [
        "one byte more than a card may have",
        { bytes: repeated("20", 2_097_153) },
        "json.too-large",
      ],
    ],
  }
}

export const card: Format = { run, cases }
