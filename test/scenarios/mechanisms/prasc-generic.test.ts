import { expect, test } from "vitest"
import { show } from "../../../node/records.ts"
import { publish } from "../../../node/sequencer.ts"
import {
  agree,
  agreeMission,
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
import { codeOf } from "../../support/refusal.ts"

const host = { roles: ["regulator", "competentAuthority"] }
const team = { kind: "team", roles: ["teamLeader"] } as const
const committee = { kind: "secretariat", roles: ["moderator"] } as const

test("a mission from calendar to follow-up: the report waits for its host, and says what its numbers are not", async () => {
  await using net = await membersOf({ xa: host, xt: team, xs: committee, xc: host })
  const { xa, xt, xs, xc } = net.nodes
  await tell(xs, [xa, xc], "prasc-generic", "calendar-entry", {
    title: "IRRS mission to XA",
    dates: "2027-03-01/2027-03-12",
    host: named(xa),
    service: "IRRS",
  })
  const self = await write(xa, "prasc-generic", "self-assessment", {
    title: "Module 3",
    areas: ["3"],
    answers: "see annex",
  })
  const wide = { title: "Module 3", areas: ["3"], answers: "see annex", marking: "TLP:CLEAR" }
  expect(errorsIn(await write(xa, "prasc-generic", "self-assessment", wide))).toEqual([
    "profile.violated",
  ])
  expect(await codeOf(mayAsk(xa, self.record, xt))).toBe("recipient.audience")
  await share(xa, self.record, [xt], { beyondDefault: true })
  await agreeMission(xa, xt, "prasc-generic", { mission: "IRRS 2027" })
  const agreement = await tell(xa, [xt], "prasc-generic", "tacit-agreement", {
    title: "Silence after 90 days",
    dates: "2027-03-01/2027-03-12",
    mission: "IRRS 2027",
    scope: "modules 1 to 10",
    service: "IRRS",
  })

  const about = { agreement: await digestOf(xt, agreement), host: named(xa) }
  const recommendation = {
    ...about,
    title: "Recommendation 1",
    areas: ["3"],
    basis: "GSR Part 1, requirement 16",
    observation: "Synthetic.",
    party: "regulatory body",
  }
  const vague = { ...recommendation, body: "Staff is short." }
  expect(errorsIn(await write(xt, "prasc-generic", "recommendation", vague))).toEqual([
    "profile.violated",
  ])
  const { record } = await write(xt, "prasc-generic", "recommendation", {
    ...recommendation,
    body: "The regulatory body should plan its staff.",
  })
  await share(xt, record, [xa])
  const [order] = await propose(xt, record, [xc], { beyondDefault: true })
  expect(await codeOf(publish(xt.context, order!))).toBe("order.unconsented")
  await agree(xa, order!, xt)
  await send(xt, [order!], [xc])
  expect(await holds(xc)).toEqual(["IRRS mission to XA", "Recommendation 1"])
  const { notes } = await show(xc.context, record)
  expect(notes.join()).toContain("comparison between States should not be attempted")

  const plan = { title: "Action plan", actions: "Hire.", due: "2028-06-30", findings: "1" }
  expect(
    errorsIn(await write(xa, "prasc-generic", "action-plan", { ...plan, status: "done" })),
  ).toEqual(["profile.violated"])
  await tell(
    xa,
    [xt],
    "prasc-generic",
    "action-plan",
    { ...plan, status: "open" },
    { beyondDefault: true },
  )
  expect(await holds(xt)).toEqual([
    "Action plan",
    "Mission agreement",
    "Module 3",
    "Silence after 90 days",
  ])
})
