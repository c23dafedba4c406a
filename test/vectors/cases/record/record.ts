import { type Encodable, encodeCanonical } from "../../../../protocol/canonical.ts"
import { encodeHex, utf8 } from "../../../../protocol/encoding.ts"
import { relations } from "../../../../protocol/record/link.ts"
import { markings } from "../../../../protocol/record/marking.ts"
import { decodeRecord, encodeRecord, recordDigest } from "../../../../protocol/record/record.ts"
import { a, b, sampleRecord } from "../../cast.ts"
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
  const record = decodeRecord(found)
  insist(encodeHex(encodeRecord(record)) === encodeHex(found), "record.malformed")
  return { digest: recordDigest(found), title: record.title }
}

const one = "without attachments"
const whole = "every field there is"
const file = { digest: filled(32, 3), mediaType: "application/pdf", name: "plan.pdf", size: 12 }
const files = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ ...file, name: `${i}` }))
const full = {
  ...sampleRecord,
  about: {
    digest: filled(32, 6),
    id: filled(16, 4),
    origin: b.id,
    relation: "answers" as const,
    version: 3,
  },
  areas: ["FP-A", "M2"],
  attachments: [file, { ...file, mediaType: "image/svg+xml", name: "plan (2).svg" }],
  fields: { basis: "NSS 13, para 3.26", facility: "Plant 4", limits: "None\tknown.\nSo far." },
  translationOf: {
    digest: filled(32, 7),
    id: filled(16, 5),
    origin: a.id,
    status: "official" as const,
    version: 1_000_000,
  },
  version: 1_000_000,
}

function form(): Cases["hostile"] {
  const { about, attachments, translationOf } = full
  return [
    ...misshapen(whole, "/bytes", full, "record.malformed", {
      optional: ["about", "translationOf"],
    }),
    ...misshapen(whole, "/bytes/about", about, "record.malformed", {
      what: "about: ",
    }),
    ...misshapen(whole, "/bytes/translationOf", translationOf, "record.malformed", {
      what: "translation: ",
    }),
    ...misshapen(whole, "/bytes/profile", full.profile, "record.malformed", { what: "profile: " }),
    ...misshapen(whole, "/bytes/attachments/0", attachments[0]!, "record.malformed", {
      what: "attachment: ",
    }),
  ]
}

function cases(): Cases {
  const at = (value: Encodable) => ({ bytes: shown(encodeCanonical(value)) })
  const code = "record.malformed"
  return {
    about: "a record in its only byte form, and its digest",
    valid: [
      [one, at(sampleRecord)],
      [whole, at(full)],
      [
        "about a record, whatever its version",
        edit(one, ["/bytes/about", { id: filled(16, 4), origin: b.id, relation: "replies" }]),
      ],
      [
        "a translation, right to left",
        edit(
          one,
          ["/bytes/language", "ar"],
          ["/bytes/title", "متابعة مستقلة"],
          [
            "/bytes/translationOf",
            {
              digest: filled(32, 8),
              id: sampleRecord.id,
              origin: a.id,
              status: "courtesy",
              version: 1,
            },
          ],
        ),
      ],
      ...relations
        .filter((relation) => relation !== "answers")
        .map(
          (relation) =>
            [`what ${relation}`, edit(whole, ["/bytes/about/relation", relation])] as const,
        ),
      ["a translation by machine", edit(whole, ["/bytes/translationOf/status", "machine"])],
      ...markings
        .map((marking) => [`marked ${marking}`, edit(one, ["/bytes/marking", marking])] as const)
        .filter(([name]) => name !== "marked TLP:AMBER"),
      ["no body", edit(one, ["/bytes/body", ""])],
      ["no area and no field", edit(one, ["/bytes/areas", []], ["/bytes/fields", {}])],
      ["the longest title", edit(one, ["/bytes/title", "x".repeat(300)])],
      ["an empty attachment", edit(whole, ["/bytes/attachments/0/size", 0])],
      ["64 attachments", edit(one, ["/bytes/attachments", files(64)])],
      ["the longest name of a kind", edit(one, ["/bytes/kind", "x".repeat(41)])],
      ["a language with script and region", edit(one, ["/bytes/language", "zh-Hant-TW"])],
      ["of an exercise", edit(one, ["/bytes/network", "exercise:spring-27"])],
    ],
    hostile: [
      ...form(),
      ...edited(one, code, [
        ["another type", "/bytes/type", "comity/record/v2"],
        ["version 0", "/bytes/version", 0],
        ["version 1,000,001", "/bytes/version", 1_000_001],
        ["a version in a text", "/bytes/version", "1"],
        ["an id in capitals", "/bytes/id", filled(16, 0x0a).toUpperCase()],
        ["an id of 32 bytes", "/bytes/id", filled(32, 1)],
        ["an origin by its words", "/bytes/origin", "abandon ability able"],
        ["half an origin", "/bytes/origin", a.id.slice(32)],
        ["no such network", "/bytes/network", "test"],
        ["an empty title", "/bytes/title", ""],
        ["a title of 301 characters", "/bytes/title", "x".repeat(301)],
        ["a title of two lines", "/bytes/title", "one\ntwo"],
        ["a title with a tab", "/bytes/title", "one\ttwo"],
        ["a title with a line separator", "/bytes/title", "one\u2028two"],
        ["a title with a space in front", "/bytes/title", " one"],
        ["a title with a space behind", "/bytes/title", "one "],
        ["a title that runs the other way", "/bytes/title", "a\u202egpj.exe"],
        ["a title with an isolate", "/bytes/title", "a\u2066b"],
        ["a title with a mark of direction", "/bytes/title", "a\u200fb"],
        ["a title with an escape sequence", "/bytes/title", "a\u001b[2J"],
        ["a title with a C1 control", "/bytes/title", "a\u009b2J"],
        ["a title with NUL", "/bytes/title", "a\u0000"],
        ["an escape sequence in the body", "/bytes/body", "\u001b[2J"],
        ["a carriage return in the body", "/bytes/body", "one\r\ntwo"],
        ["a form feed in the body", "/bytes/body", "one\ftwo"],
        ["a body that is a list", "/bytes/body", ["one"]],
        ["areas out of order", "/bytes/areas", ["b", "a"]],
        ["an area twice", "/bytes/areas", ["a", "a"]],
        ["an empty area", "/bytes/areas", [""]],
        ["an area of 65 characters", "/bytes/areas", ["x".repeat(65)]],
        [
          "65 areas",
          "/bytes/areas",
          Array.from({ length: 65 }, (_, i) => `a${String(i).padStart(2, "0")}`).sort(),
        ],
        ["areas in a text", "/bytes/areas", "M2"],
        ["a field in capitals", "/bytes/fields/Basis", "x"],
        ["a field with a hyphen", "/bytes/fields/why-better", "x"],
        ["a field that begins with a digit", "/bytes/fields/1st", "x"],
        ["a field name of 41 characters", `/bytes/fields/${"x".repeat(41)}`, "x"],
        ["an empty field", "/bytes/fields/basis", ""],
        ["a field of 16,385 characters", "/bytes/fields/basis", "x".repeat(16_385)],
        ["a field with a control character", "/bytes/fields/basis", "a\u0007"],
        ["a field that is a number", "/bytes/fields/year", 2026],
        [
          "65 fields",
          "/bytes/fields",
          Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, "x"])),
        ],
        ["a kind in capitals", "/bytes/kind", "Good-practice"],
        ["a kind with a space", "/bytes/kind", "good practice"],
        ["a kind of 42 characters", "/bytes/kind", "x".repeat(42)],
        ["a kind that begins with a digit", "/bytes/kind", "1st"],
        ["language not in canonical form", "/bytes/language", "EN-us"],
        ["a language by its old code", "/bytes/language", "iw"],
        ["a language by its name", "/bytes/language", "in English"],
        [
          "a language of 36 characters",
          "/bytes/language",
          `en-x-${"a".repeat(8)}-${"b".repeat(8)}-${"c".repeat(8)}-defg`,
        ],
        ["a language with an underscore", "/bytes/language", "en_GB"],
        ["a marking of another scheme", "/bytes/marking", "SECRET"],
        ["a marking of the first TLP", "/bytes/marking", "TLP:WHITE"],
        ["a marking in small letters", "/bytes/marking", "tlp:amber"],
        ["a profile by its id alone", "/bytes/profile", "ippas"],
        ["a profile id in capitals", "/bytes/profile/id", "IPPAS"],
        ["a list for a record about one", "/bytes/about", []],
      ]),
      ...edited(whole, code, [
        ["a path as the name of a file", "/bytes/attachments/0/name", "../plan.pdf"],
        ["a path of another system", "/bytes/attachments/0/name", "C:\\plan.pdf"],
        ["the parent as the name of a file", "/bytes/attachments/0/name", ".."],
        ["the folder as the name of a file", "/bytes/attachments/0/name", "."],
        ["no name of a file", "/bytes/attachments/0/name", ""],
        ["a file name of 121 characters", "/bytes/attachments/0/name", "x".repeat(121)],
        ["a file name that runs the other way", "/bytes/attachments/0/name", "a\u202efdp.exe"],
        ["two files of one name", "/bytes/attachments/1/name", "plan.pdf"],
        ["a media type in capitals", "/bytes/attachments/0/mediaType", "Text/HTML"],
        [
          "a media type with parameters",
          "/bytes/attachments/0/mediaType",
          "text/html; charset=utf-8",
        ],
        ["no media type", "/bytes/attachments/0/mediaType", "pdf"],
        ["a file larger than 256 MiB", "/bytes/attachments/0/size", 268_435_457],
        ["a file smaller than nothing", "/bytes/attachments/0/size", -1],
        ["a digest of 31 bytes", "/bytes/attachments/0/digest", filled(31, 3)],
        ["a translation of version 0", "/bytes/translationOf/version", 0],
        ["a translation of no known status", "/bytes/translationOf/status", "final"],
        ["a relation that is none", "/bytes/about/relation", "translates"],
      ]),
      ["65 attachments", edit(one, ["/bytes/attachments", files(65)]), code],
      ["a list", { bytes: shown(utf8("[]")) }, code],
      ["white space", { bytes: JSON.stringify(sampleRecord, null, 1) }, "json.noncanonical"],
      [
        "fields in another order",
        { bytes: JSON.stringify(Object.fromEntries(Object.entries(sampleRecord).reverse())) },
        "json.noncanonical",
      ],
      [
        "decomposed text",
        { bytes: shown(encodeCanonical({ ...sampleRecord, title: "e\u0301" })) },
        "json.profile",
      ],
      [
        "one byte more than a record may have",
        { bytes: repeated("20", 1_048_577) },
        "json.too-large",
      ],
    ],
  }
}

export const record: Format = { run, cases }
