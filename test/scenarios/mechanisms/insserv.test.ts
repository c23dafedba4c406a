import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { errorsIn, holds, mayAsk, membersOf, write } from "../../support/mechanism.ts"
import { signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const host = {
  roles: ["competentAuthority", "informationSecurity", "lawEnforcement", "teamLeader"],
}
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
