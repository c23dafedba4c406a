import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { requests } from "../../../node/reading/assistance.ts"
import { show } from "../../../node/reading/records.ts"
import { errorsIn, holds, mayAsk, membersOf, speak, write } from "../../support/mechanism.ts"
import { signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const host = {
  roles: ["competentAuthority", "informationSecurity", "lawEnforcement", "teamLeader"],
}
const donor = { roles: ["competentAuthority", "informationSecurity"] }
const practice = {
  title: "Joint training of border guards and regulators",
  areas: ["MORC-4"],
  basis: "NSS 15",
  whyBetter: "Both know what the other will do.",
}

test("a practice about detection goes to another State once the border authority it names has signed", async () => {
  await using net = await membersOf({
    xa: host,
    xb: { roles: ["competentAuthority"] },
    xc: { kind: "operator", roles: ["operator"] },
  })
  const { xa, xb, xc } = net.nodes
  const { record, findings } = await write(xa, "insserv", "good-practice", {
    ...practice,
    authority: "Border service",
  })
  expect(findings).toEqual([])
  // Material out of regulatory control is for States, not for those who run plants.
  expect(await codeOf(mayAsk(xa, record, xc, { beyondDefault: true }))).toBe("recipient.audience")

  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  for (const person of ["p1", "p2"]) await signAs(xa, order, person)
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p3")
  await publish(xa.context, order)
  await sync(xb.context)
  expect(await holds(xb)).toEqual([practice.title])
})

test("what should be better stays with its host, and no facility is named anywhere", async () => {
  await using net = await membersOf({ xa: host, xb: { roles: ["competentAuthority"] } })
  const { xa, xb } = net.nodes
  const recommendation = {
    areas: ["MORC-5"],
    basis: "NSS 15",
    observation: "Synthetic.",
    body: "The police should be told within the hour.",
  }
  const { record } = await write(xa, "insserv", "recommendation", recommendation)
  expect(await codeOf(mayAsk(xa, record, xb))).toBe("recipient.audience")
  const vague = await write(xa, "insserv", "recommendation", {
    ...recommendation,
    body: "All is as it is.",
  })
  expect(errorsIn(vague)).toEqual(["profile.violated"])
  const named = await write(xa, "insserv", "good-practice", {
    ...practice,
    body: "It began at Harbour Nuclear Power Plant.",
  })
  expect(errorsIn(named)).toEqual(["facility"])
})

test("help with a finding that stays at home is asked of two donors; one gives it, and the finding is closed", async () => {
  await using net = await membersOf({ xa: host, xb: donor, xc: donor })
  const { xa, xb, xc } = net.nodes
  const { record } = await write(xa, "insserv", "suggestion", {
    ...{ title: "Portals at the second gate", areas: ["MORC-4"] },
    observation: "Synthetic.",
  })
  const text = "Two portals and training."
  const ask = { relation: "requests", record, text, to: ["xb", "xc"] } as const
  const request = await speak(xa, ask, [xb, xc])
  const responds = { relation: "responds", record: request } as const
  await speak(xb, { ...responds, status: "declined" }, [xa])
  await speak(xc, { ...responds, status: "provided" }, [xa])
  const [asked] = await requests(xa.context)
  const says = asked!.donors.map(({ name, assistance }) => `${name} ${assistance}`)
  expect(says.toSorted()).toEqual(["xb declined", "xc provided"])

  const closed = { relation: "follows-up", record, status: "closed-implemented" } as const
  await speak(xa, { ...closed, to: ["xc"] }, [xb, xc])
  // The donor that helped hears so, with the title of what it helped with; the finding itself nobody has.
  expect(await holds(xc)).toEqual([text, `closed-implemented: Portals at the second gate`])
  expect(await holds(xb)).toEqual([text])
  expect((await show(xa.context, record)).links.linked).toMatchObject([
    { relation: "requests", record: request },
    { relation: "follows-up", status: "closed-implemented", claim: "host" },
  ])
})
