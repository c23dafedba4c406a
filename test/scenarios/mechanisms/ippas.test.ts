import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { type ReleaseRequest, requestRelease } from "../../../node/order/release.ts"
import { show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { parsePin, verifyEvidence } from "../../../protocol/evidence.ts"
import { allowPublic } from "../../support/ceremony.ts"
import { errorsIn, holds, mayAsk, membersOf, share, write } from "../../support/mechanism.ts"
import { signAs, type TestNode } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const host = { roles: ["competentAuthority", "informationSecurity", "operator", "teamLeader"] }
const friend = { roles: ["competentAuthority", "informationSecurity"] }

/** The shape of the mission to Canada of 2015, five modules: numbers are public, contents invented. */
const mission2015 = { recommendation: 3, suggestion: 30, "good-practice": 21 }
const finding = (n: number) => ({
  title: `Synthetic finding ${n}`,
  body: "Somebody should do something about it. Synthetic, after public numbers.",
  areas: [`M${1 + (n % 5)}`],
  basis: "NSS 13",
  observation: "As the team saw it.",
})
const practice = { ...finding(1), observation: undefined, whyBetter: "Nobody else does it so." }

test("of 54 findings 21 may leave by default, and each recommendation or suggestion by decision only", async () => {
  await using net = await membersOf({ xa: host, xb: friend })
  const { xa, xb } = net.nodes
  const outcome: { [code: string]: number } = {}
  let n = 0
  for (const [kind, count] of Object.entries(mission2015))
    for (let i = 0; i < count; i++) {
      const { whyBetter } = practice
      const extra = kind === "good-practice" ? { whyBetter } : {}
      const draft = await write(xa, "ippas", kind, { ...finding(n++), ...extra })
      expect(errorsIn(draft)).toEqual([])
      const code = (await codeOf(mayAsk(xa, draft.record, xb))) ?? "may leave"
      outcome[code] = (outcome[code] ?? 0) + 1
      if (i === 0 && kind === "suggestion") {
        expect(await codeOf(mayAsk(xa, draft.record, xb, { beyondDefault: true }))).toBeNull()
      }
    }
  expect(n).toBe(54)
  expect(outcome).toEqual({ "may leave": 21, "recipient.audience": 33 })
})

/** Two missions to Australia: numbers are public, contents invented. */
const australia = {
  "2013": { recommendation: 9, suggestion: 23, "good-practice": 8 },
  "2017": { recommendation: 4, suggestion: 15, "good-practice": 5 },
}

test("a State sees its own two missions side by side, and nobody sees it beside another State", async () => {
  await using net = await membersOf({ xa: host, xb: host })
  const { xa, xb } = net.nodes
  const { whyBetter } = practice
  const found = async (node: TestNode, year: string, kind: string, count: number) => {
    const records: string[] = []
    for (let n = 0; n < count; n++) {
      const extra = kind === "good-practice" ? { whyBetter } : {}
      const title = `${kind} ${n} of ${year}`
      const draft = await write(node, "ippas", kind, { ...finding(n), ...extra, title, year })
      expect(errorsIn(draft)).toEqual([])
      records.push(draft.record)
    }
    return records
  }
  for (const [year, counts] of Object.entries(australia))
    for (const [kind, count] of Object.entries(counts)) {
      const records = await found(xa, year, kind, count)
      if (kind === "good-practice") await share(xa, records, [xb])
    }
  await share(xb, await found(xb, "2015", "good-practice", mission2015["good-practice"]), [xa])

  // Its own trend has what stayed at home too, and nothing of the other.
  const own = await trends(xa.context, { mechanism: "ippas" })
  const told: { [year: string]: { [kind: string]: number } } = {}
  for (const { at, count } of own.cells) {
    const [area, kind, year] = at
    if (area !== null || kind == null || year == null) continue
    told[year] = { ...told[year], [kind]: count! }
  }
  expect(told).toEqual(australia)
  expect(own.disclaimer).toContain("comparison between States should not be attempted")
  const refusal = { code: "comparison.forbidden", message: expect.stringContaining("States") }
  for (const node of [xa, xb])
    for (const of of [["xa", "xb"], [node === xa ? "xb" : "xa"]])
      await expect(trends(node.context, { mechanism: "ippas", of })).rejects.toMatchObject(refusal)
  // Together they would be two, of whom each knows its own: nothing is told.
  const together = await trends(xb.context, { mechanism: "ippas", together: true })
  expect(together.cells.filter(({ count }) => count !== null)).toEqual([])
})

test("a practice that names a facility leaves when its operator has signed too", async () => {
  await using net = await membersOf({ xa: host, xb: friend })
  const { xa, xb } = net.nodes
  const { record } = await write(xa, "ippas", "good-practice", {
    ...practice,
    title: "Named",
    facility: "Exercise plant",
  })
  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  for (const person of ["p1", "p2"]) await signAs(xa, order, person)
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p3")
  await publish(xa.context, order)
  await sync(xb.context)
  expect(await holds(xb)).toEqual(["Named"])
})

test("it is passed on under no State's name, and whatever is said of numbers is said with it", async () => {
  await using net = await membersOf({ xa: host, xb: friend })
  const { xa, xb } = net.nodes
  const { record } = await write(xa, "ippas", "good-practice", practice)
  expect(await codeOf(mayAsk(xa, record, xb, { onward: "free" }))).toBe("profile.violated")
  await share(xa, record, [xb], { onward: "consent" })
  const shown = await show(xb.context, record)
  expect(shown).toMatchObject({ marking: "TLP:AMBER+STRICT", localMark: "TLP:AMBER+STRICT" })
  expect(shown.notes.join()).toContain("comparison between States should not be attempted")
})

const report = {
  title: "Report of the mission",
  areas: ["M1", "M2", "M3", "M4", "M5"],
  dates: "2015-10-19/2015-10-30",
  findings: "3 recommendations, 30 suggestions, 21 good practices",
  mission: "IPPAS 2015, synthetic",
  scope: "all five modules",
  team: "7, physical protection and computer security",
  marking: "TLP:CLEAR",
  body: "At the plant [withheld: security] was seen. It belongs to [withheld: proprietary].",
}

test("the report goes out by its host's choice, withheld parts marked and counted, its team leader signing", async () => {
  await using net = await membersOf({ xa: host, xb: friend })
  const { xa, xb } = net.nodes
  const unmarked = await write(xa, "ippas", "mission-report", report)
  expect(errorsIn(unmarked)).toEqual(["profile.violated"])
  const { record, findings } = await write(xa, "ippas", "mission-report", {
    ...report,
    withheld: "2",
  })
  expect(findings).toEqual([])
  expect(await codeOf(mayAsk(xa, record, xb))).toBe("recipient.audience")
  const { order } = await requestRelease(xa.context, {
    records: [record],
    to: ["xb"],
    beyondDefault: true,
  })
  for (const person of ["p1", "p2", "p3"]) await signAs(xa, order, person)
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p4")
  await publish(xa.context, order)
  await sync(xb.context)
  expect(await holds(xb)).toEqual(["Report of the mission"])
})

test("its host publishes the redacted report: everybody who follows has it, and a stranger can check it", async () => {
  await using net = await membersOf({ xa: host, xb: friend, xc: friend })
  const { xa, xb, xc } = net.nodes
  const { record } = await write(xa, "ippas", "mission-report", { ...report, withheld: "2" })
  const everybody = { records: [record], to: ["public"] }
  const ask = (more: Partial<ReleaseRequest> = {}) =>
    requestRelease(xa.context, { ...everybody, beyondDefault: true, ...more })
  expect(await codeOf(ask())).toBe("order.unsatisfied")
  await allowPublic(xa, 3)
  // It is the host's to decide, and to say so.
  expect(await codeOf(ask({ beyondDefault: false }))).toBe("recipient.audience")
  const full = await write(xa, "ippas", "mission-report", {
    ...report,
    marking: "TLP:RED",
    withheld: "2",
  })
  expect(await codeOf(ask({ records: [full.record] }))).toBe("profile.violated")
  const { order, preview } = await ask()
  expect(preview[0]!.allowedBy).toContain("our policy: release, when public: 3 persons in any role")
  expect(preview[0]!.allowedBy).toContain(
    "profile ippas lets its origin give a mission-report to everybody",
  )
  // The policy's three are not enough: the profile asks for the leader of the team by role.
  for (const person of ["p1", "p2", "p3"]) await signAs(xa, order, person, [record])
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  expect(await codeOf(signAs(xa, order, "p4"))).toBe("public.unconfirmed")
  await signAs(xa, order, "p4", [record])
  await publish(xa.context, order)
  for (const node of [xb, xc]) {
    await sync(node.context)
    expect(await holds(node)).toEqual(["Report of the mission"])
    const { content, notes } = await show(node.context, record)
    expect(content).toMatchObject({ fields: { withheld: "2" } })
    expect(notes.join()).toContain("comparison between States should not be attempted")
  }
  // From a member, not its host; what the profile wants said of numbers goes along.
  const { file, reveals } = await exportEvidence(xc.context, record)
  expect(reveals).toContain("comparison between States should not be attempted")
  const verdict = verifyEvidence(file, [parsePin(xa.context.self.id)])
  expect(verdict).toMatchObject({ verdict: "verified", record: { title: report.title } })
  expect(verdict.ground.join()).toMatch(/released to everybody.*comparison between States/)
})

test("a practice that names a plant goes to everybody when its operator has signed too", async () => {
  await using net = await membersOf({ xa: host, xb: friend })
  const { xa } = net.nodes
  await allowPublic(xa, 1)
  const open = { ...practice, marking: "TLP:CLEAR", facility: "Exercise plant" }
  const { record } = await write(xa, "ippas", "good-practice", open)
  const { order } = await requestRelease(xa.context, {
    records: [record],
    to: ["public"],
    beyondDefault: true,
  })
  for (const person of ["p1", "p2"]) await signAs(xa, order, person, [record])
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p3", [record])
  expect(await codeOf(publish(xa.context, order))).toBeNull()
})

test("what a threat, a response or a guard is does not even become a record", async () => {
  await using net = await membersOf({ xa: host, xb: friend })
  const { xa } = net.nodes
  const written = (body: string) => write(xa, "ippas", "good-practice", { ...practice, body })
  expect(errorsIn(await written("The response time is 4 minutes."))).toEqual(["response"])
  expect(errorsIn(await written("There are 12 guards."))).toEqual(["guards"])
  expect(errorsIn(await written("Ask Dr. Example."))).toEqual(["person"])
  const early = await write(xa, "ippas", "good-practice", { ...practice, stage: "host-accepted" })
  expect(errorsIn(early)).toEqual(["stage"])
})
