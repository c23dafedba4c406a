import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { takeConsentBack } from "../../../node/order/consent.ts"
import { showOrder } from "../../../node/order/orders.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { say } from "../../../node/order/say.ts"
import { show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { cns } from "../../../protocol/profiles/cns.ts"
import { dueOn } from "../../../protocol/profiles/cycle.ts"
import { allowPublic } from "../../support/ceremony.ts"
import { pass } from "../../support/days.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  agree,
  dues,
  errorsIn,
  holds,
  makePublic,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  share,
  speak,
  tell,
  tellDay,
  write,
} from "../../support/mechanism.ts"
import { authoriseAndPublish, signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const party = { roles: ["nationalContactPoint", "rapporteur", "operator"] }
const practice = {
  title: "Lessons are exchanged across utilities",
  areas: ["Art.19"],
  applicability: "Yes, every programme has several plants or neighbours.",
  contribution: "Yes, one lesson is learnt once.",
  new: "Yes, revised in 2025.",
  notWidespread: "Yes, few Parties do it.",
  proven: "Yes, for ten years.",
}

test("a group's finding goes to the Parties when every member of the group has agreed to it, and not before", async () => {
  await using net = await membersOf({ xa: party, xb: party, xc: party, xd: party })
  const { xa, xb, xc, xd } = net.nodes
  const common = await write(xa, "cns", "good-practice", {
    ...practice,
    group: named(xa, xb, xc),
    notWidespread: "No, most Parties do it.",
  })
  expect(errorsIn(common)).toEqual(["profile.violated"])

  const { record } = await write(xa, "cns", "good-practice", {
    ...practice,
    group: named(xa, xb, xc),
  })
  const [order] = await propose(xa, record, [xd])
  await agree(xb, order!, xa)
  // One signature is missing, and silence is no consent.
  expect((await showOrder(xa.context, order!)).missing).toEqual(["the consent of xc"])
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")

  const given = await agree(xc, order!, xa)
  expect((await showOrder(xa.context, order!)).missing).toEqual([])
  // Agreement can be taken back until the release is logged.
  const { order: back } = await takeConsentBack(xc.context, given, "the wording has changed")
  await authoriseAndPublish(xc, [back])
  await sync(xa.context, "xc")
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")

  const [again] = await propose(xa, record, [xd])
  for (const node of [xb, xc]) await agree(node, again!, xa)
  await send(xa, [again!], [xd])
  expect(await holds(xd)).toEqual([practice.title])
})

test("a national report is open, the debate about it stays among Parties, and the summary names nobody", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xs: { kind: "secretariat", roles: ["rapporteur"] },
    xo: { kind: "operator", roles: ["operator"] },
  })
  const { xa, xb, xs, xo } = net.nodes
  const report = { title: "Seventh national report", period: "2024-2026", marking: "TLP:CLEAR" }
  await tell(xa, [xb, xs], "cns", "national-report", report)
  const question = { title: "On Article 14", areas: ["Art.14"], toState: "XA" }
  const asked = await tell(xb, [xa], "cns", "question", question)
  expect(await codeOf(mayAsk(xb, asked, xo, { beyondDefault: true }))).toBe("recipient.audience")
  await tell(xa, [xb], "cns", "answer", { title: "To XB on Article 14", reference: asked })
  const debate = { findings: "none yet", group: named(xa, xb), marking: "TLP:GREEN" }
  expect(errorsIn(await write(xa, "cns", "country-review-report", debate))).toEqual([
    "profile.violated",
  ])

  const summary = { title: "Summary of the meeting", themes: "ageing; knowledge" }
  const naming = await write(xs, "cns", "president-report", {
    ...summary,
    body: "Slovenia reported on exercises.",
  })
  expect(errorsIn(naming)).toEqual(["state"])
  const presented = await tell(xs, [xa, xb], "cns", "president-report", summary)
  expect(await holds(xb)).toEqual([
    "Seventh national report",
    "Summary of the meeting",
    "To XB on Article 14",
  ])
  // Both are for everybody where their member's policy says so; what a group found is for Parties.
  const everybody = { to: ["public"], beyondDefault: true }
  for (const node of [xa, xs]) await allowPublic(node, 1)
  const found = await write(xa, "cns", "good-practice", { ...practice, group: named(xa, xb) })
  expect(await codeOf(mayAsk(xa, found.record, xo, everybody))).toBe("recipient.audience")
  const opened = await write(xa, "cns", "national-report", report)
  await makePublic(xa, opened.record, [xo])
  await makePublic(xs, presented, [xo])
  expect(await holds(xo)).toEqual(["Seventh national report", "Summary of the meeting"])
  expect(cns.deadlines!.map((one) => dueOn("2029-03-12", one))).toEqual([
    "2028-07-12",
    "2028-11-12",
    "2029-02-12",
  ])
})

test("a meeting from its first day to the next report: what is due, asked, found, and became of it", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xc: party,
    xs: { kind: "secretariat", roles: ["rapporteur"] },
    xo: { kind: "operator", roles: ["operator"] },
  })
  const { xa, xb, xc, xs, xo } = net.nodes
  await tellDay(xs, [xa, xb, xc], "cns", "review-meeting", "2027-07-31")
  expect(await dues(xb)).toEqual([
    "2026-11-30 National report soon",
    "2027-03-31 Questions ahead",
    "2027-06-30 Answers ahead",
  ])

  // What a Party keeps to itself by Article 27 shows; of a plant nothing is told without its operator.
  const report = { title: "National report", period: "2024-2026", facility: "Station B" }
  const body = "Two reactors run. [withheld: security]"
  const silent = await write(xa, "cns", "national-report", { ...report, body })
  expect(errorsIn(silent)).toEqual(["profile.violated"])
  const { record } = await write(xa, "cns", "national-report", { ...report, body, withheld: "1" })
  const all = { records: [record], to: ["xb", "xc", "xs"] }
  const { order } = await requestRelease(xa.context, all)
  await signAs(xa, order, "p1")
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p3")
  await send(xa, [order], [xb, xc, xs])

  const ask = { relation: "asks", record, to: ["xa"], areas: ["Art.14"] } as const
  const question = await speak(xb, { ...ask, text: "Who reviews a change?" }, [xa])
  expect(await dues(xa)).toContain("2027-06-30 Answer Who reviews a change? ahead")
  const answer = await speak(xa, { relation: "answers", record: question, text: "Two." }, [xb])
  expect((await dues(xa)).join()).not.toContain("Who reviews")
  // Who asked is no secret here, and the answer is everybody's.
  await share(xa, answer, [xc])
  expect((await show(xc.context, answer)).links.about).toMatchObject([
    { relation: "answers", record: question, from: "xb" },
  ])
  await pass(net, 129)
  expect(await codeOf(say(xc.context, { ...ask, text: "And at night?" }))).toBe("question.closed")
  expect(await dues(xb)).toContain("2026-11-30 National report overdue")

  // The group's challenge, with what the Party concerned has to say of it.
  const group = named(xa, xb, xs)
  const challenge = await write(xs, "cns", "challenge", {
    ...{ title: "Staff of the regulator", areas: ["Art.8"], concerned: named(xa), group },
  })
  await share(xs, challenge.record, [xa, xb])
  const comment = { relation: "replies", record: challenge.record } as const
  await speak(xa, { ...comment, text: "Twelve posts are advertised." }, [xs])
  const orders = await propose(xs, challenge.record, [xc])
  for (const node of [xa, xb]) await agree(node, orders.at(-1)!, xs)
  await send(xs, orders, [xc])
  expect((await holds(xc)).slice(1, 3)).toEqual([
    "Staff of the regulator",
    "Twelve posts are advertised.",
  ])

  // Three years later the next report says what became of it; the group's own word stands beside it.
  const status = { relation: "follows-up", record: challenge.record } as const
  expect(await codeOf(say(xa.context, { ...status, status: "done" }))).toBe("profile.violated")
  expect(await dues(xa)).toContain("2030-04-01 Status Staff of the regulator ahead")
  await speak(xa, { ...status, status: "closed" }, [xs])
  expect((await dues(xa)).join()).not.toContain("Status")
  expect((await show(xs.context, challenge.record)).links.linked).toMatchObject([
    { relation: "replies", from: "xa" },
    { relation: "follows-up", from: "xa", status: "closed", claim: "host" },
  ])
  const ofOthers = trends(xs.context, { mechanism: "cns", of: ["xa", "xb"] })
  expect(await codeOf(ofOthers)).toBe("comparison.forbidden")
  expect(await codeOf(mayAsk(xs, challenge.record, xo))).toBe("recipient.audience")
})

test("no Party takes what another lets out against the rules of the meeting", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xc: party,
    xo: { kind: "operator", roles: ["operator"] },
  })
  const { xa, xb, xc, xo } = net.nodes
  const kept = { title: "What was said", findings: "none yet", group: named(xa, xb) }
  const debate = async () => (await write(xa, "cns", "country-review-report", kept)).record
  const force = async (to: typeof xb, wrong: Wrong = {}) =>
    forced(net, xa, await debate(), to, wrong)
  expect(await force(xb)).toBe(null)
  expect(await force(xc)).toBe("order.unconsented")
  expect(await force(xb, { record: { marking: "TLP:GREEN" } })).toBe("profile.violated")
  expect(await force(xb, { terms: { onward: "free" } })).toBe("profile.violated")
  expect(await force(xb, { signers: ["p1", "p3"] })).toBe("order.unauthorised")
  const question = { title: "On Article 14", areas: ["Art.14"], toState: "XB" }
  const { record } = await write(xa, "cns", "question", question)
  expect(await forced(net, xa, record, xo)).toBe("profile.violated")
  expect(await holds(xb)).toEqual(["What was said"])
  for (const node of [xc, xo]) expect(await holds(node)).toEqual([])
})
