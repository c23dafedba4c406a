import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { takeConsentBack } from "../../../node/order/consent.ts"
import { showOrder } from "../../../node/order/orders.ts"
import { cns } from "../../../protocol/profiles/cns.ts"
import { dueOn } from "../../../protocol/profiles/cycle.ts"
import { allowPublic } from "../../support/ceremony.ts"
import {
  agree,
  errorsIn,
  holds,
  makePublic,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  tell,
  write,
} from "../../support/mechanism.ts"
import { authoriseAndPublish } from "../../support/network.ts"
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
