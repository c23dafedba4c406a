import { expect, test } from "vitest"
import { receiptsOf } from "../../../node/exchange/receipts.ts"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestWithdrawal } from "../../../node/order/release.ts"
import { say } from "../../../node/order/say.ts"
import { show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  agree,
  digestOf,
  dues,
  errorsIn,
  holds,
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
import { authoriseAndPublish } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const state = { roles: ["competentAuthority", "operator"] }
const auditor = { kind: "secretariat", roles: ["teamLeader"] } as const

test("the report goes to the audited State alone; all member States see levels as long as its memorandum stands", async () => {
  await using net = await membersOf({ xa: state, xb: state, xi: auditor })
  const { xa, xb, xi } = net.nodes
  const memorandum = await tell(xa, [xi], "icao-usap", "memorandum", {
    title: "Memorandum of understanding",
    scope: "Annex 17",
    service: "USAP-CMA",
  })
  const audited = named(xa)
  const report = await write(xi, "icao-usap", "audit-report", {
    title: "Audit report",
    audited,
    dates: "2026-10-05/2026-10-16",
    findings: "4",
  })
  expect(await codeOf(mayAsk(xi, report.record, xb))).toBe("recipient.audience")
  expect(await codeOf(mayAsk(xi, report.record, xa, { onward: "consent" }))).toBe(
    "profile.violated",
  )
  await share(xi, report.record, [xa])
  const plan = {
    title: "Corrective action plan",
    actions: "Train.",
    due: "2027-01-31",
    reference: "1",
  }
  await tell(xa, [xi], "icao-usap", "corrective-action-plan", plan, { beyondDefault: true })

  const level = {
    title: "Critical element 7",
    areas: ["CE-7"],
    audited,
    dates: "2026-10-16",
    memorandum: await digestOf(xi, memorandum),
  }
  expect(
    errorsIn(await write(xi, "icao-usap", "implementation-level", { ...level, rating: "101" })),
  ).toEqual(["profile.violated"])
  const { record } = await write(xi, "icao-usap", "implementation-level", {
    ...level,
    rating: "72",
  })
  await share(xi, record, [xb])
  expect(await holds(xa)).toEqual(["Audit report"])
  expect(await holds(xb)).toEqual(["Critical element 7"])
  expect(await holds(xi)).toEqual(["Corrective action plan", "Memorandum of understanding"])

  // Without the memorandum the audited State is asked as anybody is.
  const later = await write(xi, "icao-usap", "implementation-level", {
    ...level,
    rating: "74",
    title: "Critical element 7, a year later",
  })
  const [order] = await propose(xi, later.record, [xb])
  const { order: ending } = await requestWithdrawal(xa.context, {
    record: memorandum,
    reason: "denounced",
  })
  await authoriseAndPublish(xa, [ending])
  await sync(xi.context, "xa")
  expect(await codeOf(publish(xi.context, order!))).toBe("order.unconsented")
  await agree(xa, order!, xi)
  await send(xi, [order!], [xb])
  expect(await holds(xb)).toEqual(["Critical element 7", "Critical element 7, a year later"])
})

test("an audit from its draft to what was validated: the State comments, plans in 60 days, and is not its own judge", async () => {
  await using net = await membersOf({ xa: state, xb: state, xi: auditor })
  const { xa, xb, xi } = net.nodes
  const audited = named(xa)
  const service = { title: "Memorandum", scope: "Annex 17", service: "USAP-CMA" }
  const memorandum = await digestOf(xi, await tell(xa, [xi], "icao-usap", "memorandum", service))
  const finding = { areas: ["CE-7"], audited, basis: "Annex 17, 3.4.6", facts: "Two of ten." }
  const record = await tell(xi, [xa], "icao-usap", "finding", { title: "Quality", ...finding })
  const text = "It was one of ten."
  await speak(xa, { relation: "replies", record, text }, [xi])

  const days = { dates: "2026-10-05/2026-10-16", findings: "1" }
  await tell(xi, [xa], "icao-usap", "audit-report", { title: "Report", audited, ...days })
  await tellDay(xi, [xa], "icao-usap", "report", "2026-11-23")
  expect(await dues(xa)).toContain("2027-01-22 Corrective action plan ahead")
  const plan = { title: "Plan", actions: "Train.", due: "2027-01-31", reference: record }
  await tell(xa, [xi], "icao-usap", "corrective-action-plan", plan, { beyondDefault: true })
  expect(await dues(xi)).toContain("2027-01-31 Done, as was said Plan ahead")

  // The State says it is done, the auditor that it is not: whose claim is which is shown at both ends.
  const status = { relation: "follows-up", record } as const
  expect(await codeOf(say(xa.context, { ...status, status: "closed" }))).toBe("profile.violated")
  await speak(xa, { ...status, status: "validated" }, [xi])
  await speak(xi, { ...status, status: "not-resolved" }, [xa])
  for (const node of [xa, xi])
    expect((await show(node.context, record)).links.linked.slice(1)).toMatchObject([
      { status: "validated", claim: "host" },
      { status: "not-resolved", claim: "assessor" },
    ])

  // What is left of it all States learn, as the memorandum has it; the finding goes by the State's consent.
  const concern = { areas: ["CE-8"], audited, due: "2027-06-30", memorandum }
  await tell(xi, [xa, xb], "icao-usap", "significant-concern", { title: "Concern", ...concern })
  const [comment, order] = await propose(xi, record, [xb], { beyondDefault: true })
  expect(await codeOf(publish(xi.context, order!))).toBe("order.unconsented")
  await agree(xa, order!, xi)
  await send(xi, [comment!, order!], [xb])
  expect(await holds(xb)).toEqual(["Concern", text, "Quality"])

  // Its own the State may count over the years; neither it nor the auditor puts States side by side.
  const counted = await trends(xa.context, { mechanism: "icao-usap" })
  expect(counted.cells).toContainEqual({ at: ["CE-7", "finding", "2026"], count: 1 })
  const mine = await trends(xi.context, { mechanism: "icao-usap" })
  expect(mine.cells.map(({ at }) => at[1])).not.toContain("finding")
  const ranked = trends(xi.context, { mechanism: "icao-usap", of: ["xa", "xb"] })
  expect(await codeOf(ranked)).toBe("comparison.forbidden")
})

test("no State takes an audit of another that has not agreed, a level off the scale, or one that rests on nothing", async () => {
  await using net = await membersOf({ xa: state, xb: state, xi: auditor })
  const { xa, xb, xi } = net.nodes
  const audited = named(xa)
  const level = { audited, dates: "2026-10-16", memorandum: "00".repeat(32), rating: "72" }
  const force = async (to: typeof xb, wrong: Wrong = {}) => {
    const draft = await write(xi, "icao-usap", "implementation-level", {
      areas: ["CE-7"],
      ...level,
    })
    return forced(net, xi, draft.record, to, wrong)
  }
  expect(await force(xb)).toBe("order.unconsented")
  expect(await force(xa)).toBe(null)
  expect(await force(xa, { record: { fields: { ...level, rating: "101" } } })).toBe(
    "profile.violated",
  )
  expect(await force(xa, { terms: { onward: "consent" } })).toBe("profile.violated")
  const report = { audited, dates: "2026-10-16", findings: "4" }
  const { record } = await write(xi, "icao-usap", "audit-report", report)
  const wide = { record: { marking: "TLP:AMBER" } } as const
  expect(await forced(net, xi, record, xa, wide)).toBe("profile.violated")
  expect(await holds(xb)).toEqual([])
})

test("outside exercises a level is taken under a mark of the reader's own, or not at all", async () => {
  await using net = await membersOf({ xa: state, xi: auditor }, { network: "operational" })
  const { xa, xi } = net.nodes
  const report = { audited: named(xa), dates: "2026-10-16", findings: "4" }
  const record = await tell(xi, [xa], "icao-usap", "audit-report", report)
  expect((await receiptsOf(xi.context, record)).receipts).toMatchObject([
    { peer: "xa", state: "refused", code: "marking.unmapped" },
  ])
  xa.context.localMarks.set("TLP:RED", "XA SECRET")
  await share(xi, record, [xa])
  expect(await show(xa.context, record)).toMatchObject({ localMark: "XA SECRET" })
})
