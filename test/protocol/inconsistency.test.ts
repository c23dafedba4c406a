import { describe, expect, test } from "vitest"
import type { Json } from "../../protocol/canonical.ts"
import { decodeHex, encodeHex } from "../../protocol/encoding.ts"
import { encodeInconsistency, verifyInconsistency } from "../../protocol/inconsistency.ts"
import { signCheckpoint } from "../../protocol/log/checkpoint.ts"
import { blindedEntry, dummyEntry, openEntry } from "../../protocol/log/entry.ts"
import { leafHash, proveConsistency, proveInclusion, treeRoot } from "../../protocol/log/merkle.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import { refusal } from "../support/refusal.ts"
import {
  logSigners,
  makeMember,
  nextRoot,
  orderOf,
  signOrder,
  type TestMember,
} from "../support/world.ts"

const a = await makeMember({ seed: "inconsistency a" })
const b = await makeMember({ seed: "inconsistency b" })
const jsonOf = (bytes: Uint8Array): Json => JSON.parse(new TextDecoder().decode(bytes))
const rootsOf = (member: TestMember) => member.roots.map(jsonOf)
const sign = (member: TestMember, leaves: readonly Uint8Array[]) =>
  signCheckpoint(
    { origin: member.origin, size: leaves.length, root: treeRoot(leaves) },
    logSigners(member),
  )
const leaves = (n: number, salt = a.saltKey) =>
  Array.from({ length: n }, (_, i) => leafHash(dummyEntry(salt, i)))
const code = (fields: Parameters<typeof encodeInconsistency>[0]) =>
  refusal(() => verifyInconsistency(encodeInconsistency(fields)))

describe("two checkpoints", () => {
  const one = leaves(7)
  const other = [...one.slice(0, 4), ...leaves(6, b.saltKey)]
  const proven = async (small: readonly Uint8Array[], large: readonly Uint8Array[]) =>
    ({
      kind: "checkpoints",
      larger: await sign(a, large),
      proof:
        small.length === large.length
          ? []
          : proveConsistency(large, small.length, large.length).map(encodeHex),
      root: encodeHex(treeRoot(large.slice(0, small.length))),
      roots: rootsOf(a),
      smaller: await sign(a, small),
    }) as const

  test("of which one does not continue the other, at any sizes, are a proof", async () => {
    for (let small = 5; small <= 7; small++)
      for (let large = small; large <= 10; large++) {
        const fields = await proven(one.slice(0, small), other.slice(0, large))
        expect(code(fields), `${small} ${large}`).toBeNull()
      }
  })

  test("of one history are none, whatever the file claims", async () => {
    const fields = await proven(one.slice(0, 5), one)
    expect(code(fields)).toBe("inconsistency.unproven")
    expect(code({ ...fields, root: "00".repeat(32) })).toBe("inconsistency.unproven")
    expect(code({ ...fields, proof: [] })).toBe("inconsistency.unproven")
    expect(code(await proven(one, one))).toBe("inconsistency.unproven")
  })

  test("of another member, with a line more, or not signed by the log, accuse nobody", async () => {
    const fields = await proven(one, other)
    expect(code({ ...fields, roots: rootsOf(b) })).toBe("checkpoint.origin")
    expect(code({ ...fields, larger: await sign(b, other) })).toBe("checkpoint.origin")
    const [ed25519, mldsa] = fields.larger.trimEnd().split("\n").slice(-2)
    expect(code({ ...fields, larger: fields.larger.replace(`${mldsa}\n`, "") })).toBe(
      "checkpoint.unverified",
    )
    const more = `${fields.larger}${ed25519!.replace(a.origin, "someone")}\n`
    expect(code({ ...fields, larger: more })).toBe("note.unverified")
  })
})

describe("two root documents of one version", async () => {
  const first = await nextRoot(a, { fields: { name: "First" } })
  const second = await nextRoot(a, { fields: { name: "Second" } })
  const document = (member: TestMember) => jsonOf(member.roots.at(-1)!)
  const fields = {
    first: document(first),
    kind: "roots",
    roots: rootsOf(a),
    second: document(second),
  } as const

  test("are a proof", () => {
    expect(code(fields)).toBeNull()
  })

  test("with one payload are none, and what the chain does not bear out accuses nobody", async () => {
    expect(code({ ...fields, second: fields.first })).toBe("inconsistency.unproven")
    const foreign = await nextRoot(b, {})
    expect(code({ ...fields, second: document(foreign) })).toBe("root.chain")
    const unsigned = await nextRoot(a, { fields: { name: "Third" }, signers: b.rootPairs }).catch(
      () => null,
    )
    expect(unsigned).toBeNull()
  })
})

describe("an order behind a later root version", async () => {
  const later = await nextRoot(a, {})
  const rule = { conditions: [], kind: "good-practice", profile: "33".repeat(32) }
  const order = async (rootVersion: number, signer: TestMember = later) =>
    decodeOrder(
      await signOrder(
        signer,
        orderOf(a, { id: "11".repeat(16), root: "22".repeat(32), rootVersion, rule }),
        ["p1", "p2"],
      ),
    )
  const salt = "44".repeat(32)
  const proven = async (document: Awaited<ReturnType<typeof order>>) => {
    const entries = [
      openEntry(decodeHex(a.member.documents[0]!.digest)),
      openEntry(decodeHex(newestRoot(later.member).digest)),
      dummyEntry(a.saltKey, 2),
      blindedEntry(1, decodeHex(salt), decodeHex(document.digest)),
    ].map(leafHash)
    return {
      checkpoint: await sign(a, entries),
      index: 3,
      kind: "order",
      order: jsonOf(document.bytes),
      path: proveInclusion(entries, 3).map(encodeHex),
      rootIndex: 1,
      rootPath: proveInclusion(entries, 1).map(encodeHex),
      roots: rootsOf(later),
      salt,
    } as const
  }

  test("is a proof", async () => {
    expect(code(await proven(await order(1)))).toBeNull()
  })

  test("is none in another network, of another member, or as a withdrawal", async () => {
    const other = async (fields: Partial<ReturnType<typeof orderOf>>) => {
      const payload = orderOf(a, { id: "11".repeat(16), root: "22".repeat(32), rule, ...fields })
      return code(await proven(decodeOrder(await signOrder(later, payload, ["p1", "p2"]))))
    }
    expect(await other({})).toBeNull()
    expect(await other({ network: "operational" })).toBe("inconsistency.unproven")
    expect(await other({ origin: b.id })).toBe("inconsistency.unproven")
    expect(await other({ act: "withdraw" })).toBe("inconsistency.unproven")
    const root = "00".repeat(32)
    expect(await other({ base: { epoch: 1, root, size: 4 } })).toBe("inconsistency.unproven")
    expect(await other({ base: { epoch: 2, root, size: 0 } })).toBe("inconsistency.unproven")
  })

  test("is none where it names the version in force, or stands elsewhere", async () => {
    expect(code(await proven(await order(2)))).toBe("inconsistency.unproven")
    const fields = await proven(await order(1))
    expect(code({ ...fields, index: 2 })).toBe("inconsistency.unproven")
    expect(code({ ...fields, rootIndex: 0 })).toBe("inconsistency.unproven")
    expect(code({ ...fields, salt: "55".repeat(32) })).toBe("inconsistency.unproven")
  })

  test("that no officer signed proves nothing against them", async () => {
    expect(code(await proven(await order(1, b)))).toBe("signed.unknown-key")
  })
})
