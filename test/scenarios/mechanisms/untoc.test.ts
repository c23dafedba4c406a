import { expect, test } from "vitest"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { parsePin, verifyEvidence } from "../../../protocol/evidence.ts"
import { allowPublic } from "../../support/ceremony.ts"
import {
  agree,
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
import { signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const state = { roles: ["expert", "focalPoint"] }
const cluster = { areas: ["C1:UNTOC"], body: "Synthetic: the form of a review, not its content." }

test("every step is cleared by a focal point; three of them release the list, and what is withheld shows", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state, xd: state })
  const { xa, xb, xc, xd } = net.nodes
  const self = await write(xa, "untoc", "self-assessment", {
    ...cluster,
    title: "Questionnaire",
    answers: "part 1",
  })
  const { order } = await requestRelease(xa.context, { records: [self.record], to: ["xb", "xc"] })
  await signAs(xa, order, "p1")
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p2")
  await send(xa, [order], [xb, xc])
  const feedback = await tell(xb, [xa, xc], "untoc", "written-feedback", {
    ...cluster,
    title: "Written feedback",
  })
  const open = { ...cluster, marking: "TLP:CLEAR" }
  expect(errorsIn(await write(xb, "untoc", "written-feedback", open))).toEqual(["profile.violated"])
  expect(await codeOf(mayAsk(xb, feedback, xd, { onward: "free" }))).toBe("profile.violated")

  const list = {
    ...cluster,
    title: "List of observations",
    reviewers: named(xb, xc),
    body: "One gap. [withheld: state-choice] One best practice.",
  }
  expect(errorsIn(await write(xa, "untoc", "list-of-observations", list))).toEqual([
    "profile.violated",
  ])
  const whole = await write(xa, "untoc", "list-of-observations", { ...list, withheld: "1" })
  expect(await codeOf(mayAsk(xa, whole.record, xd))).toBe("recipient.audience")
  await share(xa, whole.record, [xb, xc])
  const [release] = await propose(xa, whole.record, [xd], { beyondDefault: true })
  await agree(xb, release!, xa)
  expect(await codeOf(publish(xa.context, release!))).toBe("order.unconsented")
  await agree(xc, release!, xa)
  await send(xa, [release!], [xd])

  const summary = await write(xa, "untoc", "summary", {
    ...cluster,
    title: "Summary",
    reviewers: named(xb, xc),
  })
  const [agreed] = await propose(xa, summary.record, [xd])
  for (const node of [xb, xc]) await agree(node, agreed!, xa)
  await send(xa, [agreed!], [xd])
  expect(await holds(xd)).toEqual(["List of observations", "Summary"])
})

test("the summary is for everybody once all three States have said so, each knowing that it is", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state, xd: state })
  const { xa, xb, xc, xd } = net.nodes
  await allowPublic(xa, 1)
  const { record } = await write(xa, "untoc", "summary", {
    ...cluster,
    title: "Summary",
    reviewers: named(xb, xc),
  })
  const [order] = await propose(xa, record, [], { to: ["public"], beyondDefault: true })
  await agree(xb, order!, xa, [record])
  expect(await codeOf(agree(xc, order!, xa))).toBe("public.unconfirmed")
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")
  await agree(xc, order!, xa, [record])
  await send(xa, [order!], [xb, xd])
  for (const node of [xb, xd]) expect(await holds(node)).toEqual(["Summary"])
  const { file } = await exportEvidence(xd.context, record)
  const { ground, verdict } = verifyEvidence(file, [parsePin(xa.context.self.id)])
  expect(verdict).toBe("verified")
  expect(ground.filter((said) => said.startsWith("consented to by"))).toHaveLength(2)
})
