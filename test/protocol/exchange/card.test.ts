import { describe, expect, test } from "vitest"
import { encodeCanonical, type Json } from "../../../protocol/canonical.ts"
import { decodeUtf8, utf8 } from "../../../protocol/encoding.ts"
import { verifyCard } from "../../../protocol/exchange/card.ts"
import { limits } from "../../../protocol/limits.ts"
import { formatTlogProof, parseTlogProof } from "../../../protocol/log/tlog-proof.ts"
import { alteredPayload } from "../../support/envelope.ts"
import { acceptedFlips, refusal } from "../../support/refusal.ts"
import { cardOf } from "../../support/story.ts"
import { keysPayload, makeMember, nextRoot, signByNode, signKeys } from "../../support/world.ts"

const a = await makeMember({ seed: "card a" })
const b = await makeMember({ seed: "card b", state: "XB" })
const card = await cardOf(a)
const code = (bytes: Uint8Array) => refusal(() => verifyCard(bytes))
type Fields = { roots: Json[]; keys: Json; proof: string; type: string }
const fieldsOf = (bytes: Uint8Array): Fields => JSON.parse(decodeUtf8(bytes))
const edited = (fields: object, of = card) => code(encodeCanonical({ ...fieldsOf(of), ...fields }))

describe("a card", () => {
  test("introduces a member: its id, its keys, and where its log has them", () => {
    const { member, keys, index } = verifyCard(card)
    expect(member.id).toBe(a.id)
    expect(keys.payload).toEqual(keysPayload(a))
    expect(index).toBe(1)
  })

  test("needs every root version from 1 on, in their order", async () => {
    const second = await nextRoot(a)
    const long = await cardOf(second)
    expect(verifyCard(long).member.documents).toHaveLength(2)
    const { roots } = fieldsOf(long)
    expect(edited({ roots: roots.slice(1) }, long)).toBe("root.chain")
    expect(edited({ roots: roots.toReversed() }, long)).toBe("root.chain")
    expect(edited({ roots: [] }, long)).toBe("card.malformed")
    expect(edited({ roots: [...roots, 1] }, long)).toBe("card.malformed")
    // The keys document names version 2, which is not in the file.
    expect(edited({ roots: roots.slice(0, 1) }, long)).toBe("keys.invalid")
  })

  test("with another member's parts is refused, whatever part it is", async () => {
    const other = fieldsOf(await cardOf(b))
    expect(edited({ roots: other.roots })).toBe("keys.invalid")
    expect(edited({ keys: other.keys })).toBe("keys.invalid")
    expect(edited({ proof: other.proof })).toBe("checkpoint.origin")
    const forged = await signByNode(b, "comity-keys+jws", encodeCanonical(keysPayload(a)))
    expect(edited({ keys: fieldsOf(forged) })).toBe("signed.unknown-key")
    expect(edited({ keys: fieldsOf(alteredPayload(a.keys, { urls: [] })) })).toBe("signed.invalid")
  })

  test("with a keys document that the log does not have is refused, though its node signed it", async () => {
    const unlogged = await signKeys(a, { urls: ["https://elsewhere.example"] })
    expect(edited({ keys: fieldsOf(unlogged) })).toBe("inclusion.invalid")
    const proof = parseTlogProof(fieldsOf(card).proof)
    expect(edited({ proof: formatTlogProof({ ...proof, index: 0 }) })).toBe("inclusion.invalid")
  })

  test("by a node key that a newer root version has replaced announces nothing", async () => {
    const second = await nextRoot(a, { newNodeKey: true })
    expect(code(await cardOf(second))).toBeNull()
    expect(code(await cardOf(second, { keys: a.keys }))).toBe("keys.invalid")
    // As long as the node key is the same, the keys document may name an older version.
    const same = await nextRoot(a)
    expect(code(await cardOf(same, { keys: a.keys }))).toBeNull()
  })

  test("has one form: no field more, none less, nothing that is authenticated by nobody", () => {
    for (const [fields, expected] of [
      [{ more: 1 }, "card.malformed"],
      [{ type: "comity/card/v2" }, "card.malformed"],
      [{ keys: undefined }, "card.malformed"],
      [{ keys: null }, "signed.malformed"],
      [{ proof: "" }, "card.malformed"],
      [{ proof: "c2sp.org/tlog-proof@v1\n" }, "tlogproof.malformed"],
    ] as const)
      expect(edited(fields)).toBe(expected)
    const proof = parseTlogProof(fieldsOf(card).proof)
    expect(edited({ proof: formatTlogProof({ ...proof, extra: utf8("hello") }) })).toBe(
      "card.malformed",
    )
    expect(code(new Uint8Array(limits.cardBytes + 1))).toBe("json.too-large")
  })

  test("no flipped bit is accepted", () => {
    // Its parts have every bit flipped in flipped-bits.test.ts; here it is how they hang together.
    const some = { every: 64, everyExhaustive: 4 }
    expect(acceptedFlips(card, (flipped) => verifyCard(flipped), some)).toEqual([])
  })
})
