import { hash } from "node:crypto"
import fc from "fast-check"
import { expect, test } from "vitest"
import { type Encodable, encodeCanonical } from "../../../protocol/canonical.ts"
import { encodeHex } from "../../../protocol/encoding.ts"
import { limits } from "../../../protocol/limits.ts"
import {
  decodeGrant,
  encodeGrant,
  type Grant,
  grantLeaf,
  signedGrants,
} from "../../../protocol/release/grant.ts"
import { refusal, runs } from "../../support/refusal.ts"

const member = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(encodeHex)
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(encodeHex)
const phrase = fc.stringMatching(/^[a-z]{1,20}$/)
const record = fc.record({
  digest: member,
  id,
  origin: member,
  version: fc.integer({ min: 1, max: 1_000_000 }),
})
const grant: fc.Arbitrary<Grant> = fc.record({
  act: fc.constant("release" as const),
  recipient: member,
  record,
  salt: member,
  sealed: fc.array(fc.record({ digest: member, size: fc.integer({ min: 1, max: 2 ** 40 }) }), {
    minLength: 1,
    maxLength: 3,
  }),
  terms: fc.record({
    caveats: fc.array(phrase, { maxLength: 3 }),
    evidence: fc.constantFrom("recipient", "members", "public"),
    marking: fc.constantFrom("TLP:CLEAR", "TLP:AMBER", "TLP:RED"),
    onward: fc.oneof(
      fc.constantFrom("no" as const, "consent" as const, "free" as const),
      fc.record({ inside: member }),
    ),
    purpose: phrase,
  }),
  type: fc.constant("comity/grant/v1" as const),
})
const [sample] = fc.sample(grant, { numRuns: 1, seed: 1 }) as [Grant]
const code = (value: Encodable) => refusal(() => decodeGrant(encodeCanonical(value)))
const edited = (fields: object) => code({ ...sample, ...fields })

test("reads back what it wrote", () => {
  fc.assert(
    fc.property(grant, (one) => {
      const bytes = encodeGrant(one)
      expect(decodeGrant(bytes)).toEqual(one)
      expect(encodeGrant(decodeGrant(bytes))).toEqual(bytes)
    }),
    runs,
  )
})

test("grants of one record to many, parsed together, are what each says by itself", () => {
  const texts = fc.constantFrom('"recipient":"x"', '\\","salt":"', "“x”", 'a"b', "x")
  const shared = fc.tuple(grant, fc.array(member, { minLength: 1, maxLength: 3 }), texts)
  fc.assert(
    fc.property(fc.array(shared, { minLength: 1, maxLength: 4 }), (many) => {
      const grants = many.flatMap(([one, recipients, purpose]) =>
        ["public", ...recipients].flatMap((recipient, i): Grant[] => {
          const key = recipient === "public" ? { key: "08".repeat(32) } : {}
          const salt = i.toString(16).padStart(64, "0")
          const release: Grant = {
            ...one,
            ...key,
            recipient,
            salt,
            terms: { ...one.terms!, purpose },
          }
          const { terms, key: _, ...rest } = release
          return [release, { ...rest, act: "withdraw", sealed: [] }]
        }),
      )
      const parsed = signedGrants(grants.map((one) => encodeCanonical(one)))
      expect(parsed).toEqual(grants)
      expect(parsed.map((one) => encodeGrant(one))).toEqual(grants.map((one) => encodeGrant(one)))
    }),
    runs,
  )
})

test("the leaf is the labelled digest of PROTOCOL.md §4, computed by hand", () => {
  const bytes = encodeGrant(sample)
  const labelled = Buffer.concat([Buffer.of(0), Buffer.from("comity/grant/v1\0"), bytes])
  expect(encodeHex(grantLeaf(bytes))).toBe(hash("sha256", labelled))
})

test("a content key stands in a public grant and in no other", () => {
  const key = "08".repeat(32)
  expect(edited({ recipient: "public", key })).toBeNull()
  expect(edited({ recipient: "public" })).toBe("grant.malformed")
  expect(edited({ key })).toBe("grant.malformed")
})

test("a withdrawal has no objects, terms, key or override", () => {
  const { terms, sealed, ...rest } = sample
  const withdrawal = { ...rest, act: "withdraw", sealed: [] }
  expect(code(withdrawal)).toBeNull()
  for (const more of [
    { terms },
    { sealed },
    { key: "08".repeat(32) },
    { after: ["01".repeat(16)] },
  ])
    expect(code({ ...withdrawal, ...more })).toBe("grant.malformed")
  expect(code({ ...withdrawal, recipient: "public" })).toBeNull()
})

test("a release has objects and terms", () => {
  expect(edited({ sealed: [] })).toBe("grant.malformed")
  const { terms: _, ...unbound } = sample
  expect(code(unbound)).toBe("grant.malformed")
})

test("what an onward grant rests on is named by a digest", () => {
  expect(edited({ custody: "00".repeat(32) })).toBeNull()
  expect(edited({ custody: "00".repeat(16) })).toBe("grant.malformed")
})

test("terms that would act on a terminal, or hide, are refused", () => {
  const terms = (fields: object) => edited({ terms: { ...sample.terms, ...fields } })
  for (const hostile of ["", "\u001b[2K", "a\nb", "a\u202eb", " a", "x".repeat(257)]) {
    expect(terms({ purpose: hostile })).toBe("grant.malformed")
    expect(terms({ caveats: [hostile] })).toBe("grant.malformed")
  }
  expect(terms({ caveats: Array.from({ length: 17 }, () => "a") })).toBe("grant.malformed")
})

test("nothing is bigger than its limit", () => {
  const object = { digest: "00".repeat(32), size: 1 }
  const objects = (length: number) => edited({ sealed: Array.from({ length }, () => object) })
  expect(objects(65)).toBeNull()
  expect(objects(66)).toBe("grant.malformed")
  expect(refusal(() => decodeGrant(new Uint8Array(limits.grantBytes + 1)))).toBe("json.too-large")
  expect(edited({ record: { ...sample.record, version: 0 } })).toBe("grant.malformed")
  expect(edited({ sealed: [{ ...object, size: 0 }] })).toBe("grant.malformed")
})

test("what would be refused elsewhere is not encoded here", () => {
  expect(() => encodeGrant({ ...sample, recipient: "public" })).toThrow()
})
