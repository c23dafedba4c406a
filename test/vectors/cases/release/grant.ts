import { type Encodable, encodeCanonical } from "../../../../protocol/canonical.ts"
import { encodeHex } from "../../../../protocol/encoding.ts"
import { decodeGrant, encodeGrant, grantLeaf } from "../../../../protocol/release/grant.ts"
import { wordsOf } from "../../../../protocol/words.ts"
import { b, sampleGrant, sampleTerms, sampleWithdrawal } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  insist,
  misshapen,
  type Run,
  repeated,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const found = bytes(input, "bytes")
  const grant = decodeGrant(found)
  insist(encodeHex(encodeGrant(grant)) === encodeHex(found), "grant.malformed")
  return { leaf: encodeHex(grantLeaf(found)) }
}

const whole = {
  ...sampleGrant,
  after: [filled(16, 1), filled(16, 2)],
  terms: {
    ...sampleTerms!,
    arrangement: filled(32, 0x0b),
    expires: "2027-06-30",
    onward: { inside: filled(32, 9) },
  },
}

function cases(): Cases {
  const at = (value: Encodable) => ({ bytes: shown(encodeCanonical(value)) })
  const code = "grant.malformed"
  const object = sampleGrant.sealed[0]!
  const objects = (count: number) => Array.from({ length: count }, () => object)
  const ids = (count: number) =>
    Array.from({ length: count }, (_, i) => i.toString(16).padStart(32, "0"))
  return {
    about: "a grant in its only byte form, and its leaf",
    valid: [
      ["release", at(sampleGrant)],
      ["withdrawal", at(sampleWithdrawal)],
      ["inside a group, under an arrangement, until a day, after two withdrawals", at(whole)],
      [
        "public, with its content key",
        edit("release", ["/bytes/recipient", "public"], ["/bytes/key", filled(32, 8)]),
      ],
      ["a withdrawal from everybody", edit("withdrawal", ["/bytes/recipient", "public"])],
      ["free to travel", edit("release", ["/bytes/terms/onward", "free"])],
      ["to travel after asking", edit("release", ["/bytes/terms/onward", "consent"])],
      ["evidence for members", edit("release", ["/bytes/terms/evidence", "members"])],
      ["evidence for everybody", edit("release", ["/bytes/terms/evidence", "public"])],
      ["without caveats", edit("release", ["/bytes/terms/caveats", []])],
      ["passed on", edit("release", ["/bytes/custody", filled(32, 1)])],
      ["with 64 attachments", edit("release", ["/bytes/sealed", objects(65)])],
      ["after 64 withdrawals", edit("release", ["/bytes/after", ids(64)])],
    ],
    hostile: [
      ...misshapen("release", "/bytes", sampleGrant, code),
      ...misshapen("release", "/bytes/record", sampleGrant.record, code, { what: "record: " }),
      ...misshapen("release", "/bytes/sealed/0", object, code, { what: "object: " }),
      ...misshapen("release", "/bytes/terms", sampleTerms!, code, { what: "terms: " }),
      ...misshapen("withdrawal", "/bytes", sampleWithdrawal, code, { what: "withdrawal: " }),
      ...edited("release", code, [
        ["another type", "/bytes/type", "comity/grant/v2"],
        ["an act that is none", "/bytes/act", "share"],
        ["a consent", "/bytes/act", "consent"],
        ["a key for one recipient alone", "/bytes/key", filled(32, 8)],
        ["public without its key", "/bytes/recipient", "public"],
        ["a recipient by its words", "/bytes/recipient", wordsOf(b.id)],
        ["a recipient in capitals", "/bytes/recipient", b.id.toUpperCase()],
        ["two recipients", "/bytes/recipient", [b.id, b.id]],
        ["everybody by another name", "/bytes/recipient", "any"],
        ["a short salt", "/bytes/salt", filled(16, 6)],
        ["a long salt", "/bytes/salt", filled(33, 6)],
        ["a salt in base64url", "/bytes/salt", "A".repeat(43)],
        ["a release of nothing", "/bytes/sealed", []],
        ["66 objects", "/bytes/sealed", objects(66)],
        ["an empty object", "/bytes/sealed/0/size", 0],
        ["an object of a fraction", "/bytes/sealed/0/size", "4144"],
        ["a version 0 of a record", "/bytes/record/version", 0],
        ["a version beyond the limit", "/bytes/record/version", 1_000_001],
        ["an id of 32 bytes", "/bytes/record/id", filled(32, 1)],
        ["an origin of 16 bytes", "/bytes/record/origin", filled(16, 1)],
        ["a digest of 31 bytes", "/bytes/record/digest", filled(31, 1)],
        ["after nothing", "/bytes/after", []],
        ["after the same twice", "/bytes/after", [filled(16, 1), filled(16, 1)]],
        ["after, out of order", "/bytes/after", [filled(16, 2), filled(16, 1)]],
        ["after 65 withdrawals", "/bytes/after", ids(65)],
        ["after a digest", "/bytes/after", [filled(32, 1)]],
        ["onward to everybody", "/bytes/terms/onward", "all"],
        ["onward inside no group", "/bytes/terms/onward", {}],
        ["onward inside a group by its name", "/bytes/terms/onward", { inside: "group" }],
        ["onward inside and more", "/bytes/terms/onward", { inside: filled(32, 9), more: 1 }],
        ["evidence for nobody", "/bytes/terms/evidence", "nobody"],
        ["a marking of another scheme", "/bytes/terms/marking", "SECRET"],
        ["an empty purpose", "/bytes/terms/purpose", ""],
        ["a purpose of 257 characters", "/bytes/terms/purpose", "x".repeat(257)],
        ["a purpose of two lines", "/bytes/terms/purpose", "one\ntwo"],
        ["a purpose with an escape sequence", "/bytes/terms/purpose", "\u001b[2K"],
        ["a purpose that runs the other way", "/bytes/terms/purpose", "a\u202eb"],
        ["an empty caveat", "/bytes/terms/caveats", [""]],
        ["a caveat with a space behind", "/bytes/terms/caveats", ["one "]],
        ["seventeen caveats", "/bytes/terms/caveats", Array.from({ length: 17 }, (_, i) => `${i}`)],
        ["a day that does not exist", "/bytes/terms/expires", "2027-02-29"],
        ["a time for a day", "/bytes/terms/expires", "2027-06-30T00:00:00Z"],
        ["an arrangement by its name", "/bytes/terms/arrangement", "ours"],
        ["a custody of 16 bytes", "/bytes/custody", filled(16, 1)],
      ]),
      ...edited("withdrawal", code, [
        ["a withdrawal with objects", "/bytes/sealed", sampleGrant.sealed],
        ["a withdrawal with terms", "/bytes/terms", sampleTerms],
        ["a withdrawal with a key", "/bytes/key", filled(32, 8)],
        ["a withdrawal after a withdrawal", "/bytes/after", [filled(16, 1)]],
      ]),
      ["white space", { bytes: JSON.stringify(sampleGrant, null, 1) }, "json.noncanonical"],
      ["one byte more than a grant may have", { bytes: repeated("20", 16_385) }, "json.too-large"],
    ],
  }
}

export const grant: Format = { run, cases }
