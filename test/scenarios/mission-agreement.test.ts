import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { editDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { say } from "../../node/order/say.ts"
import {
  acceptMission,
  agreeMission,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  named,
  propose,
  share,
  tell,
  write,
} from "../support/mechanism.ts"
import { authoriseAndPublish, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

const members = {
  xa: { roles: ["operator", "regulator"] },
  xt: { kind: "team", roles: ["teamLeader"] },
  xc: { roles: ["operator", "regulator"] },
} as const

/** What the team found at the host; the digest of the silence procedure is nobody's here. */
const finding = (team: TestNode, host: TestNode, more: object = {}) =>
  write(team, "osart", "suggestion", {
    agreement: "00".repeat(32),
    areas: ["3"],
    host: named(host),
    observation: "As seen.",
    ...more,
  })

/** The next version of the agreement, as its origin words and releases it. */
async function reword(
  by: TestNode,
  to: TestNode,
  agreement: string,
  change: (source: string) => string,
): Promise<void> {
  const { source } = await by.context.db
    .selectFrom("draft")
    .select("source")
    .where("id", "=", agreement)
    .executeTakeFirstOrThrow()
  await editDraft(by.context, agreement, change(source))
  await share(by, agreement, [to])
}

test("a team releases no finding before host and service have agreed, and none beyond what was agreed", async () => {
  await using net = await membersOf(members)
  const { xa, xt, xc } = net.nodes
  const { record } = await finding(xt, xa)
  expect(await codeOf(mayAsk(xt, record, xa))).toBe("profile.violated")

  // Words of one party bind nobody, and no third party makes them binding.
  const terms = {
    ...{ access: "no vital areas", confidentiality: "with host and team", mission: "2027" },
    ...{
      dates: "2027-03-01/2027-03-12",
      mechanism: "osart",
      modules: "2 3",
      team: "R1: operations",
    },
    ...{ host: named(xa), service: named(xt), title: "Mission agreement" },
  }
  const agreement = await tell(xa, [xt, xc], "dialogue", "mission-agreement", terms)
  expect(await codeOf(mayAsk(xt, record, xa))).toBe("profile.violated")
  const stranger = say(xc.context, { relation: "agrees", record: agreement })
  expect(await codeOf(stranger)).toBe("profile.violated")
  const acceptance = await acceptMission(xt, xa, agreement)
  await share(xt, record, [xa])
  expect(await holds(xa)).toEqual(["A suggestion", "agrees: Mission agreement"])

  const outside = await finding(xt, xa, { areas: ["7"] })
  expect(await codeOf(mayAsk(xt, outside.record, xa))).toBe("profile.violated")
  const other = await finding(xt, xa, { mission: "2026" })
  expect(await codeOf(mayAsk(xt, other.record, xa))).toBe("profile.violated")

  // Whoever agreed can take that back: what was found later stays where it is.
  const later = await finding(xt, xa)
  const back = await requestWithdrawal(xt.context, { record: acceptance, reason: "Postponed." })
  await authoriseAndPublish(xt, back.orders)
  expect(await codeOf(mayAsk(xt, later.record, xa))).toBe("profile.violated")
})

test("a host rejects a reviewer: the mission waits until the service has agreed to the team without them", async () => {
  await using net = await membersOf(members)
  const { xa, xt } = net.nodes
  const { agreement } = await agreeMission(xa, xt, "osart")
  const { record } = await finding(xt, xa)
  const [order] = await propose(xt, record, [xa])

  const rejecting = (source: string) =>
    source.replace(/\n +R2: culture/, '\n  R3: culture\nrejected: "R2: a conflict"')
  await reword(xa, xt, agreement, rejecting)
  // Signed before and not published yet: it waits like anything else.
  expect(await codeOf(publish(xt.context, order!))).toBe("profile.violated")
  await acceptMission(xt, xa, agreement)
  await publish(xt.context, order!)
  await sync(xa.context)
  expect(
    await xa.context.db.selectFrom("content").select("id").where("id", "=", record).execute(),
  ).toHaveLength(1)

  const report = (team: string) =>
    write(xt, "osart", "mission-report", {
      ...{ agreement: "00".repeat(32), host: named(xa), team },
      ...{ dates: "2027", findings: "1", scope: "all" },
    })
  expect(await codeOf(mayAsk(xt, (await report("R1, R2")).record, xa))).toBe("profile.violated")
  expect(await codeOf(mayAsk(xt, (await report("R1, R20")).record, xa))).toBe(null)
})

test("a host takes no finding from a team that asks nobody", async () => {
  await using net = await membersOf(members)
  const { xa, xt } = net.nodes
  const { agreement } = await agreeMission(xa, xt, "osart")
  const { record } = await finding(xt, xa)
  const { orders } = await requestRelease(xt.context, { records: [record], to: ["xa"] })
  await authoriseAndPublish(xt, orders)
  // Taken back at the host before the finding is read there.
  const back = await requestWithdrawal(xa.context, { record: agreement, reason: "Cancelled." })
  await authoriseAndPublish(xa, back.orders)
  const { peers } = await sync(xa.context, "xt")
  expect(peers[0]).toMatchObject({ refused: 1 })
})

test("an agreement names its reviewers one a line, and none whom the host has rejected", async () => {
  await using net = await membersOf(members)
  const { xa, xt } = net.nodes
  const worded = async (more: object) => {
    const terms = {
      ...{
        access: "none",
        confidentiality: "all",
        dates: "2027-03-01/2027-03-12",
        mission: "2027",
      },
      ...{
        host: named(xa),
        service: named(xt),
        mechanism: "osart",
        modules: "all",
        team: "R1: law",
      },
    }
    return errorsIn(await write(xa, "dialogue", "mission-agreement", { ...terms, ...more }))
  }
  expect(await worded({})).toEqual([])
  expect(await worded({ rejected: "R2: a conflict" })).toEqual([])
  for (const wrong of [
    { team: "R1: law\nR2: culture", rejected: "R2: a conflict" },
    { team: "R1" },
    { team: "R1: law\nR1: culture" },
    { dates: "2027-03-12/2027-03-01" },
    { service: named(xa) },
    { host: "xa" },
    { modules: "1, 2" },
  ])
    expect(await worded(wrong), JSON.stringify(wrong)).toEqual(["profile.violated"])
})
