import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import {
  countBy,
  errorsIn,
  holds,
  membersOf,
  rewrite,
  share,
  tell,
  write,
} from "../../support/mechanism.ts"
import { signAs } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"

const state = { roles: ["foreignMinistry", "competentAuthority"] }
const answers = { evidenceRef: "Register, item 12" }

test("a subscriber answers the checklist section by section, and tells each as widely as it likes", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state })
  const { xa, xb, xc } = net.nodes
  await tell(xa, [xb, xc], "infcirc-869", "subscription", {
    title: "Subscription",
    dates: "2014-10-22",
    note: "Note verbale 12",
  })
  const first = await write(xa, "infcirc-869", "checklist", {
    ...answers,
    title: "Section 1",
    areas: ["1"],
    rating: "done",
  })
  const second = await write(xa, "infcirc-869", "checklist", {
    ...answers,
    title: "Section 3",
    areas: ["3"],
    rating: "in-progress",
  })
  const vague = { ...answers, areas: ["2"], rating: "mostly" }
  expect(errorsIn(await write(xa, "infcirc-869", "checklist", vague))).toEqual(["profile.violated"])

  // The ministry alone speaks for the subscription, not for what the authority has done.
  const { order } = await requestRelease(xa.context, { records: [first.record], to: ["xb"] })
  await signAs(xa, order, "p1")
  expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
  await signAs(xa, order, "p2")
  await publish(xa.context, order)
  await share(xa, second.record, [xc])
  await share(xa, first.record, [xb])
  expect(await holds(xb)).toEqual(["Section 1", "Subscription"])
  expect(await holds(xc)).toEqual(["Section 3", "Subscription"])

  // A year later: the same section in a new version, and how far its plan has come.
  const note = { title: "Progress", areas: ["3"] }
  expect(
    errorsIn(await write(xa, "infcirc-869", "progress-note", { ...note, status: "soon" })),
  ).toEqual(["profile.violated"])
  await tell(xa, [xc], "infcirc-869", "progress-note", { ...note, status: "in-progress" })
  const done = { ...answers, title: "Section 3", areas: ["3"], rating: "done" }
  await rewrite(xa, second.record, "infcirc-869", "checklist", done)
  await share(xa, second.record, [xc])
  expect(await countBy(xc, [second.record], "rating")).toEqual({ done: 1 })
  expect(await holds(xc)).toEqual(["Progress", "Section 3", "Subscription"])
  expect(await holds(xb)).toEqual(["Section 1", "Subscription"])
})
