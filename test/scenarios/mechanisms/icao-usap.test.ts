import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestWithdrawal } from "../../../node/order/release.ts"
import {
  agree,
  digestOf,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  share,
  tell,
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
