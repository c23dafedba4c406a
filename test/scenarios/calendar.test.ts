import { expect, test } from "vitest"
import { formatCalendar } from "../../cli/icalendar.ts"
import { dayOf } from "../../node/context.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { say } from "../../node/order/say.ts"
import { calendar, meetDeadline, setMilestone } from "../../node/reading/calendar.ts"
import {
  agreeMission,
  dues,
  errorsIn,
  membersOf,
  named,
  tell,
  write,
} from "../support/mechanism.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"

const report = `---
title: National report, tenth meeting
profile: cns
kind: national-report
period: 2024 to 2026
---
What was done since the last meeting.
`

async function two() {
  const net = await network(["xa", "xb"], {
    officers: [
      { person: "p1", roles: ["nationalContactPoint"] },
      { person: "p2", roles: ["competentAuthority"] },
    ],
  })
  const { xa, xb } = net.nodes as { readonly [name: string]: TestNode }
  return { net, xa: xa!, xb: xb! }
}

async function give(from: TestNode, record: string, to: TestNode): Promise<void> {
  const { orders } = await requestRelease(from.context, { records: [record], to: [to.name] })
  await authoriseAndPublish(from, orders)
  expect((await sync(to.context, from.name)).peers).toEqual([
    expect.objectContaining({ received: 1, refused: 0, failed: 0 }),
  ])
}

const at = (day: string) => Date.parse(`${day}T09:00:00Z`)

test("from one day that a member tells, every member has the deadlines of the mechanism, and its window", async () => {
  const { net, xa, xb } = await two()
  await using _closing = net
  const milestone = await setMilestone(xa.context, {
    ...{ mechanism: "cns", anchor: "review-meeting", day: "2027-07-31" },
  })
  await give(xa, milestone.record, xb)
  const of = async (node: TestNode) =>
    (await calendar(node.context)).deadlines.map(({ day, what, state, from }) => [
      ...[day, what, state, from],
    ])
  // The last of November, and of March, and of June: a month that is too short ends earlier.
  expect(await of(xb)).toEqual([
    ["2026-11-30", "National report", "soon", "xa"],
    ["2027-03-31", "Questions", "ahead", "xa"],
    ["2027-06-30", "Answers", "ahead", "xa"],
  ])
  const { record } = await addDraft(xa.context, report)
  await give(xa, record, xb)
  const ask = {
    relation: "asks",
    record,
    text: "Who inspects at night?",
    to: ["xa"],
    areas: ["Art.8"],
  } as const
  const question = await say(xb.context, ask)
  expect(question.preview[0]).toMatchObject({ title: "Who inspects at night?" })
  await authoriseAndPublish(xb, question.orders)
  await sync(xa.context, "xb")
  const owed = async () =>
    (await calendar(xa.context)).deadlines.filter(({ what }) => what === "Answer")
  expect(await owed()).toMatchObject([
    { day: "2027-06-30", title: "Who inspects at night?", from: "xb", state: "ahead" },
  ])
  const answer = await say(xa.context, {
    relation: "answers",
    record: question.preview[0]!.record,
    text: "An inspector on call.",
  })
  expect(await owed()).toEqual([])
  expect(answer.preview[0]).toMatchObject({ recipient: "xb" })

  net.clock.now = at("2027-03-31")
  expect((await say(xb.context, ask)).orders).toHaveLength(1)
  net.clock.now = at("2027-04-01")
  await expect(say(xb.context, ask)).rejects.toMatchObject({ code: "question.closed" })
  expect((await say(xb.context, { ...ask, profile: "dialogue" })).orders).toHaveLength(1)

  // What may be listed is said so; what nobody is told of is only past.
  const states = (await calendar(xb.context)).deadlines.map(({ state, listed }) => [state, listed])
  expect(states).toEqual([
    ["overdue", true],
    ["passed", undefined],
    ["ahead", undefined],
  ])
  const [first] = (await calendar(xb.context)).deadlines
  await meetDeadline(xb.context, first!.deadline)
  expect((await calendar(xb.context)).deadlines[0]).toMatchObject({ state: "met" })
})

test("our own word on a day goes before another's, and a new day replaces the old", async () => {
  const { net, xa, xb } = await two()
  await using _closing = net
  const milestone = await setMilestone(xa.context, {
    ...{ mechanism: "uncac", anchor: "start", day: "2027-01-01" },
  })
  await give(xa, milestone.record, xb)
  await setMilestone(xb.context, { mechanism: "uncac", anchor: "start", day: "2027-02-01" })
  const later = await setMilestone(xb.context, {
    ...{ mechanism: "uncac", anchor: "start", day: "2027-02-02" },
  })
  expect(later.version).toBe(1)
  const { deadlines } = await calendar(xb.context)
  expect(deadlines.map(({ from }) => from)).not.toContain("xa")
  expect(deadlines.map(({ day }) => day)).toContain("2027-02-23")
  await expect(
    setMilestone(xb.context, { mechanism: "uncac", anchor: "review-meeting", day: "2027-02-02" }),
  ).rejects.toMatchObject({ code: "terms.invalid" })
  await expect(
    setMilestone(xb.context, { mechanism: "uncac", anchor: "start", day: "2027-02-30" }),
  ).rejects.toMatchObject({ code: "terms.invalid" })
})

test("the calendar as a file has an event of one day each, and no reminder of what is done", async () => {
  const { net, xa } = await two()
  await using _closing = net
  await setMilestone(xa.context, {
    ...{ mechanism: "cns", anchor: "review-meeting", day: "2027-07-31" },
  })
  const [first] = (await calendar(xa.context)).deadlines
  await meetDeadline(xa.context, first!.deadline)
  const text = formatCalendar((await calendar(xa.context)).deadlines, new Date(net.clock.now))
  const lines = text.split("\r\n")
  expect(lines.filter((line) => line.startsWith("DTSTART"))).toEqual([
    "DTSTART;VALUE=DATE:20261130",
    "DTSTART;VALUE=DATE:20270331",
    "DTSTART;VALUE=DATE:20270630",
  ])
  expect(lines.filter((line) => line === "BEGIN:VALARM")).toHaveLength(2)
  expect(lines).toContain(`UID:${first!.deadline}@comity`)
  expect(lines.every((line) => Buffer.byteLength(line) <= 75)).toBe(true)
})

const host = { roles: ["regulator"] }
const team = { kind: "team", roles: ["teamLeader"] } as const
const committee = { kind: "secretariat", roles: ["moderator"] } as const

test("everybody has the committee's calendar of missions, and only host and team what is due after one", async () => {
  await using net = await membersOf({ xa: host, xt: team, xs: committee, xc: host })
  const { xa, xt, xs, xc } = net.nodes
  const entry = { title: "IRRS mission to XA", host: named(xa), service: "IRRS" }
  for (const dates of ["March 2027", "2027-03-12/2027-03-01", "2027-02-29/2027-03-12"]) {
    const draft = await write(xs, "prasc-generic", "calendar-entry", { ...entry, dates })
    expect(errorsIn(draft), dates).toEqual(["profile.violated"])
  }
  const days = "2027-03-01/2027-03-12"
  await tell(xs, [xa, xc], "prasc-generic", "calendar-entry", { ...entry, dates: days })
  const mission = "2027-03-01 2027-03-12 Mission IRRS mission to XA"
  expect(await dues(xc)).toEqual([`${mission} ahead`])

  await agreeMission(xa, xt, "prasc-generic", { mission: "IRRS 2027", dates: days })
  const agreed = [
    "2025-03-01 Request passed",
    "2027-03-01 2027-03-12 Mission IRRS 2027 ahead",
    "2027-06-12 Final report ahead",
  ]
  expect(await dues(xt)).toEqual(agreed)
  expect((await dues(xa)).filter((one) => one !== `${mission} ahead`)).toEqual(agreed)

  net.clock.now = at("2027-03-12")
  expect(await dues(xc)).toEqual([`${mission} soon`])
  net.clock.now = at("2027-06-13")
  expect(await dues(xc)).toEqual([`${mission} passed`])
  expect(await dues(xa)).toContain("2027-06-12 Final report overdue")

  // A calendar program shows both ends: the day after the last is where such an event ends.
  const { deadlines } = await calendar(xc.context)
  const text = formatCalendar(deadlines, new Date(net.clock.now))
  expect(text).toContain("DTSTART;VALUE=DATE:20270301")
  expect(text).toContain("DTEND;VALUE=DATE:20270313")
})

test("a host says again how far a finding has come, until it is closed; it is overdue where that is a duty", async () => {
  await using net = await membersOf({
    xa: { kind: "operator", roles: ["executive", "teamLeader"] },
    xo: { kind: "operator", roles: ["executive", "teamLeader"] },
    xb: { roles: ["foreignMinistry"] },
    xc: { roles: ["foreignMinistry"] },
  })
  const { xa, xo, xb, xc } = net.nodes
  const plan = await tell(
    xb,
    [xc],
    "unscr-1540",
    "action-plan",
    { title: "Plan", areas: ["OP2:N"], actions: "Train." },
    { beyondDefault: true },
  )
  const area = await tell(
    xa,
    [xo],
    "inpo",
    "area-for-improvement",
    { title: "Delays", areas: ["CF"], cause: "Synthetic.", facts: "Three." },
    { beyondDefault: true },
  )
  const started = dayOf(net.clock.now)
  const year = (n: number) => `${Number(started.slice(0, 4)) + n}${started.slice(4)}`
  expect(await dues(xa)).toEqual([`${year(2)} Status Delays ahead`])
  expect(await dues(xb)).toEqual([`${year(1)} Status Plan ahead`])

  net.clock.now = at("2028-12-31")
  expect(await dues(xb)).toEqual([`${year(1)} Status Plan passed`])
  expect(await dues(xa)).toEqual([`${year(2)} Status Delays overdue`])
  const says = async (node: TestNode, record: string, status: string) =>
    authoriseAndPublish(
      node,
      (await say(node.context, { relation: "follows-up", record, status })).orders,
    )
  await says(xa, area, "open")
  await says(xb, plan, "closed-implemented")
  expect(await dues(xa)).toEqual(["2030-12-31 Status Delays ahead"])
  expect(await dues(xb)).toEqual([])
})
