import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { decodeBase64url, encodeBase64url } from "../../../protocol/encoding.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { officerDigest } from "../../../protocol/member/officer.ts"
import type { Root } from "../../../protocol/member/root.ts"
import {
  approvalsOf,
  decodeOrder,
  decodeOrderValue,
  encodeOrder,
  verifyApprovals,
} from "../../../protocol/release/order.ts"
import { encodeSigned } from "../../../protocol/signed.ts"
import {
  altered,
  alteredHeader,
  alteredLine,
  alteredPayload,
  envelopeOf,
} from "../../support/envelope.ts"
import { refusal, runs } from "../../support/refusal.ts"
import {
  flipBit,
  makeMember,
  makeOfficer,
  officer,
  orderLine,
  orderOf,
  type Signer,
  signOrder,
} from "../../support/world.ts"

const a = await makeMember({ seed: "order a" })
const rule = { conditions: [], kind: "good-practice", profile: "33".repeat(32) }
const order = orderOf(a, { id: "11".repeat(16), root: "22".repeat(32), rule })
const none = { revoked: [], epoch: 1, index: 0 }
const judge = (
  bytes: Uint8Array,
  root: Root = a.root,
  revocation: { revoked: Root["revoked"]; epoch: number; index: number } = none,
) => refusal(() => verifyApprovals(decodeOrder(bytes), root, [], revocation))
const by = async (...signers: readonly Signer[]) => judge(await signOrder(a, order, signers))
const both = await signOrder(a, order, ["p1", "p2"])
const three = await signOrder(a, order, ["p1", "p2", "p3"])

describe("who may sign", () => {
  test("two persons where two are needed; a third is welcome; one is not enough", async () => {
    expect(await by("p1", "p2")).toBeNull()
    expect(await by("p1", "p2", "p3")).toBeNull()
    for (const one of ["p1", "p2", "p3"]) expect(await by(one)).toBe("order.unauthorised")
  })

  test("two keys of one person are one person, and the second refuses the object", async () => {
    const second = makeOfficer(a.seed, {
      person: "p1",
      roles: ["competentAuthority"],
      keyNumber: 2,
    })
    const root = { ...a.root, officers: [...a.root.officers, officerDigest(second)].sort() }
    const twice = await signOrder(a, order, ["p1", { officer: second }])
    expect(judge(twice, root)).toBe("signed.superfluous")
    expect(judge(await signOrder(a, order, ["p1", "p2", { officer: second }]), root)).toBe(
      "signed.superfluous",
    )
  })

  test("an officer in a role that was enrolled for another is nobody", async () => {
    expect(await by("p1", { officer: officer(a, "p2"), role: "competentAuthority" })).toBe(
      "signed.unknown-key",
    )
    expect(await by("p1", { officer: officer(a, "p3"), role: "focalPoint" })).toBeNull()
  })

  test("an officer can't enrol themselves: role, organisation, person and salt open one digest", async () => {
    const p2 = officer(a, "p2")
    for (const forged of [
      { ...p2, roles: [...p2.roles, "operator"] },
      { ...p2, organisation: "Ministry" },
      { ...p2, person: "p4" },
      { ...p2, salt: "00".repeat(32) },
    ])
      expect(await by("p1", { officer: forged })).toBe("signed.unknown-key")
  })

  test("an officer of another member is nobody here, whatever the other root says", async () => {
    const b = await makeMember({ seed: "order b", state: "XB" })
    expect(await by("p1", { officer: officer(b, "p1") })).toBe("signed.unknown-key")
    expect(judge(both, b.root)).toBe("signed.unknown-key")
  })

  test("one stranger's signature refuses the object, however many good ones there are", async () => {
    const stranger = makeOfficer("stranger", { person: "p9", roles: ["operator"] })
    expect(await by("p1", "p2", "p3", { officer: stranger })).toBe("signed.unknown-key")
  })

  test("kid, key and signature are of one officer", () => {
    const [p1, p2] = [officer(a, "p1"), officer(a, "p2")]
    const at = decodeOrder(both).signatures.findIndex(({ header }) => header.kid === p1.kid)
    expect(judge(alteredHeader(both, { key: p2.key.ed25519 }, at))).toBe("signed.unknown-key")
    const { signatures } = envelopeOf(both)
    const swapped = altered(both, () => ({
      signatures: signatures.map((line, i) => ({
        ...line,
        signature: signatures[1 - i]!.signature,
      })),
    }))
    expect(judge(swapped)).toBe("signed.invalid")
  })

  test("an enrolled key that is weak signs nothing", async () => {
    const weak = { ed25519: encodeBase64url(Uint8Array.of(1, ...new Uint8Array(31))) }
    const p9 = {
      ...makeOfficer("weak", { person: "p9", roles: ["operator"] }),
      key: weak,
      kid: kidOf(weak),
    }
    const root = { ...a.root, officers: [...a.root.officers, officerDigest(p9)].sort() }
    // R is the neutral element and S zero: with such a key this verifies for every message, in lax libraries.
    const lax = encodeBase64url(Uint8Array.of(1, ...new Uint8Array(63)))
    const line = {
      ...(await orderLine(encodeOrder(order), a.network, { officer: p9 })),
      signature: lax,
    }
    const bytes = encodeSigned(encodeOrder(order), [...envelopeOf(both).signatures, line])
    expect(judge(bytes, root)).toBe("key.weak")
  })
})

describe("tampering", () => {
  test("any field edited after signing", () => {
    for (const fields of [
      { act: "withdraw" },
      { root: "23".repeat(32) },
      { rootVersion: 2 },
      { id: "12".repeat(16) },
      { notAfter: "2026-12-08" },
      { origin: "00".repeat(32) },
      { base: { ...order.base, size: 1 } },
      { rule: { ...rule, kind: "question" } },
      { rule: { ...rule, conditions: ["public"] } },
    ])
      expect(judge(alteredPayload(both, fields)), JSON.stringify(fields)).toBe("signed.invalid")
  })

  test("any field of a protected header edited after signing", () => {
    for (const fields of [
      { day: "2026-11-22" },
      { person: "p4" },
      { role: "operator" },
      { roles: ["any"] },
      { salt: "00".repeat(32) },
      { kid: "ff".repeat(32) },
    ])
      expect(judge(alteredHeader(both, fields, 1)), JSON.stringify(fields)).not.toBeNull()
    expect(judge(alteredHeader(both, { day: "2026-11-22" }))).toBe("signed.invalid")
  })

  test("a signature removed leaves the others good, but another object; one added is counted", async () => {
    const { signatures } = envelopeOf(three)
    const subset = (lines: readonly (typeof signatures)[number][]) =>
      altered(three, () => ({ signatures: lines }))
    fc.assert(
      fc.property(fc.subarray([...signatures], { minLength: 1 }), (lines) => {
        const bytes = subset(lines)
        expect(judge(bytes)).toBe(lines.length >= 2 ? null : "order.unauthorised")
        expect(decodeOrder(bytes).digest === decodeOrder(three).digest).toBe(lines.length === 3)
      }),
      runs,
    )
  })

  test("a signature on another order, or on the same one in another network, is not one on this", async () => {
    const p2 = { officer: officer(a, "p2") }
    const elsewhere = encodeOrder({ ...order, network: "operational" })
    for (const payload of [encodeOrder({ ...order, id: "12".repeat(16) }), elsewhere]) {
      const line = await orderLine(payload, a.network, p2)
      const { signatures } = envelopeOf(await signOrder(a, order, ["p1"]))
      expect(judge(encodeSigned(encodeOrder(order), [...signatures, line]))).toBe("signed.invalid")
    }
    const line = await orderLine(encodeOrder(order), "operational", p2)
    const { signatures } = envelopeOf(await signOrder(a, order, ["p1"]))
    expect(judge(encodeSigned(encodeOrder(order), [...signatures, line]))).toBe("network.mismatch")
  })

  test("S + L, the second signature that lax libraries accept, is refused", () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const malleated = alteredLine(both, ({ signature }) => {
      const bytes = decodeBase64url(signature)
      let s = 0n
      for (let i = 31; i >= 0; i--) s = (s << 8n) | BigInt(bytes[32 + i]!)
      s += order
      for (let i = 0; i < 32; i++) bytes[32 + i] = Number((s >> BigInt(8 * i)) & 0xffn)
      return { signature: encodeBase64url(bytes) }
    })
    expect(judge(malleated)).toBe("signed.invalid")
  })
})

describe("revocation", () => {
  const revoke = (person: string, size: number) => [
    { kid: officer(a, person).kid, from: { epoch: 1, size } },
  ]

  test("counts from its index on: what was logged before stands", () => {
    const at = (from: number, epoch: number, index: number) =>
      judge(both, a.root, { revoked: revoke("p2", from), epoch, index })
    expect(at(8, 1, 7)).toBeNull()
    expect(at(8, 1, 8)).toBe("order.unauthorised")
    expect(at(0, 1, 0)).toBe("order.unauthorised")
    expect(at(8, 2, 0)).toBe("order.unauthorised")
  })

  test("a revoked officer is ignored, not refused: the others still count", () => {
    const revocation = { revoked: revoke("p2", 0), epoch: 1, index: 9 }
    expect(judge(three, a.root, revocation)).toBeNull()
    const persons = approvalsOf(decodeOrder(three), a.root, revocation).map(({ person }) => person)
    expect(persons.sort()).toEqual(["p1", "p3"])
  })

  test("but a revoked officer's signature must still verify, and be the person's only one", async () => {
    const revocation = { revoked: revoke("p2", 0), epoch: 1, index: 9 }
    const at = decodeOrder(three).signatures.findIndex(({ header }) => header.person === "p2")
    const damaged = alteredLine(
      three,
      ({ signature }) => ({ signature: encodeBase64url(flipBit(decodeBase64url(signature), 77)) }),
      at,
    )
    expect(judge(damaged, a.root, revocation)).toBe("signed.invalid")
  })

  test("all revoked is nobody", () => {
    const revoked = ["p1", "p2"].flatMap((person) => revoke(person, 0))
    expect(judge(both, a.root, { revoked, epoch: 1, index: 1 })).toBe("order.unauthorised")
  })
})

describe("form", () => {
  const code = (fields: Parameters<typeof alteredPayload>[1]) =>
    refusal(() => decodeOrder(alteredPayload(both, fields)))

  test("a release or withdrawal has a root, a consent a subject, none has both", () => {
    expect(code({ act: "withdraw" })).toBeNull()
    expect(code({ act: "consent", root: undefined, subject: "00".repeat(32) })).toBeNull()
    for (const fields of [
      { root: undefined },
      { subject: "00".repeat(32) },
      { act: "consent" },
      { act: "consent", root: undefined },
      { act: "consent", subject: "00".repeat(32) },
      { act: "publish" },
    ])
      expect(code(fields)).toBe("order.malformed")
  })

  test("ids, days, versions and conditions have one form", () => {
    for (const fields of [
      { id: "11".repeat(15) },
      { id: "AA".repeat(16) },
      { notAfter: "2026-12-7" },
      { rootVersion: 0 },
      { rule: { ...rule, conditions: ["public", "facility"] } },
      { rule: { ...rule, conditions: ["friday"] } },
      { base: { epoch: 0, root: "00".repeat(32), size: 0 } },
      { base: { epoch: 1, root: "00".repeat(32), size: -1 } },
      { network: "production" },
    ])
      expect(code(fields), JSON.stringify(fields)).toBe("order.malformed")
  })

  test("inside a larger value it has the same digest as alone", () => {
    expect(decodeOrderValue(JSON.parse(new TextDecoder().decode(both))).digest).toBe(
      decodeOrder(both).digest,
    )
  })

  test("an organisation that acts on a terminal is refused before anybody shows it", async () => {
    const hostile = { ...officer(a, "p2"), organisation: "Security\u001b[2J" }
    const bytes = await signOrder(a, order, ["p1", { officer: hostile }])
    expect(refusal(() => decodeOrder(bytes))).toBe("order.malformed")
  })
})
