import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { inbox, show } from "../../../node/reading/records.ts"
import { allowPublic } from "../../support/ceremony.ts"
import {
  agree,
  agreeMission,
  countBy,
  digestOf,
  errorsIn,
  holds,
  makePublic,
  mayAsk,
  membersOf,
  named,
  propose,
  rewrite,
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
  await allowPublic(xs, 1)
  const entry = await write(xs, "prasc-generic", "calendar-entry", {
    title: "IRRS mission to XA",
    dates: "2027-03-01/2027-03-12",
    host: named(xa),
    service: "IRRS",
  })
  await makePublic(xs, entry.record, [xa, xc])
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

/** The shape of two follow-up missions, of the UAE and of Finland: numbers are public, contents invented. */
const followedUp = [
  { all: 48, closed: 43, open: 5 },
  { all: 29, closed: 26, open: 3 },
]

test.each(followedUp)(
  "of $all findings a follow-up mission closes $closed, each under its own name",
  async ({ all, closed, open }) => {
    await using net = await membersOf({ xa: host, xt: team, xc: host })
    const { xa, xt, xc } = net.nodes
    const { acceptance } = await agreeMission(xa, xt, "prasc-generic")
    const agreement = await tell(xa, [xt], "prasc-generic", "tacit-agreement", {
      title: "Silence after 90 days",
      dates: "2027-03-01/2027-03-12",
      mission: "IRRS 2027",
      scope: "modules 1 to 10",
      service: "IRRS",
    })
    const about = { agreement: await digestOf(xt, agreement), host: named(xa) }
    const finding = (n: number) => ({
      ...about,
      title: `Suggestion ${n}`,
      areas: [String(1 + (n % 12))],
      observation: "As seen. Synthetic, after public numbers.",
    })
    const records: string[] = []
    for (let n = 1; n <= all; n++)
      records.push((await write(xt, "prasc-generic", "suggestion", finding(n))).record)
    await share(xt, records, [xa])
    expect(await countBy(xa, records, "status")).toEqual({ nothing: all })

    // Years later the same records, in a version that says what has become of each.
    for (const [i, record] of records.entries()) {
      const wrong = { ...finding(i + 1), status: "resolved" }
      expect(errorsIn(await rewrite(xt, record, "prasc-generic", "suggestion", wrong))).toEqual([
        "profile.violated",
      ])
      const status = i < closed ? "closed" : "open"
      const followed = { ...finding(i + 1), status }
      expect(errorsIn(await rewrite(xt, record, "prasc-generic", "suggestion", followed))).toEqual(
        [],
      )
    }
    await share(xt, records, [xa])
    expect(await countBy(xa, records, "status")).toEqual({ closed, open })
    const held = await inbox(xa.context)
    expect(new Set(held.records.map(({ record }) => record))).toEqual(
      new Set([acceptance, ...records]),
    )

    // What the host did with each goes no further without the host either.
    const [order] = await propose(xt, records, [xc], { beyondDefault: true })
    expect(await codeOf(publish(xt.context, order!))).toBe("order.unconsented")
    expect(await holds(xc)).toEqual([])
  },
)
