import { sha256 } from "../../../../protocol/crypto/hash.ts"
import {
  concat,
  decodeBase64url,
  decodeHex,
  decodeUtf8,
  encodeBase64url,
  utf8,
} from "../../../../protocol/encoding.ts"
import { kidOf } from "../../../../protocol/member/key.ts"
import { officerDigest } from "../../../../protocol/member/officer.ts"
import type { Requirement } from "../../../../protocol/member/policy.ts"
import type { Root } from "../../../../protocol/member/root.ts"
import { decodeOrder, encodeOrder, verifyApprovals } from "../../../../protocol/release/order.ts"
import { encodeSigned } from "../../../../protocol/signed.ts"
import { altered, alteredHeader, alteredPayload, envelopeOf } from "../../../support/envelope.ts"
import { makeOfficer, officer, orderLine, orderOf, signOrder } from "../../../support/world.ts"
import { a, b, rule } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  type Input,
  misshapen,
  number,
  type Run,
  repeated,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const order = decodeOrder(bytes(input, "bytes"))
  const root = input.root as Root
  const signoff = (input.signoff as readonly Requirement[] | undefined) ?? []
  const { epoch } = order.payload.base
  const revocation = { revoked: root.revoked, epoch, index: number(input, "index") }
  const approvals = verifyApprovals(order, root, signoff, revocation)
  return { digest: order.digest, payload: order.payload, approvals }
}

const two = "two persons release"
const line = "/bytes/signatures/0/protected"

/** Every field of payload and header, of another form. */
function form(payload: object, header: object): Cases["hostile"] {
  const inPayload = (field: string) => `/bytes/payload/${field}`
  return [
    ...misshapen(two, "/bytes/payload", payload, "order.malformed"),
    ...misshapen(two, inPayload("base"), orderBase, "order.malformed", { what: "base: " }),
    ...misshapen(two, inPayload("rule"), rule, "order.malformed", { what: "rule: " }),
    ...misshapen(two, line, header, "order.malformed", { what: "header: " }),
    ...edited(two, "order.malformed", [
      ["another type", inPayload("type"), "comity/order/v2"],
      ["an act that is none", inPayload("act"), "share"],
      ["an id of 32 bytes", inPayload("id"), filled(32, 1)],
      ["an id in capitals", inPayload("id"), filled(16, 0xab).toUpperCase()],
      ["an origin by half", inPayload("origin"), a.id.slice(32)],
      ["a root of 31 bytes", inPayload("root"), filled(31, 1)],
      ["root version 0", inPayload("rootVersion"), 0],
      ["root version 1,025", inPayload("rootVersion"), 1025],
      ["a day that does not exist", inPayload("notAfter"), "2026-11-31"],
      ["a time for a day", inPayload("notAfter"), "2026-12-07T00:00:00Z"],
      ["a base below zero", inPayload("base/size"), -1],
      ["a base beyond 2⁵³", inPayload("base/size"), "9007199254740992"],
      ["a base of epoch 0", inPayload("base/epoch"), 0],
      ["a base without a hash", inPayload("base/root"), ""],
      ["a profile by its name", inPayload("rule/profile"), "ippas"],
      ["a kind in capitals", inPayload("rule/kind"), "Report"],
      ["a condition that nobody defined", inPayload("rule/conditions"), ["urgent"]],
      ["a condition twice", inPayload("rule/conditions"), ["public", "public"]],
      ["no list of conditions", inPayload("rule/conditions"), "public"],
      ["a subject beside the root", inPayload("subject"), filled(32, 1)],
      ["no such network", inPayload("network"), "test"],
      ["header: another algorithm", `${line}/alg`, "EdDSA"],
      ["header: typ of another object", `${line}/typ`, "comity-keys+jws"],
      ["header: a day that does not exist", `${line}/day`, "2026-02-30"],
      ["header: a key of 31 bytes", `${line}/key`, "A".repeat(42)],
      ["header: a person with a space", `${line}/person`, "p 1"],
      ["header: a person of 65 characters", `${line}/person`, "p".repeat(65)],
      ["header: an organisation of two lines", `${line}/organisation`, "one\ntwo"],
      ["header: an empty organisation", `${line}/organisation`, ""],
      ["header: an organisation that runs the other way", `${line}/organisation`, "a\u202eb"],
      ["header: a role with a space", `${line}/role`, "team leader"],
      ["header: no role", `${line}/roles`, []],
      ["header: seventeen roles", `${line}/roles`, Array.from({ length: 17 }, (_, i) => `r${i}`)],
      ["header: a short salt", `${line}/salt`, filled(16, 1)],
    ]),
    [
      "another network in the header",
      edit(two, [`${line}/network`, "operational"]),
      "network.mismatch",
    ],
    [
      "another network in the payload",
      edit(two, [inPayload("network"), "operational"]),
      "network.mismatch",
    ],
    [
      "one byte more than an order may have",
      { ...edit(two), bytes: repeated("20", 262_145) },
      "json.too-large",
    ],
  ]
}

/** What of a root document authorisation needs. */
const rootFields = {
  network: a.network,
  officers: a.root.officers,
  policy: a.root.policy,
  revoked: a.root.revoked,
}
const orderBase = { epoch: 1, root: "", size: 0 }

function headerOf(order: Uint8Array): object {
  return JSON.parse(decodeUtf8(decodeBase64url(envelopeOf(order).signatures[0]!.protected)))
}

/** The same signature with the group order added to S: libraries that forget to look accept it. */
function malleated(signature: string): string {
  const bytes = decodeBase64url(signature)
  const order = decodeHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
  let carry = 0
  const s = Uint8Array.from(order, (byte, i) => {
    carry += byte + bytes[32 + i]!
    const digit = carry & 0xff
    carry >>= 8
    return digit
  })
  return encodeBase64url(concat(bytes.subarray(0, 32), s))
}

/** Enrolled by the member itself: its key would make one signature pass for many texts. */
async function weakOfficer(): Promise<Input> {
  const key = { ed25519: encodeBase64url(concat(Uint8Array.of(1), new Uint8Array(31))) }
  const weak = { ...officer(a, "p1"), key, kid: kidOf(key) }
  const order = orderOf(a, { id: filled(16, 0x11), rule, root: filled(32, 0x22) })
  return {
    bytes: shown(await signOrder(a, order, [{ officer: weak }])),
    root: { ...rootFields, officers: [officerDigest(weak)] },
    index: 7,
  }
}

async function cases(): Promise<Cases> {
  const root = rootFields
  const release = orderOf(a, { id: filled(16, 0x11), rule, root: filled(32, 0x22) })
  const { root: _, ...rootless } = release
  const consent = { ...rootless, act: "consent" as const, subject: filled(32, 0x33) }
  const at = (bytes: Uint8Array, more: Input = {}) => ({
    bytes: shown(bytes),
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
      [two, at(both)],
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
      ...form(release, headerOf(both)),
      ...edited(two, "signed.unknown-key", [
        ["another person under the digest", `${line}/person`, "p4"],
        ["a role more than enrolled", `${line}/roles`, ["competentAuthority", "operator"]],
        ["another salt", `${line}/salt`, filled(32, 1)],
        ["another key under the kid", `${line}/key`, encodeBase64url(sha256(utf8("key")))],
      ]),
      [
        "a line left out: its digest is another's, its persons too few",
        edit(two, ["/bytes/signatures/1"]),
        "order.unauthorised",
      ],
      [
        "lines exchanged",
        at(altered(both, ({ signatures }) => ({ signatures: signatures.toReversed() }))),
        "signed.malformed",
      ],
      [
        "of another member's officers",
        { ...at(both), root: { ...root, officers: b.root.officers } },
        "signed.unknown-key",
      ],
      ["no officer listed", { ...at(both), root: { ...root, officers: [] } }, "signed.unknown-key"],
      ["no policy", { ...at(both), root: { ...root, policy: [] } }, "order.unauthorised"],
      [
        "another officer's signature under a header",
        edit(two, ["/bytes/signatures/0/signature", envelopeOf(both).signatures[1]!.signature]),
        "signed.invalid",
      ],
      [
        "a signature of zeros",
        edit(two, ["/bytes/signatures/0/signature", "A".repeat(86)]),
        "signed.invalid",
      ],
      [
        "a signature of 63 bytes",
        edit(two, ["/bytes/signatures/0/signature", "A".repeat(84)]),
        "signed.invalid",
      ],
      [
        "S + L for S (RFC 8032 §5.1.7)",
        edit(two, [
          "/bytes/signatures/0/signature",
          malleated(envelopeOf(both).signatures[0]!.signature),
        ]),
        "signed.invalid",
      ],
      ["an officer's key of small order", await weakOfficer(), "key.weak"],
      [
        "one of two revoked in an earlier epoch",
        at(
          await signOrder(a, { ...release, base: { ...release.base, epoch: 2 } }, ["p1", "p2"]),
          revoked(99),
        ),
        "order.unauthorised",
      ],
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

export const order: Format = { run, cases }
