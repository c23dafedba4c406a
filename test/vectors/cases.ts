import { type Encodable, encodeCanonical } from "../../protocol/canonical.ts"
import { chachaSeal } from "../../protocol/crypto/aead.ts"
import { sha256, sha512 } from "../../protocol/crypto/hash.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import {
  concat,
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
  u32be,
  utf8,
} from "../../protocol/encoding.ts"
import { encodeDelivery } from "../../protocol/exchange/delivery.ts"
import {
  encodeEntries,
  encodeFrame,
  formatHead,
  framesHeader,
  frameTypes,
} from "../../protocol/exchange/frames.ts"
import { encodeParcelContent, openEpoch, sealParcel } from "../../protocol/exchange/parcel.ts"
import type { KeysPayload } from "../../protocol/member/keys.ts"
import { officerDigest } from "../../protocol/member/officer.ts"
import type { Root } from "../../protocol/member/root.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import { type Grant, grantLeaf } from "../../protocol/release/grant.ts"
import { buildGrantTree } from "../../protocol/release/grant-tree.ts"
import { encodeOrder } from "../../protocol/release/order.ts"
import { encodeSigned } from "../../protocol/signed.ts"
import { wordsOf } from "../../protocol/words.ts"
import {
  altered,
  alteredHeader,
  alteredLine,
  alteredPayload,
  envelopeOf,
  rewritten,
  rewrittenInside,
} from "../support/envelope.ts"
import {
  flipBit,
  keysPayload,
  makeMember,
  makeOfficer,
  nextRoot,
  nextRootPayload,
  officer,
  orderLine,
  orderOf,
  rootPair,
  seededRandom,
  signByNode,
  signKeys,
  signOrder,
  signReceipts,
  signRoot,
  today,
} from "../support/world.ts"
import type { Input, VectorFile } from "./formats.ts"

type Cases = {
  readonly about: string
  readonly valid: readonly (readonly [name: string, input: Input])[]
  readonly hostile: readonly (readonly [name: string, input: Input, code: string])[]
}

export type { VectorFile }

const hex = (value: Uint8Array | string) =>
  encodeHex(typeof value === "string" ? utf8(value) : value)
const filled = (length: number, value: number) => encodeHex(new Uint8Array(length).fill(value))

const a = await makeMember({ seed: "vector member A", state: "XA" })
const b = await makeMember({ seed: "vector member B", state: "XB", approvals: 1 })
const profile = filled(32, 0xaa)
const rule = { conditions: [], kind: "good-practice", profile }
const draw = seededRandom("vectors")

function canonical(): Cases {
  const at = (bytes: Uint8Array | string) => ({ bytes: hex(bytes) })
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
  return {
    about: "bytes from outside as JSON of our profile: RFC 8785 over I-JSON, integers, NFC",
    valid: [
      ["empty object", at("{}")],
      ["every kind of value", at('{"a":null,"b":true,"c":-7,"d":"text","e":[1,2],"f":{}}')],
      ["keys in order of UTF-16 code units", at('{"\ud83d\ude00":1,"\uff61":2}')],
      ["keys that look like array indices", at('{"10":1,"9":2,"a":3}')],
      ["largest and smallest integer", at("[9007199254740991,-9007199254740991]")],
      ["the escapes of RFC 8785", at('"\\b\\t\\n\\f\\r\\"\\\\\\u0000\\u001f/\u007f\u2028"')],
      ["composed text", at('"\u00e9"')],
      ["depth 16", at(nested(16))],
    ],
    hostile: [
      ["no bytes", at(""), "json.malformed"],
      ["two values", at("{}{}"), "json.malformed"],
      ["byte order mark", at("\ufeff{}"), "json.malformed"],
      ["overlong UTF-8", { bytes: "22c0af22" }, "json.malformed"],
      ["surrogate in UTF-8", { bytes: "22eda08022" }, "json.malformed"],
      ["lone surrogate, escaped", at('"\\ud800"'), "json.profile"],
      ["white space", at('{"a": 1}'), "json.noncanonical"],
      ["line feed at the end", at("{}\n"), "json.noncanonical"],
      ["keys out of order", at('{"b":1,"a":2}'), "json.noncanonical"],
      ["keys in order of code points", at('{"\uff61":2,"\ud83d\ude00":1}'), "json.noncanonical"],
      ["keys in numeric order", at('{"9":2,"10":1}'), "json.noncanonical"],
      ["a key twice", at('{"a":1,"a":1}'), "json.noncanonical"],
      ["a key twice, once escaped", at('{"a":1,"\\u0061":2}'), "json.noncanonical"],
      ["needless escape", at('"\\u0041"'), "json.noncanonical"],
      ["escaped solidus", at('"\\/"'), "json.noncanonical"],
      ["escape in capitals", at('"\\u001F"'), "json.noncanonical"],
      ["minus zero", at("-0"), "json.noncanonical"],
      ["an integer with a fraction", at("1.0"), "json.noncanonical"],
      ["an integer with an exponent", at("1e2"), "json.noncanonical"],
      ["a fraction", at("1.5"), "json.profile"],
      ["2⁵³", at("9007199254740992"), "json.profile"],
      ["beyond any number", at("1e400"), "json.profile"],
      ["decomposed text", at('"e\u0301"'), "json.profile"],
      ["decomposed key", at('{"e\u0301":1}'), "json.profile"],
      ["__proto__", at('{"__proto__":{}}'), "json.profile"],
      ["constructor, nested", at('[{"constructor":1}]'), "json.profile"],
      ["prototype", at('{"prototype":1}'), "json.profile"],
      ["depth 17", at(nested(17)), "json.profile"],
      ["one byte more than allowed", { bytes: hex("[1]"), maxBytes: 2 }, "json.too-large"],
    ],
  }
}

async function signed(): Promise<Cases> {
  const order = orderOf(a, { id: filled(16, 1), rule, root: filled(32, 2) })
  const one = await signOrder(a, order, ["p1"])
  const two = await signOrder(a, order, ["p1", "p2"])
  const at = (bytes: Uint8Array) => ({ bytes: hex(bytes) })
  const signature = (change: (text: string) => string) =>
    at(alteredLine(one, (line) => ({ signature: change(line.signature) })))
  const header = (fields: Input) => at(alteredHeader(one, fields))
  return {
    about:
      "the form of a signed object, an order here; its signatures are not verified in this file",
    valid: [
      ["one signature", at(one)],
      ["two signatures, sorted by kid", at(two)],
    ],
    hostile: [
      ["no signature", at(altered(one, () => ({ signatures: [] }))), "signed.malformed"],
      [
        "signatures out of order",
        at(altered(two, ({ signatures }) => ({ signatures: signatures.toReversed() }))),
        "signed.malformed",
      ],
      [
        "the same line twice",
        at(altered(one, ({ signatures: [line] }) => ({ signatures: [line, line] }))),
        "signed.malformed",
      ],
      ["an unprotected header", at(alteredLine(one, () => ({ header: {} }))), "signed.malformed"],
      ["a further member", at(altered(one, () => ({ unsigned: true }))), "signed.malformed"],
      [
        "flattened (RFC 7515 §7.2.2)",
        at(encodeCanonical({ payload: envelopeOf(one).payload, ...envelopeOf(one).signatures[0] })),
        "signed.malformed",
      ],
      ["white space", at(rewritten(one, '{"payload"', '{ "payload"')), "json.noncanonical"],
      [
        "members out of order",
        at(rewritten(one, /^\{("payload":"[^"]*"),(.*)\}$/, "{$2,$1}")),
        "json.noncanonical",
      ],
      ["padded signature", signature((text) => `${text}==`), "signed.malformed"],
      [
        "stray bits in the signature",
        signature((text) => text.replace(/.$/, "B")),
        "signed.malformed",
      ],
      [
        "signature in base64",
        signature((text) => text.replace(/[-_]|.$/, "+")),
        "signed.malformed",
      ],
      ["alg none", header({ alg: "none" }), "order.malformed"],
      ["alg EdDSA", header({ alg: "EdDSA" }), "order.malformed"],
      ["alg ML-DSA-65 for an officer", header({ alg: "ML-DSA-65" }), "order.malformed"],
      ["a key inside the header", header({ jwk: { kty: "OKP" } }), "order.malformed"],
      ["b64 and crit", header({ b64: false, crit: ["b64"] }), "order.malformed"],
      ["typ of another object", header({ typ: "comity-root+jws" }), "order.malformed"],
      ["no typ", header({ typ: undefined }), "order.malformed"],
      ["another network in the header", header({ network: "operational" }), "network.mismatch"],
      [
        "another network in the payload",
        at(alteredPayload(one, { network: "operational" })),
        "network.mismatch",
      ],
      [
        "header with white space",
        at(alteredLine(one, (line) => ({ protected: rewrittenInside(line.protected, ":", ": ") }))),
        "json.noncanonical",
      ],
      [
        "payload with a key twice",
        at(
          altered(one, ({ payload }) => ({
            payload: rewrittenInside(payload, "{", '{"act":"release",'),
          })),
        ),
        "json.noncanonical",
      ],
      [
        "payload of another type",
        at(alteredPayload(one, { type: "comity/root/v1" })),
        "order.malformed",
      ],
      ["payload with a further field", at(alteredPayload(one, { more: 1 })), "order.malformed"],
      ["null instead of absent", at(alteredPayload(one, { subject: null })), "order.malformed"],
    ],
  }
}

function key(): Cases {
  const encoded = (hexKey: string) => ({ key: { ed25519: encodeBase64url(decodeHex(hexKey)) } })
  return {
    about: "kid of a key or key pair; hostile: Ed25519 keys that are refused when enrolled",
    valid: [
      ["officer", { key: officer(a, "p1").key }],
      ["node", { key: a.root.nodeKey }],
      ["root pair", { key: a.root.rootKeys[0] }],
      ["log pair", { key: a.root.logKey }],
    ],
    hostile: [
      ["the neutral element", encoded(`01${"00".repeat(31)}`), "key.weak"],
      ["order 2", encoded(`ec${"ff".repeat(30)}7f`), "key.weak"],
      ["order 4", encoded("00".repeat(32)), "key.weak"],
      [
        "order 8",
        encoded("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        "key.weak",
      ],
      ["the neutral element, not canonical", encoded(`ee${"ff".repeat(30)}7f`), "key.weak"],
      [
        "mixed order",
        encoded("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"),
        "key.weak",
      ],
      ["no point of the curve", encoded(`02${"00".repeat(31)}`), "key.weak"],
    ],
  }
}

function words(): Cases {
  const twelve = wordsOf(a.id)
  return {
    about: "12 BIP-39 words of the first 128 bits of a member id, and back",
    valid: [
      ["zeros", { member: "00".repeat(32) }],
      ["ones", { member: "ff".repeat(32) }],
      ["member A", { member: a.id }],
      ["the second half does not matter", { member: a.id.slice(0, 32) + "00".repeat(16) }],
      ["read back", { words: twelve }],
      ["read back, as people type", { words: `  ${twelve.toUpperCase().replaceAll(" ", "\n ")} ` }],
    ],
    hostile: [
      ["eleven words", { words: twelve.split(" ").slice(1).join(" ") }, "words.malformed"],
      ["two exchanged", { words: twelve.replace(/^(\S+) (\S+)/, "$2 $1") }, "words.malformed"],
      ["no such word", { words: twelve.replace(/^\S+/, "sovereign") }, "words.malformed"],
      ["24 words", { words: `${"abandon ".repeat(23)}art` }, "words.malformed"],
      ["half an id", { member: a.id.slice(0, 32) }, "encoding.malformed"],
      ["an id in capitals", { member: a.id.toUpperCase() }, "encoding.malformed"],
    ],
  }
}

async function member(): Promise<Cases> {
  const second = await nextRoot(a, { fields: { name: "Authority XA, renamed" } })
  const third = await nextRoot(second, { replaceRootKeys: true, newNodeKey: true })
  const first = a.roots[0]!
  const chain = (...documents: readonly Uint8Array[]) => ({ documents: documents.map(hex) })
  const v1 = async (fields: Partial<Root>) =>
    chain(await signRoot({ ...a.root, ...fields }, a.rootPairs))
  const v2 = async (fields: Partial<Root>, signers = a.rootPairs) =>
    chain(first, await signRoot({ ...nextRootPayload(a), ...fields }, signers))
  const replaced = nextRootPayload(a, { replaceRootKeys: true })
  const thief = [rootPair("thief", 0, 0)]
  const weak = encodeBase64url(decodeHex(`01${"00".repeat(31)}`))
  const twoKeys = [a.rootPairs[0]!.key, rootPair("second", 0, 0).key]
  return {
    about: "root documents of one member from version 1 on; version 3 replaces the root key",
    valid: [
      ["version 1", chain(first)],
      ["three versions, the last with new root and node keys", chain(...third.roots)],
    ],
    hostile: [
      [
        "half a root pair",
        chain(altered(first, ({ signatures }) => ({ signatures: signatures.slice(0, 1) }))),
        "root.threshold",
      ],
      [
        "one bit of the ML-DSA signature",
        chain(
          alteredLine(
            first,
            ({ signature }) => ({
              signature: encodeBase64url(flipBit(decodeBase64url(signature), 5000)),
            }),
            1,
          ),
        ),
        "root.invalid",
      ],
      ["edited after signing", chain(alteredPayload(first, { state: "XB" })), "root.invalid"],
      [
        "a signature of a key nobody named",
        chain(await signRoot(a.root, [...a.rootPairs, ...thief])),
        "signed.unknown-key",
      ],
      [
        "one signature where two are needed",
        await v1({ rootKeys: twoKeys, threshold: 2 }),
        "root.threshold",
      ],
      [
        "a quorum of half",
        await v1({
          quorum: 1,
          witnesses: [b, await makeMember({ seed: "vector member C", state: "XC" })].map((one) => ({
            ...one.root.witnessKey,
            member: one.id,
          })),
        }),
        "root.malformed",
      ],
      [
        "one key for two jobs",
        await v1({ nodeKey: { ed25519: a.root.logKey.ed25519 } }),
        "root.malformed",
      ],
      ["a node key of small order", await v1({ nodeKey: { ed25519: weak } }), "key.weak"],
      ["begins with version 2", chain(second.roots[1]!), "root.chain"],
      ["version 1 twice", chain(first, first), "root.chain"],
      ["a version left out", chain(first, third.roots[2]!), "root.chain"],
      ["another prev", await v2({ prev: filled(32, 0) }), "root.chain"],
      [
        "new root keys to which next did not commit",
        await v2({ rootKeys: thief.map(({ key: k }) => k) }, [...a.rootPairs, ...thief]),
        "root.chain",
      ],
      [
        "new root keys without the old ones",
        chain(first, await signRoot(replaced, a.nextPairs)),
        "root.threshold",
      ],
      [
        "new root keys without the new ones",
        chain(first, await signRoot(replaced, a.rootPairs)),
        "root.threshold",
      ],
      ["next changed without new root keys", await v2({ next: filled(32, 0) }), "root.chain"],
      ["a version of another member", chain(first, (await nextRoot(b)).roots[1]!), "root.chain"],
      [
        "another network from version 2 on",
        await v2({ network: "operational" }),
        "network.mismatch",
      ],
    ],
  }
}

async function keys(): Promise<Cases> {
  const { network, version, nodeKey } = a.root
  const root = { network, version, nodeKey }
  const at = (bytes: Uint8Array) => ({ bytes: hex(bytes), member: a.id, root, today })
  const edited = async (changes: Partial<KeysPayload>) => at(await signKeys(a, changes))
  const [kem] = keysPayload(a).kem
  const both = encodeSigned(decodeBase64url(envelopeOf(a.keys).payload), [
    ...envelopeOf(a.keys).signatures,
    ...envelopeOf(await signByNode(b, "comity-keys+jws", encodeCanonical(keysPayload(a))))
      .signatures,
  ])
  const later = {
    key: encodeBase64url(b.kem.publicKey),
    notBefore: "2026-11-20",
    notAfter: "2027-01-10",
  }
  return {
    about:
      "a keys document under the node key of a root version (of which the fields needed are here)",
    valid: [
      ["one KEM key", at(a.keys)],
      ["of two live keys the one that ends last", await edited({ kem: [kem!, later] })],
    ],
    hostile: [
      [
        "signed by another node",
        at(await signByNode(b, "comity-keys+jws", encodeCanonical(keysPayload(a)))),
        "signed.unknown-key",
      ],
      ["a second signature", at(both), "signed.superfluous"],
      [
        "edited after signing",
        at(alteredPayload(a.keys, { urls: ["https://thief.example"] })),
        "signed.invalid",
      ],
      ["of another member", await edited({ member: b.id }), "keys.invalid"],
      ["of another root version", await edited({ rootVersion: 2 }), "keys.invalid"],
      ["no KEM key", await edited({ kem: [] }), "keys.malformed"],
      [
        "a KEM key one byte short",
        await edited({ kem: [{ ...kem!, key: encodeBase64url(a.kem.publicKey.slice(1)) }] }),
        "keys.malformed",
      ],
      [
        "ends before it begins",
        await edited({ kem: [{ ...kem!, notAfter: "2026-11-14" }] }),
        "keys.malformed",
      ],
      [
        "a day that does not exist",
        await edited({ kem: [{ ...kem!, notAfter: "2026-11-31" }] }),
        "keys.malformed",
      ],
      ["no key on that day", { ...at(a.keys), today: "2027-01-01" }, "keys.expired"],
      [
        "another network",
        { ...at(a.keys), root: { ...root, network: "operational" } },
        "network.mismatch",
      ],
    ],
  }
}

function officers(): Cases {
  const one = (person: string) => {
    const { key: k, organisation, roles, salt } = officer(a, person)
    return { officer: { key: k, organisation, person, roles, salt } }
  }
  return {
    about: "what a root document lists of an officer",
    valid: ["p1", "p2", "p3"].map((person) => [person, one(person)] as const),
    hostile: [],
  }
}

export const sampleRecord: ComityRecord = {
  areas: ["M2"],
  attachments: [],
  body: "What is done.\n\nWhy it helps: every finding has an owner — and a day.",
  fields: { basis: "NSS 13, para 3.26" },
  id: filled(16, 0x0a),
  kind: "good-practice",
  language: "en",
  marking: "TLP:AMBER",
  network: "training",
  origin: a.id,
  profile: { digest: profile, id: "ippas" },
  title: "Independent follow-up of scheduling findings",
  type: "comity/record/v1",
  version: 1,
}

function record(): Cases {
  const at = (value: Encodable) => ({ bytes: hex(encodeCanonical(value)) })
  const edited = (fields: Record<string, unknown>) => at({ ...sampleRecord, ...fields })
  const file = { digest: filled(32, 3), mediaType: "application/pdf", name: "plan.pdf", size: 12 }
  const attached = (fields: Record<string, unknown>) =>
    edited({ attachments: [{ ...file, ...fields }] })
  return {
    about: "a record in its only byte form, and its digest",
    valid: [
      ["without attachments", at(sampleRecord)],
      [
        "with an attachment, about another record",
        edited({ about: { id: filled(16, 4), origin: b.id }, attachments: [file] }),
      ],
      [
        "a translation, right to left",
        edited({
          language: "ar",
          title: "متابعة مستقلة",
          translationOf: { id: sampleRecord.id, origin: a.id, version: 1 },
        }),
      ],
    ],
    hostile: [
      ["no title", edited({ title: "" }), "record.malformed"],
      ["a field that nobody defined", edited({ classification: 1 }), "record.malformed"],
      ["areas out of order", edited({ areas: ["b", "a"] }), "record.malformed"],
      ["an area twice", edited({ areas: ["a", "a"] }), "record.malformed"],
      ["language not in canonical form", edited({ language: "EN-us" }), "record.malformed"],
      ["a marking of another scheme", edited({ marking: "SECRET" }), "record.malformed"],
      ["version 0", edited({ version: 0 }), "record.malformed"],
      ["an id in capitals", edited({ id: filled(16, 0x0a).toUpperCase() }), "record.malformed"],
      ["a title that runs the other way", edited({ title: "a\u202egpj.exe" }), "record.malformed"],
      ["an escape sequence in the body", edited({ body: "\u001b[2J" }), "record.malformed"],
      ["a path as the name of a file", attached({ name: "../plan.pdf" }), "record.malformed"],
      ["two files of one name", edited({ attachments: [file, file] }), "record.malformed"],
      ["a media type in capitals", attached({ mediaType: "Text/HTML" }), "record.malformed"],
      ["null for what is absent", edited({ about: null }), "record.malformed"],
    ],
  }
}

/** A sealed object of any padded plaintext and any chunking, by the rules of PROTOCOL.md §3. */
export function sealPadded(
  contentKey: Uint8Array,
  padded: Uint8Array,
  chunkNonces: readonly (readonly [counter: number, last: number])[] = [[0, 1]],
  chunk = 65536,
): Uint8Array {
  const derived = sha512(utf8("comity-1/seal\0"), contentKey, u32be(0))
  const parts = chunkNonces.map(([counter, last], i) => {
    const nonce = concat(new Uint8Array(7), u32be(counter), Uint8Array.of(last))
    const part = padded.subarray(i * chunk, (i + 1) * chunk)
    return chachaSeal(derived.slice(0, 32), nonce, part, new Uint8Array(0))
  })
  return concat(derived.subarray(32), ...parts)
}

function sealed(): Cases {
  const contentKey = sha256(utf8("content key"))
  const k = encodeHex(contentKey)
  const one = sealObject(contentKey, 0, utf8("x"))
  const at = (bytes: Uint8Array) => ({ key: k, object: 0, bytes: hex(bytes) })
  const made = (length: number, object = 0) => ({ key: k, object, length })
  const padded = (length: number, size: number, at?: number) => {
    const whole = new Uint8Array(size)
    whole.set(u32be(length), 4)
    if (at !== undefined) whole[at] = 1
    return whole
  }
  const other = sealObject(sha256(utf8("another key")), 0, utf8("x"))
  return {
    about:
      "sealed objects; a plaintext given by its length has i mod 251 as its i-th byte; large ones by digest",
    valid: [
      ["opens: one byte", at(one)],
      ["nothing", made(0)],
      ["one byte", made(1)],
      ["the last that fits 4 KiB", made(4088)],
      ["the first that needs 8 KiB", made(4089)],
      ["the last that fits 64 KiB, one chunk", made(65528)],
      ["the first of two chunks", made(65529)],
      ["the last that fits 256 KiB", made(262136)],
      ["the first under Padmé", made(262137)],
      ["an attachment", made(1, 1)],
      ["the last attachment", made(1, 64)],
      ["one MiB", made(1048576)],
    ],
    hostile: [
      ["no bytes", at(new Uint8Array(0)), "sealed.malformed"],
      ["a commitment alone", at(one.slice(0, 32)), "sealed.malformed"],
      ["an empty chunk", at(concat(one.slice(0, 32), new Uint8Array(16))), "sealed.malformed"],
      ["cut short", at(one.slice(0, -1)), "sealed.unopenable"],
      ["one byte more", at(concat(one, Uint8Array.of(0))), "sealed.unopenable"],
      ["another key", { ...at(one), key: filled(32, 1) }, "sealed.uncommitted"],
      ["another object of the record", { ...at(one), object: 1 }, "sealed.uncommitted"],
      [
        "a chunk under another commitment",
        at(concat(one.slice(0, 32), other.slice(32))),
        "sealed.unopenable",
      ],
      [
        "the last chunk not marked as last",
        at(sealPadded(contentKey, padded(1, 4096), [[0, 0]])),
        "sealed.unopenable",
      ],
      [
        "the counter begins with 1",
        at(sealPadded(contentKey, padded(1, 4096), [[1, 1]])),
        "sealed.unopenable",
      ],
      [
        "padded to more than the least size",
        at(sealPadded(contentKey, padded(1, 8192))),
        "sealed.padding",
      ],
      ["not padded", at(sealPadded(contentKey, padded(1, 9))), "sealed.padding"],
      [
        "padding that is not zero",
        at(sealPadded(contentKey, padded(1, 4096, 4095))),
        "sealed.padding",
      ],
      ["a length beyond the end", at(sealPadded(contentKey, padded(4089, 4096))), "sealed.padding"],
      ["a length beyond 2⁵³", at(sealPadded(contentKey, padded(1, 4096, 0))), "sealed.padding"],
    ],
  }
}

export const sampleGrant: Grant = {
  act: "release",
  recipient: b.id,
  record: {
    digest: filled(32, 5),
    id: filled(16, 0x0a),
    origin: a.id,
    version: 1,
  },
  salt: filled(32, 6),
  sealed: [{ digest: filled(32, 7), size: 4144 }],
  terms: {
    caveats: ["not for training material"],
    evidence: "recipient",
    marking: "TLP:AMBER",
    onward: "no",
    purpose: "improving physical protection",
  },
  type: "comity/grant/v1",
}
const { terms: sampleTerms, ...unbound } = sampleGrant
export const sampleWithdrawal: Grant = { ...unbound, act: "withdraw", sealed: [] }

function grant(): Cases {
  const at = (value: Encodable) => ({ bytes: hex(encodeCanonical(value)) })
  const edited = (fields: Record<string, unknown>) => at({ ...sampleGrant, ...fields })
  const terms = (fields: Record<string, unknown>) =>
    edited({ terms: { ...sampleTerms, ...fields } })
  return {
    about: "a grant in its only byte form, and its leaf",
    valid: [
      ["release", at(sampleGrant)],
      ["withdrawal", at(sampleWithdrawal)],
      ["public, with its content key", edited({ key: filled(32, 8), recipient: "public" })],
      [
        "inside a group, until a day, after two withdrawals",
        at({
          ...sampleGrant,
          after: [filled(16, 1), filled(16, 2)],
          terms: { ...sampleTerms, expires: "2027-06-30", onward: { inside: filled(32, 9) } },
        }),
      ],
    ],
    hostile: [
      ["a key for one recipient alone", edited({ key: filled(32, 8) }), "grant.malformed"],
      ["public without its key", edited({ recipient: "public" }), "grant.malformed"],
      ["a release of nothing", edited({ sealed: [] }), "grant.malformed"],
      ["a release without terms", at(unbound), "grant.malformed"],
      [
        "a withdrawal with objects",
        at({ ...sampleWithdrawal, sealed: sampleGrant.sealed }),
        "grant.malformed",
      ],
      [
        "a withdrawal with terms",
        at({ ...sampleWithdrawal, terms: sampleTerms }),
        "grant.malformed",
      ],
      [
        "a withdrawal after a withdrawal",
        at({ ...sampleWithdrawal, after: [filled(16, 1)] }),
        "grant.malformed",
      ],
      ["after nothing", edited({ after: [] }), "grant.malformed"],
      [
        "after the same twice",
        edited({ after: [filled(16, 1), filled(16, 1)] }),
        "grant.malformed",
      ],
      ["onward to everybody", terms({ onward: "all" }), "grant.malformed"],
      ["a purpose with an escape sequence", terms({ purpose: "\u001b[2K" }), "grant.malformed"],
      ["a recipient by its words", edited({ recipient: wordsOf(b.id) }), "grant.malformed"],
      ["a short salt", edited({ salt: filled(16, 6) }), "grant.malformed"],
      ["a term that nobody defined", terms({ resale: true }), "grant.malformed"],
      ["an onward grant", edited({ custody: filled(32, 1) }), "custody.unsupported"],
    ],
  }
}

function grantTree(): Cases {
  const seed = filled(32, 0x5e)
  const leaf = (i: number) => encodeHex(sha256(utf8(`leaf ${i}`)))
  const tree = (...positions: readonly number[]) => ({
    seed,
    leaves: positions.map((position, i) => ({ position, leaf: leaf(i) })),
  })
  const built = buildGrantTree(
    new Map([
      [5, decodeHex(leaf(0))],
      [700, decodeHex(leaf(1))],
    ]),
    decodeHex(seed),
  )
  const path = built.path(5).map(encodeHex)
  const proof = { leaf: leaf(0), position: 5, path, root: encodeHex(built.root) }
  const random = seededRandom("positions")
  const drawn = new Set<number>()
  while (drawn.size < 7) drawn.add(((random(1)[0]! << 8) | random(1)[0]!) & 1023)
  return {
    about: "the tree of depth 10 that officers sign: root and paths, then single paths",
    valid: [
      ["one grant at the first place", tree(0)],
      ["one grant at the last place", tree(1023)],
      ["two neighbours", tree(6, 7)],
      ["two far apart", tree(5, 700)],
      ["seven", tree(...drawn)],
      ["a path", proof],
    ],
    hostile: [
      ["another leaf", { ...proof, leaf: leaf(1) }, "grant.path"],
      ["another place", { ...proof, position: 4 }, "grant.path"],
      [
        "a place beyond the tree with the same low bits",
        { ...proof, position: 1029 },
        "grant.path",
      ],
      ["a path one too long", { ...proof, path: [...path, path[0]!] }, "grant.path"],
      ["a path one too short", { ...proof, path: path.slice(0, 9) }, "grant.path"],
      [
        "two siblings exchanged",
        { ...proof, path: [path[1]!, path[0]!, ...path.slice(2)] },
        "grant.path",
      ],
      [
        "an inner node as a leaf",
        (() => {
          const parent = sha256(Uint8Array.of(1), decodeHex(path[0]!), decodeHex(leaf(0)))
          return { ...proof, leaf: encodeHex(parent), position: 2, path: path.slice(1) }
        })(),
        "grant.path",
      ],
    ],
  }
}

async function order(): Promise<Cases> {
  const root = {
    network: a.network,
    officers: a.root.officers,
    policy: a.root.policy,
    revoked: a.root.revoked,
  }
  const release = orderOf(a, { id: filled(16, 0x11), rule, root: filled(32, 0x22) })
  const { root: _, ...rootless } = release
  const consent = { ...rootless, act: "consent" as const, subject: filled(32, 0x33) }
  const at = (bytes: Uint8Array, more: Input = {}) => ({
    bytes: hex(bytes),
    root,
    index: 7,
    ...more,
  })
  const both = await signOrder(a, release, ["p1", "p2"])
  const alone = await signOrder(a, release, ["p1"])
  const stranger = makeOfficer("thief", { person: "p9", roles: ["competentAuthority"] })
  const secondKey = makeOfficer(a.seed, {
    person: "p1",
    roles: ["competentAuthority"],
    keyNumber: 2,
  })
  const twoKeys = {
    ...root,
    officers: [...root.officers, officerDigest(secondKey)].sort(),
  }
  const revoked = (size: number) => ({
    root: { ...root, revoked: [{ kid: officer(a, "p2").kid, from: { epoch: 1, size } }] },
  })
  const policy = (role: string, more: object = {}) => ({
    root: {
      ...root,
      policy: [{ act: "release", kind: "any", persons: 1, profile: "any", role, ...more }],
    },
  })
  const security = [{ role: "informationSecurity", persons: 1 }]
  return {
    about:
      "an order and whether it is authorised under a root version (fields needed), a profile's sign-off, at an index",
    valid: [
      ["two persons release", at(both)],
      ["three, one more than needed", at(await signOrder(a, release, ["p1", "p2", "p3"]))],
      ["a withdrawal", at(await signOrder(a, { ...release, act: "withdraw" }, ["p1", "p3"]))],
      ["a consent", at(await signOrder(a, consent, ["p1", "p2"]))],
      [
        "in the second of two roles",
        at(
          await signOrder(a, release, [{ officer: officer(a, "p3"), role: "focalPoint" }]),
          policy("focalPoint"),
        ),
      ],
      ["with a sign-off that holds", at(both, { signoff: security })],
      ["two, one revoked later", at(both, revoked(8))],
      [
        "three, one revoked before",
        at(await signOrder(a, release, ["p1", "p2", "p3"]), revoked(7)),
      ],
    ],
    hostile: [
      ["one signature where two are needed", at(alone), "order.unauthorised"],
      [
        "two keys of one person",
        { ...at(await signOrder(a, release, ["p1", { officer: secondKey }])), root: twoKeys },
        "signed.superfluous",
      ],
      [
        "nobody that the root lists",
        at(await signOrder(a, release, ["p1", { officer: stranger }])),
        "signed.unknown-key",
      ],
      [
        "a role that was not enrolled",
        at(await signOrder(a, release, ["p1", { officer: officer(a, "p2"), role: "operator" }])),
        "signed.unknown-key",
      ],
      [
        "a role enrolled by the signer alone",
        at(
          await signOrder(a, release, [
            "p1",
            { officer: { ...officer(a, "p2"), roles: ["competentAuthority"] } },
          ]),
        ),
        "signed.unknown-key",
      ],
      [
        "an organisation invented by the signer",
        at(
          await signOrder(a, release, [
            "p1",
            { officer: { ...officer(a, "p2"), organisation: "Ministry" } },
          ]),
        ),
        "signed.unknown-key",
      ],
      [
        "the kid of another key",
        at(alteredHeader(both, { kid: filled(32, 0xff) }, 1)),
        "signed.unknown-key",
      ],
      ["two officers of other roles", at(both, policy("regulator")), "order.unauthorised"],
      [
        "two organisations where three are needed",
        at(
          await signOrder(a, release, ["p1", { officer: officer(a, "p2") }]),
          policy("any", { persons: 2, organisations: 3 }),
        ),
        "order.unauthorised",
      ],
      [
        "a sign-off that does not hold",
        at(both, { signoff: [{ role: "regulator", persons: 1 }] }),
        "order.unauthorised",
      ],
      [
        "no line of the policy for this act",
        at(await signOrder(a, { ...release, act: "withdraw" }, ["p1", "p2"]), policy("any")),
        "order.unauthorised",
      ],
      [
        "no line of the policy but one for what is public",
        at(both, policy("any", { when: "public" })),
        "order.unauthorised",
      ],
      ["one of two revoked before", at(both, revoked(7)), "order.unauthorised"],
      [
        "edited after signing",
        at(alteredPayload(both, { notAfter: "2026-12-08" })),
        "signed.invalid",
      ],
      [
        "the day edited after signing",
        at(alteredHeader(both, { day: "2026-11-24" })),
        "signed.invalid",
      ],
      [
        "signatures exchanged",
        at(
          altered(both, ({ signatures: [one, two] }) => ({
            signatures: [
              { ...one, signature: two!.signature },
              { ...two, signature: one!.signature },
            ],
          })),
        ),
        "signed.invalid",
      ],
      [
        "a signature from another order",
        at(
          encodeSigned(encodeOrder(release), [
            ...envelopeOf(alone).signatures,
            await orderLine(encodeOrder({ ...release, id: filled(16, 0x12) }), a.network, {
              officer: officer(a, "p2"),
            }),
          ]),
        ),
        "signed.invalid",
      ],
      [
        "a release with a subject",
        at(alteredPayload(both, { subject: filled(32, 0) })),
        "order.malformed",
      ],
      ["a consent with a root", at(alteredPayload(both, { act: "consent" })), "order.malformed"],
      [
        "conditions out of order",
        at(alteredPayload(both, { rule: { ...rule, conditions: ["public", "facility"] } })),
        "order.malformed",
      ],
    ],
  }
}

function entry(): Cases {
  const saltKey = filled(32, 0x51)
  const digest = filled(32, 0xd1)
  const origin = (text: string) => ({ kind: "origin", origin: text })
  return {
    about: "log entries of 33 bytes, their salts, and origin lines",
    valid: [
      ["an order", { kind: "blinded", saltKey, type: 1, digest }],
      ["the same digest as a dummy", { kind: "blinded", saltKey, type: 2, digest }],
      ["a dummy at index 0", { kind: "dummy", saltKey, index: 0 }],
      ["a dummy beyond 2³²", { kind: "dummy", saltKey, index: 4294967297 }],
      ["a withdrawal tag", { kind: "withdrawal tag", contentKey: filled(32, 0x4b) }],
      ["a document", { kind: "open", digest }],
      ["origin line", origin(a.origin)],
      ["origin line of an exercise", origin(`comity/exercise:spring-27/${a.id}/2`)],
    ],
    hostile: [
      ["no such network", origin(`comity/test/${a.id}/1`), "checkpoint.origin"],
      ["epoch 0", origin(`comity/training/${a.id}/0`), "checkpoint.origin"],
      ["epoch 01", origin(`comity/training/${a.id}/01`), "checkpoint.origin"],
      ["half an id", origin(`comity/training/${a.id.slice(32)}/1`), "checkpoint.origin"],
      ["one part more", origin(`${a.origin}/1`), "checkpoint.origin"],
      ["an exercise without a name", origin(`comity/exercise:/${a.id}/1`), "checkpoint.origin"],
    ],
  }
}

async function parcel(): Promise<Cases> {
  const seed = encodeHex(b.kem.seed)
  const coins = sha512(utf8("coins"))
  const nonce = filled(24, 0x24)
  const made = (fields: Input) => ({
    seed,
    sender: a.id,
    recipient: b.id,
    coins: encodeHex(coins),
    nonce,
    ...fields,
  })
  const epoch = await openEpoch(a.id, b.id, b.kem.publicKey, coins)
  const whole = sealParcel(epoch, decodeHex(nonce), utf8("{}"))
  const at = (bytes: Uint8Array, fields: Input = {}) => ({
    seed,
    sender: a.id,
    recipient: b.id,
    bytes: hex(bytes),
    ...fields,
  })
  const enc = 1 + 1120
  return {
    about: "parcels: the epoch secret from HPKE, then the parcel under it; large ones by digest",
    valid: [
      ["opens", at(whole)],
      ["nothing", made({ plaintext: "" })],
      ["the last that fits 4 KiB", made({ length: 4088 })],
      ["the first that needs 8 KiB", made({ length: 4089 })],
    ],
    hostile: [
      ["no bytes", at(new Uint8Array(0)), "parcel.malformed"],
      ["another version", at(concat(Uint8Array.of(2), whole.slice(1))), "parcel.malformed"],
      ["a header alone", at(whole.slice(0, enc + 24)), "parcel.malformed"],
      ["another sender", at(whole, { sender: b.id }), "parcel.unopenable"],
      ["another recipient", at(whole, { recipient: a.id }), "parcel.unopenable"],
      ["another KEM key", at(whole, { seed: encodeHex(a.kem.seed) }), "parcel.unopenable"],
      ["one bit of the encapsulation", at(flipBit(whole, 80)), "parcel.unopenable"],
      ["one bit of the nonce", at(flipBit(whole, 8 * enc)), "parcel.unopenable"],
      ["one bit of the ciphertext", at(flipBit(whole, 8 * (enc + 24))), "parcel.unopenable"],
      ["one bit of the tag", at(flipBit(whole, 8 * whole.length - 1)), "parcel.unopenable"],
      ["cut short", at(whole.slice(0, -1)), "parcel.unopenable"],
    ],
  }
}

async function delivery(): Promise<Cases> {
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
  const placed = [9, 512].map((position, i) => ({
    grant: JSON.parse(JSON.stringify(grants[i])),
    path: tree.path(position).map(encodeHex),
    position,
  }))
  const bytes = encodeDelivery({
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
  const at = (content: Uint8Array) => ({ bytes: hex(content) })
  const keyed = (...keys: readonly ReturnType<typeof k>[]) => at(encodeParcelContent(bytes, keys))
  const edited = (more: Record<string, unknown>) =>
    at(
      encodeCanonical({
        delivery: { ...JSON.parse(Buffer.from(bytes).toString()), ...more },
        keys: [],
        type: "comity/parcel/v1",
      }),
    )
  const withGrant = (more: Record<string, unknown>) =>
    edited({ grants: [{ ...placed[0], ...more }] })
  return {
    about: "what a parcel holds: a delivery and the content keys beside it",
    valid: [
      ["two grants with their keys", keyed(k(0), k(1))],
      ["one withdrawn meanwhile: no key for it", keyed(k(1))],
      ["no key at all", keyed()],
      ["a further delivery", edited({ n: 2, prev: filled(32, 0x77) })],
    ],
    hostile: [
      ["keys out of order", keyed(k(1), k(0)), "delivery.malformed"],
      ["a key twice", keyed(k(0), k(0)), "delivery.malformed"],
      ["a key for no grant", keyed(k(2)), "delivery.malformed"],
      [
        "a key for a withdrawal",
        at(
          encodeCanonical({
            delivery: {
              ...JSON.parse(Buffer.from(bytes).toString()),
              grants: [{ ...placed[0], grant: sampleWithdrawal }],
            },
            keys: [k(0)],
            type: "comity/parcel/v1",
          }),
        ),
        "delivery.malformed",
      ],
      ["no grant", edited({ grants: [] }), "delivery.malformed"],
      ["a place beyond the tree", withGrant({ position: 1024 }), "delivery.malformed"],
      ["a path one too short", withGrant({ path: placed[0]!.path.slice(1) }), "delivery.malformed"],
      ["number 0", edited({ n: 0 }), "delivery.malformed"],
      [
        "a feed in capitals",
        edited({ feed: filled(16, 0xfe).toUpperCase() }),
        "delivery.malformed",
      ],
      ["a grant that is none", withGrant({ grant: {} }), "grant.malformed"],
      ["an order that is none", edited({ order: {} }), "signed.malformed"],
      ["consents, which are not built", edited({ consents: [{}] }), "feature.unsupported"],
      [
        "another type",
        at(encodeCanonical({ delivery: {}, keys: [], type: "comity/parcel/v2" })),
        "delivery.malformed",
      ],
    ],
  }
}

function frames(): Cases {
  const at = (...parts: readonly Uint8Array[]) => ({ bytes: hex(concat(...parts)) })
  const header = framesHeader()
  const types = Object.keys(frameTypes) as (keyof typeof frameTypes)[]
  const entries = {
    origin: a.origin,
    start: 3,
    entries: [1, 2].map((i) => new Uint8Array(33).fill(i)),
  }
  const entriesBytes = encodeEntries(entries)
  const head = { feed: filled(16, 0xfe), n: 3, size: 12 }
  const parcelHeader = concat(Uint8Array.of(4), u32be(9))
  return {
    about: "containers of frames; the content of an entries frame; the head of a feed",
    valid: [
      ["no frame", at(header)],
      ["one of each type", at(header, ...types.map((type, i) => encodeFrame(type, draw(i))))],
      ["entries", { entries: hex(entriesBytes) }],
      ["head", { head: formatHead(head) }],
      ["head of a feed that has nothing", { head: formatHead({ ...head, n: 0, size: 0 }) }],
    ],
    hostile: [
      ["no bytes", at(), "frames.malformed"],
      ["half the magic", at(header.slice(0, 7)), "frames.malformed"],
      ["another version", at(header.slice(0, -1), Uint8Array.of(2)), "frames.malformed"],
      ["type 0", at(header, Uint8Array.of(0), u32be(0)), "frames.malformed"],
      ["a type that nobody defined", at(header, Uint8Array.of(11), u32be(0)), "frames.malformed"],
      ["ends inside a frame", at(header, parcelHeader, new Uint8Array(8)), "frames.malformed"],
      ["ends inside a length", at(header, parcelHeader.slice(0, 4)), "frames.malformed"],
      [
        "longer than any frame may be",
        at(header, Uint8Array.of(4), u32be(0xffffffff)),
        "frames.too-large",
      ],
      [
        "no entry",
        { entries: hex(encodeEntries({ ...entries, entries: [] })) },
        "frames.malformed",
      ],
      ["an entry of 32 bytes", { entries: hex(entriesBytes.slice(0, -1)) }, "frames.malformed"],
      ["an empty entries frame", { entries: "" }, "frames.malformed"],
      [
        "a start beyond 2⁵³",
        {
          entries: hex(
            concat(Uint8Array.of(1), utf8("a"), new Uint8Array(8).fill(255), new Uint8Array(33)),
          ),
        },
        "frames.malformed",
      ],
      ["a head with a leading zero", { head: `${head.feed}, 03, 12` }, "frames.malformed"],
      ["a head without spaces", { head: `${head.feed},3,12` }, "frames.malformed"],
      ["a head with a fourth part", { head: `${head.feed}, 3, 12, 1` }, "frames.malformed"],
      ["a head below zero", { head: `${head.feed}, -1, 12` }, "frames.malformed"],
    ],
  }
}

async function receipts(): Promise<Cases> {
  const { network, version, nodeKey } = b.root
  const root = { network, version, nodeKey }
  const item = {
    day: today,
    leaf: filled(32, 0x1e),
    order: filled(16, 0x11),
    state: "delivered" as const,
  }
  const at = (bytes: Uint8Array, more: Input = {}) => ({
    bytes: hex(bytes),
    from: b.id,
    to: a.id,
    root,
    ...more,
  })
  const one = await signReceipts(b, a.id, [item])
  const item2 = { ...item, state: "refused" as const, code: "marking.unmapped" }
  return {
    about: "receipts of one member to another, signed by its node key",
    valid: [
      ["delivered", at(one)],
      [
        "refused and held",
        at(await signReceipts(b, a.id, [item2, { ...item, state: "held", until: "2027-01-31" }])),
      ],
    ],
    hostile: [
      ["no item", at(await signReceipts(b, a.id, [])), "receipt.malformed"],
      [
        "a state that nobody defined",
        at(await signReceipts(b, a.id, [{ ...item, state: "burnt" as never }])),
        "receipt.malformed",
      ],
      [
        "a code that is none",
        at(await signReceipts(b, a.id, [{ ...item, code: "no" }])),
        "receipt.malformed",
      ],
      ["to another member", at(one, { to: b.id }), "receipt.invalid"],
      ["from another member", at(one, { from: a.id }), "receipt.invalid"],
      [
        "signed by another node",
        at(await signReceipts({ ...a, id: b.id }, a.id, [item])),
        "signed.unknown-key",
      ],
      [
        "edited after signing",
        at(alteredPayload(one, { items: [{ ...item, state: "purged" }] })),
        "signed.invalid",
      ],
      [
        "another network",
        at(one, { root: { ...root, network: "operational" } }),
        "network.mismatch",
      ],
    ],
  }
}

/** Every format with its vectors' names, inputs and, for the hostile ones, codes. */
export const cases: { readonly [format: string]: () => Cases | Promise<Cases> } = {
  canonical,
  signed,
  key,
  words,
  member,
  keys,
  officer: officers,
  record,
  sealed,
  grant,
  "grant-tree": grantTree,
  order,
  entry,
  parcel,
  delivery,
  frames,
  receipts,
}
