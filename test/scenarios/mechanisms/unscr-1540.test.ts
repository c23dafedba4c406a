import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { say } from "../../../node/order/say.ts"
import { requests } from "../../../node/reading/assistance.ts"
import { search, show } from "../../../node/reading/records.ts"
import {
  agree,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  tell,
  write,
} from "../../support/mechanism.ts"
import { authoriseAndPublish, signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const state = { roles: ["foreignMinistry", "competentAuthority"] }

test("a ministry reports, the authority signs its own cells, a peer review goes out when both States agree", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state })
  const { xa, xb, xc } = net.nodes
  const report = await write(xa, "unscr-1540", "national-report", {
    title: "National report",
    areas: ["OP3a:N", "OP3b:N"],
    period: "2024-2026",
    authority: "Nuclear regulator",
  })
  const { order } = await requestRelease(xa.context, { records: [report.record], to: ["xb", "xc"] })
  await signAs(xa, order, "p1")
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p2")
  await send(xa, [order], [xb, xc])
  // Written once, found in the words of another instrument; and no measure of anybody's compliance.
  expect((await search(xb.context, "CPPNM-A:FP-H")).records).toHaveLength(1)
  expect((await show(xb.context, report.record)).notes.join()).toContain("not a tool for measuring")

  // The State says whom it asks; the answer is a ministry's too, and comes back to it alone.
  const asked = {
    title: "Training of border guards",
    areas: ["OP3c:N"],
    topic: "detection",
    donors: named(xb),
  }
  const request = await tell(xa, [xb], "unscr-1540", "assistance-request", asked)
  expect(await codeOf(mayAsk(xa, request, xc))).toBe("profile.violated")
  const offered = await say(xb.context, {
    ...{ relation: "responds", record: request, status: "offered" },
    text: "Two trainers for a week.",
  })
  expect(await codeOf(publish(xb.context, offered.orders[0]!))).toBe("order.unsatisfied")
  await authoriseAndPublish(xb, offered.orders)
  await sync(xa.context, "xb")
  expect(await requests(xa.context)).toMatchObject([
    { record: request, donors: [{ name: "xb", assistance: "offered" }] },
  ])

  const review = await write(xa, "unscr-1540", "peer-review-report", {
    title: "Peer review of XA and XB",
    areas: ["OP10:N"],
    parties: named(xb),
  })
  const [shared] = await propose(xa, review.record, [xc], { beyondDefault: true })
  expect(await codeOf(publish(xa.context, shared!))).toBe("order.unconsented")
  await agree(xb, shared!, xa)
  await send(xa, [shared!], [xc])
  expect(await holds(xc)).toEqual(["National report", "Peer review of XA and XB"])
  expect(await holds(xb)).toEqual(["National report", "Training of border guards"])
  const unknown = { title: "Report", areas: ["OP4:N"], period: "2026" }
  expect(errorsIn(await write(xa, "unscr-1540", "national-report", unknown))).toEqual([
    "profile.violated",
  ])
})
