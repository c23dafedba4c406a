import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { checkHeldLinks } from "../../node/order/links.ts"
import { requestRelease } from "../../node/order/release.ts"
import { say } from "../../node/order/say.ts"
import { requests } from "../../node/reading/assistance.ts"
import { calendar, meetDeadline } from "../../node/reading/calendar.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { releaseViolations } from "../../protocol/profiles/profile.ts"
import { findProfileById } from "../../protocol/profiles/registry.ts"
import { decodeRecord } from "../../protocol/record/record.ts"
import { holds, membersOf, named, tell, write } from "../support/mechanism.ts"
import { authoriseAndPublish, type TestNode } from "../support/network.ts"

const state = { roles: ["competentAuthority", "informationSecurity", "teamLeader"] }

async function four() {
  const net = await membersOf({ xa: state, xb: state, xc: state, xd: state })
  for (const { context } of Object.values(net.nodes))
    for (const marking of ["TLP:AMBER+STRICT", "TLP:AMBER"] as const)
      context.localMarks.set(marking, "OURS")
  return net
}

async function said(from: TestNode, saying: Parameters<typeof say>[1], to: readonly TestNode[]) {
  const { orders, preview } = await say(from.context, saying)
  await authoriseAndPublish(from, orders)
  for (const node of to)
    for (const { refused, failed } of (await sync(node.context, from.name)).peers)
      expect({ refused, failed }).toEqual({ refused: 0, failed: 0 })
  return preview[0]!.record
}

const answers = async (node: TestNode) =>
  (await requests(node.context)).flatMap(({ donors }) =>
    donors.map(({ name, assistance }) => [name, assistance]),
  )

test("a finding leads to a request to the donors agreed on, who answer its origin and see nobody else's answer", async () => {
  await using net = await four()
  const { xa, xb, xc, xd } = net.nodes
  const finding = await write(xa, "insserv", "recommendation", {
    title: "Detection at the crossing",
    areas: ["MORC-4"],
    marking: "TLP:AMBER+STRICT",
    basis: "NSS 15, para 5.1",
    body: "The border authority should train its officers.",
    observation: "Nobody was trained.",
  })
  // The finding stays at home: its status goes to one donor, and neither to the other.
  const status = await said(
    xa,
    { relation: "follows-up", record: finding.record, status: "in-progress", to: ["xb"] },
    [xb],
  )
  const ask = {
    relation: "requests",
    record: status,
    text: "Training of twelve officers.",
    to: ["xb", "xc"],
    fields: { due: "2026-12-31" },
  } as const
  const request = await said(xa, ask, [xb, xc, xd])
  expect(await holds(xc)).toEqual(["Training of twelve officers."])
  expect(await holds(xd)).toEqual([])
  // What it is about stays where it is: a donor learns that it exists.
  expect((await show(xc.context, request)).links.about).toMatchObject([
    { relation: "requests", from: "xa", title: null },
  ])
  const { content, marking } = await show(xb.context, request)
  expect(content).toMatchObject({ fields: { donors: named(xb, xc) } })
  expect(marking).toBe("TLP:AMBER+STRICT")

  const reply = await said(xb, { relation: "responds", record: request, status: "considered" }, [
    xa,
    xc,
    xd,
  ])
  expect(Object.fromEntries(await answers(xa))).toEqual({ xb: "considered", xc: null })
  await said(xc, { relation: "responds", record: request, status: "declined" }, [xa, xb])
  await said(
    xb,
    { relation: "responds", record: request, status: "offered", text: "Two trainers." },
    [xa, xc],
  )
  expect(Object.fromEntries(await answers(xa))).toEqual({ xb: "offered", xc: "declined" })
  expect((await show(xa.context, request)).links.linked).toMatchObject([
    { relation: "responds", from: "xb", status: "considered", record: reply },
    { relation: "responds", from: "xc", status: "declined" },
    { relation: "responds", from: "xb", status: "offered" },
  ])
  expect((await show(xc.context, request)).links.linked).toMatchObject([
    { relation: "responds", status: "declined" },
  ])
  expect((await inbox(xc.context)).records.map(({ record }) => record)).toEqual([request])
})

test("nobody else is asked, answers, or is told, and what a donor says is one of four", async () => {
  await using net = await four()
  const { xa, xb, xc, xd } = net.nodes
  const request = await said(
    xa,
    { relation: "requests", text: "Two detectors.", to: ["xb"], fields: {} },
    [xb],
  )
  const mayGo = (record: string, from: TestNode, to: TestNode, onward?: "free") =>
    requestRelease(from.context, {
      ...{ records: [record], to: [to.name], dryRun: true },
      ...(onward === undefined ? {} : { onward }),
    })
  const refusal = { code: "profile.violated", message: expect.stringContaining("nobody else") }
  await expect(mayGo(request, xa, xd)).rejects.toMatchObject(refusal)
  await expect(mayGo(request, xa, xb, "free")).rejects.toMatchObject(refusal)
  const reply = { relation: "responds", record: request, status: "offered" } as const
  await expect(say(xb.context, { ...reply, to: ["xc"] })).rejects.toMatchObject(refusal)
  for (const status of ["accepted", "adopted"])
    await expect(say(xb.context, { ...reply, status })).rejects.toMatchObject({
      code: "draft.errors",
    })
  await expect(
    say(xa.context, { relation: "requests", record: request, text: "Help." }),
  ).rejects.toMatchObject({ code: "recipient.none" })

  // What its own node would not send, a recipient does not take.
  const row = await xb.context.db
    .selectFrom("content")
    .select("bytes")
    .where("id", "=", request)
    .executeTakeFirstOrThrow()
  const record = decodeRecord(new Uint8Array(row.bytes))
  const { profile } = findProfileById("dialogue")!
  const to = (node: TestNode, onward = "no") =>
    releaseViolations(profile, record, {
      ...{ from: "state", to: "state", recipient: node.context.self.id },
      ...{ onward, marking: record.marking },
    }).map(({ field }) => field)
  expect([to(xb), to(xd), to(xb, "free")]).toEqual([[], ["donors"], ["donors"]])
  const answer = {
    ...record,
    about: { id: record.id, origin: record.origin, relation: "responds" as const },
    kind: "assistance-reply",
    fields: { assistance: "offered" },
  }
  const of = (node: TestNode) =>
    checkHeldLinks(xa.context.db, { ...answer, origin: node.context.self.id })
  await of(xb)
  await expect(of(xc)).rejects.toMatchObject({ code: "profile.violated" })
  // Help with a finding is asked for by whom it is about.
  const finding = await tell(xa, [xb], "general", "good-practice")
  await expect(
    say(xb.context, { relation: "requests", record: finding, text: "Help.", to: ["xc"] }),
  ).rejects.toMatchObject({ code: "profile.violated" })
})

test("an answer is on the calendar of whoever waits for it and of whoever gives it, and is never overdue", async () => {
  await using net = await four()
  const { xa, xb, xc } = net.nodes
  const request = await said(
    xa,
    {
      relation: "requests",
      text: "Two detectors.",
      to: ["xb", "xc"],
      fields: { due: "2026-12-31" },
    },
    [xb, xc],
  )
  const dues = async (node: TestNode) =>
    (await calendar(node.context)).deadlines.map(
      ({ what, day, state }) => `${what} ${day} ${state}`,
    )
  const of = (name: string, state = "ahead") =>
    `Answer of ${name} to a request for assistance 2026-12-31 ${state}`
  expect((await dues(xa)).toSorted()).toEqual([of("xb"), of("xc")])
  expect(await dues(xb)).toEqual([of("xb")])
  await said(xb, { relation: "responds", record: request, status: "declined" }, [xa])
  expect(await dues(xa)).toEqual([of("xc")])
  expect(await dues(xb)).toEqual([])
  net.clock.now = Date.parse("2027-01-02T09:00:00Z")
  expect(await dues(xc)).toEqual([of("xc", "passed")])
  const [late] = (await calendar(xa.context)).deadlines
  expect(await meetDeadline(xa.context, late!.deadline)).toMatchObject({ state: "met" })
})
