import { describe, expect, test } from "vitest"
import { signCheckpoint, verifyCheckpointStrict } from "../../protocol/log/checkpoint.ts"
import { signCosignature } from "../../protocol/log/cosignature.ts"
import { treeRoot } from "../../protocol/log/merkle.ts"
import { formatNote, type NoteSigner, parseNote } from "../../protocol/log/note.ts"
import { signersUnder } from "../../protocol/log/tlog-proof.ts"
import {
  formatWitnessPolicy,
  isQuorate,
  parseWitnessPolicy,
} from "../../protocol/log/witness-policy.ts"
import { logKeyOf, type Root } from "../../protocol/member/root.ts"
import {
  describeWitnessing,
  judgeQuorum,
  keepLines,
  policyOf,
  versionsFor,
  witnessesOf,
} from "../../protocol/quorum.ts"
import {
  logSigners,
  makeMember,
  nextRoot,
  type TestMember,
  witnessEntry,
  witnessSigners,
} from "../support/world.ts"

const [w1, w2, w3, w4] = await Promise.all(
  ["w1", "w2", "w3", "w4"].map((seed) => makeMember({ seed, state: "XB" })),
)
const founded = await makeMember({ seed: "quorum", state: "XA" })

const naming = (quorum: number, ...witnesses: readonly (TestMember | undefined)[]) => ({
  fields: { quorum, witnesses: witnesses.map((member) => witnessEntry(member!)) },
})
/** Version 1 names nobody, 2 names three, 3 the same and a new name of its own, 4 one other, 5 nobody. */
const second = await nextRoot(founded, naming(2, w1, w2, w3))
const third = await nextRoot(second, { fields: { name: "Another name" } })
const fourth = await nextRoot(third, naming(1, w4))
const xa = await nextRoot(fourth, naming(0))
const [v1, v2, v3, v4, v5] = xa.member.documents.map(({ payload }) => payload) as [
  Root,
  Root,
  Root,
  Root,
  Root,
]
/** Entry of each version. */
const places = [0, 4, 8, 12, 16]

const bare = await signCheckpoint(
  { origin: xa.origin, size: 20, root: treeRoot([]) },
  logSigners(xa),
)
const names = (member: TestMember | undefined) => member!.root.witnessKey.name

/** The checkpoint with both lines of each, at its time. */
async function cosigned(
  ...given: readonly (readonly [TestMember | undefined, number, number?])[]
): Promise<string> {
  const { text, signatures } = parseNote(bare)
  const lines = [...signatures]
  for (const [witness, ed25519, mldsa44 = ed25519] of given) {
    const signers: readonly NoteSigner[] = witnessSigners(witness!)
    lines.push(await signCosignature(bare, ed25519, signers[0]!))
    lines.push(await signCosignature(bare, mldsa44, signers[1]!))
  }
  return formatNote(text, lines)
}

describe("the versions that a quorum may be judged under", () => {
  const versions = (index: number, size: number, rootIndexes: (number | null)[] = places) =>
    versionsFor(xa.member, 1, rootIndexes, { index, size }).map(({ version }) => version)

  test("are the one in force at the entry, and later ones that the tree holds and that name witnesses", () => {
    expect(versions(5, 20)).toEqual([2, 3, 4])
    expect(versions(8, 20)).toEqual([3, 4])
    expect(versions(11, 12)).toEqual([3])
    expect(versions(4, 8)).toEqual([2])
    expect(versions(4, 9)).toEqual([2, 3])
    // In force, a version counts that names nobody.
    expect(versions(0, 4)).toEqual([1])
    expect(versions(17, 20)).toEqual([5])
  })

  test("are none where none is in force, or its place is not known", () => {
    expect(versions(5, 20, [null, null, null, null, null])).toEqual([])
    expect(versions(5, 20, [0, 4, null, null, null])).toEqual([2])
    expect(versionsFor(xa.member, 2, places, { index: 5, size: 20 })).toEqual([])
  })
})

describe("a quorum", () => {
  test("is judged under the version in force, and shows the time at which it was reached", async () => {
    const note = await cosigned([w1, 300], [w2, 100, 200], [w3, 250])
    const judged = judgeQuorum(note, [v2, v3, v4])
    expect(judged).toMatchObject({ root: v2, isLater: false, isQuorate: true })
    // Of the later times 300, 200 and 250 the second smallest.
    expect(judged.time).toBe(250)
    expect(judged.witnesses.map(({ timestamp }) => timestamp)).toEqual([300, 200, 250])
  })

  test("is met under the lowest later version that it is met under", async () => {
    const note = await cosigned([w1, 100], [w4, 200])
    expect(judgeQuorum(note, [v2, v3, v4])).toMatchObject({
      root: v4,
      isLater: true,
      isQuorate: true,
      time: 200,
    })
    const both = await cosigned([w1, 100], [w2, 100], [w4, 200])
    expect(judgeQuorum(both, [v2, v4]).root).toBe(v2)
    expect(judgeQuorum(both, [v3, v4])).toMatchObject({ root: v3, isLater: false })
  })

  test("never adds up the witnesses of two versions", async () => {
    const mixed = await cosigned([w1, 100])
    const other = { ...v4, quorum: 2, witnesses: [v4.witnesses[0]!, v2.witnesses[0]!] }
    const note = await cosigned([w1, 100], [w2, 100])
    expect(judgeQuorum(note, [{ ...v2, quorum: 3 }, other])).toMatchObject({
      isQuorate: false,
      root: { version: 2 },
    })
    expect(judgeQuorum(mixed, [v2, v3, v4])).toMatchObject({ isQuorate: false, root: v2 })
  })

  test("of a version in force that names nobody is met by any checkpoint, and by no time", () => {
    expect(judgeQuorum(bare, [v1, v2])).toMatchObject({ root: v1, isQuorate: true, time: null })
    expect(judgeQuorum(bare, [v5])).toMatchObject({ isQuorate: true, witnesses: [] })
  })

  test("without a version in force is our mistake", () => {
    expect(() => judgeQuorum(bare, [])).toThrow(RangeError)
  })
})

describe("in words", () => {
  test("it is witnessed, by names and time; or pending; or unwitnessed", async () => {
    const note = await cosigned([w1, 1_795_438_800], [w2, 1_795_438_860])
    const names12 = `${names(w1)}, ${names(w2)}`
    expect(describeWitnessing(judgeQuorum(note, [v2]))).toBe(
      `witnessed by ${names12}, as named by Authority XA, at 2026-11-23T13:01:00Z`,
    )
    const called = new Map([[names(w1), "xb"]])
    expect(describeWitnessing(judgeQuorum(note, [v2]), (n) => called.get(n) ?? n)).toContain(
      `witnessed by xb, ${names(w2)}, as named`,
    )
    const later = judgeQuorum(await cosigned([w4, 1_795_438_800]), [v2, v3, v4])
    expect(describeWitnessing(later)).toBe(
      `witnessed by ${names(w4)}, as named by Another name under its later root version 4, at 2026-11-23T13:00:00Z`,
    )
    expect(describeWitnessing(judgeQuorum(await cosigned([w1, 100]), [v2]))).toBe(
      "pending: 1 of the 2 cosignatures that Authority XA asks for",
    )
    expect(describeWitnessing(judgeQuorum(bare, [v1]))).toBe(
      "unwitnessed: Authority XA names no witnesses",
    )
  })

  test("a time beyond every calendar is a number, not an exception", async () => {
    const note = await cosigned([w1, Number.MAX_SAFE_INTEGER], [w2, 253_402_300_800])
    expect(describeWitnessing(judgeQuorum(note, [v2]))).toMatch(/, at second 9007199254740991$/)
    const last = await cosigned([w1, 1], [w2, 253_402_300_799])
    expect(describeWitnessing(judgeQuorum(last, [v2]))).toMatch(/, at 9999-12-31T23:59:59Z$/)
  })
})

describe("lines kept of a note", () => {
  test("are the log's and those of witnesses that count: what a strict reader accepts", async () => {
    const note = await cosigned([w1, 100], [w2, 100], [w4, 100])
    const { text, signatures } = parseNote(note)
    const spoilt = formatNote(
      text,
      signatures.map((line, i) =>
        i === 3 ? { ...line, signature: line.signature.map((byte) => byte ^ 1) } : line,
      ),
    )
    const strict = (root: Root) => ({
      origin: xa.origin,
      logKey: logKeyOf(root),
      witnesses: witnessesOf(root),
    })
    expect(() => verifyCheckpointStrict(spoilt, strict(v2))).toThrow()
    const kept = keepLines(spoilt, [v2])
    expect(verifyCheckpointStrict(kept, strict(v2)).witnesses).toHaveLength(1)
    expect(parseNote(kept).signatures).toHaveLength(4)
    expect(parseNote(keepLines(note, [v1])).signatures).toHaveLength(2)
    expect(parseNote(keepLines(note, [v2, v4])).signatures).toHaveLength(8)
    // A line under the log's name by another key is nobody's.
    const stray = { name: xa.origin, keyId: new Uint8Array(4), signature: new Uint8Array(64) }
    const padded = formatNote(text, [...signatures, stray])
    expect(parseNote(keepLines(padded, [v2])).signatures).toHaveLength(6)
  })
})

describe("the policy that a root document amounts to", () => {
  test("asks for the same quorum, and a witness counts with both algorithms only", async () => {
    const policy = parseWitnessPolicy(formatWitnessPolicy(policyOf(v2, xa.origin)))
    expect(policy.logs.map(({ key }) => key.name)).toEqual([xa.origin, xa.origin])
    const holds = (note: string) => isQuorate(policy, signersUnder(note, policy)!.witnesses)
    expect(holds(await cosigned([w1, 100]))).toBe(false)
    expect(holds(await cosigned([w1, 100], [w2, 100]))).toBe(true)
    const { text, signatures } = parseNote(await cosigned([w1, 100], [w2, 100]))
    expect(holds(formatNote(text, signatures.slice(0, -1)))).toBe(false)
  })

  test("is readable whatever the witnesses' keys are called", async () => {
    const called = (name: string) => ({
      ...v2,
      witnesses: v2.witnesses.map((one, i) => ({ ...one, name: i === 0 ? name : one.name })),
    })
    for (const name of ["none", "quorum", "all", "2", "#x", names(w2).concat("#ed25519")])
      expect(() =>
        parseWitnessPolicy(formatWitnessPolicy(policyOf(called(name), xa.origin))),
      ).not.toThrow()
  })

  test("of a member without witnesses asks for none", () => {
    const policy = parseWitnessPolicy(formatWitnessPolicy(policyOf(v1, xa.origin)))
    expect(policy).toMatchObject({ quorum: "none", witnesses: [], groups: [] })
  })
})
