import { describe, expect, test } from "vitest"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import { encodeBase64url } from "../../../protocol/encoding.ts"
import { type KeysPayload, kemKeyFor, verifyKeys } from "../../../protocol/member/keys.ts"
import { encodeSigned } from "../../../protocol/signed.ts"
import { alteredHeader, alteredPayload, envelopeOf } from "../../support/envelope.ts"
import { refusal } from "../../support/refusal.ts"
import { keysPayload, makeMember, nextRoot, signByNode, signKeys } from "../../support/world.ts"

const a = await makeMember({ seed: "keys a" })
const b = await makeMember({ seed: "keys b", state: "XB" })
const code = (bytes: Uint8Array, member = a) =>
  refusal(() => verifyKeys(bytes, member.id, member.root))
const edited = async (fields: Partial<KeysPayload>) => code(await signKeys(a, fields))
const key = encodeBase64url(a.kem.publicKey)

describe("a keys document", () => {
  test("verifies under the node key of the root version it names", async () => {
    const document = verifyKeys(a.keys, a.id, a.root)
    expect(document.payload.member).toBe(a.id)
    const second = await nextRoot(a, { newNodeKey: true })
    expect(code(second.keys, second)).toBeNull()
    // The old one names the old version, whose node key the root has replaced.
    expect(code(a.keys, second)).toBe("keys.invalid")
  })

  test("a thief of the old node key announces nothing under the new root version", async () => {
    const second = await nextRoot(a, { newNodeKey: true })
    const forged = await signByNode(a, "comity-keys+jws", encodeCanonical(keysPayload(second)))
    expect(code(forged, second)).toBe("signed.unknown-key")
  })

  test("of another member, network, or signed by another node is refused", async () => {
    expect(code(b.keys)).toBe("keys.invalid")
    expect(await edited({ member: b.id })).toBe("keys.invalid")
    const elsewhere = await makeMember({ seed: "keys a", network: "operational" })
    expect(code(elsewhere.keys)).toBe("network.mismatch")
    const payload = encodeCanonical(keysPayload(a))
    expect(code(await signByNode(b, "comity-keys+jws", payload))).toBe("signed.unknown-key")
  })

  test("a receipt's signature does not make one, though the key is the same", async () => {
    const payload = encodeCanonical(keysPayload(a))
    expect(code(await signByNode(a, "comity-receipts+jws", payload))).toBe("keys.malformed")
    expect(code(alteredHeader(a.keys, { typ: "comity-order+jws" }))).toBe("keys.malformed")
  })

  test("has exactly one signature", async () => {
    const payload = encodeCanonical(keysPayload(a))
    const other = await signByNode(b, "comity-keys+jws", payload)
    const both = encodeSigned(payload, [
      ...envelopeOf(a.keys).signatures,
      ...envelopeOf(other).signatures,
    ])
    expect(code(both)).toBe("signed.superfluous")
  })

  test("edited after signing is refused", () => {
    expect(code(alteredPayload(a.keys, { urls: ["https://thief.example"] }))).toBe("signed.invalid")
    const stolen = {
      key: encodeBase64url(b.kem.publicKey),
      notAfter: "2026-12-31",
      notBefore: "2026-11-15",
    }
    expect(code(alteredPayload(a.keys, { kem: [stolen] }))).toBe("signed.invalid")
  })

  test("addresses act on no terminal and are of a scheme that a node speaks", async () => {
    for (const url of ["https://xa.example", "http://127.0.0.1:8080/", "https://[2001:db8::1]/"])
      expect(await edited({ urls: [url] })).toBeNull()
    for (const url of [
      "",
      "xa.example",
      "ftp://xa.example",
      "javascript:alert(1)",
      "https://",
      "https://xa.example/\u001b[2J",
      "https://xa.example/ ",
      "https://\u0445\u0430.example",
      `https://${"x".repeat(505)}`,
    ])
      expect(await edited({ urls: [url] }), url).toBe("keys.malformed")
    expect(await edited({ urls: Array.from({ length: 9 }, () => "https://xa.example") })).toBe(
      "keys.malformed",
    )
  })

  test("KEM keys: at least one, at most eight, whole, with days in order, at most 60 days", async () => {
    const kem = (notBefore: string, notAfter: string) =>
      edited({ kem: [{ key, notBefore, notAfter }] })
    expect(await edited({ kem: [] })).toBe("keys.malformed")
    const nine = Array.from({ length: 9 }, () => keysPayload(a).kem[0]!)
    expect(await edited({ kem: nine })).toBe("keys.malformed")
    expect(await edited({ kem: nine.slice(1) })).toBeNull()
    expect(await kem("2026-11-23", "2026-11-22")).toBe("keys.malformed")
    expect(await kem("2026-11-23", "2026-11-23")).toBeNull()
    expect(await kem("2026-11-23", "2027-01-21")).toBeNull()
    expect(await kem("2026-11-23", "2027-01-22")).toBe("keys.malformed")
  })

  test("a card that acts on a terminal is refused", async () => {
    expect(await edited({ card: { contact: "\u001b]0;owned\u0007" } })).toBe("keys.malformed")
    expect(await edited({ card: { Contact: "x" } })).toBe("keys.malformed")
  })
})

describe("the key to seal to", () => {
  const other = encodeBase64url(b.kem.publicKey)
  const on = (today: string, ...kem: KeysPayload["kem"]) =>
    kemKeyFor(keysPayload(a, { kem }), today)
  const early = { key, notBefore: "2026-11-01", notAfter: "2026-11-30" }
  const late = { key: other, notBefore: "2026-11-20", notAfter: "2026-12-31" }

  test("is live on the day, first and last day included, and ends last", () => {
    expect(on("2026-11-01", early, late)).toEqual(a.kem.publicKey)
    expect(on("2026-11-19", late, early)).toEqual(a.kem.publicKey)
    for (const today of ["2026-11-20", "2026-11-30", "2026-12-31"]) {
      expect(on(today, early, late)).toEqual(b.kem.publicKey)
      expect(on(today, late, early)).toEqual(b.kem.publicKey)
    }
  })

  test("outside all dates there is none: nothing is sealed to a key that may be gone", () => {
    for (const today of ["2026-10-31", "2027-01-01"])
      expect(refusal(() => on(today, early, late))).toBe("keys.expired")
  })
})
