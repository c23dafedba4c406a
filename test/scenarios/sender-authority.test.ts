import { sql } from "kysely"
import { describe, expect, test } from "vitest"
import { reviewExport, signReview } from "../../node/authority/officer.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { addSignature, exportOrder } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { grantRow } from "../../node/store/queries/facts.ts"
import { decodeGrants, encodeGrants, pathOf } from "../../node/store/queries/grants.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import {
  type ForgedOrder,
  forgeOrder,
  framesTo,
  holdings,
  officerKey,
  orderLines,
  practiceText,
  releaseGrant,
  withdrawGrant,
} from "../support/hostile.ts"
import {
  authorise,
  authoriseAndPublish,
  network,
  signAs,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { failure } from "../support/scratch.ts"

const officers = [
  { person: "p1", organisation: "Authority", roles: ["competentAuthority"] },
  { person: "p2", organisation: "Security", roles: ["informationSecurity"] },
  { person: "p3", organisation: "Operator", roles: ["operator"] },
]
/** One person who enrolled a second key. */
const twoKeys = [...officers.slice(0, 1), ...officers.slice(0, 1), ...officers.slice(1, 2)]

type Three = {
  readonly net: TestNetwork
  readonly xa: TestNode
  readonly xb: TestNode
  readonly xc: TestNode
}

async function three(options: Parameters<typeof network>[1] = { officers }): Promise<Three> {
  const net = await network(["xa", "xb", "xc"], options)
  const { xa, xb, xc } = net.nodes
  return { net, xa: xa!, xb: xb!, xc: xc! }
}

async function requested(xa: TestNode, text = practiceText("A practice"), to = ["xb"]) {
  const { record } = await addDraft(xa.context, text)
  const { order } = await requestRelease(xa.context, { records: [record], to })
  return { record, order }
}

const id = (node: TestNode) => node.context.self.id

async function logSize(node: TestNode): Promise<number> {
  const row = await node.context.db
    .selectFrom("log")
    .select("size")
    .where("member", "=", id(node))
    .executeTakeFirstOrThrow()
  return row.size
}

/** Refused with this code, and neither logged nor queued for anyone. */
async function refusesToPublish(node: TestNode, order: string, code: string): Promise<void> {
  const before = await logSize(node)
  await expect(publish(node.context, order)).rejects.toEqual(failure(code))
  expect(await logSize(node)).toBe(before)
  expect(await node.context.db.selectFrom("delivery").selectAll().execute()).toEqual([])
}

describe("the sender's own node sends nothing for", () => {
  test("one signature where two persons are needed", async () => {
    const { net, xa, xb } = await three()
    await using _ = net
    const { order } = await requested(xa)
    await refusesToPublish(xa, order, "order.unsatisfied")
    await signAs(xa, order, "p1")
    await refusesToPublish(xa, order, "order.unsatisfied")
    await sync(xb.context)
    expect((await inbox(xb.context)).records).toEqual([])
  })

  test("two keys of one person", async () => {
    const { net, xa } = await three({ officers: twoKeys })
    await using _ = net
    const { order } = await requested(xa)
    const review = reviewExport(await exportOrder(xa.context, order), new Map(), null)
    const [first, second] = xa.founded.officers
    await addSignature(xa.context, order, await signReview(review, first!, "2026-11-23"))
    const again = await signReview(review, second!, "2026-11-23")
    await expect(addSignature(xa.context, order, again)).rejects.toEqual(failure("officer.signed"))
    await refusesToPublish(xa, order, "order.unsatisfied")
    // Past the check at signing, by hand:
    const { kid, ...row } = await xa.context.db
      .selectFrom("order_signature")
      .selectAll()
      .executeTakeFirstOrThrow()
    const copied = { ...row, ...again, person: "p1 once more", kid: `${kid}` }
    await xa.context.db.insertInto("order_signature").values(copied).execute()
    await refusesToPublish(xa, order, "signed.superfluous")
  })

  test("officers of other roles than the profile asks for", async () => {
    const { net, xa } = await three()
    await using _ = net
    const { order } = await requested(xa, ippasPractice)
    await signAs(xa, order, "p1")
    await signAs(xa, order, "p3")
    await refusesToPublish(xa, order, "order.unsatisfied")
    const review = reviewExport(await exportOrder(xa.context, order), new Map(), null)
    const borrowed = signReview(review, officerKey(xa, "p3"), "2026-11-23", "informationSecurity")
    await expect(borrowed).rejects.toEqual(failure("officer.unknown"))
    await signAs(xa, order, "p2")
    expect(await publish(xa.context, order)).toMatchObject({ queued: [expect.any(String)] })
  })

  test("a role that an officer claims and the root document does not give", async () => {
    const { net, xa } = await three()
    await using _ = net
    const { order } = await requested(xa)
    const { payload } = await xa.context.db
      .selectFrom("release_order")
      .select("payload")
      .executeTakeFirstOrThrow()
    const signer = { key: officerKey(xa, "p3"), role: "informationSecurity" }
    const [line] = await orderLines(new Uint8Array(payload), xa.context.self.network, [signer])
    await expect(addSignature(xa.context, order, line!)).rejects.toEqual(
      failure("signed.unknown-key"),
    )
  })

  test("an order that was edited in its database after it was signed", async () => {
    const { net, xa, xb, xc } = await three()
    await using _ = net
    const { order } = await requested(xa)
    await authorise(xa, order)
    const { db } = xa.context
    const text = async (table: "grant_list" | "release_order", column: string) => {
      const found = await sql<{ value: Uint8Array }>`
        SELECT ${sql.ref(column)} AS value FROM ${sql.table(table)}`.execute(db)
      return Buffer.from(found.rows[0]!.value).toString("latin1")
    }
    const edits: readonly {
      readonly table: "grant_list" | "release_order" | "order_signature"
      readonly column: string
      readonly value: (before: string) => unknown
      readonly code: string
    }[] = [
      {
        table: "grant_list",
        column: "grants",
        value: (before) => bytesOf(before.replace(id(xb), id(xc))),
        code: "grant.path",
      },
      {
        table: "grant_list",
        column: "grants",
        value: (before) => bytesOf(before.replace("TLP:AMBER", "TLP:GREEN")),
        code: "grant.path",
      },
      {
        table: "grant_list",
        column: "grants",
        value: (before) => bytesOf(`${before.slice(0, 4)}\0\0\x03\xff${before.slice(8)}`),
        code: "grant.path",
      },
      {
        table: "grant_list",
        column: "grants",
        value: (before) => bytesOf(before + before),
        code: "grant.path",
      },
      {
        table: "release_order",
        column: "seed",
        value: () => new Uint8Array(32),
        code: "grant.path",
      },
      {
        table: "release_order",
        column: "payload",
        value: (before) => bytesOf(before.replace("2026-12-07", "2026-12-08")),
        code: "signed.invalid",
      },
      {
        table: "release_order",
        column: "payload",
        value: (before) => bytesOf(before.replace('"act":"release"', '"act":"withdraw"')),
        code: "signed.invalid",
      },
      {
        table: "order_signature",
        column: "signature",
        value: () => "A".repeat(86),
        code: "signed.invalid",
      },
    ]
    for (const { table, column, value, code } of edits) {
      const isText = column === "grants" || column === "payload"
      const before = isText ? await text(table as "grant_list", column) : ""
      const saved = await sql<Record<string, unknown>>`SELECT * FROM ${sql.table(table)}`.execute(
        db,
      )
      await sql`UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${value(before)}`.execute(db)
      await refusesToPublish(xa, order, code)
      for (const row of saved.rows)
        await (table === "order_signature"
          ? sql`UPDATE order_signature SET signature = ${row.signature} WHERE person = ${row.person}`
          : sql`UPDATE ${sql.table(table)} SET ${sql.ref(column)} = ${row[column]}`
        ).execute(db)
    }
    // A grant slipped in beside the one that was signed.
    const row = await db.selectFrom("grant_list").selectAll().executeTakeFirstOrThrow()
    const [signed] = decodeGrants(row.grants)
    const bytes = bytesOf(Buffer.from(signed!.bytes).toString().replace(id(xb), id(xc)))
    const { position } = signed!
    const path = pathOf(signed!)
    for (const place of [position, (position + 1) % 1024]) {
      const grants = encodeGrants([{ bytes, position: place, path }])
      await db
        .insertInto("grant_list")
        .values({ ...row, recipient: id(xc), grants })
        .execute()
      await refusesToPublish(xa, order, "grant.path")
      await db.deleteFrom("grant_list").where("recipient", "=", id(xc)).execute()
    }
    // As it was, it goes out, and to nobody else.
    expect(await publish(xa.context, order)).toMatchObject({ queued: [id(xb)] })
  })

  test("a recipient whose name was changed in the queue and in the grants", async () => {
    const { net, xa, xb, xc } = await three()
    await using _ = net
    const { order, record } = await requested(xa)
    await authoriseAndPublish(xa, [order])
    const { db } = xa.context
    const delivery = await db.selectFrom("delivery").selectAll().executeTakeFirstOrThrow()
    const feed = await db.selectFrom("feed").selectAll().executeTakeFirstOrThrow()
    const list = await db.selectFrom("grant_list").selectAll().executeTakeFirstOrThrow()
    await db
      .insertInto("delivery")
      .values({ ...delivery, peer: id(xc) })
      .execute()
    await db
      .insertInto("feed")
      .values({ ...feed, peer: id(xc) })
      .execute()
    await db
      .insertInto("grant_list")
      .values({ ...list, recipient: id(xc) })
      .execute()
    const [line] = (await sync(xc.context, "xa")).peers
    expect(line).toMatchObject({ received: 0 })
    expect((await holdings(xc)).content).toEqual([])
    const types = (await framesTo(xa, id(xc))).map(({ type }) => type)
    expect(types).toContain("entries")
    expect(types.filter((type) => type === "parcel" || type === "sealed")).toEqual([])
    await sync(xb.context, "xa")
    expect((await inbox(xb.context)).records).toEqual([expect.objectContaining({ record })])
  })

  test("an order of another member's record, whoever signed it", async () => {
    const { net, xa, xb } = await three()
    await using _ = net
    const theirs = await requested(xb, practiceText("Theirs"), ["xa"])
    await authoriseAndPublish(xb, [theirs.order])
    await sync(xa.context, "xb")
    const grant = await releaseGrant(xa, theirs.record, id(net.nodes.xc!))
    await insertOrder(xa, await forgeOrder(xa, [grant]))
    const [{ id: order } = { id: "" }] = await xa.context.db
      .selectFrom("release_order")
      .select("id")
      .execute()
    await refusesToPublish(xa, order, "custody.malformed")
    const withdraw = await withdrawGrant(xa, theirs.record, id(xb))
    await expect(
      requestWithdrawal(xa.context, { record: theirs.record, reason: "not ours" }),
    ).rejects.toEqual(failure("record.not-ours"))
    const forged = await forgeOrder(xa, [withdraw])
    await insertOrder(xa, forged)
    await refusesToPublish(xa, forged.order.payload.id, "custody.malformed")
  })

  test("an order that was withdrawn before it was published", async () => {
    const { net, xa, xb } = await three()
    await using _ = net
    const { record, order } = await requested(xa)
    const late = await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await authoriseAndPublish(xa, [order])
    await authorise(xa, late.order)
    const withdrawal = await requestWithdrawal(xa.context, { record, reason: "superseded" })
    await authoriseAndPublish(xa, withdrawal.orders)
    await expect(publish(xa.context, late.order)).rejects.toEqual(failure("order.ended-here"))
    await expect(publish(xa.context, order)).rejects.toEqual(failure("order.closed"))
    await sync(xb.context)
    expect((await inbox(xb.context)).records.filter(({ withdrawn }) => !withdrawn)).toEqual([])
  })
})

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

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1")
}

/** A signed order as it lies in the database of a node that asks nobody. */
async function insertOrder(node: TestNode, { order, placed, seed }: ForgedOrder): Promise<void> {
  const { db } = node.context
  const { payload, payloadBytes } = order
  await db
    .insertInto("release_order")
    .values({
      id: payload.id,
      act: payload.act === "withdraw" ? "withdraw" : "release",
      payload: payloadBytes,
      seed,
      root_version: payload.rootVersion,
      not_after: payload.notAfter,
      state: "open",
      reason: null,
      created_at: 0,
    })
    .execute()
  await db
    .insertInto("order_grant")
    .values(placed.map((one) => grantRow(payload, one)))
    .execute()
  await db
    .insertInto("grant_list")
    .values(
      placed.map((one) => ({
        order_origin: payload.origin,
        order_id: payload.id,
        recipient: one.grant.recipient,
        grants: encodeGrants([one]),
      })),
    )
    .execute()
  const lines: readonly SignatureLine[] = JSON.parse(
    new TextDecoder().decode(order.bytes),
  ).signatures
  for (const [i, line] of lines.entries())
    await db
      .insertInto("order_signature")
      .values({
        order_id: payload.id,
        kid: order.signatures[i]!.header.kid,
        person: order.signatures[i]!.header.person,
        role: order.signatures[i]!.header.role,
        ...line,
      })
      .execute()
}
