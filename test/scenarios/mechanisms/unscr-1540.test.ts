import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
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
import { signAs } from "../../support/network.ts"
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

  const request = await write(xa, "unscr-1540", "assistance-request", {
    title: "Training of border guards",
    areas: ["OP3c:N"],
    topic: "detection",
  })
  expect(await codeOf(mayAsk(xa, request.record, xc))).toBe("recipient.audience")
  await tell(
    xa,
    [xb],
    "unscr-1540",
    "assistance-request",
    { title: "Training of border guards", areas: ["OP3c:N"], topic: "detection" },
    { beyondDefault: true },
  )

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
