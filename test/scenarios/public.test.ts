import { describe, expect, test } from "vitest"
import { reviewExport } from "../../node/authority/officer.ts"
import { blockPeer, verifyPeer } from "../../node/authority/peers.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { unanswered } from "../../node/exchange/unanswered.ts"
import { why } from "../../node/exchange/why.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft, editDraft } from "../../node/order/drafts.ts"
import { exportOrder } from "../../node/order/orders.ts"
import { type ReleaseRequest, requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { say } from "../../node/order/say.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { recover } from "../../node/recover.ts"
import { encodeCanonical, jsonOf } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { decodeHex, encodeHex } from "../../protocol/encoding.ts"
import { decodeEvidence, parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import {
  encodeGrant,
  everybody,
  type Grant,
  grantLeaf,
  type Terms,
} from "../../protocol/release/grant.ts"
import { buildGrantTree } from "../../protocol/release/grant-tree.ts"
import type { Order } from "../../protocol/release/order.ts"
import { wordsOf } from "../../protocol/words.ts"
import { allowPublic } from "../support/ceremony.ts"
import { alteredPayload } from "../support/envelope.ts"
import {
  ForgedFeed,
  forgeOrder,
  framesTo,
  logForged,
  officerKey,
  releaseGrant,
  serveForged,
} from "../support/hostile.ts"
import {
  acquaint,
  authoriseAndPublish,
  network,
  signAs,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { codeOf, refusal } from "../support/refusal.ts"
import { answerFrom, imageOf, restored, startFrom } from "../support/restart.ts"

const practice = (title: string, marking = "TLP:CLEAR") => `---
title: ${title}
language: en
marking: ${marking}
---
Whoever locks the archive is never the one who opened it.
`

type World = TestNetwork & { readonly nodes: { readonly [name in "xa" | "xb" | "xc"]: TestNode } }

/** Members who know one another, the first of whom may release to everybody. */
async function world(options: Parameters<typeof network>[1] = {}): Promise<World> {
  const net = (await network(["xa", "xb", "xc"], options)) as World
  await allowPublic(net.nodes.xa)
  return net
}

const asked = ({ context }: TestNode, record: string, more: Partial<ReleaseRequest> = {}) =>
  requestRelease(context, { records: [record], to: [everybody], ...more })

async function releasedToAll(node: TestNode, title = "Two keys"): Promise<string> {
  const { record } = await addDraft(node.context, practice(title))
  const { orders } = await asked(node, record)
  await authoriseAndPublish(node, orders, [record])
  return record
}

async function withdrawn(node: TestNode, record: string, from?: readonly string[]) {
  const { orders } = await requestWithdrawal(node.context, {
    record,
    reason: "superseded",
    ...(from === undefined ? {} : { from }),
  })
  return authoriseAndPublish(node, orders)
}

async function titles({ context }: TestNode): Promise<readonly string[]> {
  const { records } = await inbox(context)
  return records.filter((one) => !one.withdrawn).map(({ title }) => title)
}

async function contents({ context }: TestNode): Promise<number> {
  return (await context.db.selectFrom("content").select("rid").execute()).length
}

/** What a feed names, and how. */
async function queuedTo({ context: { db } }: TestNode, { context }: TestNode) {
  const rows = await db
    .selectFrom("delivery")
    .innerJoin("fact", "fact.order_id", "delivery.order_id")
    .select(["fact.act", "fact.record_id"])
    .where("delivery.peer", "=", context.self.id)
    .execute()
  return rows.map(({ act, record_id }) => [act, record_id]).sort()
}

const received = async (node: TestNode, from = "xa") => (await sync(node.context, from)).peers[0]

describe("a release to everybody", () => {
  test("goes to every member that follows, is found and read there, and says what it is", async () => {
    await using net = await world()
    const { xa, xb, xc } = net.nodes
    const record = await releasedToAll(xa)
    const ids = [xb, xc].map(({ context }) => context.self.id)
    for (const node of [xb, xc]) {
      expect(await received(node)).toMatchObject({ received: 1, refused: 0, failed: 0 })
      const { records } = await inbox(node.context)
      expect(records).toEqual([
        expect.objectContaining({
          title: "Two keys",
          marking: "TLP:CLEAR",
          public: true,
          verdict: "verified",
        }),
      ])
      expect((await search(node.context, "archive")).records).toHaveLength(1)
      const shown = await show(node.context, record)
      expect(shown.provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
      expect(shown.terms).toMatchObject({ evidence: "public", onward: "no" })
      expect(shown.notes).toContain("everybody may read it: its origin released it so")
      const { have, detail } = await why(node.context, record, "xa")
      expect([have, detail]).toEqual([true, expect.stringContaining("released it to everybody")])
    }
    // Held once on either side, whoever follows.
    for (const { context } of [xa, xb, xc]) {
      const grants = await context.db.selectFrom("order_grant").select("recipient").execute()
      expect(grants).toEqual([{ recipient: everybody }])
    }
    const { receipts } = await receiptsOf(xa.context, record)
    expect(receipts.map(({ member, state }) => [member, state]).sort()).toEqual(
      ids.map((id) => [id, "delivered"]).sort(),
    )
    expect(await why(xa.context, record, "xb")).toMatchObject({ have: true, reason: "delivered" })
  })

  test("tells before it is asked for who will read it, and what allows that", async () => {
    await using net = await world()
    const { xa } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    const { orders, preview } = await asked(xa, record, { dryRun: true })
    expect(orders).toHaveLength(1)
    expect(preview).toMatchObject([{ recipient: everybody, member: everybody }])
    expect(preview[0]!.allowedBy).toEqual([
      "its marking, TLP:CLEAR, sets no limit to who reads it",
      "our policy: release, when public: 2 persons in any role",
      "profile general says nothing of who may read it",
    ])
    expect(preview[0]!.knows[0]).toMatch(/^for ever:/)
    for (const terms of [{ evidence: "members" }, { onward: "free" }] as const)
      expect(await codeOf(asked(xa, record, terms))).toBe("terms.invalid")
  })

  test("stands beside one to a member alone, in an order of its own", async () => {
    await using net = await world()
    const { xa, xb, xc } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    const { orders, grants } = await asked(xa, record, { to: [everybody, "xb"] })
    expect([orders.length, grants]).toEqual([2, 2])
    await authoriseAndPublish(xa, orders, [record])
    expect(await received(xb)).toMatchObject({ received: 1, already: 1 })
    expect(await received(xc)).toMatchObject({ received: 1, already: 0 })
    // Each ends by itself, and what either holds up is not destroyed.
    const [published] = await withdrawn(xa, record, [everybody])
    expect(published!.queued).toHaveLength(2)
    for (const node of [xb, xc]) await sync(node.context, "xa")
    expect([await titles(xb), await titles(xc)]).toEqual([["Two keys"], []])
    expect((await inbox(xb.context)).records[0]).toMatchObject({ public: false })
    await withdrawn(xa, record, ["xb"])
    await sync(xb.context, "xa")
    expect(await contents(xb)).toBe(0)
  })

  test("to members alone ends without it", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    const { orders } = await asked(xa, record, { to: [everybody, "xb"] })
    await authoriseAndPublish(xa, orders, [record])
    await sync(xb.context, "xa")
    await withdrawn(xa, record, ["xb"])
    await sync(xb.context, "xa")
    expect((await inbox(xb.context)).records[0]).toMatchObject({ public: true, title: "Two keys" })
  })

  test("gives the terms while it stands, whichever came first; one withdrawal ends both", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    for (const to of ["xb", everybody]) {
      const { orders } = await asked(xa, record, { to: [to] })
      await authoriseAndPublish(xa, orders, [record])
    }
    await sync(xb.context, "xa")
    const { terms } = await show(xb.context, record)
    expect(terms).toMatchObject({ evidence: "public", purpose: "public information" })
    expect(await withdrawn(xa, record)).toHaveLength(2)
    await sync(xb.context, "xa")
    expect(await contents(xb)).toBe(0)
    const { receipts } = await receiptsOf(xa.context, record)
    const ofXb = receipts.filter(({ member }) => member === xb.context.self.id)
    expect(ofXb.map(({ state }) => state).sort()).toEqual([
      "delivered",
      "delivered",
      "purged",
      "purged",
    ])
    const waiting = await unanswered(xa.context)
    expect(waiting.map(({ member }) => member)).toEqual([net.nodes.xc.context.self.id])
  })

  test("reaches a member that is verified later: what stands, and what was taken back", async () => {
    await using net = await network(["xa", "xb", "xc"], { acquainted: false })
    const { xa, xb, xc } = net.nodes as World["nodes"]
    await allowPublic(xa)
    await acquaint(xa, xb)
    await acquaint(xb, xa)
    const ended = await releasedToAll(xa, "Ended")
    await releasedToAll(xa, "Standing")
    await withdrawn(xa, ended)
    await acquaint(xc, xa)
    await acquaint(xa, xc)
    // Compared once more, nothing is queued twice; blocked for a while, nothing is missed.
    await verifyPeer(xa.context, "xc", wordsOf(xc.context.self.id))
    expect(await received(xc)).toMatchObject({ received: 2, refused: 0, failed: 0 })
    expect(await titles(xc)).toEqual(["Standing"])
    const rows = await xa.context.db
      .selectFrom("delivery")
      .select("order_id")
      .where("peer", "=", xc.context.self.id)
      .execute()
    expect(rows).toHaveLength(2)
    expect(await contents(xc)).toBe(1)
    await blockPeer(xa.context, "xc", true)
    await releasedToAll(xa, "Meanwhile")
    await blockPeer(xa.context, "xc", false)
    expect(await received(xc)).toMatchObject({ received: 1 })
  })

  test("is nothing that a stranger learns of, or gets", async () => {
    await using net = await network(["xa", "xb", "xc"], { acquainted: false })
    const { xa, xb, xc } = net.nodes as World["nodes"]
    await allowPublic(xa)
    await acquaint(xa, xb)
    const record = await releasedToAll(xa)
    const { sealed_digest } = await xa.context.db
      .selectFrom("record")
      .select("sealed_digest")
      .where("id", "=", record)
      .executeTakeFirstOrThrow()
    const answers: string[] = []
    for (const path of ["/feed", `/sealed/${sealed_digest}`, "/sealed/nothing", "/nothing"]) {
      const answer = await net.hosts.get(xa.host)!(new Request(`https://${xa.host}${path}`))
      answers.push(`${answer.status} ${await answer.text()}`)
    }
    expect(new Set(answers)).toEqual(new Set(["404 "]))
    // It knows XA, which does not know it.
    await acquaint(xc, xa)
    expect(await codeOf(sync(xc.context, "xa").then(({ peers }) => peers))).toBeNull()
    expect(await titles(xc)).toEqual([])
  })

  test("is fetched where it is too large to ride along, as long as it stands", async () => {
    await using net = await world()
    const { xa, xb, xc } = net.nodes
    const text = `${practice("Large")}${"Каждую строку читают двое. ".repeat(9_000)}\n`
    const { record } = await addDraft(xa.context, text)
    const { orders } = await asked(xa, record)
    await authoriseAndPublish(xa, orders, [record])
    expect(await received(xb)).toMatchObject({ received: 1, failed: 0 })
    await withdrawn(xa, record)
    expect(await received(xc)).toMatchObject({ refused: 0, failed: 0 })
    expect(await contents(xc)).toBe(0)
  })

  test("makes nothing public of what is said about it", async () => {
    await using net = await world()
    const { xa } = net.nodes
    const record = await releasedToAll(xa)
    const ours = { relation: "reserves", record, text: "Not tried in transport." } as const
    expect(await codeOf(say(xa.context, ours))).toBe("recipient.none")
    const { orders } = await asked(xa, record, { to: ["xb"] })
    await authoriseAndPublish(xa, orders)
    const { preview } = await say(xa.context, ours)
    expect(preview.map(({ recipient }) => recipient)).toEqual(["xb"])
  })

  test("a new version goes the same way, and the old one with it when both are taken back", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const record = await releasedToAll(xa)
    await sync(xb.context, "xa")
    await editDraft(xa.context, record, practice("Three keys"))
    const { orders } = await asked(xa, record)
    await authoriseAndPublish(xa, orders, [record])
    await sync(xb.context, "xa")
    expect(await titles(xb)).toEqual(["Three keys"])
    await withdrawn(xa, record)
    await sync(xb.context, "xa")
    expect(await contents(xb)).toBe(0)
  })
})

describe("the evidence of it", () => {
  test("is a file that a stranger verifies, from its origin or from any member", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const record = await releasedToAll(xa)
    await sync(xb.context, "xa")
    for (const { context } of [xa, xb]) {
      const { file, recipient, reveals } = await exportEvidence(context, record)
      expect(recipient).toBe(everybody)
      expect(reveals).toContain("that everybody may read it")
      const verdict = verifyEvidence(file, [parsePin(xa.context.self.id)])
      expect(verdict).toMatchObject({ verdict: "verified", record: { title: "Two keys" } })
      expect(verdict.ground).toContain(
        "released to everybody: it can be marked withdrawn, not recalled",
      )
      expect(new TextDecoder().decode(file)).not.toContain(xb.context.self.id)
    }
    // Of two grants the one that names nobody is shown, unless the other is asked for.
    const { orders } = await asked(xa, record, { to: ["xb"] })
    await authoriseAndPublish(xa, orders)
    const of = async (peer?: string) =>
      (await exportEvidence(xa.context, record, peer === undefined ? {} : { peer })).recipient
    expect([await of(), await of("xb"), await of(everybody)]).toEqual([everybody, "xb", everybody])
  })

  test("does not stand with another rule, recipient, key or record than were signed", async () => {
    await using net = await world()
    const { xa } = net.nodes
    const record = await releasedToAll(xa)
    const other = await releasedToAll(xa, "Another")
    const fileOf = async (id: string) => (await exportEvidence(xa.context, id)).file
    const file = await fileOf(record)
    const fields = jsonOf(file) as { readonly grant: object; readonly order: object }
    const changed = (changes: object) =>
      verifyEvidence(encodeCanonical({ ...fields, ...changes }), [parsePin(xa.context.self.id)])
        .code
    expect(changed({})).toBeUndefined()
    const { placed, record: text } = decodeEvidence(await fileOf(other))
    const { proven } = decodeEvidence(file)
    const rule = { ...proven.order.payload.rule, conditions: [] }
    const { key: _, ...keyless } = fields.grant as { readonly key: string }
    const codes = {
      rule: changed({ order: jsonOf(alteredPayload(proven.order.bytes, { rule })) }),
      recipient: changed({ grant: { ...keyless, recipient: xa.context.self.id } }),
      key: changed({ grant: { ...fields.grant, key: "00".repeat(32) } }),
      record: changed({ record: jsonOf(text) }),
      grant: changed({ grant: jsonOf(placed.bytes) }),
    }
    expect(codes).toEqual({
      rule: "inclusion.invalid",
      recipient: "grant.path",
      key: "grant.path",
      record: "record.mismatch",
      grant: "grant.path",
    })
  })
})

describe("nobody makes one", () => {
  test("alone, or without saying twice that it is meant", async () => {
    await using net = await world()
    const { xa } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    const { record: other } = await addDraft(xa.context, practice("Another"))
    const { order } = await asked(xa, record)
    expect(await codeOf(signAs(xa, order, "p1"))).toBe("public.unconfirmed")
    expect(await codeOf(signAs(xa, order, "p1", [other]))).toBe("public.unconfirmed")
    await signAs(xa, order, "p1", [record])
    expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
    expect(await codeOf(signAs(xa, order, "p2"))).toBe("public.unconfirmed")
    expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
    await signAs(xa, order, "p2", [record])
    expect(await codeOf(publish(xa.context, order))).toBeNull()
  })

  test("with the key of something else, however the server words it", async () => {
    await using net = await world()
    const { xa } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    await asked(xa, record, { to: ["xb"] })
    const { db } = xa.context
    await db
      .updateTable("content")
      .set({ content_key: new Uint8Array(32) })
      .execute()
    const { order } = await asked(xa, record)
    expect(await codeOf(signAs(xa, order, "p1", [record]))).toBe("sealed.mismatch")
  })

  test("where the policy has no line for it, or the record is not for everybody", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const open = await addDraft(xb.context, practice("Two keys"))
    expect(await codeOf(asked(xb, open.record))).toBe("order.unsatisfied")
    const closed = await addDraft(xa.context, practice("Two keys", "TLP:GREEN"))
    expect(await codeOf(asked(xa, closed.record))).toBe("profile.violated")
    expect(await xb.context.db.selectFrom("release_order").select("id").execute()).toEqual([])
  })

  test("of what another member gave it, whether to it alone or to everybody", async () => {
    await using net = await world()
    const { xa, xb, xc } = net.nodes
    await allowPublic(xb)
    const { record: mine } = await addDraft(xa.context, practice("For XB"))
    const { orders } = await asked(xa, mine, { to: ["xb"], onward: "free" })
    await authoriseAndPublish(xa, orders)
    const all = await releasedToAll(xa)
    await sync(xb.context, "xa")
    await expect(asked(xb, mine)).rejects.toMatchObject({
      code: "onward.refused",
      message: "Only its origin releases a record to everybody.",
    })
    expect(await codeOf(asked(xb, all))).toBe("onward.refused")
    // Who follows its origin has it; nobody else needs to be permitted to be told.
    expect(await codeOf(asked(xb, all, { to: ["xc"] }))).toBe("onward.refused")
    await sync(xc.context, "xa")
    expect(await titles(xc)).toEqual(["Two keys"])
  })
})

/** Under a profile that lets States read it, and nobody else; marked as if everybody could. */
const amongStates = `---
title: For States
profile: insserv
kind: good-practice
marking: TLP:CLEAR
areas: [MORC-3]
basis: NSS 15
whyBetter: Nobody else does it so.
---
What is done.
`

type Exported = {
  readonly grants: readonly [{ readonly grant: Grant; readonly position: number }]
  readonly payload: Order
  readonly seed: string
}

/** XA's software checks nothing: what does XB make of it? Its officers sign whatever the test says. */
describe("a member that keeps to the form alone", () => {
  const clear: Terms = {
    caveats: [],
    evidence: "public",
    marking: "TLP:CLEAR",
    onward: "no",
    purpose: "public information",
  }

  async function told(
    net: World,
    record: string,
    changes: Partial<Grant>,
    options: {
      readonly conditions?: readonly ["public"] | readonly []
      readonly by?: string[]
      readonly isKeyless?: boolean
    } = {},
  ) {
    const { xa, xb } = net.nodes
    const { content_key } = await contentOf(xa, record)
    const key = encodeHex(new Uint8Array(content_key))
    const grant = await releaseGrant(xa, record, everybody, { key, terms: clear, ...changes })
    const { kind, profile_digest: profile } = await rowOf(xa, record)
    const conditions = options.conditions ?? ["public"]
    const signers = (options.by ?? ["p1", "p2"]).map((person) => ({ key: officerKey(xa, person) }))
    const forged = await forgeOrder(xa, [grant], {
      fields: { rule: { conditions: [...conditions], kind, profile } },
      signers,
    })
    const entry = await logForged(xa, forged.order)
    const feed = new ForgedFeed(encodeHex(xa.env.random(16))).add(
      { ...forged, entry },
      options.isKeyless,
    )
    using served = serveForged(net, xa, xb, feed)
    await sync(xb.context, "xa")
    return served.receipts().map(({ state, code }) => code ?? state)
  }

  const rowOf = ({ context }: TestNode, id: string) =>
    context.db.selectFrom("record").selectAll().where("id", "=", id).executeTakeFirstOrThrow()
  const contentOf = ({ context }: TestNode, id: string) =>
    context.db.selectFrom("content").selectAll().where("id", "=", id).executeTakeFirstOrThrow()

  /** A record with its key, which nobody was given yet. */
  async function frozen(node: TestNode, title: string, marking?: string): Promise<string> {
    return frozenAs(node, practice(title, marking))
  }

  async function frozenAs(node: TestNode, text: string): Promise<string> {
    const { record } = await addDraft(node.context, text)
    await requestRelease(node.context, { records: [record], to: ["xb"] })
    return record
  }

  test("is believed only by the line, the officers, the marking and the key that it takes", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const [record, other] = [await frozen(xa, "Two keys"), await frozen(xa, "Another")]
    const amber = await frozen(xa, "Not for all", "TLP:AMBER")
    const { content_key } = await contentOf(xa, other)
    const wrong = encodeHex(new Uint8Array(content_key))
    const { digest } = await rowOf(xa, other)
    const named = (await releaseGrant(xa, record, everybody)).record
    const ofStates = await frozenAs(xa, amongStates)
    const said = {
      "a kind for States alone": await told(net, ofStates, {}),
      "one officer": await told(net, record, {}, { by: ["p1"] }),
      "the rule of one member": await told(net, record, {}, { conditions: [] }),
      "another marking": await told(net, amber, {}),
      "narrower terms": await told(net, record, { terms: { ...clear, marking: "TLP:GREEN" } }),
      // A grant that names the text of one record, and seals another.
      "another text": await told(net, record, {
        record: { ...named, digest },
      }),
    }
    expect(said).toEqual({
      "a kind for States alone": ["profile.violated"],
      "one officer": ["order.unauthorised"],
      "the rule of one member": ["rule.mismatch"],
      "another marking": ["profile.violated"],
      "narrower terms": ["profile.violated"],
      "another text": ["record.mismatch"],
    })
    // A parcel has one key for one grant: beside another than the grant's it is none.
    expect(await told(net, record, { key: wrong })).toEqual([])
    expect((await sync(xb.context, "xa")).peers[0]).toMatchObject({ received: 0 })
    expect(await titles(xb)).toEqual([])
    expect(await told(net, record, {})).toEqual(["delivered"])
    expect(await titles(xb)).toEqual(["Two keys"])
  })

  test("says nothing of a record by a grant that comes without its key, before it or after", async () => {
    for (const isFirst of [true, false]) {
      await using net = await world()
      const { xa, xb } = net.nodes
      const { record } = await addDraft(xa.context, practice("Not for all", "TLP:AMBER"))
      const { orders } = await asked(xa, record, { to: ["xb"] })
      const publishIt = async () => {
        await authoriseAndPublish(xa, orders)
        await sync(xb.context, "xa")
      }
      if (!isFirst) await publishIt()
      // Two officers and no line that says public: nothing that a reader who has the key would take.
      expect(await told(net, record, {}, { conditions: [], isKeyless: true })).toEqual([])
      if (isFirst) await publishIt()
      const { records } = await inbox(xb.context)
      expect(records).toMatchObject([{ title: "Not for all", public: false, verdict: "verified" }])
      const { notes, terms } = await show(xb.context, record)
      expect([notes.join(), terms?.evidence]).toEqual([
        expect.not.stringContaining("everybody"),
        "members",
      ])
      const { file } = await exportEvidence(xb.context, record)
      expect(verifyEvidence(file, [parsePin(xa.context.self.id)]).verdict).toBe("verified")
    }
  })

  test("is read under a grant that came without its key once it comes with it", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const { record } = await addDraft(xa.context, practice("Two keys"))
    await requestRelease(xa.context, { records: [record], to: ["xb"] })
    const forged = await forgeOrder(xa, [await releaseGrant(xa, record, xb.context.self.id)])
    const sent = { ...forged, entry: await logForged(xa, forged.order) }
    for (const isKeyless of [true, false]) {
      const feed = new ForgedFeed(encodeHex(xa.env.random(16))).add(sent, isKeyless)
      using _ = serveForged(net, xa, xb, feed)
      await sync(xb.context, "xa")
      expect(await titles(xb)).toEqual(isKeyless ? [] : ["Two keys"])
      expect(await why(xb.context, record, "xa")).toMatchObject(
        isKeyless ? { have: false, reason: "unopened" } : { have: true, reason: "origin" },
      )
    }
    expect((await inbox(xb.context)).records).toMatchObject([{ verdict: "verified" }])
    expect((await exportEvidence(xb.context, record)).file.length).toBeGreaterThan(0)
  })

  test("shows its officers what their machine refuses: a key, a kind, a rule that is not the release's", async () => {
    await using net = await world()
    const { xa } = net.nodes
    const shown = async (text: string, rule: readonly string[] = ["public"]) => {
      const { record } = await addDraft(xa.context, text)
      const { order } = await asked(xa, record, { to: ["xb"] })
      const { content_key } = await contentOf(xa, record)
      const file = jsonOf(await exportOrder(xa.context, order)) as unknown as Exported
      const [{ grant, position }] = file.grants
      const key = encodeHex(new Uint8Array(content_key))
      const toAll = { ...grant, key, recipient: everybody, terms: clear }
      const leaf = grantLeaf(encodeGrant(toAll))
      const { root } = buildGrantTree(new Map([[position, leaf]]), decodeHex(file.seed))
      const conditions = { ...file.payload.rule, conditions: rule }
      const payload = { ...file.payload, root: encodeHex(root), rule: conditions }
      const worded = { ...file, grants: [{ grant: toAll, position }], payload }
      return refusal(() => reviewExport(encodeCanonical(worded), new Map(), null))
    }
    expect(await shown(practice("Two keys"))).toBeNull()
    expect(await shown(practice("Not for all", "TLP:GREEN"))).toBe("profile.violated")
    expect(await shown(amongStates)).toBe("profile.violated")
    expect(await shown(practice("By fewer"), [])).toBe("rule.mismatch")
  })

  test("is not believed without a line of its policy, though all its officers sign", async () => {
    await using net = (await network(["xa", "xb", "xc"])) as World
    const record = await frozen(net.nodes.xa, "Two keys")
    expect(await told(net, record, {})).toEqual(["order.unauthorised"])
  })

  test("that was given a record makes no grant to everybody of its own grant", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const { record } = await addDraft(xa.context, practice("For XB"))
    const { orders } = await asked(xa, record, { to: ["xb"] })
    await authoriseAndPublish(xa, orders)
    await sync(xb.context, "xa")
    const { file } = await exportEvidence(xb.context, record)
    const fields = jsonOf(file) as { grant: { recipient: string; key?: string } }
    const { content_key } = await contentOf(xb, record)
    fields.grant.recipient = everybody
    fields.grant.key = encodeHex(new Uint8Array(content_key))
    const verdict = verifyEvidence(encodeCanonical(fields), [parsePin(xa.context.self.id)])
    expect(verdict).toMatchObject({ verdict: "failed", code: "grant.path" })
  })
})

test("why everybody has a record, or does not, is said like for any peer", async () => {
  await using net = await world()
  const { xa, xb, xc } = net.nodes
  const { record } = await addDraft(xa.context, practice("Two keys"))
  const ask = ({ context }: TestNode, id = record) => why(context, id, everybody)
  expect(await ask(xa)).toEqual({
    record,
    peer: everybody,
    have: false,
    reason: "not-released",
    detail: "No order has ever named everybody for this record.",
  })
  const { order } = await asked(xa, record)
  expect(await ask(xa)).toMatchObject({
    have: false,
    reason: "order-open",
    missing: ["2 persons in any role"],
  })
  await authoriseAndPublish(xa, [order], [record])
  await sync(xb.context, "xa")
  expect(await ask(xa)).toMatchObject({ have: true, reason: "released" })
  expect((await ask(xa)).detail).toMatch(/ of our log; 1 of 2 members that follow stated delivered/)
  expect(await ask(xb)).toMatchObject({ have: true, reason: "released" })
  expect((await ask(xb)).detail).toMatch(/^xa released it to everybody by order .* of its log\.$/)
  expect(await codeOf(ask(xc))).toBe("record.unknown")

  const named = (await addDraft(xa.context, practice("For XB alone"))).record
  const { orders } = await asked(xa, named, { to: ["xb"] })
  await authoriseAndPublish(xa, orders)
  await sync(xb.context, "xa")
  for (const node of [xa, xb])
    expect(await ask(node, named)).toMatchObject({ have: false, reason: "not-released" })

  await withdrawn(xa, record)
  await sync(xb.context, "xa")
  for (const node of [xa, xb])
    expect(await ask(node)).toMatchObject({ have: false, reason: "withdrawn" })
  expect((await ask(xa)).detail).toContain("; 1 of 2 members that follow stated purged.")
})

describe("taken back", () => {
  test("it is destroyed by all who follow, each of whom says so; what was exported stays", async () => {
    await using net = await world()
    const { xa, xb, xc } = net.nodes
    const record = await releasedToAll(xa)
    for (const node of [xb, xc]) await sync(node.context, "xa")
    const { file } = await exportEvidence(xb.context, record)
    const { preview } = await requestWithdrawal(xa.context, { record, reason: "wrong" })
    expect(preview[0]!.knows).toContain(
      "and whatever was exported or copied meanwhile stays where it is",
    )
    await withdrawn(xa, record)
    expect(await unanswered(xa.context)).toHaveLength(2)
    await sync(xb.context, "xa")
    for (const { member, detail } of await unanswered(xa.context))
      expect([member, detail]).toEqual([
        xc.context.self.id,
        expect.stringMatching(/^Withdrawn from everybody by order/),
      ])
    await sync(xc.context, "xa")
    expect(await unanswered(xa.context)).toEqual([])
    for (const node of [xb, xc]) {
      expect(await contents(node)).toBe(0)
      expect((await inbox(node.context)).records).toMatchObject([{ withdrawn: true, title: "" }])
      expect((await search(node.context, "archive")).records).toEqual([])
      const { detail } = await why(node.context, record, "xa")
      expect(detail).toContain("withdrew it from everybody")
      expect(await codeOf(exportEvidence(node.context, record))).toBe("record.withdrawn")
    }
    const verdict = verifyEvidence(file, [parsePin(xa.context.self.id)])
    expect(verdict.verdict).toBe("verified")
    expect(verdict.ground.join()).toContain("withdrawal since is not excluded")
  })

  test("before anybody fetched it, nothing of it can be read any more", async () => {
    await using net = await world()
    const { xa, xb } = net.nodes
    const record = await releasedToAll(xa)
    await withdrawn(xa, record)
    expect(await received(xb)).toMatchObject({ refused: 0, failed: 0 })
    expect(await contents(xb)).toBe(0)
  })

  test("of one order a part: the rest goes on, and what is taken back opens nothing that is served", async () => {
    await using net = await network(["xa", "xb", "xc"], { acquainted: false })
    const { xa, xc } = net.nodes as World["nodes"]
    await allowPublic(xa)
    const ended = (await addDraft(xa.context, practice("Ended"))).record
    const stands = (await addDraft(xa.context, practice("Standing"))).record
    const { orders } = await requestRelease(xa.context, {
      records: [ended, stands],
      to: [everybody],
    })
    expect(orders).toHaveLength(1)
    await authoriseAndPublish(xa, orders, [ended, stands])
    await withdrawn(xa, ended)
    await acquaint(xc, xa)
    await acquaint(xa, xc)
    expect(await received(xc)).toMatchObject({ refused: 0, failed: 0 })
    expect(await titles(xc)).toEqual(["Standing"])
    // Its key came in the order, and what it opens did not.
    const objects = (await framesTo(xa, xc.context.self.id)).filter(({ type }) => type === "sealed")
    const { sealed_digest } = await xa.context.db
      .selectFrom("record")
      .select("sealed_digest")
      .where("id", "=", stands)
      .executeTakeFirstOrThrow()
    expect(objects.map(({ bytes }) => encodeHex(sha256(bytes)))).toEqual([sealed_digest])
  })

  test("it does not come back with a follower's old backup, nor with its origin's", async () => {
    await using net = await world()
    const { xa, xb, xc } = net.nodes
    const record = await releasedToAll(xa)
    for (const node of [xa, xb, xc]) await sync(node.context)
    const [follower, origin] = [imageOf(xb), imageOf(xa)]
    await withdrawn(xa, record)
    const since = await releasedToAll(xa, "Since the backup")
    for (const node of [xb, xc]) await sync(node.context, "xa")

    const xbBack = await startFrom(xb, follower, restored)
    answerFrom(net, xbBack)
    await recover(xbBack.context)
    // Hidden by its tag from the first look on; gone once XA can seal the order to its new key.
    await sync(xbBack.context, "xa")
    expect(await titles(xbBack)).toEqual([""])
    await sync(xa.context, "xb")
    await sync(xbBack.context, "xa")
    expect(await titles(xbBack)).toEqual(["Since the backup"])
    expect(await contents(xbBack)).toBe(1)

    const xaBack = await startFrom(xa, origin, restored)
    answerFrom(net, xaBack)
    expect(await recover(xaBack.context)).toMatchObject({ state: "sound", unopened: [] })
    // The feeds that began anew name no release that was taken back: its key is in it.
    for (const node of [xbBack, xc])
      expect(await queuedTo(xaBack, node)).toEqual([
        ["release", since],
        ["withdraw", record],
      ])
    await sync(xaBack.context)
    await sync(xc.context, "xa")
    expect(await titles(xc)).toEqual(["Since the backup"])
    // What peers gave back is its own again, and said to have arrived.
    const { receipts } = await receiptsOf(xaBack.context, since)
    expect(receipts.map(({ state }) => state)).toEqual(["delivered", "delivered"])
    // Nor is it queued for whoever comes now, while new ones go out to all.
    await releasedToAll(xaBack, "After the restore")
    for (const node of [xbBack, xc]) {
      expect(await received(node)).toMatchObject({ failed: 0, refused: 0 })
      expect((await titles(node)).toSorted()).toEqual(["After the restore", "Since the backup"])
    }
  })
})
