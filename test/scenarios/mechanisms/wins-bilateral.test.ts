import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { requestWithdrawal } from "../../../node/order/release.ts"
import { search } from "../../../node/reading/records.ts"
import { errorsIn, holds, mayAsk, membersOf, share, tell, write } from "../../support/mechanism.ts"
import { authoriseAndPublish } from "../../support/network.ts"
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
