import { describe, expect, test } from "vitest"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft, freezeDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { placedGrants } from "../../node/store/queries/grants.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { findProfileById } from "../../protocol/profiles/registry.ts"
import { decodeRecord, encodeRecord, recordDigest } from "../../protocol/record/record.ts"
import { grantLeaf } from "../../protocol/release/grant.ts"
import { decodeOrder, type OrderDocument } from "../../protocol/release/order.ts"
import { encodeSigned } from "../../protocol/signed.ts"
import { altered, alteredPayload, envelopeOf } from "../support/envelope.ts"
import {
  ForgedFeed,
  type Forgery,
  forgeOrder,
  holdings,
  logForged,
  officerKey,
  practiceText,
  releaseGrant,
  serveForged,
  withdrawGrant,
} from "../support/hostile.ts"
import { authoriseAndPublish, network, signAs, type TestNode } from "../support/network.ts"

const officers = [
  { person: "p1", organisation: "Authority", roles: ["competentAuthority"] },
  { person: "p1", organisation: "Authority", roles: ["focalPoint"] },
  { person: "p2", organisation: "Security", roles: ["informationSecurity"] },
  { person: "p3", organisation: "Operator", roles: ["operator"] },
  { person: "p4", organisation: "Operator", roles: ["executive"] },
]
const operatorsReport = `---
title: A valve that stuck
profile: wano
kind: event-report
language: en
actions: Exchanged.
cause: Wear.
consequence: None.
---
What happened, in a few words.
`
const ippasPractice = `---
title: Access to vital areas by two persons
profile: ippas
kind: good-practice
language: en
areas: [FP-I]
basis: Two-person rule where one person could cause harm.
whyBetter: No area can be entered by one person alone.
---
Two persons of different offices open the area together.
`

type Case = {
  readonly xa: TestNode
  readonly xb: TestNode
  readonly xc: TestNode
  /** a frozen record of xa that nobody was given */
  readonly record: string
  readonly signers: (...persons: string[]) => { key: ReturnType<typeof officerKey> }[]
}

const id = (node: TestNode) => node.context.self.id
const feedId = (number: number) => number.toString(16).padStart(32, "f")

async function frozen(node: TestNode, text: string): Promise<string> {
  const { record } = await addDraft(node.context, text)
  const { db } = node.context
  const draft = await db
    .selectFrom("draft")
    .selectAll()
    .where("id", "=", record)
    .executeTakeFirstOrThrow()
  await db.transaction().execute((trx) => freezeDraft(node.context, trx, draft))
  return record
}

async function logged(
  node: TestNode,
  forged: Awaited<ReturnType<typeof forgeOrder>>,
): Promise<Forgery> {
  return { ...forged, entry: await logForged(node, forged.order) }
}

/** The same order under other bytes: what a server might make of it after it was logged. */
function instead(forgery: Forgery, change: (bytes: Uint8Array) => Uint8Array): Forgery {
  return { ...forgery, order: decodeOrder(change(forgery.order.bytes)) }
}

const forgeries: readonly {
  readonly what: string
  readonly code: string
  readonly practice?: string
  readonly make: (world: Case) => Promise<readonly Forgery[]>
  /** how many of the deliveries stand, first in the feed */
  readonly stand?: number
}[] = [
  {
    what: "one signature where two persons are needed",
    code: "order.unauthorised",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      return [await logged(xa, await forgeOrder(xa, [grant], { signers: signers("p1") }))]
    },
  },
  {
    what: "two keys of one person",
    code: "signed.superfluous",
    make: async ({ xa, xb, record }) => {
      const keys = xa.founded.officers.filter(({ officer }) => officer.person === "p1")
      const grant = await releaseGrant(xa, record, id(xb))
      const signers = keys.map((key) => ({ key }))
      return [await logged(xa, await forgeOrder(xa, [grant], { signers }))]
    },
  },
  {
    what: "a role that the root document does not give",
    code: "signed.unknown-key",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const borrowed = { key: officerKey(xa, "p3"), role: "informationSecurity" }
      const options = { signers: [...signers("p2"), borrowed] }
      return [await logged(xa, await forgeOrder(xa, [grant], options))]
    },
  },
  {
    what: "roles beside those that the profile asks for",
    code: "order.unauthorised",
    practice: ippasPractice,
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      return [await logged(xa, await forgeOrder(xa, [grant], { signers: signers("p1", "p3") }))]
    },
  },
  {
    what: "officers of another member",
    code: "signed.unknown-key",
    make: async ({ xa, xb, xc, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const options = { signers: [...signers("p1"), { key: officerKey(xc, "p2") }] }
      return [await logged(xa, await forgeOrder(xa, [grant], options))]
    },
  },
  {
    what: "a signature added after logging",
    code: "entry.mismatch",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const forged = await forgeOrder(xa, [grant], { signers: signers("p1", "p2", "p3") })
      const { signatures } = envelopeOf(forged.order.bytes)
      const entry = await logForged(xa, without(forged.order, 2))
      expect(signatures).toHaveLength(3)
      return [{ ...forged, entry }]
    },
  },
  {
    what: "a signature removed after logging",
    code: "entry.mismatch",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const options = { signers: signers("p1", "p2", "p3") }
      const forgery = await logged(xa, await forgeOrder(xa, [grant], options))
      return [{ ...forgery, order: without(forgery.order, 0) }]
    },
  },
  {
    what: "an order edited after signing",
    code: "signed.invalid",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const forged = await forgeOrder(xa, [grant], { signers: signers("p1", "p2") })
      const bytes = alteredPayload(forged.order.bytes, { notAfter: "2027-01-31" })
      return [await logged(xa, { ...forged, order: decodeOrder(bytes) })]
    },
  },
  {
    what: "an order edited after logging",
    code: "entry.mismatch",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const options = { signers: signers("p1", "p2") }
      const forgery = await logged(xa, await forgeOrder(xa, [grant], options))
      return [instead(forgery, (bytes) => alteredPayload(bytes, { notAfter: "2027-01-31" }))]
    },
  },
  {
    what: "terms edited after signing",
    code: "grant.path",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const options = { signers: signers("p1", "p2") }
      const forgery = await logged(xa, await forgeOrder(xa, [grant], options))
      const bytes = encodeCanonical({ ...grant, terms: { ...grant.terms, onward: "free" } })
      return [
        {
          ...forgery,
          placed: forgery.placed.map((one) => ({ ...one, bytes, leaf: grantLeaf(bytes) })),
        },
      ]
    },
  },
  {
    what: "an order that is in no log",
    code: "entry.mismatch",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const forged = await forgeOrder(xa, [grant], { signers: signers("p1", "p2") })
      return [{ ...forged, entry: { index: 1, salt: new Uint8Array(32) } }]
    },
  },
  {
    what: "an order that claims a base its log has not reached",
    code: "order.base",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const base = { epoch: 1, root: "0".repeat(64), size: 40 }
      const options = { signers: signers("p1", "p2"), fields: { base } }
      return [await logged(xa, await forgeOrder(xa, [grant], options))]
    },
  },
  {
    what: "an order under a root version that is not in force",
    code: "order.root-version",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const options = { signers: signers("p1", "p2"), fields: { rootVersion: 2 } }
      return [await logged(xa, await forgeOrder(xa, [grant], options))]
    },
  },
  {
    what: "an order of another network",
    code: "network.mismatch",
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const options = { signers: signers("p1", "p2"), fields: { network: "operational" } }
      return [await logged(xa, await forgeOrder(xa, [grant], options))]
    },
  },
  {
    what: "a rule that the record does not fall under",
    code: "rule.mismatch",
    practice: ippasPractice,
    make: async ({ xa, xb, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const rule = { conditions: [], kind: "any", profile: findProfileById("general")!.digest }
      const options = { signers: signers("p1", "p3"), fields: { rule } }
      return [await logged(xa, await forgeOrder(xa, [grant], options))]
    },
  },
  {
    what: "a practice passed on in the name of a State that is to be anonymous there",
    code: "profile.violated",
    practice: ippasPractice,
    make: async ({ xa, xb, record, signers }) => {
      const { terms, ...grant } = await releaseGrant(xa, record, id(xb))
      const onward = { ...grant, terms: { ...terms!, onward: "free" as const } }
      const profile = findProfileById("ippas")!.digest
      const rule = { conditions: ["onward" as const], kind: "good-practice", profile }
      const options = { signers: signers("p1", "p2"), fields: { rule } }
      return [await logged(xa, await forgeOrder(xa, [onward], options))]
    },
  },
  {
    what: "terms that are wider than the record's own marking",
    code: "profile.violated",
    make: async ({ xa, xb, record, signers }) => {
      const { terms, ...grant } = await releaseGrant(xa, record, id(xb))
      const wider = { ...grant, terms: { ...terms!, marking: "TLP:CLEAR" as const } }
      return [await logged(xa, await forgeOrder(xa, [wider], { signers: signers("p1", "p2") }))]
    },
  },
  {
    what: "a finding of operators, given to a State",
    code: "profile.violated",
    practice: operatorsReport,
    make: async ({ xa, xb, record }) => {
      const grant = await releaseGrant(xa, record, id(xb))
      const signers = [
        { key: officerKey(xa, "p4"), role: "executive" },
        { key: officerKey(xa, "p1") },
      ]
      return [await logged(xa, await forgeOrder(xa, [grant], { signers }))]
    },
  },
  {
    what: "a condition that the rule leaves out",
    code: "rule.mismatch",
    make: async ({ xa, xb, record, signers }) => {
      const { terms, ...grant } = await releaseGrant(xa, record, id(xb))
      const onward = { ...grant, terms: { ...terms!, onward: "free" as const } }
      return [await logged(xa, await forgeOrder(xa, [onward], { signers: signers("p1", "p2") }))]
    },
  },
  {
    what: "a grant to somebody else",
    code: "grant.recipient",
    make: async ({ xa, xc, record, signers }) => {
      const grant = await releaseGrant(xa, record, id(xc))
      return [await logged(xa, await forgeOrder(xa, [grant], { signers: signers("p1", "p2") }))]
    },
  },
  {
    what: "an order of another member, passed on",
    code: "order.malformed",
    make: async ({ xa, xb, xc }) => {
      const record = await frozen(xc, practiceText("A practice of xc"))
      const grant = await releaseGrant(xc, record, id(xb))
      const signers = [{ key: officerKey(xc, "p1") }, { key: officerKey(xc, "p2") }]
      const forged = await forgeOrder(xc, [grant], { signers })
      await logged(xc, forged)
      return [await logged(xa, forged)]
    },
  },
  {
    what: "another member's record",
    code: "custody.malformed",
    make: async ({ xa, xb, xc, signers }) => {
      const { record } = await addDraft(xc.context, practiceText("A practice of xc"))
      const { orders } = await requestRelease(xc.context, { records: [record], to: ["xa"] })
      await publishByTwo(xc, orders)
      await sync(xa.context, "xc")
      const grant = await releaseGrant(xa, record, id(xb))
      return [await logged(xa, await forgeOrder(xa, [grant], { signers: signers("p1", "p2") }))]
    },
  },
  {
    what: "the withdrawal of another member's record",
    code: "custody.malformed",
    make: async ({ xa, xb, xc, signers }) => {
      const { record } = await addDraft(xc.context, practiceText("A practice of xc"))
      const { orders } = await requestRelease(xc.context, { records: [record], to: ["xa", "xb"] })
      await publishByTwo(xc, orders)
      await sync(xa.context, "xc")
      await sync(xb.context, "xc")
      const grant = await withdrawGrant(xa, record, id(xb))
      return [await logged(xa, await forgeOrder(xa, [grant], { signers: signers("p1", "p2") }))]
    },
  },
  {
    what: "an order entered again after its withdrawal",
    code: "order.ended",
    stand: 2,
    make: async ({ xa, xb, record, signers }) => {
      const options = { signers: signers("p1", "p2") }
      const release = await logged(
        xa,
        await forgeOrder(xa, [await releaseGrant(xa, record, id(xb))], options),
      )
      const end = await logged(
        xa,
        await forgeOrder(xa, [await withdrawGrant(xa, record, id(xb))], options),
      )
      return [release, end, await logged(xa, release)]
    },
  },
  {
    what: "a release on a base from before its withdrawal",
    code: "order.ended",
    stand: 1,
    make: async ({ xa, xb, record, signers }) => {
      const options = { signers: signers("p1", "p2") }
      const release = await forgeOrder(xa, [await releaseGrant(xa, record, id(xb))], options)
      const end = await logged(
        xa,
        await forgeOrder(xa, [await withdrawGrant(xa, record, id(xb))], options),
      )
      return [end, await logged(xa, release)]
    },
  },
  {
    what: "a release that arrives after the withdrawal that ended it",
    code: "order.ended",
    stand: 1,
    make: async ({ xa, xb, record, signers }) => {
      const options = { signers: signers("p1", "p2") }
      const release = await logged(
        xa,
        await forgeOrder(xa, [await releaseGrant(xa, record, id(xb))], options),
      )
      const end = await logged(
        xa,
        await forgeOrder(xa, [await withdrawGrant(xa, record, id(xb))], options),
      )
      return [end, release]
    },
  },
  {
    what: "a second order under one id",
    code: "order.malformed",
    stand: 1,
    make: async ({ xa, xb, record, signers }) => {
      const grant = await withdrawGrant(xa, record, id(xb))
      const first = await forgeOrder(xa, [grant], { signers: signers("p1", "p2") })
      const fields = { id: first.order.payload.id }
      const release = await releaseGrant(xa, record, id(xb))
      const second = await forgeOrder(xa, [release], { signers: signers("p1", "p2"), fields })
      return [await logged(xa, first), await logged(xa, second)]
    },
  },
]

/** All officers here are four keys of three persons: the first key of each signs. */
async function publishByTwo(node: TestNode, orders: readonly string[]): Promise<void> {
  for (const order of orders) {
    for (const person of ["p1", "p2"]) await signAs(node, order, person)
    await publish(node.context, order)
  }
}

/** The order without one of its signatures. */
function without(order: OrderDocument, number: number): OrderDocument {
  const { signatures } = envelopeOf(order.bytes)
  const lines = signatures.filter((_, i) => i !== number)
  return decodeOrder(encodeSigned(order.payloadBytes, lines))
}

describe("a recipient refuses, by a signed receipt, and keeps nothing of", () => {
  test.each(forgeries.map((forgery) => [forgery.what, forgery] as const))(
    "%s",
    async (_what, { code, practice, make, stand = 0 }) => {
      await using net = await network(["xa", "xb", "xc"], { officers })
      const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
      const record = await frozen(xa, practice ?? practiceText("A practice"))
      const signers = (...persons: string[]) =>
        persons.map((person) => ({ key: officerKey(xa, person) }))
      const sent = await make({ xa, xb, xc, record, signers })
      const feed = new ForgedFeed(feedId(1))
      for (const one of sent) feed.add(one)
      const before = await holdings(xb)
      {
        using host = serveForged(net, xa, xb, feed)
        const [line] = (await sync(xb.context, "xa")).peers
        expect(line).toMatchObject({ received: stand, refused: sent.length - stand, failed: 0 })
        const last = sent.at(-1)!
        expect(host.receipts()).toContainEqual({
          code,
          day: "2026-11-23",
          leaf: encodeHex(feed.sent.at(-1)!.placed[0]!.leaf),
          order: last.order.payload.id,
          state: "refused",
        })
        // Asked again it is not taken either, nor refused a second time.
        expect((await sync(xb.context, "xa")).peers).toEqual([
          expect.objectContaining({ received: 0, refused: 0, failed: 0 }),
        ])
      }
      const after = await holdings(xb)
      expect(after.content).toEqual(before.content)
      if (stand === 0) expect(after).toEqual(before)

      // When it behaves again nothing is in the way of what it sends.
      const next = await addDraft(xa.context, practiceText("The next practice"))
      const request = await requestRelease(xa.context, { records: [next.record], to: ["xb"] })
      await publishByTwo(xa, request.orders)
      const [line] = (await sync(xb.context, "xa")).peers
      expect(line).toMatchObject({ received: 1, refused: 0, failed: 0 })
      expect(line).not.toHaveProperty("code")
      expect((await receiptsOf(xa.context, next.record)).receipts).toEqual([
        expect.objectContaining({ state: "delivered" }),
      ])
    },
  )

  test("a second content of one version; the first stays, with its proof", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const { record } = await addDraft(xa.context, practiceText("As it was first"))
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authoriseAndPublish(xa, orders)
    await sync(xb.context)
    // The origin's own database says now that version 1 was something else.
    const { db } = xa.context
    const other = await frozen(xa, practiceText("As it is told now"))
    const from = await db
      .selectFrom("content")
      .selectAll()
      .where("id", "=", other)
      .executeTakeFirstOrThrow()
    const text = new TextDecoder().decode(from.bytes).replace(other, record)
    const bytes = encodeRecord(decodeRecord(new TextEncoder().encode(text)))
    const sealed = sealObject(new Uint8Array(from.content_key), 0, bytes)
    await db
      .updateTable("content")
      .set({ bytes, content_key: from.content_key })
      .where("id", "=", record)
      .execute()
    const object = { digest: encodeHex(sha256(sealed)), size: sealed.length }
    const grant = await releaseGrant(xa, record, id(xb))
    const named = {
      ...grant,
      record: { ...grant.record, digest: recordDigest(bytes) },
      sealed: [object],
    }
    const feed = new ForgedFeed(feedId(1)).add(await logged(xa, await forgeOrder(xa, [named])))
    const before = await holdings(xb)
    using host = serveForged(net, xa, xb, feed)
    expect((await sync(xb.context, "xa")).peers).toEqual([
      expect.objectContaining({ received: 0, refused: 1 }),
    ])
    expect(host.receipts()).toEqual([
      expect.objectContaining({ state: "refused", code: "record.mismatch" }),
    ])
    expect(await holdings(xb)).toEqual(before)
    const shown = await show(xb.context, record)
    expect(shown.provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
    expect(shown.content).toMatchObject({ title: "As it was first" })
  })

  test("signatures in another order: such an order has no bytes that anyone signed", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const record = await frozen(xa, practiceText("A practice"))
    const forgery = await logged(xa, await forgeOrder(xa, [await releaseGrant(xa, record, id(xb))]))
    const bytes = altered(forgery.order.bytes, ({ signatures }) => ({
      signatures: signatures.toReversed(),
    }))
    const feed = new ForgedFeed(feedId(1)).add({ ...forgery, order: { ...forgery.order, bytes } })
    const before = await holdings(xb)
    using _host = serveForged(net, xa, xb, feed)
    expect((await sync(xb.context, "xa")).peers).toEqual([
      expect.objectContaining({ received: 0, failed: 1, code: "signed.malformed" }),
    ])
    expect(await holdings(xb)).toEqual(before)
  })
})

describe("a withdrawal by its own member", () => {
  test("takes effect once, wherever it is entered again, and leaves nothing readable", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
    const { record } = await addDraft(xa.context, practiceText("A practice"))
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authoriseAndPublish(xa, orders)
    await sync(xb.context)
    const withdrawal = await requestWithdrawal(xa.context, { record, reason: "superseded" })
    await authoriseAndPublish(xa, withdrawal.orders)
    await sync(xb.context)
    expect((await holdings(xb)).content).toEqual([])
    expect((await inbox(xb.context)).records).toEqual([
      expect.objectContaining({ withdrawn: true }),
    ])
    // Released anew by an order made afterwards, the old withdrawal entered once more ends nothing.
    const again = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authoriseAndPublish(xa, again.orders)
    await sync(xb.context)
    const { document } = await xa.context.db
      .selectFrom("logged_order")
      .select("document")
      .where("id", "=", withdrawal.order)
      .executeTakeFirstOrThrow()
    const old = decodeOrder(new Uint8Array(document))
    const fact = await xa.context.db
      .selectFrom("fact")
      .selectAll()
      .where("order_id", "=", withdrawal.order)
      .executeTakeFirstOrThrow()
    const entry = await logForged(xa, old)
    const feed = new ForgedFeed(feedId(1)).add({
      order: old,
      placed: await placedGrants(xa.context.db, [fact]),
      entry,
    })
    using _host = serveForged(net, xa, xb, feed)
    await sync(xb.context, "xa")
    expect((await inbox(xb.context)).records).toEqual([
      expect.objectContaining({ withdrawn: false, title: "A practice" }),
    ])
  })
})
