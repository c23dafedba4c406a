import { hash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import {
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
} from "../../../protocol/encoding.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import {
  decodeRootPayload,
  encodeRoot,
  extendRoots,
  memberId,
  newestRoot,
  nextDigest,
  payloadDigest,
  type Root,
  rootVersion,
  verifyRoots,
} from "../../../protocol/member/root.ts"
import { altered, alteredLine, alteredPayload, envelopeOf } from "../../support/envelope.ts"
import { refusal, runs } from "../../support/refusal.ts"
import {
  flipBit,
  makeMember,
  nextRoot,
  nextRootPayload,
  type RootPair,
  rootPair,
  signRoot,
  witnessEntry,
} from "../../support/world.ts"

const a = await makeMember({ seed: "a" })
const b = await makeMember({ seed: "b", state: "XB" })
const first = a.roots[0]!
const code = (...documents: readonly Uint8Array[]) => refusal(() => verifyRoots(documents))

const version1 = async (fields: Partial<Root>) =>
  code(await signRoot({ ...a.root, ...fields }, a.rootPairs))
const version2 = async (fields: Partial<Root>, signers: readonly RootPair[] = a.rootPairs) =>
  code(first, await signRoot({ ...nextRootPayload(a), ...fields }, signers))

const thief = rootPair("thief", 0, 0)
const w1 = witnessEntry(b)
const w2 = witnessEntry(await makeMember({ seed: "c", state: "XC" }))
const w3 = witnessEntry(await makeMember({ seed: "d", state: "XD" }))

describe("identity", () => {
  test("the id is the labelled digest of version 1's payload, and stays", async () => {
    const digest = hash(
      "sha256",
      Buffer.concat([
        Buffer.from("comity/member/v1\0"),
        decodeBase64url(envelopeOf(first).payload),
      ]),
    )
    expect(a.id).toBe(digest)
    expect(memberId(a.member.documents[0]!.payloadBytes)).toBe(a.id)
    expect((await nextRoot(a, { replaceRootKeys: true })).id).toBe(a.id)
  })

  test("signatures are not part of it: the same payload under more signatures is the same member", async () => {
    const two = await makeMember({ seed: "two", rootPairs: 2, threshold: 1 })
    const oneSigned = await signRoot(two.root, two.rootPairs.slice(0, 1))
    expect(verifyRoots([oneSigned]).id).toBe(two.id)
    expect(oneSigned).not.toEqual(two.roots[0])
  })

  test("any field changed is another member", () => {
    fc.assert(
      fc.property(fc.constantFrom("name", "state", "expires", "next", "ceiling"), (field) => {
        const changed = encodeCanonical({ ...a.root, [field]: "other" })
        expect(memberId(changed)).not.toBe(a.id)
      }),
      runs,
    )
  })

  test("what next commits to is the labelled digest of keys and threshold", () => {
    const keys = a.nextPairs.map(({ key }) => key)
    const json = `{"rootKeys":[{"ed25519":"${keys[0]!.ed25519}","mldsa65":"${keys[0]!.mldsa65}"}],"threshold":1}`
    expect(nextDigest(keys, 1)).toBe(hash("sha256", `comity/next/v1\0${json}`))
    expect(nextDigest(keys, 2)).not.toBe(nextDigest(keys, 1))
  })
})

describe("the root pair", () => {
  test("counts only whole: either half alone is refused", () => {
    for (const kept of [0, 1]) {
      const half = altered(first, ({ signatures }) => ({ signatures: [signatures[kept]] }))
      expect(code(half)).toBe("root.threshold")
    }
  })

  test("counts only if both verify: one bit of either is refused", () => {
    for (const [number, bit] of [
      [0, 100],
      [1, 5000],
      [1, 26_400],
    ] as const) {
      const damaged = alteredLine(
        first,
        ({ signature }) => ({
          signature: encodeBase64url(flipBit(decodeBase64url(signature), bit)),
        }),
        number,
      )
      expect(code(damaged)).toBe("root.invalid")
    }
  })

  test("halves of two pairs are no pair", async () => {
    const two = await makeMember({ seed: "two", rootPairs: 2, threshold: 1 })
    const document = two.roots[0]!
    const { signatures } = envelopeOf(document)
    // Sorted by kid, then algorithm: 0 and 1 are one pair, 2 and 3 the other.
    for (const kept of [
      [0, 3],
      [0, 2],
      [1, 3],
      [0, 1, 2],
    ]) {
      const some = altered(document, () => ({ signatures: kept.map((i) => signatures[i]) }))
      expect(code(some)).toBe("root.threshold")
    }
    for (const kept of [
      [0, 1],
      [2, 3],
    ]) {
      const whole = altered(document, () => ({ signatures: kept.map((i) => signatures[i]) }))
      expect(code(whole)).toBeNull()
    }
  })

  test("an algorithm's name on the other's signature does not verify", () => {
    const swapped = altered(first, ({ signatures: [one, two] }) => ({
      signatures: [
        { ...one, signature: two!.signature },
        { ...two, signature: one!.signature },
      ],
    }))
    expect(code(swapped)).toBe("root.invalid")
  })
})

describe("threshold", () => {
  test("of three pairs any two suffice, one does not, and three are welcome", async () => {
    const three = await makeMember({ seed: "three", rootPairs: 3, threshold: 2 })
    const by = async (...numbers: number[]) =>
      code(
        await signRoot(
          three.root,
          numbers.map((i) => three.rootPairs[i]!),
        ),
      )
    for (const two of [
      [0, 1],
      [0, 2],
      [1, 2],
    ])
      expect(await by(...two)).toBeNull()
    expect(await by(0, 1, 2)).toBeNull()
    for (const one of [0, 1, 2]) expect(await by(one)).toBe("root.threshold")
  })

  test("a signature by nobody enrolled refuses the whole document, however many others are good", async () => {
    expect(code(await signRoot(a.root, [...a.rootPairs, thief]))).toBe("signed.unknown-key")
  })

  test("a key listed twice, or more asked for than there are, is refused", async () => {
    const key = a.rootPairs[0]!.key
    expect(await version1({ rootKeys: [key, key], threshold: 2 })).toBe("root.malformed")
    const half = { ...rootPair("x", 0, 0).key, ed25519: key.ed25519 }
    expect(await version1({ rootKeys: [key, half] })).toBe("root.malformed")
    const otherHalf = { ...rootPair("x", 0, 0).key, mldsa65: key.mldsa65 }
    expect(await version1({ rootKeys: [key, otherHalf] })).toBe("root.malformed")
    expect(await version1({ threshold: 2 })).toBe("root.malformed")
  })
})

describe("the chain", () => {
  test("versions follow one another without a gap, a repetition or a step back", async () => {
    const second = await nextRoot(a)
    const third = await nextRoot(second)
    const [v1, v2, v3] = third.roots as [Uint8Array, Uint8Array, Uint8Array]
    expect(code(v1, v2, v3)).toBeNull()
    for (const chain of [
      [v2],
      [v1, v3],
      [v1, v1],
      [v1, v2, v2],
      [v1, v2, v1],
      [v3, v2, v1],
      [v1, v3, v2],
    ])
      expect(code(...chain)).toBe("root.chain")
    expect(code()).toBe("root.malformed")
  })

  test("every version names the member and the payload before it", async () => {
    expect(await version2({ prev: "00".repeat(32) })).toBe("root.chain")
    expect(await version2({ member: b.id })).toBe("root.chain")
    expect(await version2({ version: 3 })).toBe("root.chain")
    const { prev: _, ...unlinked } = nextRootPayload(a)
    expect(code(first, await signRoot(unlinked, a.rootPairs))).toBe("root.malformed")
    expect(await version1({ prev: "00".repeat(32) })).toBe("root.malformed")
    expect(await version1({ member: a.id })).toBe("root.malformed")
  })

  test("prev is over the payload: other signatures on the version before break nothing", async () => {
    const two = await makeMember({ seed: "two", rootPairs: 2, threshold: 1 })
    const second = await nextRoot(two)
    const sparse = await signRoot(two.root, two.rootPairs.slice(0, 1))
    expect(code(sparse, second.roots[1]!)).toBeNull()
    expect(newestRoot(second.member).payload.prev).toBe(payloadDigest(second.member.documents[0]!))
  })

  test("a version of another member or of another network does not attach", async () => {
    expect(code(first, (await nextRoot(b)).roots[1]!)).toBe("root.chain")
    expect(await version2({ network: "operational" })).toBe("network.mismatch")
    expect(await version2({ network: "exercise:x" })).toBe("network.mismatch")
  })

  test("log key and epoch change together, and the first version of an epoch says what survives", async () => {
    expect(await version2({ logKey: b.root.logKey })).toBe("root.chain")
    expect(await version2({ survives: { epoch: 1, root: "00".repeat(32), size: 0 } })).toBe(
      "root.chain",
    )
    const survives = { epoch: 1, root: "00".repeat(32), size: 3 }
    expect(await version2({ epoch: 2, logKey: b.root.logKey })).toBe("root.chain")
    expect(await version2({ epoch: 2, survives })).toBe("root.chain")
    expect(await version2({ epoch: 3, logKey: b.root.logKey, survives })).toBe("root.chain")
    const other = { ...survives, epoch: 2 }
    expect(await version2({ epoch: 2, logKey: b.root.logKey, survives: other })).toBe("root.chain")
    expect(await version2({ epoch: 2, logKey: b.root.logKey, survives })).toBeNull()
    expect(await version1({ epoch: 2 })).toBe("root.malformed")
  })

  test("extending is verifying: the member so far is untouched by a version that is refused", async () => {
    const { member } = a
    const bad = await signRoot(nextRootPayload(a), [thief])
    expect(refusal(() => extendRoots(member, bad))).toBe("signed.unknown-key")
    expect(member.documents).toHaveLength(1)
    const second = await nextRoot(a)
    const extended = extendRoots(member, second.roots[1]!)
    expect(extended.documents.map(({ digest }) => digest)).toEqual(
      second.member.documents.map(({ digest }) => digest),
    )
    expect(rootVersion(extended, 1)).toBe(member.documents[0])
    expect(rootVersion(extended, 3)).toBeNull()
    expect(rootVersion(extended, 0)).toBeNull()
  })
})

describe("replacing root keys", () => {
  const payload = nextRootPayload(a, { replaceRootKeys: true })
  const signers = async (...pairs: readonly RootPair[]) =>
    code(first, await signRoot(payload, pairs))

  test("needs the threshold of both versions", async () => {
    expect(await signers(...a.rootPairs, ...a.nextPairs)).toBeNull()
    expect(await signers(...a.rootPairs)).toBe("root.threshold")
    expect(await signers(...a.nextPairs)).toBe("root.threshold")
  })

  test("only by what the version before committed to", async () => {
    const both = [...a.rootPairs, thief]
    expect(await version2({ rootKeys: [thief.key] }, both)).toBe("root.chain")
    expect(await version2({ rootKeys: [...a.root.rootKeys, thief.key] }, both)).toBe("root.chain")
    expect(await version2({ next: nextDigest([thief.key], 1) })).toBe("root.chain")
    const lower = await makeMember({ seed: "three", rootPairs: 3, threshold: 2 })
    const weakened = { ...nextRootPayload(lower), threshold: 1 }
    expect(code(lower.roots[0]!, await signRoot(weakened, lower.rootPairs))).toBe("root.chain")
  })

  test("the old keys sign nothing any more, not even as a superfluous signature", async () => {
    const replaced = await nextRoot(a, { replaceRootKeys: true })
    const third = nextRootPayload(replaced)
    const by = async (...pairs: readonly RootPair[]) =>
      code(...replaced.roots, await signRoot(third, pairs))
    expect(await by(...replaced.rootPairs)).toBeNull()
    expect(await by(...a.rootPairs)).toBe("signed.unknown-key")
    expect(await by(...replaced.rootPairs, ...a.rootPairs)).toBe("signed.unknown-key")
  })

  test("the first thief of all present root keys can't replace them: next is held elsewhere", async () => {
    const forged = { ...payload, rootKeys: [thief.key], next: a.root.next }
    expect(code(first, await signRoot(forged, [...a.rootPairs, thief]))).toBe("root.chain")
  })
})

describe("rules inside one version", () => {
  test("a quorum is more than half of the witnesses, and none of none", async () => {
    const witnesses = [w1, w2, w3]
    for (const [list, quorum, expected] of [
      [witnesses, 2, null],
      [witnesses, 3, null],
      [witnesses, 1, "root.malformed"],
      [witnesses, 4, "root.malformed"],
      [witnesses, 0, "root.malformed"],
      [[w1, w2], 1, "root.malformed"],
      [[w1, w2], 2, null],
      [[w1], 1, null],
      [[], 1, "root.malformed"],
      [[], 0, null],
    ] as const)
      expect(await version1({ witnesses: [...list], quorum })).toBe(expected)
  })

  test("no witness stands twice: by member, by key, by name", async () => {
    const twice = (second: Partial<Root["witnesses"][number]>) =>
      version1({ witnesses: [w1, { ...w2, ...second }], quorum: 2 })
    expect(await twice({ member: w1.member })).toBe("root.malformed")
    expect(await twice({ ed25519: w1.ed25519 })).toBe("root.malformed")
    expect(await twice({ mldsa44: w1.mldsa44 })).toBe("root.malformed")
    expect(await twice({ name: w1.name })).toBe("root.malformed")
  })

  test("the origin is never its own witness, by member or by key", async () => {
    const own = { ...w1, member: a.id }
    expect(await version2({ witnesses: [own], quorum: 1 })).toBe("root.malformed")
    const ownKey = { ...w1, ...a.root.witnessKey, name: "other" }
    expect(await version1({ witnesses: [ownKey], quorum: 1 })).toBe("root.malformed")
  })

  test("no key has two jobs", async () => {
    const { logKey, rootKeys, witnessKey } = a.root
    expect(await version1({ nodeKey: { ed25519: rootKeys[0]!.ed25519 } })).toBe("root.malformed")
    expect(await version1({ nodeKey: { ed25519: logKey.ed25519 } })).toBe("root.malformed")
    expect(await version1({ nodeKey: { ed25519: witnessKey.ed25519 } })).toBe("root.malformed")
    expect(await version1({ witnessKey: { ...witnessKey, mldsa44: logKey.mldsa44 } })).toBe(
      "root.malformed",
    )
    expect(await version1({ logKey: { ...logKey, ed25519: rootKeys[0]!.ed25519 } })).toBe(
      "root.malformed",
    )
  })

  test("a key of small or mixed order is refused in every job", async () => {
    const weak = encodeBase64url(
      decodeHex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"),
    )
    const { logKey, witnessKey } = a.root
    expect(await version1({ nodeKey: { ed25519: weak } })).toBe("key.weak")
    expect(await version1({ logKey: { ...logKey, ed25519: weak } })).toBe("key.weak")
    expect(await version1({ witnessKey: { ...witnessKey, ed25519: weak } })).toBe("key.weak")
    expect(await version1({ witnesses: [{ ...w1, ed25519: weak }], quorum: 1 })).toBe("key.weak")
    expect(await version1({ rootKeys: [{ ...thief.key, ed25519: weak }] })).toBe("key.weak")
  })

  test("revoking the log key says which tree still counts; other keys need no root", async () => {
    const from = { epoch: 1, size: 3 }
    const kid = kidOf(a.root.logKey)
    expect(await version2({ revoked: [{ kid, from }] })).toBe("root.malformed")
    expect(
      await version2({ revoked: [{ kid, from: { ...from, root: "00".repeat(32) } }] }),
    ).toBeNull()
    expect(await version2({ revoked: [{ kid: a.officers[0]!.kid, from }] })).toBeNull()
  })

  test("closing and what survives have no place in version 1", async () => {
    const closing = { answers: "", day: "2027-01-01", keep: true }
    expect(await version1({ closing })).toBe("root.malformed")
    expect(await version2({ closing })).toBeNull()
    for (const answers of ["a\u001b[2J", "a\nb", "a\u202eb", "x".repeat(257)])
      expect(await version2({ closing: { ...closing, answers } })).toBe("root.malformed")
  })

  test("a witness's name fits a cosignature: in bytes, not in characters", async () => {
    const named = (name: string) => version1({ witnesses: [{ ...w1, name }], quorum: 1 })
    expect(await named("\u2603".repeat(85))).toBeNull()
    expect(await named("\u2603".repeat(86))).toBe("root.malformed")
    expect(await named("x".repeat(128))).toBeNull()
    expect(await named("x".repeat(129))).toBe("root.malformed")
    for (const name of ["", "a b", "a+b", "a\u0085b", "a\u200bb"])
      expect(await named(name)).toBe("root.malformed")
  })

  test("names that act on a terminal or can't be told apart are refused", async () => {
    for (const name of ["", "a\u001b[2J", "a\u202eb", "a\u200bb", "x".repeat(129)])
      expect(await version1({ name })).toBe("root.malformed")
    for (const state of ["xa", "X", "XAA", "X1"])
      expect(await version1({ state })).toBe("root.malformed")
  })

  test("a field nobody defined, another type or version, an unsorted list is refused", async () => {
    expect(await version1({ ...({ more: 1 } as object) })).toBe("root.malformed")
    expect(await version1({ type: "comity/root/v2" as never })).toBe("root.malformed")
    expect(await version1({ version: 0 })).toBe("root.malformed")
    expect(await version1({ officers: a.root.officers.toReversed() })).toBe("root.malformed")
    expect(await version1({ profiles: ["00".repeat(32), "00".repeat(32)] })).toBe("root.malformed")
  })
})

test("no list is longer than its limit, whatever is in it", () => {
  const payload = (fields: Partial<Root>) =>
    refusal(() => decodeRootPayload(encodeCanonical({ ...a.root, ...fields })))
  const digests = (count: number) =>
    Array.from({ length: count }, (_, i) => i.toString(16).padStart(64, "0"))
  const keys = (count: number, bytes: number, from: number) =>
    Array.from({ length: count }, (_, i) => {
      const one = new Uint8Array(bytes)
      new DataView(one.buffer).setUint32(0, from + i)
      return encodeBase64url(one)
    })
  const rootKeys = (count: number) => {
    const quantum = keys(count, 1952, 1)
    return keys(count, 32, 1).map((ed25519, i) => ({ ed25519, mldsa65: quantum[i]! }))
  }
  const witnesses = (count: number) => {
    const quantum = keys(count, 1312, 1)
    const members = digests(count)
    return keys(count, 32, 1000).map((ed25519, i) => ({
      ed25519,
      member: members[i]!,
      mldsa44: quantum[i]!,
      name: `w${i}.example`,
    }))
  }
  for (const [limit, fields] of [
    [32, (count: number) => ({ rootKeys: rootKeys(count) })],
    [64, (count: number) => ({ quorum: 64, witnesses: witnesses(count) })],
    [1024, (count: number) => ({ officers: digests(count) })],
    [256, (count: number) => ({ profiles: digests(count) })],
    [256, (count: number) => ({ policy: Array.from({ length: count }, () => a.root.policy[0]!) })],
  ] as const) {
    expect(payload(fields(limit)), `${limit}`).toBeNull()
    expect(payload(fields(limit + 1)), `${limit + 1}`).toBe("root.malformed")
  }
})

test("a payload for a ceremony is the canonical form that will be signed", () => {
  expect(encodeHex(encodeRoot(a.root))).toBe(encodeHex(a.member.documents[0]!.payloadBytes))
  expect(refusal(() => encodeRoot({ ...a.root, name: "e\u0301" }))).toBe("json.profile")
})

test("edited after signing, whatever the field", () => {
  for (const fields of [
    { name: "Other" },
    { policy: [] },
    { officers: [] },
    { threshold: 1, kind: "team" },
    { expires: "2099-01-01" },
  ])
    expect(code(alteredPayload(first, fields))).toBe("root.invalid")
})
