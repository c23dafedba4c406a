import { hash } from "node:crypto"
import { expect, test } from "vitest"
import { encodeBase64url } from "../../../protocol/encoding.ts"
import { enrol, kidOf } from "../../../protocol/member/key.ts"
import { officerDigest } from "../../../protocol/member/officer.ts"
import { refusal } from "../../support/refusal.ts"
import { makeMember, makeOfficer } from "../../support/world.ts"

const one = makeOfficer("officers", {
  person: "p1",
  organisation: "Ministère",
  roles: ["operator", "regulator"],
})

test("kid and digest are what PROTOCOL.md §0 and §1 say, computed by hand", () => {
  const key = one.key.ed25519
  const kid = hash("sha256", `comity/key/v1\0{"ed25519":"${key}"}`)
  expect(kidOf(one.key)).toBe(kid)
  const jcs = `{"key":"${key}","kid":"${kid}","organisation":"Ministère","person":"p1","roles":["operator","regulator"],"salt":"${one.salt}"}`
  expect(officerDigest(one)).toBe(hash("sha256", `comity/officer/v1\0${jcs}`))
})

test("a pair has one kid for both halves, and kinds of keys never share one", async () => {
  const { rootPairs, root } = await makeMember({ seed: "kids" })
  const { ed25519, mldsa65 } = rootPairs[0]!.key
  expect(kidOf({ ed25519, mldsa65 })).toBe(
    hash("sha256", `comity/key/v1\0{"ed25519":"${ed25519}","mldsa65":"${mldsa65}"}`),
  )
  const kids = [{ ed25519 }, rootPairs[0]!.key, { ed25519, mldsa44: root.logKey.mldsa44 }].map(
    kidOf,
  )
  expect(new Set(kids).size).toBe(3)
})

test("every field changes the digest; salt keeps a guess from being confirmed", () => {
  const other = makeOfficer("officers", { person: "p2", roles: ["operator"] })
  const digests = [
    one,
    { ...one, person: "p2" },
    { ...one, organisation: "Other" },
    { ...one, roles: ["operator"] },
    { ...one, roles: ["regulator", "operator"] },
    { ...one, salt: "00".repeat(32) },
    { ...one, key: other.key },
  ].map(officerDigest)
  expect(new Set(digests).size).toBe(digests.length)
})

test("a key that verifies for more than its holder is not enrolled", () => {
  for (const bytes of [
    new Uint8Array(32),
    Uint8Array.of(1, ...new Uint8Array(31)),
    new Uint8Array(32).fill(255),
  ])
    expect(refusal(() => enrol({ ed25519: encodeBase64url(bytes) }))).toBe("key.weak")
  expect(refusal(() => enrol(one.key))).toBeNull()
})
