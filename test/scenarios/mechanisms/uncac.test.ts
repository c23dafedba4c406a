import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { refuseOrder, showOrder } from "../../../node/order/orders.ts"
import {
  agree,
  decided,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  share,
  tell,
  write,
} from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"

const state = { roles: ["focalPoint", "expert"] }
const text = "Synthetic: the form of a review, not its content."

test("a report that one of three States does not sign goes nowhere, and the summary that all sign goes to all", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state, xd: state })
  const { xa, xb, xc, xd } = net.nodes
  // What a State says of itself it shows its reviewers first.
  const self = { title: "Checklist, chapter III", areas: ["III"], answers: "Articles 15 to 44" }
  await tell(xa, [xb, xc], "uncac", "self-assessment", self)
  await tell(xb, [xa, xc], "uncac", "desk-review", {
    title: "Desk review",
    areas: ["III"],
    observation: text,
  })

  const reviewed = { areas: ["III"], reviewers: named(xb, xc), findings: "2, 1", body: text }
  const report = await write(xa, "uncac", "country-review-report", {
    ...reviewed,
    title: "Country review report",
  })
  expect(await codeOf(mayAsk(xa, report.record, xd))).toBe("recipient.audience")
  // Those whom it names see it without anybody's consent: it is theirs to agree to.
  await share(xa, report.record, [xb, xc])
  const [order] = await propose(xa, report.record, [xd], { beyondDefault: true })
  await agree(xb, order!, xa)
  expect((await showOrder(xa.context, order!)).missing).toEqual(["the consent of xc"])
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")
  const refusal = { act: "refuse", reason: "paragraph 12", subject: order! } as const
  await refuseOrder(xa.context, await decided(xa, "p1", refusal))
  expect(await codeOf(publish(xa.context, order!))).toBe("order.closed")
  expect(await holds(xd)).toEqual([])

  const summary = await write(xa, "uncac", "executive-summary", {
    ...reviewed,
    title: "Executive summary",
  })
  const [agreed] = await propose(xa, summary.record, [xd])
  for (const node of [xb, xc]) await agree(node, agreed!, xa)
  await send(xa, [agreed!], [xd])
  expect(await holds(xd)).toEqual(["Executive summary"])
})

test("a thematic report names no State, and nothing is in a seventh language", async () => {
  await using net = await membersOf({
    xs: { kind: "secretariat", roles: ["moderator"] },
    xa: state,
  })
  const { xs, xa } = net.nodes
  const thematic = { title: "Trends in chapter IV", areas: ["IV"], themes: "extradition" }
  const naming = await write(xs, "uncac", "thematic-report", {
    ...thematic,
    body: "Finland, among others, has done so.",
  })
  expect(errorsIn(naming)).toEqual(["state"])
  expect(
    errorsIn(await write(xs, "uncac", "thematic-report", { ...thematic, language: "de" })),
  ).toEqual(["profile.violated"])
  await tell(xs, [xa], "uncac", "thematic-report", { ...thematic, language: "es" })
  expect(await holds(xa)).toEqual(["Trends in chapter IV"])
})
