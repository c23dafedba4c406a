import { describe, expect, test } from "vitest"
import { introduce } from "../../node/authority/introduce.ts"
import {
  addPeer,
  blockPeer,
  compared,
  ownCard,
  removePeer,
  showPeer,
  updatePeer,
  verifyPeer,
} from "../../node/authority/peers.ts"
import { setContact } from "../../node/authority/renew.ts"
import { signStatement } from "../../node/authority/statement.ts"
import { doctor } from "../../node/doctor.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { wordsIn, wordsOf } from "../../protocol/words.ts"
import { amend, documentOf, knownVersion, release } from "../support/ceremony.ts"
import { officerKey, practiceText } from "../support/hostile.ts"
import { acquaint, authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

type Nodes = Record<"xa" | "xb" | "xc", TestNode>
const idOf = (node: TestNode) => node.context.self.id
const words = (node: TestNode) => wordsOf(idOf(node))

/** Strangers, unless acquainted one by one. */
async function strangers() {
  const net = await network(["xa", "xb", "xc"], { acquainted: false })
  return { ...(net.nodes as Nodes), net, [Symbol.asyncDispose]: () => net.close() }
}

describe("a peer's words", () => {
  test("verify it in any language, in digits, and as a whole id from a QR code", async () => {
    await using at = await strangers()
    const { context } = at.xa
    await addPeer(context, await ownCard(at.xb.context))
    const said = [
      await wordsIn(idOf(at.xb), "ja"),
      await wordsIn(idOf(at.xb), "zh-Hant"),
      await wordsIn(idOf(at.xb), "digits"),
      idOf(at.xb),
      `comity/exercise:test/${idOf(at.xb)}`,
    ]
    for (const text of said)
      expect((await verifyPeer(context, "xb", text)).verified, text).toBe(true)
    for (const text of [words(at.xc), await wordsIn(idOf(at.xc), "digits"), idOf(at.xc)])
      expect(await codeOf(verifyPeer(context, "xb", text)), text).toBe("peer.words")
    expect(await codeOf(verifyPeer(context, "xb", `comity/training/${idOf(at.xc)}`))).toBe(
      "peer.words",
    )
  })

  test("nothing is shared with a peer before, nor while it is blocked", async () => {
    await using at = await strangers()
    const { context } = at.xa
    await addPeer(context, await ownCard(at.xb.context))
    const { record } = await addDraft(context, practiceText("For XB"))
    const asked = () => codeOf(requestRelease(context, { records: [record], to: ["xb"] }))
    expect(await asked()).toBe("peer.unverified")
    expect(await codeOf(sync(context, "xb"))).toBe("peer.unverified")
    await verifyPeer(context, "xb", words(at.xb))
    expect(await asked()).toBeNull()
    await blockPeer(context, "xb", true)
    expect(await asked()).toBe("peer.blocked")
  })

  test("compared by two officers in both directions where the home asks for it, each under a key", async () => {
    await using at = await strangers()
    const { xa, xb } = at
    const context = {
      ...xa.context,
      config: { ...xa.context.config, verify: { directions: 2, officers: 2 } },
    }
    await addPeer(context, await ownCard(xb.context))
    const address = { member: idOf(xa), network: "exercise:test", day: "2026-11-23" }
    const said = (person: string, both: boolean, of = xb, by = xa) =>
      signStatement(officerKey(by, person), address, compared(idOf(of), both))
    const by = async (person: string, both: boolean) =>
      (await verifyPeer(context, "xb", words(xb), { both, statement: await said(person, both) }))
        .verified
    expect((await verifyPeer(context, "xb", words(xb), { both: true })).verified).toBe(false)
    expect(await by("p1", true)).toBe(false)
    expect(await by("p1", true)).toBe(false)
    expect(await by("p2", false)).toBe(false)
    const lent = { both: true, statement: await said("p2", true, at.xc) }
    expect(await codeOf(verifyPeer(context, "xb", words(xb), lent))).toBe("officer.unknown")
    const foreign = { both: true, statement: await said("p2", true, xb, at.xc) }
    expect(await codeOf(verifyPeer(context, "xb", words(xb), foreign))).toBe("signed.unknown-key")
    expect(await by("p2", true)).toBe(true)
  })
})

describe("an introduction", () => {
  async function introduced(replaces?: string) {
    const at = await strangers()
    for (const [a, b] of [
      [at.xa, at.xb],
      [at.xb, at.xa],
      [at.xb, at.xc],
    ] as const)
      await acquaint(a, b)
    const { orders } = await introduce(at.xb.context, "xc", {
      to: ["xa"],
      ...(replaces === undefined ? {} : { replaces }),
    })
    await authoriseAndPublish(at.xb, orders)
    await sync(at.xa.context)
    await addPeer(at.xa.context, await ownCard(at.xc.context))
    return at
  }

  test("by a verified peer is shown with its name, and shares nothing", async () => {
    await using at = await introduced()
    const { context } = at.xa
    expect(await showPeer(context, "xc")).toMatchObject({ introducedBy: ["xb"], verified: false })
    const { record } = await addDraft(context, practiceText("For XC"))
    expect(await codeOf(requestRelease(context, { records: [record], to: ["xc"] }))).toBe(
      "peer.unverified",
    )
  })

  test("counts as long as its peer is trusted and its officers stand by it", async () => {
    await using at = await introduced()
    const { context } = at.xa
    await blockPeer(context, "xb", true)
    expect((await showPeer(context, "xc")).introducedBy).toEqual([])
    await blockPeer(context, "xb", false)
    expect((await showPeer(context, "xc")).introducedBy).toEqual(["xb"])
    const kid = kidOf(officerKey(at.xb, "p1").officer.key)
    await amend(at.xb, { revoke: [{ kid, from: { epoch: 1, size: 2 } }] })
    await sync(context)
    expect((await showPeer(context, "xc")).introducedBy).toEqual([])
  })

  test("is made of a verified peer only", async () => {
    await using at = await strangers()
    await acquaint(at.xb, at.xa)
    await addPeer(at.xb.context, await ownCard(at.xc.context))
    expect(await codeOf(introduce(at.xb.context, "xc", { to: ["xa"] }))).toBe("peer.unverified")
  })
})

describe("a member that goes", () => {
  test("by closing: only withdrawals count from then on, here and at every peer, for good", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Nodes
    const before = await release(xa, "Before", "xb")
    const { record } = await addDraft(xa.context, practiceText("Too late"))
    const closing = { answers: "archive of XA", day: "2027-06-30", keep: true }
    await amend(xa, { fields: { closing: { ...closing, successor: idOf(xb) } } })
    expect(await codeOf(requestRelease(xa.context, { records: [record], to: ["xb"] }))).toBe(
      "root.closed",
    )
    expect(await codeOf(amend(xa, { fields: { name: "Another" } }))).toBeNull()
    await sync(xb.context)
    expect(await showPeer(xb.context, "xa")).toMatchObject({ closing: "2027-06-30" })
    expect((await showPeer(xb.context, "xa")).successor).toBeUndefined()
    const { orders } = await requestWithdrawal(xa.context, {
      record: before.record,
      reason: "over",
    })
    await authoriseAndPublish(xa, orders)
    await sync(xb.context)
    expect((await inbox(xb.context)).records[0]).toMatchObject({ withdrawn: true })
  })

  test("has the successor that names it too, and no other", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Nodes
    const closing = { answers: "", day: "2027-06-30", keep: false }
    await amend(xa, { fields: { closing: { ...closing, successor: idOf(xb) } } })
    await sync(xc.context)
    const seen = async (name: string) => showPeer(xc.context, name)
    expect((await seen("xa")).successor).toBeUndefined()
    await amend(xb, { fields: { succeeds: [idOf(xa)] } })
    await sync(xc.context)
    expect((await seen("xa")).successor).toBe(idOf(xb))
    expect((await seen("xb")).succeeds).toEqual([
      { member: idOf(xa), agreed: true, attestedBy: [] },
    ])
  })

  test("with its root keys: what comes after is a new member, its claim attested by peers, verified by nobody", async () => {
    await using at = await strangers()
    const { xa, xb, xc } = at
    await acquaint(xa, xb)
    await acquaint(xb, xa)
    await acquaint(xb, xc)
    const lost = "ab".repeat(32)
    await amend(xc, { fields: { succeeds: [lost] } })
    const { orders } = await introduce(xb.context, "xc", { to: ["xa"], replaces: lost })
    await authoriseAndPublish(xb, orders)
    await sync(xa.context)
    await addPeer(xa.context, await ownCard(xc.context))
    expect(await showPeer(xa.context, "xc")).toMatchObject({
      verified: false,
      introducedBy: ["xb"],
      succeeds: [{ member: lost, agreed: false, attestedBy: ["xb"] }],
    })
  })

  test("two claimants to one state code are both shown, and a code names neither", async () => {
    await using net = await network(["xa", "xb", "xc"], { acquainted: false })
    const { xa, xb, xc } = net.nodes as Nodes
    const twin = await network(["xb"], { seed: "twin", acquainted: false })
    await addPeer(xa.context, await ownCard(xb.context))
    await addPeer(xa.context, await ownCard(twin.nodes.xb!.context))
    await addPeer(xa.context, await ownCard(xc.context))
    expect((await showPeer(xa.context, "xb")).sameState).toEqual(["xb-2"])
    expect((await showPeer(xa.context, "xb-2")).sameState).toEqual(["xb"])
    expect((await showPeer(xa.context, "xc")).sameState).toEqual([])
    await twin.close()
  })
})

describe("a root document from anywhere", () => {
  test("takes effect at a peer though the member's own node hides it", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Nodes
    const stolen = await release(xa, "By the thief", "xb")
    await sync(xb.context)
    const kid = kidOf(officerKey(xa, "p2").officer.key)
    const revoke = [{ kid, from: { epoch: 1, size: stolen.index } }]
    const document = await documentOf(xa, { revoke })
    expect(await updatePeer(xb.context, { file: document })).toMatchObject({ rootVersion: 2 })
    expect((await inbox(xb.context)).records[0]).toMatchObject({ verdict: "repudiated" })
    // The server goes on under version 1, with the stolen key: nothing of it is taken.
    const after = await release(xa, "Again", "xb")
    expect(after.index).toBeGreaterThan(stolen.index)
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 0, refused: 1 })
  })

  test("is taken from the open pages as well, and from a card that is newer", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Nodes
    await amend(xa, { fields: { name: "Another name" } })
    expect(await updatePeer(xb.context, { name: "xa" })).toMatchObject({ title: "Another name" })
    expect(await updatePeer(xc.context, { file: await ownCard(xa.context) })).toMatchObject({
      title: "Another name",
    })
    expect(await knownVersion(xc, xa)).toBe(2)
  })

  test("of somebody who is no peer, or of a second history, is not", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Nodes
    const one = await documentOf(xa, { fields: { name: "One" } })
    const other = await documentOf(xa, { fields: { name: "Other" } })
    await updatePeer(xb.context, { file: one })
    expect(await codeOf(updatePeer(xb.context, { file: other }))).toBe("root.forked")
    await removePeer(xb.context, "xa")
    expect(await codeOf(updatePeer(xb.context, { file: one }))).toBe("peer.unknown")
  })
})

describe("contact lines", () => {
  test("reach peers with the keys document, end on their day, and change nobody's standing", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Nodes
    const before = await showPeer(xb.context, "xa")
    const lines = { hours: "Mon-Fri 8-16 UTC", mailbox: "exchange@authority.example", notes: "" }
    await setContact(xa.context, { ...lines, validUntil: "2026-12-31" })
    await sync(xb.context)
    const { contact, ...rest } = await showPeer(xb.context, "xa")
    expect(contact).toEqual({
      confirmed: "2026-11-23",
      hours: "Mon-Fri 8-16 UTC",
      mailbox: "exchange@authority.example",
      validUntil: "2026-12-31",
    })
    expect({ ...rest, contact: {} }).toEqual({ ...before, contact: {} })
    await setContact(xa.context, { hours: "" })
    await sync(xb.context)
    expect((await showPeer(xb.context, "xa")).contact).not.toHaveProperty("hours")
    expect(await codeOf(setContact(xa.context, { "not a name": "x" }))).toBe("keys.malformed")

    const told = async () =>
      (await doctor(xa.context)).checks.find(({ check }) => check === "contact")
    expect(await told()).toMatchObject({ ok: true })
    net.clock.now += 366 * 86_400_000
    expect(await told()).toMatchObject({ ok: false })
  })
})
