import { expect, test } from "vitest"
import { signDecision } from "../../node/authority/decision.ts"
import type { OfficerKey } from "../../node/authority/found.ts"
import { dayOf } from "../../node/context.ts"
import {
  archiveLog,
  giveArchiveShares,
  readArchiveRequest,
  requestUnsealing,
  unseal,
} from "../../node/exchange/archive.ts"
import { endHold, listHolds, openHeld, sealRecord } from "../../node/exchange/hold.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { unanswered } from "../../node/exchange/unanswered.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { officerKey } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"
import { imageOf, startFrom } from "../support/restart.ts"
import { type Secret, tracesIn } from "../support/traces.ts"

const canaries: readonly Secret[] = ["Zanzibarquartz", "lapislazulitrellis"].map((value) => ({
  name: value,
  value,
}))
const officers = ["p1", "p2", "p3"].map((person) => ({ person, roles: ["operator"] }))
const reason = "order of the court, 12 May"

async function start() {
  const net = await network(["xa", "xb"], { officers })
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const text = "---\ntitle: Practice of Zanzibarquartz\n---\nThe lapislazulitrellis is watched.\n"
  const { record } = await addDraft(xa.context, text)
  const at = {
    net,
    xa,
    xb,
    record: { origin: xa.context.self.id, id: record },
    async release() {
      const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
      await authoriseAndPublish(xa, orders)
    },
    async withdraw() {
      const { orders } = await requestWithdrawal(xa.context, { record, reason: "over" })
      await authoriseAndPublish(xa, orders)
    },
    [Symbol.asyncDispose]: () => net.close(),
  }
  await at.release()
  await sync(xb.context)
  return at
}

type Named = { readonly origin: string; readonly id: string }

function decision(node: TestNode, act: "seal" | "unhold" | "open", { origin, id }: Named) {
  const { id: member, network: name } = node.context.self
  const to = { member, network: name, day: dayOf(node.env.clock.now()) }
  const subject = `${origin} ${id}`
  return signDecision(officerKey(node, "p1"), to, { act, reason: "Archives Act, 5", subject })
}

async function shares(
  { context, env }: TestNode,
  record: Named,
  keys: readonly OfficerKey[],
  why = reason,
) {
  const request = readArchiveRequest(await requestUnsealing(context, record, why))
  return Promise.all(keys.map((key) => giveArchiveShares(request, key, dayOf(env.clock.now()))))
}

const keysOf = (node: TestNode, ...persons: readonly string[]) =>
  persons.map((person) => officerKey(node, person))

test("what is taken back is sealed for two officers, nothing of it can be found, and its origin is told", async () => {
  await using at = await start()
  const { xa, xb, record } = at
  await sealRecord(xb.context, record.id, await decision(xb, "seal", record))
  expect((await search(xb.context, "lapislazulitrellis")).records).toHaveLength(1)
  expect(tracesIn(imageOf(xb).database, canaries).length).toBeGreaterThan(1)

  await at.withdraw()
  await sync(xb.context)
  const { receipts } = await receiptsOf(xa.context, record.id)
  expect(receipts.at(-1)).toMatchObject({ peer: "xb", state: "sealed" })
  expect(await unanswered(xa.context)).toEqual([])
  expect(tracesIn(imageOf(xb).database, canaries)).toEqual([])
  expect(tracesIn(Buffer.from(xb.journal.join("\n")), canaries)).toEqual([])
  for (const table of ["content", "search"] as const)
    expect(await xb.context.db.selectFrom(table).select("title").execute()).toEqual([])
  expect((await search(xb.context, "lapislazulitrellis")).records).toEqual([])
  expect((await inbox(xb.context)).records).toMatchObject([{ withdrawn: true, title: "" }])
  expect(await codeOf(show(xb.context, record.id))).toBe("record.withdrawn")
  expect(await listHolds(xb.context)).toMatchObject([
    { record: record.id, review: null, due: false, locked: false, openers: ["p1", "p2", "p3"] },
  ])
  const open = await decision(xb, "open", record)
  expect(await codeOf(openHeld(xb.context, record.id, open))).toBe("hold.unknown")
})

test("any two officers open it, one of them never, and it is on record who did and why", async () => {
  await using at = await start()
  const { xa, xb, record } = at
  await sealRecord(xb.context, record.id, await decision(xb, "seal", record))
  expect(await codeOf(requestUnsealing(xb.context, record, reason))).toBe("hold.unknown")
  await at.withdraw()
  await sync(xb.context)

  const [one] = await shares(xb, record, keysOf(xb, "p1"))
  for (const given of [[], [one!], [one!, one!]])
    expect(await codeOf(unseal(xb.context, record, reason, given))).toBe("hold.officers")
  const elsewhere = await shares(xb, record, keysOf(xb, "p2"), "another reason")
  expect(await codeOf(unseal(xb.context, record, reason, [one!, ...elsewhere]))).toBe(
    "hold.officers",
  )
  // An officer of another member holds no share, and its word is none here.
  expect(await codeOf(shares(xb, record, keysOf(xa, "p2")))).toBe("hold.officers")
  const log = async () =>
    (await archiveLog(xb.context)).map(({ act, officers: by, reason: why }) => [act, by, why])
  expect(await log()).toEqual([["seal", "", ""]])

  for (const two of [
    ["p1", "p2"],
    ["p3", "p2"],
  ] as const) {
    const given = await shares(xb, record, keysOf(xb, ...two))
    expect(await unseal(xb.context, record, reason, given)).toMatchObject({
      from: "xa",
      content: { title: "Practice of Zanzibarquartz" },
      marking: "TLP:AMBER",
    })
  }
  expect(await log()).toEqual([
    ["seal", "", ""],
    ["open", "p1 p2", reason],
    ["open", "p2 p3", reason],
  ])
  // Opened is shown, not kept.
  expect(tracesIn(imageOf(xb).database, canaries)).toEqual([])
})

test("it comes back from a backup sealed, whether that was made before it was taken back or after", async () => {
  await using at = await start()
  const { xb, record } = at
  await sealRecord(xb.context, record.id, await decision(xb, "seal", record))
  const before = imageOf(xb)
  await at.withdraw()
  await sync(xb.context)
  const opens = async (node: TestNode) => {
    const given = await shares(node, record, keysOf(node, "p1", "p3"))
    return (await unseal(node.context, record, reason, given)).content
  }
  const back = await startFrom(xb, imageOf(xb))
  expect(await opens(back)).toMatchObject({ title: "Practice of Zanzibarquartz" })
  expect(tracesIn(imageOf(back).database, canaries)).toEqual([])

  const older = await startFrom(back, before)
  expect(tracesIn(imageOf(older).database, canaries).length).toBeGreaterThan(1)
  await sync(older.context)
  expect((await inbox(older.context)).records).toMatchObject([{ withdrawn: true, title: "" }])
  expect(tracesIn(imageOf(older).database, canaries)).toEqual([])
  expect(await opens(older)).toMatchObject({ title: "Practice of Zanzibarquartz" })
})

test("released anew it is read again, taken back it is sealed again, and an officer ends it", async () => {
  await using at = await start()
  const { xa, xb, record } = at
  await sealRecord(xb.context, record.id, await decision(xb, "seal", record))
  await at.withdraw()
  await sync(xb.context)
  await at.release()
  await sync(xb.context)
  expect((await show(xb.context, record.id)).provenance.every(({ ok }) => ok)).toBe(true)
  await at.withdraw()
  await sync(xb.context)
  expect(await xb.context.db.selectFrom("archive").select("version").execute()).toHaveLength(1)
  expect(tracesIn(imageOf(xb).database, canaries)).toEqual([])

  await endHold(xb.context, record.id, await decision(xb, "unhold", record))
  await sync(xb.context)
  const { receipts } = await receiptsOf(xa.context, record.id)
  expect(receipts.filter(({ state }) => state === "purged")).toHaveLength(2)
  expect(await listHolds(xb.context)).toEqual([])
  for (const table of ["archive", "archive_share"] as const)
    expect(await xb.context.db.selectFrom(table).select("entry").execute()).toEqual([])
  expect(await codeOf(requestUnsealing(xb.context, record, reason))).toBe("hold.unknown")
})

test("whoever has it from another holder seals it too, and states that, and its end, to that one", async () => {
  await using net = await network(["xa", "xb", "xc"], { officers })
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  const text = "---\ntitle: Practice of Zanzibarquartz\n---\nThe lapislazulitrellis is watched.\n"
  const { record: id } = await addDraft(xa.context, text)
  const record = { origin: xa.context.self.id, id }
  for (const [from, to] of [
    [xa, xb],
    [xb, xc],
  ] as const) {
    const request = { records: [id], to: [to.name], onward: from === xa ? "free" : "no" } as const
    await authoriseAndPublish(from, (await requestRelease(from.context, request)).orders)
    await sync(to.context, from.name)
  }
  await sealRecord(xc.context, id, await decision(xc, "seal", record))
  const { orders } = await requestWithdrawal(xa.context, { record: id, reason: "over" })
  await authoriseAndPublish(xa, orders)
  await sync(xb.context, "xa")
  await sync(xc.context, "xb")
  const said = async () =>
    (
      await xb.context.db
        .selectFrom("receipt_in")
        .select("state")
        .where("peer", "=", xc.context.self.id)
        .execute()
    )
      .map(({ state }) => state)
      .toSorted()
  await sync(xc.context, "xb")
  expect(await said()).toEqual(["delivered", "sealed"])
  expect(tracesIn(imageOf(xc).database, canaries)).toEqual([])
  await endHold(xc.context, id, await decision(xc, "unhold", record))
  await sync(xc.context, "xb")
  expect(await said()).toEqual(["delivered", "purged", "sealed"])
})

test("sealed again to the officers of today, it opens to nobody who has left", async () => {
  await using at = await start()
  const { xb, record } = at
  await sealRecord(xb.context, record.id, await decision(xb, "seal", record))
  await at.withdraw()
  await sync(xb.context)
  const old = readArchiveRequest(await requestUnsealing(xb.context, record, reason))
  await xb.context.db
    .updateTable("officer")
    .set({ sealing_key: null })
    .where("person", "=", "p3")
    .execute()
  const given = await shares(xb, record, keysOf(xb, "p1", "p2"))
  await unseal(xb.context, record, reason, given, { reseal: true })
  expect(await listHolds(xb.context)).toMatchObject([{ openers: ["p1", "p2"] }])
  expect(await codeOf(shares(xb, record, keysOf(xb, "p3")))).toBe("hold.officers")
  const day = dayOf(xb.env.clock.now())
  const before = await Promise.all(
    keysOf(xb, "p2", "p3").map((key) => giveArchiveShares(old, key, day)),
  )
  expect(await codeOf(unseal(xb.context, record, reason, before))).toBe("hold.officers")
  const now = await shares(xb, record, keysOf(xb, "p1", "p2"))
  expect((await unseal(xb.context, record, reason, now)).from).toBe("xa")
  expect((await archiveLog(xb.context)).map(({ act }) => act)).toEqual([
    ...["seal", "open", "seal", "open"],
  ])
  expect(tracesIn(imageOf(xb).database, canaries)).toEqual([])
})

test("nothing is sealed that two officers could not open: it waits, locked away, for somebody to look", async () => {
  await using at = await start()
  const { xa, xb, record } = at
  const leave = (...persons: readonly string[]) =>
    xb.context.db
      .updateTable("officer")
      .set({ sealing_key: null })
      .where("person", "in", persons)
      .execute()
  await sealRecord(xb.context, record.id, await decision(xb, "seal", record))
  await leave("p2", "p3")
  const again = await decision(xb, "seal", record)
  expect(await codeOf(sealRecord(xb.context, record.id, again))).toBe("hold.officers")
  await at.withdraw()
  await sync(xb.context)
  const { receipts } = await receiptsOf(xa.context, record.id)
  const day = dayOf(xb.env.clock.now())
  expect(receipts.at(-1)).toMatchObject({ state: "held", until: day })
  expect(await listHolds(xb.context)).toMatchObject([{ locked: true }])
  expect((await search(xb.context, "lapislazulitrellis")).records).toEqual([])
  const open = await decision(xb, "open", record)
  expect(await openHeld(xb.context, record.id, open)).toMatchObject({ from: "xa" })
})
