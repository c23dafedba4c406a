import type { Json } from "../../../protocol/canonical.ts"
import { decodeUtf8, utf8 } from "../../../protocol/encoding.ts"
import { formatNote, type NoteSignature, parseNote } from "../../../protocol/log/note.ts"
import { formatTlogProof, parseTlogProof } from "../../../protocol/log/tlog-proof.ts"
import { generalDigest } from "../../support/story.ts"
import { flipBit } from "../../support/world.ts"
import { c } from "../cast.ts"
import { type Cases, edit, edited, filled, misshapen, repeated } from "../format.ts"

/** Evidence files whose parts are of another form, or good ones that do not belong together. */

export type Fields = { readonly [name: string]: Json } & {
  readonly proof: string
  readonly roots: readonly { readonly document: Json; readonly index: number }[]
}
export const fieldsOf = (file: Uint8Array): Fields => JSON.parse(decodeUtf8(file))
export const one = "a release, unwitnessed"
export const seen = "a release, witnessed by two of two"
export const later = "under version 2 of the root document"

/** Whatever of the file is of another form. */
export function form(file: Fields, whole: Uint8Array): Cases["hostile"] {
  const code = "evidence.malformed"
  const [root] = file.roots
  return [
    ...misshapen(one, "/bytes", file, code, { optional: ["record"] }).filter(
      ([name]) => !["grant null", "order null"].includes(name),
    ),
    ...misshapen(one, "/bytes/roots/0", root!, code, { what: "root: " }),
    ...edited(one, code, [
      ["another type", "/bytes/type", "comity/evidence/v2"],
      ["a path one too short", "/bytes/path/9"],
      ["a path one too long", "/bytes/path/10", filled(32, 1)],
      ["a place beyond the tree", "/bytes/position", 1024],
      ["a place below zero", "/bytes/position", -1],
      ["a salt of 31 bytes", "/bytes/salt", filled(31, 1)],
      ["no root document", "/bytes/roots", []],
      ["a base of 64 hashes", "/bytes/base", Array.from({ length: 64 }, () => filled(32, 1))],
      ["an empty proof", "/bytes/proof", ""],
      ["a record that is a list of nothing", "/bytes/record", "text"],
      ["a profile by its digest", "/bytes/profile", generalDigest],
      ["a root document below zero", "/bytes/roots/0/index", -1],
    ]),
    [
      "an extra line in the proof",
      edit(one, ["/bytes/proof", withProof(file, { extra: utf8("hi") })]),
      code,
    ],
    ["grant null", edit(one, ["/bytes/grant", null]), "grant.malformed"],
    ["order null", edit(one, ["/bytes/order", null]), "signed.malformed"],
    ["without record", edit(one, ["/bytes/record"]), "feature.unsupported"],
    ["a consent that is none", edit(one, ["/bytes/consents", [{}]]), "consent.malformed"],
    ["a link that is none", edit(one, ["/bytes/custody", [{}]]), "custody.malformed"],
    [
      "a proof of another form",
      edit(one, ["/bytes/proof", file.proof.replace("@v1", "@v2")]),
      "tlogproof.malformed",
    ],
    ["a profile of another form", edit(one, ["/bytes/profile/kinds", {}]), "profile.malformed"],
    ["white space", { ...edit(one), bytes: `${decodeUtf8(whole)} ` }, "json.noncanonical"],
    ["cut short", { ...edit(one), bytes: decodeUtf8(whole).slice(0, -1) }, "json.malformed"],
    [
      "one byte more than evidence may have",
      { ...edit(one), bytes: repeated("20", 4_194_305) },
      "json.too-large",
    ],
  ]
}

function withProof(file: Fields, changes: Partial<ReturnType<typeof parseTlogProof>>): string {
  return formatTlogProof({ ...parseTlogProof(file.proof), ...changes })
}

/** A file put together of good parts that do not belong together, or of one that was changed. */
export function parts(
  file: Fields,
  other: Fields,
  witnessed: Fields,
  two: Fields,
): Cases["hostile"] {
  const { checkpoint } = parseTlogProof(file.proof)
  const hashes = parseTlogProof(file.proof).proof
  const note = (to: string) => edit(one, ["/bytes/proof", withProof(file, { checkpoint: to })])
  const cosigned = parseNote(parseTlogProof(witnessed.proof).checkpoint)
  const cosignedBy = (signatures: readonly NoteSignature[]) =>
    edit(seen, [
      "/bytes/proof",
      withProof(witnessed, { checkpoint: formatNote(cosigned.text, signatures) }),
    ])
  const line = (at: number, signature: Uint8Array) =>
    cosignedBy(cosigned.signatures.with(at, { ...cosigned.signatures[at]!, signature }))
  return [
    ["the grant of another recipient", edit(one, ["/bytes/grant/recipient", c.id]), "grant.path"],
    ["other terms", edit(one, ["/bytes/grant/terms/onward", "free"]), "grant.path"],
    ["another place in the tree", edit(one, ["/bytes/position", 416]), "grant.path"],
    ["another path", edit(one, ["/bytes/path/0", filled(32, 1)]), "grant.path"],
    ["another salt", edit(one, ["/bytes/salt", filled(32, 1)]), "inclusion.invalid"],
    [
      "another order of the same officers",
      edit(one, ["/bytes/order", other.order]),
      "inclusion.invalid",
    ],
    ["a signature taken off", edit(one, ["/bytes/order/signatures/1"]), "inclusion.invalid"],
    [
      "the order edited",
      edit(one, ["/bytes/order/payload/notAfter", "2026-12-08"]),
      "inclusion.invalid",
    ],
    [
      "another index of the order",
      edit(one, ["/bytes/proof", withProof(file, { index: 3 })]),
      "inclusion.invalid",
    ],
    [
      "a hash of the order's path left out",
      edit(one, ["/bytes/proof", withProof(file, { proof: hashes.slice(1) })]),
      "inclusion.invalid",
    ],
    [
      "another index of the root document",
      edit(one, ["/bytes/roots/0/index", 1]),
      "inclusion.invalid",
    ],
    [
      "another path of the root document",
      edit(one, ["/bytes/roots/0/path/0", filled(32, 1)]),
      "inclusion.invalid",
    ],
    [
      "the root document edited",
      edit(one, ["/bytes/roots/0/document/payload/state", "XB"]),
      "inclusion.invalid",
    ],
    [
      "a root document without a place",
      edit(one, ["/bytes/roots/0/index"], ["/bytes/roots/0/path"]),
      "evidence.malformed",
    ],
    [
      "a base that the log does not have",
      edit(one, ["/bytes/base", [filled(32, 1)]]),
      "order.base",
    ],
    ["no proof of the base", edit(one, ["/bytes/base", []]), "order.base"],
    ["a hash more for the base", edit(one, ["/bytes/base/1", filled(32, 1)]), "order.base"],
    ["the record edited", edit(one, ["/bytes/record/title", "Another title"]), "record.mismatch"],
    ["another record", edit(one, ["/bytes/record", other.record]), "record.mismatch"],
    ["another profile", edit(one, ["/bytes/profile/title", "Another title"]), "profile.unknown"],
    [
      "the size of the checkpoint edited",
      note(checkpoint.replace("\n4\n", "\n5\n")),
      "inclusion.invalid",
    ],
    [
      "the log's first signature left out",
      note(checkpoint.replace(/— .*\n/, "")),
      "checkpoint.unverified",
    ],
    [
      "a checkpoint of another log",
      note(checkpoint.replace("/training/", "/operational/")),
      "checkpoint.origin",
    ],
    [
      "a version left out",
      edit((two as never as string) === "" ? one : later, ["/bytes/roots/0"]),
      "inclusion.invalid",
    ],
    ["the version in force left out", edit(later, ["/bytes/roots/1"]), "order.root-version"],
    [
      "versions in another order",
      edit(later, ["/bytes/roots", two.roots.toReversed()]),
      "inclusion.invalid",
    ],
    [
      "a version in force without its place",
      edit(later, ["/bytes/roots/1/index"], ["/bytes/roots/1/path"]),
      "inclusion.invalid",
    ],
    ["a version twice", edit(later, ["/bytes/roots/2", two.roots[1]]), "inclusion.invalid"],
    [
      "a line by nobody",
      cosignedBy([
        ...cosigned.signatures,
        { ...cosigned.signatures[2]!, name: "stranger.example" },
      ]),
      "note.unverified",
    ],
    [
      "a witness's line that fails",
      line(5, flipBit(cosigned.signatures[5]!.signature, 999)),
      "note.unverified",
    ],
    ["without the log's lines", cosignedBy(cosigned.signatures.slice(2)), "checkpoint.unverified"],
  ]
}
