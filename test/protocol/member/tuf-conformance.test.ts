import { describe, expect, test } from "vitest"
import { nodePrimitives } from "../../../node/crypto-node.ts"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import { installPrimitives } from "../../../protocol/crypto/primitives.ts"
import { verifyKeys } from "../../../protocol/member/keys.ts"
import {
  extendRoots,
  newestRoot,
  nextDigest,
  type Root,
  verifyRoots,
} from "../../../protocol/member/root.ts"
import { encodeSigned } from "../../../protocol/signed.ts"
import { envelopeOf } from "../../support/envelope.ts"
import { refusal } from "../../support/refusal.ts"
import {
  makeMember,
  nextRoot,
  nextRootPayload,
  type RootPair,
  rootLines,
  rootPair,
  signKeys,
  signRoot,
} from "../../support/world.ts"

/**
 * The behaviours that the TUF client conformance suite asks for, as far as root documents have them: its
 * names in quotation marks. A member has one role, and its log is the snapshot.
 */

installPrimitives(nodePrimitives)
const first = await makeMember({ seed: "tuf", rootPairs: 3, threshold: 2 })
const second = await nextRoot(first, { fields: { name: "Second" } })
const third = await nextRoot(second, { fields: { name: "Third" } })
const code = (...documents: readonly Uint8Array[]) => refusal(() => verifyRoots(documents))

async function version2(fields: Partial<Root>, signers: readonly RootPair[] = first.rootPairs) {
  return signRoot({ ...nextRootPayload(first), ...fields } as Root, signers)
}

describe("rotation", () => {
  test("root_rotation: keys announced before take over, signed by the thresholds of both", async () => {
    const rotated = await nextRoot(first, { replaceRootKeys: true })
    expect(code(...rotated.roots)).toBeNull()
    const later = await nextRoot(rotated, { fields: { name: "By the new keys" } })
    expect(code(...later.roots)).toBeNull()
  })

  test("root_rotation_full_cycle: ten rotations in a row, each by keys announced in the one before", async () => {
    let member = first
    for (let i = 0; i < 10; i++) member = await nextRoot(member, { replaceRootKeys: true })
    expect(newestRoot(verifyRoots(member.roots)).payload.version).toBe(11)
    // Leaving out one on the way breaks the chain wherever it is.
    for (let gone = 0; gone < member.roots.length - 1; gone++)
      expect(code(...member.roots.filter((_, i) => i !== gone))).toBe("root.chain")
  })

  test("root_rotation_not_cross_signed: the old threshold alone, or the new one alone, is not enough", async () => {
    const payload = nextRootPayload(first, { replaceRootKeys: true })
    expect(code(first.roots[0]!, await signRoot(payload, first.rootPairs))).toBe("root.threshold")
    expect(code(first.roots[0]!, await signRoot(payload, first.nextPairs))).toBe("root.threshold")
    const short = [...first.rootPairs, ...first.nextPairs.slice(0, 1)]
    expect(code(first.roots[0]!, await signRoot(payload, short))).toBe("root.threshold")
  })

  test("root_rotation_missing_keys: keys that nobody announced do not take over, whoever signs", async () => {
    const thief = [rootPair("thief", 0, 0)]
    const rootKeys = thief.map(({ key }) => key)
    const next = nextDigest(rootKeys, 1)
    const document = await version2({ rootKeys, threshold: 1, next }, [
      ...first.rootPairs,
      ...thief,
    ])
    expect(code(first.roots[0]!, document)).toBe("root.chain")
  })

  test("a threshold lowered without new keys is another set of keys", async () => {
    expect(code(first.roots[0]!, await version2({ threshold: 1 }))).toBe("root.chain")
  })
})

describe("threshold", () => {
  test("unmet_threshold: one of two is not enough", async () => {
    expect(code(first.roots[0]!, await version2({}, first.rootPairs.slice(0, 1)))).toBe(
      "root.threshold",
    )
  })

  test("duplicate_sig_keyids: a key that signs twice counts once, and the document is refused", async () => {
    const payload = encodeCanonical(nextRootPayload(first))
    const lines = await rootLines(payload, first.network, first.rootPairs.slice(0, 1))
    expect(code(first.roots[0]!, encodeSigned(payload, [...lines, ...lines]))).toBe(
      "signed.malformed",
    )
  })

  test("duplicate_keys: one key listed twice is no set of two", async () => {
    const [a] = first.root.rootKeys
    const single = await makeMember({ seed: "tuf single" })
    const rootKeys = [a!, a!]
    const document = await signRoot({ ...single.root, rootKeys, threshold: 2 }, first.rootPairs)
    expect(code(document)).toBe("root.malformed")
  })

  test("a key under another kid is another key: halves of pairs are not recombined", async () => {
    const [one, two] = first.root.rootKeys
    const crossed = { ed25519: one!.ed25519, mldsa65: two!.mldsa65 }
    const rootKeys = [one!, two!, crossed]
    expect(code(await signRoot({ ...first.root, rootKeys }, first.rootPairs))).toBe(
      "root.malformed",
    )
  })

  test("unknown_signature: a signature by nobody listed refuses the document", async () => {
    const all = [...first.rootPairs, rootPair("thief", 0, 0)]
    expect(code(first.roots[0]!, await version2({}, all))).toBe("signed.unknown-key")
  })
})

describe("versions", () => {
  test("root_rollback: an older version after a newer one does not extend the chain", () => {
    const member = verifyRoots(third.roots)
    for (const document of third.roots)
      expect(refusal(() => extendRoots(member, document))).toBe("root.chain")
  })

  test("fast_forward: no version is skipped, however high its number and good its signatures", async () => {
    expect(code(first.roots[0]!, third.roots[2]!)).toBe("root.chain")
    for (const version of [3, 1000, 1024])
      expect(code(first.roots[0]!, await version2({ version }))).toBe("root.chain")
    expect(code(first.roots[0]!, await version2({ version: 1025 }))).toBe("root.malformed")
  })

  test("fast_forward_recovery: a number jumped to is not accepted, so none has to be recovered from", async () => {
    const member = verifyRoots(first.roots)
    expect(refusal(() => extendRoots(member, third.roots[2]!))).toBe("root.chain")
    expect(newestRoot(extendRoots(member, second.roots[1]!)).payload.version).toBe(2)
  })

  test("equal_version: a second document of one version follows nothing", async () => {
    const other = await version2({ name: "Another second" })
    expect(code(...second.roots, other)).toBe("root.chain")
  })

  test("the chain is by payload: the version after names the one that was signed, not its rival", async () => {
    const rival = await version2({ name: "Another second" })
    expect(code(first.roots[0]!, rival, third.roots[2]!)).toBe("root.chain")
  })
})

describe("mix and match", () => {
  test("a keys document is of the version that it names, under that version's node key", async () => {
    const rekeyed = await nextRoot(first, { newNodeKey: true })
    const [one, two] = [verifyRoots(first.roots), verifyRoots(rekeyed.roots)]
    const version = (n: number) => two.documents[n - 1]!.payload
    expect(() => verifyKeys(first.keys, one.id, version(1))).not.toThrow()
    expect(refusal(() => verifyKeys(first.keys, one.id, version(2)))).toBe("keys.invalid")
    expect(refusal(() => verifyKeys(rekeyed.keys, one.id, version(1)))).toBe("keys.invalid")
    const mixed = await signKeys({ ...first, root: rekeyed.root })
    expect(refusal(() => verifyKeys(mixed, one.id, version(2)))).toBe("signed.unknown-key")
  })

  test("documents of two members make no chain", async () => {
    const other = await nextRoot(await makeMember({ seed: "tuf other" }))
    expect(code(first.roots[0]!, other.roots[1]!)).toBe("root.chain")
  })

  test("nor do those of two networks", async () => {
    const document = await version2({ network: "exercise:tuf" })
    expect(code(first.roots[0]!, document)).toBe("network.mismatch")
  })
})

describe("form", () => {
  test("incorrect_metadata_type: another type, or another kind of signed object, is none", async () => {
    expect(
      code(await signRoot({ ...first.root, type: "comity/keys/v1" } as never, first.rootPairs)),
    ).toBe("root.malformed")
    expect(code(first.keys)).toBe("root.malformed")
  })

  test("wrong_keytype: a key of another kind in a root key's place", async () => {
    for (const key of [
      { ed25519: first.root.nodeKey.ed25519 },
      { ...first.root.rootKeys[0]!, rsa: "AAAA" },
      { ...first.root.rootKeys[0]!, mldsa65: first.root.logKey.mldsa44 },
    ])
      expect(
        code(await signRoot({ ...first.root, rootKeys: [key] } as never, first.rootPairs)),
      ).toBe("root.malformed")
  })

  test("oversized: the limit is looked at before anything is parsed", () => {
    const bytes = new Uint8Array(256 * 1024 + 1).fill(0x20)
    bytes.set(first.roots[0]!)
    expect(code(bytes)).toBe("json.too-large")
  })

  test("max_root_rotations: a chain has at most 1,024 versions", () => {
    expect(code(...Array<Uint8Array>(1025).fill(first.roots[0]!))).toBe("json.too-large")
  })

  test("tampered: any other bytes of the payload under the same signatures", () => {
    const envelope = envelopeOf(second.roots[1]!)
    const other = envelopeOf(first.roots[0]!)
    expect(
      code(first.roots[0]!, encodeCanonical({ ...envelope, payload: other.payload })),
    ).not.toBeNull()
  })
})

test("freeze: an expired version verifies for ever, and its day is there to be shown", async () => {
  const expired = await nextRoot(first, { fields: { expires: "2001-01-01" } })
  expect(newestRoot(verifyRoots(expired.roots)).payload.expires).toBe("2001-01-01")
})
