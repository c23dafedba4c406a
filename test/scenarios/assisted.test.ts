import { describe, expect, test } from "vitest"
import { reviewExport, type Seen, signReview } from "../../node/authority/officer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { addSignature, exportOrder } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { encodeCanonical, type Json } from "../../protocol/canonical.ts"
import { wordsOf } from "../../protocol/words.ts"
import { amend, release } from "../support/ceremony.ts"
import { officerKey, practiceText } from "../support/hostile.ts"
import { network, type TestNode } from "../support/network.ts"
import { codeOf, refusal } from "../support/refusal.ts"

/**
 * A member whose node runs on another's server keeps its officers' keys at home: what their machines
 * catch of a host that lies, and what they can't. docs/assisted.md
 */

type Exported = { [field: string]: Json }

async function exported(node: TestNode, order: string, seenSize?: number): Promise<Exported> {
  const bytes = await exportOrder(node.context, order, seenSize)
  return JSON.parse(new TextDecoder().decode(bytes)) as Exported
}

async function asked(node: TestNode, title = "A practice", to = ["xb"]) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { order } = await requestRelease(node.context, { records: [record], to })
  return { record, order, file: await exported(node, order) }
}

async function world() {
  const net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const pins = new Map([[xb.context.self.id, "Friends in XB"]])
  const review = (file: Exported, seen: Seen | null = null) =>
    reviewExport(encodeCanonical(file), pins, seen)
  const refused = (file: Exported, seen: Seen | null = null) => refusal(() => review(file, seen))
  return { xa, xb, xc, pins, review, refused, [Symbol.asyncDispose]: () => net.close() }
}

const list = (value: Json | undefined) => value as Exported[]

describe("the officer's machine catches a host that", () => {
  test("labels another member's id as a friend's: pins decide who is called what", async () => {
    await using at = await world()
    const { xa, xc } = at
    const { file } = await asked(xa, "For XC", ["xc"])
    file.recipients = [{ member: xc.context.self.id, name: "Friends in XB" }]
    const [line] = at.review(file).lines
    expect(line).toMatchObject({ isPinned: false, recipient: xc.context.self.id })
    expect(line!.known).toBe(`words: ${wordsOf(xc.context.self.id)}`)
    const honest = at.review((await asked(xa, "For XB")).file).lines[0]
    expect(honest).toMatchObject({ isPinned: true, known: "Friends in XB" })
  })

  test("shows another text than the one whose digest would be signed", async () => {
    await using at = await world()
    const { file } = await asked(at.xa)
    list(file.records)[0]!.title = "Something harmless"
    expect(at.refused(file)).toBe("record.mismatch")
  })

  test("keeps a second recipient out of sight, or slips one in", async () => {
    await using at = await world()
    const { file } = await asked(at.xa, "To both", ["xb", "xc"])
    const both = list(file.grants)
    expect(at.refused({ ...file, grants: both.slice(0, 1) })).toBe("grant.path")
    expect(at.refused({ ...file, grants: [...both, both[0]!] })).toBe("grant.path")
    const [first] = both
    const other = { ...(first!.grant as Exported), recipient: "ab".repeat(32) }
    expect(at.refused({ ...file, grants: [{ ...first!, grant: other }, both[1]!] })).toBe(
      "grant.path",
    )
  })

  test("asks for the sign-off of another rule than the record's", async () => {
    await using at = await world()
    const { file } = await asked(at.xa)
    const rule = { ...((file.payload as Exported).rule as Exported), kind: "question" }
    expect(at.refused({ ...file, payload: { ...(file.payload as Exported), rule } })).toBe(
      "rule.mismatch",
    )
  })

  test("makes an order of a release out of what is said to be a withdrawal", async () => {
    await using at = await world()
    const { file } = await asked(at.xa)
    expect(
      at.refused({ ...file, payload: { ...(file.payload as Exported), act: "withdraw" } }),
    ).toBe("record.mismatch")
  })

  test("bases the order on a history that is not the log's", async () => {
    await using at = await world()
    const { file } = await asked(at.xa)
    const base = { epoch: 1, root: "00".repeat(32), size: 2 }
    expect(at.refused({ ...file, payload: { ...(file.payload as Exported), base } })).toBe(
      "order.base",
    )
  })

  test("goes back behind what this machine has seen: a shorter log, another one, older root documents", async () => {
    await using at = await world()
    const { xa } = at
    const before = await asked(xa)
    await release(xa, "Meanwhile", "xb")
    const { seen } = at.review((await asked(xa)).file)
    expect(at.refused(before.file, seen)).toBe("checkpoint.rollback")

    const next = await asked(xa)
    const file = await exported(xa, next.order, seen.size)
    expect(at.refused(file, seen)).toBeNull()
    expect(at.refused(file, { ...seen, root: "00".repeat(32) })).toBe("checkpoint.forked")

    expect(at.refused(file, { ...seen, rootVersion: 2 })).toBe("root.chain")
    await amend(xa, { fields: { name: "Another name" } })
    expect(at.refused(await exported(xa, (await asked(xa)).order, seen.size), seen)).toBeNull()
  })

  test("leaves out the proof that the log leads on from what this machine has seen", async () => {
    await using at = await world()
    const { xa } = at
    const { seen } = at.review((await asked(xa)).file)
    await release(xa, "Meanwhile", "xb")
    const { file, order } = await asked(xa)
    expect(await codeOf(Promise.resolve().then(() => at.review(file, seen)))).toBe("order.unproven")
    // What a machine has seen comes back with its signature, and is proven from the next time on.
    const line = await signReview(at.review(file), officerKey(xa, "p1"), "2026-11-23")
    await addSignature(xa.context, order, line, seen.size)
    expect(at.refused((await asked(xa)).file, seen)).toBeNull()
  })

  test("has another member's order signed: an officer's key knows whose officer it is", async () => {
    await using at = await world()
    const { xa, xb } = at
    const review = at.review((await asked(xb, "By XB", ["xc"])).file)
    const mine = { ...officerKey(xb, "p1"), member: xa.context.self.id }
    expect(await codeOf(signReview(review, mine, "2026-11-23"))).toBe("officer.unknown")
    const theirs = { ...mine, member: xb.context.self.id }
    expect(await codeOf(signReview(review, theirs, "2026-11-23"))).toBeNull()
  })
})

describe("the officer's machine is told by the host alone, and the page says so", () => {
  test("what an order repeats or ends", async () => {
    await using at = await world()
    const { xa } = at
    const { record } = await release(xa, "Released", "xb")
    const { order } = await requestWithdrawal(xa.context, { record, reason: "over" })
    const file = await exported(xa, order)
    expect(at.review(file).notes).toHaveLength(1)
    expect(at.review({ ...file, earlier: [] }).notes).toEqual([])
  })
})
