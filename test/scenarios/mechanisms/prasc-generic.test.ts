import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { say } from "../../../node/order/say.ts"
import { inbox, show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { allowPublic } from "../../support/ceremony.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  agree,
  agreeMission,
  countBy,
  digestOf,
  dues,
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
  speak,
  tell,
  write,
} from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"
import { silenceAndObjection } from "../../support/silence.ts"

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
  // The host's response goes wherever the finding goes.
  const text = "Twelve posts are advertised."
  await speak(xa, { relation: "replies", record, text }, [xt])
  const [response, order] = await propose(xt, record, [xc], { beyondDefault: true })
  expect(await codeOf(publish(xt.context, order!))).toBe("order.unconsented")
  await agree(xa, order!, xt)
  await send(xt, [response!, order!], [xc])
  expect(await holds(xc)).toEqual(["IRRS mission to XA", "Recommendation 1", text])
  const { notes } = await show(xc.context, record)
  expect(notes.join()).toContain("comparison between States should not be attempted")
  const ofOthers = trends(xc.context, { mechanism: "prasc-generic", of: ["xa", "xc"] })
  expect(await codeOf(ofOthers)).toBe("comparison.forbidden")

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
    text,
  ])

  // Years later host and team say how far it has come: two claims, neither in place of the other.
  expect(await dues(xa)).toContain("2029-11-23 Status Recommendation 1 ahead")
  const status = { relation: "follows-up", record } as const
  expect(await codeOf(say(xa.context, { ...status, status: "done" }))).toBe("profile.violated")
  await speak(xa, { ...status, status: "closed" }, [xt])
  await speak(xt, { ...status, status: "open", to: ["xa"] }, [xa])
  expect((await dues(xa)).join()).not.toContain("Status Recommendation 1")
  const { linked } = (await show(xt.context, record)).links
  const claims = linked.filter(({ relation }) => relation === "follows-up")
  expect(claims.map(({ claim, status }) => `${claim}: ${status}`)).toEqual([
    "host: closed",
    "assessor: open",
  ])
})

test("a host takes no finding without an agreement to the mission, nobody else one without the host", async () => {
  await using net = await membersOf({ xa: host, xt: team, xc: host })
  const { xa, xt, xc } = net.nodes
  const force = async (to: typeof xa, wrong: Wrong = {}) => {
    const finding = { agreement: "00".repeat(32), areas: ["3"], observation: "As seen." }
    const { record } = await write(xt, "prasc-generic", "suggestion", {
      ...finding,
      host: named(xa),
    })
    return forced(net, xt, record, to, wrong)
  }
  expect(await force(xa)).toBe("profile.violated")
  await agreeMission(xa, xt, "prasc-generic", { modules: "1 3" })
  expect(await force(xa)).toBe(null)
  expect(await force(xa, { record: { areas: ["2"] } })).toBe("profile.violated")
  expect(await force(xa, { terms: { marking: "TLP:CLEAR" } })).toBe("profile.violated")
  expect(await force(xc)).toBe("order.unconsented")

  const answers = { areas: ["3"], answers: "see annex" }
  const { record } = await write(xa, "prasc-generic", "self-assessment", answers)
  const open = { record: { marking: "TLP:CLEAR" } } as const
  expect(await forced(net, xa, record, xt, open)).toBe("profile.violated")
  expect(await holds(xc)).toEqual([])
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

test("a report of which the host is silent for 90 days goes out, and not the finding to which it objects on the last", async () => {
  await silenceAndObjection("prasc-generic", host.roles, "3")
})
