import { expect, test } from "vitest"
import { receiptsOf } from "../../../node/exchange/receipts.ts"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease, requestWithdrawal } from "../../../node/order/release.ts"
import { search, show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  digestOf,
  dues,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  send,
  share,
  speak,
  tell,
  type Written,
  write,
} from "../../support/mechanism.ts"
import { authoriseAndPublish, signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const state = { roles: ["competentAuthority", "informationSecurity", "operator"] }
const practice = {
  title: "Two keys for one door",
  areas: ["FP-H"],
  problem: "One person could open it.",
  benefit: "Nobody can alone.",
  limits: "Takes two people.",
}

test("two States share a practice, hear what became of it, and take it back; a third sees nothing", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state })
  const { xa, xb, xc } = net.nodes
  const wide = await write(xa, "wins-bilateral", "best-practice", {
    ...practice,
    marking: "TLP:GREEN",
  })
  expect(errorsIn(wide)).toEqual(["profile.violated"])
  const { record } = await write(xa, "wins-bilateral", "best-practice", practice)
  await share(xa, record, [xb])
  await tell(xb, [xa], "wins-bilateral", "adoption-feedback", {
    title: "Adopted in part",
    status: "adapted",
  })
  expect(await holds(xa)).toEqual(["Adopted in part"])
  const other = { title: "Adopted", status: "liked" }
  expect(errorsIn(await write(xb, "wins-bilateral", "adoption-feedback", other))).toEqual([
    "profile.violated",
  ])

  const maturity = { title: "Where we stand", rating: "3", body: "We are proficient." }
  const assessed = await write(xa, "wins-bilateral", "maturity", maturity)
  expect(await codeOf(mayAsk(xa, assessed.record, xb))).toBe("recipient.audience")
  await share(xa, assessed.record, [xb], { beyondDefault: true })
  expect((await search(xb.context, "proficient")).records).toEqual([])

  await sync(xc.context)
  expect(await holds(xc)).toEqual([])
  const { orders } = await requestWithdrawal(xa.context, { record, reason: "superseded" })
  await authoriseAndPublish(xa, orders)
  await sync(xb.context)
  expect(await holds(xb)).toEqual(["Where we stand"])
})

test("a practice is asked about without anybody's learning who asked, adopted or not, and looked at again", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state })
  const { xa, xb, xc } = net.nodes
  // A facility that is named is its operator's to tell.
  const { record } = await write(xa, "wins-bilateral", "best-practice", {
    ...practice,
    facility: "Store 4",
  })
  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb", "xc"] })
  for (const person of ["p1", "p2"]) await signAs(xa, order, person)
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p3")
  await send(xa, [order], [xb, xc])
  expect(await dues(xa)).toEqual([`2028-11-23 Whether it still holds ${practice.title} ahead`])

  const text = "Who holds the second key?"
  const question = await speak(xb, { relation: "asks", record, text }, [xa])
  const reply = { relation: "answers", record: question, text: "The shift leader." } as const
  const answer = await speak(xa, { ...reply, also: ["xc"] }, [xb, xc])
  expect(await codeOf(mayAsk(xa, answer, xc))).toBe("profile.violated")
  const heard = (await show(xc.context, record)).links.linked
  expect(heard).toMatchObject([{ relation: "replies", from: "xa" }])
  const { content, links } = await show(xc.context, heard[0]!.record)
  expect(content).toMatchObject({ body: `> ${text}\n\nThe shift leader.` })
  expect(JSON.stringify([content, links])).not.toContain(xb.context.self.id)

  // Considered, it is looked at again in a year; adopted, it is not.
  const status = { relation: "adopts", record } as const
  await speak(xb, { ...status, status: "considered" }, [xa])
  expect((await dues(xb)).join()).toContain("2027-11-23 Status")
  await speak(xc, { ...status, status: "adopted" }, [xa])
  expect((await dues(xc)).join()).not.toContain("Status")
  const notices = (await show(xa.context, record)).links.linked.filter(
    ({ relation }) => relation === "adopts",
  )
  expect(notices.map(({ from, status }) => `${from} ${status}`)).toEqual([
    "xb considered",
    "xc adopted",
  ])
  const compared = trends(xa.context, { mechanism: "wins-bilateral", of: ["xb", "xc"] })
  expect(await codeOf(compared)).toBe("comparison.forbidden")
  expect(await codeOf(mayAsk(xa, record, xb, { onward: "free" }))).toBe("profile.violated")
})

test("neither takes what is marked for more, what its operator has not signed, nor an answer to somebody else", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state })
  const { xa, xb, xc } = net.nodes
  const force = async (wrong: Wrong, more: Written = {}) => {
    const { record } = await write(xa, "wins-bilateral", "best-practice", { ...practice, ...more })
    return forced(net, xa, record, xb, wrong)
  }
  expect(await force({ record: { marking: "TLP:GREEN" } })).toBe("profile.violated")
  expect(await force({ terms: { onward: "free" } })).toBe("profile.violated")
  const both = { signers: ["p1", "p2"] }
  expect(await force(both, { facility: "Store 4" })).toBe("order.unauthorised")
  expect(await force({ signers: ["p1", "p3"] })).toBe("order.unauthorised")
  expect(await force(both)).toBe(null)

  const question = await tell(xb, [xa], "wins-bilateral", "question", { title: "Why two?" })
  const about = `answers ${xb.context.self.id} ${question} 1 ${await digestOf(xb, question)}`
  const { record } = await write(xa, "wins-bilateral", "answer", { about })
  expect(await forced(net, xa, record, xc)).toBe("profile.violated")
  expect(await holds(xc)).toEqual([])
})

test("outside exercises a practice is taken under a mark of the reader's own, or not at all", async () => {
  await using net = await membersOf({ xa: state, xb: state }, { network: "operational" })
  const { xa, xb } = net.nodes
  const record = await tell(xa, [xb], "wins-bilateral", "best-practice", practice)
  expect((await receiptsOf(xa.context, record)).receipts).toMatchObject([
    { peer: "xb", state: "refused", code: "marking.unmapped" },
  ])
  xb.context.localMarks.set("TLP:AMBER+STRICT", "XB RESTRICTED")
  await share(xa, record, [xb])
  expect(await show(xb.context, record)).toMatchObject({ localMark: "XB RESTRICTED" })
})
