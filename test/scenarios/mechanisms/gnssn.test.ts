import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { say } from "../../../node/order/say.ts"
import { show } from "../../../node/reading/records.ts"
import { errorsIn, holds, mayAsk, membersOf, share, tell, write } from "../../support/mechanism.ts"
import { authoriseAndPublish, signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const practice = {
  title: "A practice from another review",
  areas: ["M5"],
  consentRef: "5e".repeat(32),
}

test("a practice is shared in the network with the consent it rests on, never wider than its floor", async () => {
  await using net = await membersOf({
    xa: { roles: ["nationalContactPoint"] },
    xb: { roles: ["nationalContactPoint"] },
    xh: { kind: "secretariat", roles: ["moderator"] },
  })
  const { xa, xb, xh } = net.nodes
  const unfounded = await write(xa, "gnssn", "shared-good-practice", {
    ...practice,
    consentRef: undefined,
  })
  expect(errorsIn(unfounded)).toContain("profile.violated")
  const wide = await write(xa, "gnssn", "shared-good-practice", {
    ...practice,
    marking: "TLP:GREEN",
  })
  expect(errorsIn(wide)).toEqual(["profile.violated"])

  const { record } = await write(xa, "gnssn", "shared-good-practice", practice)
  expect(await codeOf(mayAsk(xa, record, xb, { onward: "free" }))).toBe("profile.violated")
  await share(xa, record, [xb, xh])
  expect(await holds(xb)).toEqual([practice.title])

  // What became of it comes back to whoever shared it, and to nobody else.
  const adopted = await say(xb.context, { relation: "adopts", record, status: "adapted" })
  await authoriseAndPublish(xb, adopted.orders)
  await sync(xa.context, "xb")
  expect((await show(xa.context, record)).links.linked).toMatchObject([
    { relation: "adopts", from: "xb", status: "adapted" },
  ])
  await sync(xh.context, "xb")
  expect((await show(xh.context, record)).links.linked).toEqual([])

  // A note of a seminar is the moderator's; a State's contact point can't speak for the network.
  const note = { title: "What was said in the seminar", topic: "culture" }
  const { record: ofState } = await write(xa, "gnssn", "seminar-note", note)
  const { order } = await requestRelease(xa.context, { records: [ofState], to: ["xb"] })
  await signAs(xa, order, "p1")
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await tell(xh, [xa, xb], "gnssn", "seminar-note", note)
  await tell(xb, [xa], "gnssn", "interest", { title: "Who has done it?", topic: "culture" })
  expect(await holds(xa)).toEqual([
    "What was said in the seminar",
    "Who has done it?",
    "adapted: A practice from another review",
  ])
})
