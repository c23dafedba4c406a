import { expect, test } from "vitest"
import { say } from "../../../node/order/say.ts"
import { show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { cog } from "../../../protocol/profiles/cog.ts"
import { dueOn } from "../../../protocol/profiles/cycle.ts"
import { pass } from "../../support/days.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  dues,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  share,
  speak,
  tell,
  tellDay,
  write,
} from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"

const station = { kind: "operator", roles: ["opexCoordinator"] } as const
const group = { kind: "team", roles: ["committeeChair"] } as const
const event = {
  title: "A valve that stuck",
  areas: ["OPEX"],
  actions: "Exchanged.",
  cause: "Wear.",
  consequence: "None.",
  dates: "2026-11-20",
  system: "Moderator",
}

test("an event goes to all members, is screened, and is answered by each station, outside COG by nobody", async () => {
  await using net = await membersOf({
    xa: station,
    xb: station,
    xg: group,
    xs: { roles: ["regulator"] },
  })
  const { xa, xb, xg: cogs, xs } = net.nodes
  const reported = await tell(xa, [xb, cogs], "cog", "event-report", {
    ...event,
    facility: "Exercise station 4",
  })
  expect(await codeOf(mayAsk(xa, reported, xs, { beyondDefault: true }))).toBe("recipient.audience")
  expect(await codeOf(mayAsk(xa, reported, cogs, { onward: "free" }))).toBe("profile.violated")

  const screening = { title: "Screening", actions: "Look at your own.", event: reported }
  const wrong = await write(cogs, "cog", "screening-decision", { ...screening, rating: "urgent" })
  expect(errorsIn(wrong)).toEqual(["profile.violated"])
  await tell(cogs, [xa, xb], "cog", "screening-decision", { ...screening, rating: "high" })
  await tell(xb, [cogs], "cog", "applicability-reply", {
    title: "Ours too",
    status: "applicable-action",
    actions: "Exchange in spring.",
  })
  expect(await holds(cogs)).toEqual(["A valve that stuck", "Ours too"])
  expect(await holds(xb)).toEqual(["A valve that stuck", "Screening"])
  const [report, screened] = cog.deadlines!
  expect(dueOn(dueOn("2026-11-20", report!), screened!)).toBe("2026-12-04")
})

test("an event in its time: overdue where it is not told of, screened, followed to its end, and told to WANO", async () => {
  await using net = await membersOf({
    xa: station,
    xb: station,
    xg: group,
    xw: { kind: "team", roles: ["moderator"] },
  })
  const { xa, xb, xg: cogs, xw } = net.nodes
  await tellDay(xa, [cogs], "cog", "event", "2026-11-20")
  await pass(net, 5)
  // The group sees what is late, and nobody outside it has the day at all.
  expect(await dues(cogs)).toEqual(["2026-11-27 Report of the event overdue"])
  expect(await dues(xw)).toEqual([])

  const reported = await tell(xa, [xb, cogs], "cog", "event-report", event)
  const question = { relation: "asks", record: reported, text: "Which maker?" } as const
  const asked = await speak(xb, question, [xa])
  await speak(xa, { relation: "answers", record: asked, text: "It is on the drawing." }, [xb])
  const screening = { title: "Screening", actions: "Look at your own.", event: reported }
  const decision = await write(cogs, "cog", "screening-decision", { ...screening, rating: "trend" })
  await share(cogs, decision.record, [xa, xb])

  // Each station answers for itself, and again until nothing is left to do.
  const found = { title: "Ours too", actions: "Exchange in spring.", status: "applicable-action" }
  const reply = await tell(xb, [cogs], "cog", "applicability-reply", found)
  expect(await dues(xb)).toContain("2026-12-28 Status Ours too soon")
  await pass(net, 31)
  expect(await dues(xb)).toContain("2026-12-28 Status Ours too overdue")
  const status = { relation: "follows-up", record: reply } as const
  expect(await codeOf(say(xb.context, { ...status, status: "closed" }))).toBe("profile.violated")
  await speak(xb, { ...status, status: "applicable-done" }, [cogs])
  expect((await dues(xb)).join()).not.toContain("Status")
  expect((await show(cogs.context, reply)).links.linked).toMatchObject([
    { relation: "follows-up", status: "applicable-done", claim: "host" },
  ])

  // What goes to the other association is the group's to say, in its own words: a trend, and no station.
  await tell(cogs, [xw, xa, xb], "cog", "trend-report", { title: "Valves", topic: "wear" })
  expect(await holds(xw)).toEqual(["Valves"])
  const passedOn = mayAsk(cogs, reported, xw)
  expect(await codeOf(passedOn)).toBe("onward.refused")
  const compared = trends(cogs.context, { mechanism: "cog", of: ["xa", "xb"] })
  expect(await codeOf(compared)).toBe("comparison.forbidden")
})

test("no member takes an event that is marked for others, one outside the group, or a screening by a station", async () => {
  await using net = await membersOf({ xa: station, xb: station, xs: { roles: ["regulator"] } })
  const { xa, xb, xs } = net.nodes
  const force = async (to: typeof xb, wrong: Wrong = {}) =>
    forced(net, xa, (await write(xa, "cog", "event-report", event)).record, to, wrong)
  expect(await force(xs)).toBe("profile.violated")
  expect(await force(xb, { record: { marking: "TLP:GREEN" } })).toBe("profile.violated")
  expect(await force(xb, { terms: { onward: "free" } })).toBe("profile.violated")
  const screening = { actions: "None.", event: "A valve", rating: "low" }
  const { record } = await write(xa, "cog", "screening-decision", screening)
  expect(await forced(net, xa, record, xb)).toBe("order.unauthorised")
  expect(await force(xb)).toBe(null)
  expect(await holds(xs)).toEqual([])
})
