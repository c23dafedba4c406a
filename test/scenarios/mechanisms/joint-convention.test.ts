import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { say } from "../../../node/order/say.ts"
import { show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { dueOn } from "../../../protocol/profiles/cycle.ts"
import { jointConvention } from "../../../protocol/profiles/joint-convention.ts"
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
import { codeOf } from "../../support/refusal.ts"

const party = { roles: ["nationalContactPoint", "rapporteur"] }

test("the rapporteur's report is agreed by the whole group and never public; the President's names no State", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xc: party,
    xs: { kind: "secretariat", roles: ["rapporteur"] },
  })
  const { xa, xb, xc, xs } = net.nodes
  await tell(xa, [xb, xc], "joint-convention", "national-report", {
    title: "Report on spent fuel and waste",
    period: "2024-2026",
  })
  const report = {
    title: "What the group found",
    findings: "one good practice, one challenge",
    group: named(xa, xb, xc),
  }
  const open = await write(xa, "joint-convention", "country-review-report", {
    ...report,
    marking: "TLP:CLEAR",
  })
  expect(errorsIn(open)).toEqual(["profile.violated"])
  const { record } = await write(xa, "joint-convention", "country-review-report", report)
  expect(await codeOf(mayAsk(xa, record, xs, { onward: "free" }))).toBe("profile.violated")
  const [order] = await propose(xa, record, [xs])
  await agree(xb, order!, xa)
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")
  await agree(xc, order!, xa)
  await send(xa, [order!], [xs])
  expect(await holds(xs)).toEqual(["What the group found"])

  // A challenge on the group's list takes the group too; the articles are those of this convention.
  const challenge = { title: "Funding", areas: ["Art.22"], group: named(xa, xb, xc) }
  expect(errorsIn(await write(xa, "joint-convention", "challenge", challenge))).toEqual([])
  const elsewhere = { ...challenge, areas: ["Art.29"] }
  expect(errorsIn(await write(xa, "joint-convention", "challenge", elsewhere))).toEqual([
    "profile.violated",
  ])
  const everybody = { to: ["public"], beyondDefault: true }
  for (const node of [xa, xs]) await allowPublic(node, 1)
  expect(await codeOf(mayAsk(xa, record, xs, everybody))).toBe("recipient.audience")
  const president = await write(xs, "joint-convention", "president-report", {
    title: "The President's report",
    themes: "funding; disposal",
  })
  await makePublic(xs, president.record, [xa, xb, xc])
  expect(await holds(xb)).toEqual(["Report on spent fuel and waste", "The President's report"])
  expect(dueOn("2028-05-21", jointConvention.deadlines![0]!)).toBe("2028-02-21")
})

test("from three months before the meeting to the report after it: asked, answered, reserved, followed up", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xc: party,
    xo: { kind: "operator", roles: ["operator"] },
  })
  const { xa, xb, xc, xo } = net.nodes
  await tellDay(xa, [xb, xc], "joint-convention", "review-meeting", "2027-05-21")
  expect(await dues(xc)).toEqual([
    "2027-02-21 National report ahead",
    "2027-02-21 Questions ahead",
    "2027-04-21 Answers ahead",
  ])
  const report = { title: "Report on waste", period: "2024-2026" }
  const record = await tell(xa, [xb, xc], "joint-convention", "national-report", report)
  const ask = { relation: "asks", record, to: ["xa"], areas: ["Art.22"] } as const
  const question = await speak(xb, { ...ask, text: "Who pays after closure?" }, [xa])
  await speak(xa, { relation: "answers", record: question, text: "A fund." }, [xb])

  // A member of the group agrees to the wording, and reserves on a part of it: both are told, or neither.
  const found = { title: "The fund", areas: ["Art.22"], group: named(xa, xb), concerned: named(xa) }
  const challenge = await write(xb, "joint-convention", "challenge", found)
  await share(xb, challenge.record, [xa])
  const about = { record: challenge.record } as const
  await speak(xa, { ...about, relation: "reserves", text: "Not of research waste." }, [xb])
  const [reservation, finding] = await propose(xb, challenge.record, [xc])
  await agree(xa, finding!, xb)
  expect(await codeOf(publish(xb.context, finding!))).toBe("record.reserved")
  await send(xb, [reservation!, finding!], [xc])
  expect((await show(xc.context, challenge.record)).links.linked).toMatchObject([
    { relation: "reserves", from: "xa", title: "Not of research waste." },
  ])

  await pass(net, 91)
  expect(await codeOf(say(xc.context, { ...ask, text: "And before?" }))).toBe("question.closed")
  const status = { ...about, relation: "follows-up" } as const
  const elsewhere = { ...status, status: "follow-up-due-date" }
  expect(await codeOf(say(xa.context, elsewhere))).toBe("profile.violated")
  await speak(xa, { ...status, status: "closed" }, [xb])
  expect((await show(xb.context, challenge.record)).links.linked).toContainEqual(
    expect.objectContaining({ relation: "follows-up", status: "closed", claim: "host" }),
  )
  const ofOthers = trends(xb.context, { mechanism: "joint-convention", of: ["xa"] })
  expect(await codeOf(ofOthers)).toBe("comparison.forbidden")
  expect(await codeOf(mayAsk(xb, challenge.record, xo))).toBe("recipient.audience")
})

test("the rapporteur's report is taken by no one with whom its group did not agree to share it, nor in the open", async () => {
  await using net = await membersOf({ xa: party, xb: party, xc: party })
  const { xa, xb, xc } = net.nodes
  const kept = { findings: "one challenge", group: named(xa, xb) }
  const force = async (to: typeof xb, wrong: Wrong = {}) => {
    const { record } = await write(xa, "joint-convention", "country-review-report", kept)
    return forced(net, xa, record, to, wrong)
  }
  expect(await force(xb)).toBe(null)
  expect(await force(xc)).toBe("order.unconsented")
  expect(await force(xb, { record: { marking: "TLP:CLEAR" } })).toBe("profile.violated")
  expect(await force(xb, { terms: { onward: "free" } })).toBe("profile.violated")
  expect(await holds(xc)).toEqual([])
})
