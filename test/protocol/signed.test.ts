import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { signEd25519, verifyStrict } from "../../protocol/crypto/sign.ts"
import { decodeBase64url, encodeBase64url, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import { decodeOrder, encodeOrder } from "../../protocol/release/order.ts"
import { encodeSigned, signingInput, signLine } from "../../protocol/signed.ts"
import { altered, alteredLine, envelopeOf } from "../support/envelope.ts"
import { refusal, runs } from "../support/refusal.ts"
import {
  makeMember,
  makeOfficer,
  officer,
  orderLine,
  orderOf,
  signOrder,
} from "../support/world.ts"

const member = await makeMember({ seed: "signed" })
const rule = { conditions: [], kind: "good-practice", profile: "33".repeat(32) }
const order = orderOf(member, { id: "11".repeat(16), root: "22".repeat(32), rule })
const signed = await signOrder(member, order, ["p1", "p2", "p3"])
const code = (bytes: Uint8Array) => refusal(() => decodeOrder(bytes))

describe("the envelope", () => {
  test("has the same bytes in whatever order the signatures arrived", () => {
    const { payload, signatures } = envelopeOf(signed)
    fc.assert(
      fc.property(fc.shuffledSubarray([...signatures], { minLength: 3 }), (lines) => {
        expect(encodeSigned(decodeBase64url(payload), lines)).toEqual(signed)
      }),
      runs,
    )
  })

  test("in any other order than by kid it is refused", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (turn) => {
        const turned = altered(signed, ({ signatures }) => ({
          signatures: turn.map((i) => signatures[i]!),
        }))
        expect(code(turned)).toBe(turn.join() === "0,1,2" ? null : "signed.malformed")
      }),
      runs,
    )
  })

  test("its digest is over exactly these bytes: a signature less is another object", () => {
    const less = altered(signed, ({ signatures }) => ({ signatures: signatures.slice(1) }))
    expect(decodeOrder(signed).digest).toBe(encodeHex(sha256(signed)))
    expect(decodeOrder(less).digest).not.toBe(decodeOrder(signed).digest)
    expect(decodeOrder(less).payloadBytes).toEqual(decodeOrder(signed).payloadBytes)
  })

  test("what is signed is RFC 7515's signing input, byte for byte", () => {
    const { payload, signatures } = envelopeOf(signed)
    for (const [i, line] of decodeOrder(signed).signatures.entries()) {
      expect(line.input).toEqual(utf8(`${signatures[i]!.protected}.${payload}`))
      expect(line.input).toEqual(signingInput(signatures[i]!.protected, decodeBase64url(payload)))
      expect(verifyStrict(line.signature, line.input, decodeBase64url(line.header.key))).toBe(true)
    }
  })

  test("a signature may come from an agent, later", async () => {
    const { seed, kid } = officer(member, "p1")
    const header = { alg: "Ed25519", kid, network: "training", typ: "t" } as const
    const now = await signLine(header, utf8("{}"), (message) => signEd25519(message, seed))
    const later = await signLine(header, utf8("{}"), async (message) => signEd25519(message, seed))
    expect(later).toEqual(now)
  })
})

describe("bounds", () => {
  const payload = encodeOrder(order)
  const manyLines = (count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        orderLine(payload, "training", {
          officer: makeOfficer("many", { person: `p${i}`, roles: ["operator"] }),
        }),
      ),
    )

  test("64 signatures are read, 65 are not", async () => {
    const lines = await manyLines(65)
    expect(code(encodeSigned(payload, lines.slice(0, 64)))).toBeNull()
    expect(code(encodeSigned(payload, lines))).toBe("signed.malformed")
  })

  test("an object beyond its limit is refused before it is parsed", () => {
    const huge = altered(signed, () => ({ payload: encodeBase64url(new Uint8Array(200_000)) }))
    expect(huge.length).toBeGreaterThan(limits.signedBytes)
    expect(code(huge)).toBe("json.too-large")
  })

  test("a signature or header of absurd size is refused", () => {
    const long = "A".repeat(20_000)
    expect(code(alteredLine(signed, () => ({ signature: long })))).toBe("signed.malformed")
    expect(code(alteredLine(signed, () => ({ protected: long })))).toBe("signed.malformed")
  })
})

test("whatever stands in the place of an envelope is refused with a code", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      expect(code(altered(signed, () => ({ signatures: value })))).not.toBeNull()
      expect(code(altered(signed, () => ({ payload: value })))).not.toBeNull()
      expect(code(alteredLine(signed, () => ({ protected: value })))).not.toBeNull()
    }),
    runs,
  )
})

test("whatever stands inside a header or payload is refused with a code", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      const inside = encodeBase64url(utf8(JSON.stringify(value)))
      expect(code(altered(signed, () => ({ payload: inside })))).not.toBeNull()
      expect(code(alteredLine(signed, () => ({ protected: inside })))).not.toBeNull()
    }),
    runs,
  )
})
