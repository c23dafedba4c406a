import { expect, test } from "vitest"
import { sync } from "../../../node/exchange/subscribe.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { makeConsent } from "../../../node/order/consent.ts"
import { exportOrder, refuseOrder, showOrder } from "../../../node/order/orders.ts"
import { say } from "../../../node/order/say.ts"
import { requests } from "../../../node/reading/assistance.ts"
import { show } from "../../../node/reading/records.ts"
import { forced } from "../../support/forced.ts"
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
  speak,
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
  // An officer of the third refuses under their name: no consent of it can come of that, and it says why.
  const { order: consent } = await makeConsent(xc.context, await exportOrder(xa.context, order!))
  const refusal = { act: "refuse", reason: "paragraph 12", subject: consent } as const
  await refuseOrder(xc.context, await decided(xc, "p1", refusal))
  expect(await codeOf(publish(xc.context, consent))).toBe("order.closed")
  const said = { relation: "replies", record: report.record, text: "Paragraph 12." } as const
  await speak(xc, said, [xa])
  expect((await showOrder(xa.context, order!)).missing).toEqual(["the consent of xc"])
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")
  const other = await write(xa, "uncac", "country-review-report", reviewed)
  expect(await forced(net, xa, other.record, xd)).toBe("order.unconsented")
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

test("a need for technical assistance becomes a request to the donors agreed on, and is followed up at home", async () => {
  await using net = await membersOf({ xa: state, xb: state, xd: state, xe: state })
  const { xa, xb, xd, xe } = net.nodes
  // The need itself is agreed with the reviewer, and stays among them.
  const need = await tell(xa, [xb], "uncac", "ta-need", {
    ...{ title: "Need: seizure of assets", areas: ["V"], body: text },
    ...{ reviewers: named(xb), topic: "legislation" },
  })
  const ask = { relation: "requests", record: need, to: ["xd"], text: "A model law." } as const
  const request = await speak(xa, ask, [xd])
  expect(await codeOf(mayAsk(xa, request, xe))).toBe("profile.violated")
  expect(await holds(xd)).toEqual(["A model law."])
  await speak(xd, { relation: "responds", record: request, status: "provided" }, [xa])
  expect((await requests(xa.context))[0]?.donors).toMatchObject([
    { name: "xd", assistance: "provided" },
  ])
  const status = { relation: "follows-up", record: need, to: ["xb"] } as const
  expect(await codeOf(say(xa.context, { ...status, status: "finished" }))).toBe("profile.violated")
  await speak(xa, { ...status, status: "closed-implemented" }, [xb])
  expect((await show(xb.context, need)).links.linked).toMatchObject([
    { relation: "follows-up", status: "closed-implemented", claim: "host" },
  ])
  await sync(xe.context)
  expect(await holds(xe)).toEqual([])
})
