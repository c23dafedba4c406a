import { expect, test } from "vitest"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { say } from "../../../node/order/say.ts"
import { search, show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  dues,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  send,
  share,
  speak,
  tell,
  tellDay,
  write,
} from "../../support/mechanism.ts"
import { signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const plant = { kind: "operator", roles: ["executive", "teamLeader"] } as const

test("an evaluation stays among operators: strengths go round, ratings and findings by decision only", async () => {
  await using net = await membersOf({ xa: plant, xb: plant, xc: { roles: ["regulator"] } })
  const { xa, xb, xc } = net.nodes
  const strength = await write(xa, "inpo", "strength", {
    title: "Tools are counted",
    areas: ["MA"],
  })
  expect(await codeOf(mayAsk(xa, strength.record, xc))).toBe("recipient.audience")
  expect(await codeOf(mayAsk(xa, strength.record, xb, { onward: "consent" }))).toBe(
    "profile.violated",
  )
  await share(xa, strength.record, [xb])

  const finding = { title: "Labels fade", areas: ["EN"], cause: "Ink.", facts: "Two of ten." }
  const { record } = await write(xa, "inpo", "area-for-improvement", finding)
  expect(await codeOf(mayAsk(xa, record, xb))).toBe("recipient.audience")

  const wide = { title: "Overall", rating: "2", marking: "TLP:AMBER+STRICT" }
  expect(errorsIn(await write(xa, "inpo", "rating", wide))).toEqual(["profile.violated"])
  const beyond = { title: "Overall", rating: "6" }
  expect(errorsIn(await write(xa, "inpo", "rating", beyond))).toEqual(["profile.violated"])

  const body = "The plant is rated exemplary."
  const rated = await tell(
    xa,
    [xb],
    "inpo",
    "rating",
    { title: "Overall", rating: "1", body },
    { beyondDefault: true },
  )
  expect(await holds(xb)).toEqual(["Overall", "Tools are counted"])
  // Sealed: who holds it reads it; nobody finds it by what it says, no file carries it, no journal has it.
  expect((await show(xb.context, rated)).content).toMatchObject({ fields: { rating: "1" } })
  for (const node of [xa, xb]) {
    expect((await search(node.context, "exemplary")).records).toEqual([])
    expect(await codeOf(exportEvidence(node.context, rated, { reason: "asked" }))).toBe(
      "evidence.refused",
    )
    expect(node.journal.join()).not.toContain("exemplary")
  }
  expect((await search(xb.context, "counted")).records).toHaveLength(1)
})

test("from the evaluation to the next: a report that two sign, a response in 60 days, and what it came to", async () => {
  await using net = await membersOf({
    xa: plant,
    xb: plant,
    xi: { kind: "team", roles: ["executive"] },
    xc: { roles: ["regulator"] },
  })
  const { xa, xb, xi, xc } = net.nodes
  const evaluated = { dates: "2026-11-02/2026-11-13", findings: "1, 1", facility: "Station B" }
  const report = await write(xa, "inpo", "evaluation-report", { title: "Evaluation", ...evaluated })
  expect(await codeOf(mayAsk(xa, report.record, xi))).toBe("recipient.audience")
  // The executive answers for it, and the team's leader for what was found.
  const request = { records: [report.record], to: ["xi", "xc"], beyondDefault: true }
  const { order } = await requestRelease(xa.context, request)
  await signAs(xa, order, "p2")
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p1")
  await send(xa, [order], [xi, xc])

  const decided = { beyondDefault: true }
  const finding = { title: "Labels fade", areas: ["EN"], cause: "Ink.", facts: "Two of ten." }
  const area = await tell(xa, [xi], "inpo", "area-for-improvement", finding, decided)
  expect(await codeOf(mayAsk(xa, area, xc, decided))).toBe("recipient.audience")
  await tellDay(xi, [xa], "inpo", "report", "2026-11-13")
  expect(await dues(xa)).toContain("2027-01-12 Response to areas for improvement ahead")
  const response = { due: "2027-06-30", owner: "maintenance", reference: area, title: "New labels" }
  await tell(xa, [xi], "inpo", "corrective-action", { ...response, status: "open" }, decided)
  expect(await dues(xi)).toContain("2027-06-30 Done, as was said New labels ahead")

  // Two years on plant and evaluators each say what it came to, on the scale of the institute.
  expect(await dues(xa)).toContain("2028-11-23 Status Labels fade ahead")
  const status = { relation: "follows-up", record: area } as const
  expect(await codeOf(say(xa.context, { ...status, status: "a-on-track" }))).toBe(
    "profile.violated",
  )
  await speak(xa, { ...status, status: "effective" }, [xi])
  await speak(xi, { ...status, status: "recurring" }, [xa])
  expect((await show(xa.context, area)).links.linked).toMatchObject([
    { status: "effective", claim: "host" },
    { status: "recurring", claim: "assessor" },
  ])
  expect(await holds(xc)).toEqual(["Evaluation"])
  expect(await holds(xb)).toEqual([])
  const compared = trends(xi.context, { mechanism: "inpo", of: ["xa", "xb"] })
  expect(await codeOf(compared)).toBe("comparison.forbidden")
  const fewer = trends(xi.context, { mechanism: "inpo", together: true, k: 2 })
  expect(await codeOf(fewer)).toBe("terms.invalid")
})

test("no member takes a rating in the open, one that no executive signed, or what is for operators at a State", async () => {
  await using net = await membersOf({ xa: plant, xb: plant, xc: { roles: ["regulator"] } })
  const { xa, xb, xc } = net.nodes
  const force = async (to: typeof xb, wrong: Wrong = {}) => {
    const { record } = await write(xa, "inpo", "rating", { title: "Overall", rating: "1" })
    return forced(net, xa, record, to, wrong)
  }
  expect(await force(xc)).toBe("profile.violated")
  expect(await force(xb, { record: { marking: "TLP:AMBER+STRICT" } })).toBe("profile.violated")
  expect(await force(xb, { record: { fields: { rating: "6" } } })).toBe("profile.violated")
  expect(await force(xb, { terms: { onward: "consent" } })).toBe("profile.violated")
  expect(await force(xb, { signers: ["p2"] })).toBe("order.unauthorised")
  expect(await force(xb)).toBe(null)
  expect(await holds(xc)).toEqual([])
})
