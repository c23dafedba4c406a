import { expect, test } from "vitest"
import { reviewExport, saidAgain, saidAs, signReview } from "../../../node/authority/officer.ts"
import { addDraft } from "../../../node/order/drafts.ts"
import { exportOrder } from "../../../node/order/orders.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { officerKey, practiceText } from "../../support/hostile.ts"
import { network } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

test("an officer signs nothing that the server could keep for longer than 90 days", async () => {
  await using net = await network(["xa", "xb"])
  const { context } = net.nodes.xa!
  const { record } = await addDraft(context, practiceText("For now"))
  const { order } = await requestRelease(context, { records: [record], to: ["xb"] })
  const review = reviewExport(await exportOrder(context, order), new Map(), null)
  expect(review.order.notAfter).toBe("2026-12-07")
  const on = (day: string) => codeOf(signReview(review, officerKey(net.nodes.xa!, "p1"), day))
  expect(await on("2026-11-23")).toBeNull()
  expect(await on("2026-09-08")).toBeNull()
  expect(await on("2026-09-07")).toBe("order.malformed")
})

test("what is for everybody is not confirmed by digits that another record has as well", () => {
  const [meant, slipped] = ["4f1c09aa".padEnd(32, "0"), "4f1c09aa3".padEnd(32, "0")]
  const both = [meant, slipped]
  expect([...saidAs(both).values()]).toEqual(["4f1c09aa0", "4f1c09aa3"])
  expect(saidAgain(both, ["4f1c09aa"])).toEqual([])
  expect(saidAgain(both, ["4f1c09aa", "4F1C09AA0"])).toEqual([meant])
  expect(saidAgain(both, both)).toEqual(both)
  expect(saidAgain([meant], ["4f1c09aa"])).toEqual([meant])
  expect(saidAgain([meant, meant], ["4f1c09a", "", "c09aa000"])).toEqual([])
})
