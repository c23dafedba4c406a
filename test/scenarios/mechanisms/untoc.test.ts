import { expect, test } from "vitest"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { say } from "../../../node/order/say.ts"
import { translate } from "../../../node/order/translate.ts"
import { show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { parsePin, verifyEvidence } from "../../../protocol/evidence.ts"
import { allowPublic } from "../../support/ceremony.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  agree,
  dues,
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
  tellDay,
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

test("a review from its start to the working groups: clarified, agreed in two languages, and followed up", async () => {
  await using net = await membersOf({ xa: state, xb: state, xc: state, xd: state })
  const { xa, xb, xc, xd } = net.nodes
  await tellDay(xa, [xb, xc], "untoc", "start", "2026-11-23")
  expect(await dues(xb)).toEqual([
    "2026-12-07 Focal point soon",
    "2026-12-21 Experts soon",
    "2027-05-23 Self-assessment ahead",
  ])
  const answers = { ...cluster, title: "Questionnaire", answers: "part 1" }
  const record = await tell(xa, [xb, xc], "untoc", "self-assessment", answers)

  // What a reviewer asks is cleared by its focal point, and so is the answer.
  const ask = { relation: "asks", record, text: "Which courts?", to: ["xa"] } as const
  const { order, preview } = await say(xb.context, ask)
  await signAs(xb, order, "p1")
  expect(await codeOf(publish(xb.context, order))).toBe("order.unsatisfied")
  await signAs(xb, order, "p2")
  await send(xb, [order], [xa])
  const question = preview[0]!.record
  const answer = await speak(xa, { relation: "answers", record: question, text: "Two." }, [xb])
  await share(xa, answer, [xc])
  expect((await show(xc.context, answer)).links.about).toMatchObject([
    { relation: "answers", record: question, from: "xb" },
  ])

  const reviewers = named(xb, xc)
  const reviewed = { ...cluster, title: "Summary", reviewers }
  const summary = await write(xa, "untoc", "summary", reviewed)
  const released = async (one: string) => {
    const [agreed] = await propose(xa, one, [xd])
    for (const node of [xb, xc]) await agree(node, agreed!, xa)
    await send(xa, [agreed!], [xd])
  }
  await released(summary.record)
  const inLanguage = (language: string, title: string) =>
    translate(xa.context, {
      ...{ record: summary.record, status: "official" },
      source: `---\ntitle: ${title}\nlanguage: ${language}\nreviewers: ${reviewers}\n---\n${title}.\n`,
    })
  expect(errorsIn(await inLanguage("de", "Zusammenfassung"))).toEqual(["profile.violated"])
  // A translation is agreed to like what it translates.
  const french = await inLanguage("fr", "Résumé")
  const [alone] = await propose(xa, french.record, [xd])
  expect(await codeOf(publish(xa.context, alone!))).toBe("order.unconsented")
  await released(french.record)
  expect((await show(xd.context, summary.record)).links.linked).toMatchObject([
    { relation: "translates", language: "fr", status: "official" },
  ])

  const list = await write(xa, "untoc", "list-of-observations", { ...cluster, reviewers })
  await share(xa, list.record, [xb, xc])
  expect(await dues(xa)).toContain("2028-11-23 Status A list-of-observations ahead")
  const status = { relation: "follows-up", record: list.record } as const
  expect(await codeOf(say(xa.context, { ...status, status: "closed" }))).toBe("profile.violated")
  await speak(xa, { ...status, status: "closed-implemented" }, [xb, xc])
  expect((await show(xb.context, list.record)).links.linked).toMatchObject([
    { relation: "follows-up", status: "closed-implemented", claim: "host" },
  ])
  const ranked = trends(xb.context, { mechanism: "untoc", of: ["xa", "xc"] })
  expect(await codeOf(ranked)).toBe("comparison.forbidden")
  expect(await holds(xd)).toEqual(["Résumé", "Summary"])
})

test("no State takes a step that no focal point cleared, a list that a reviewer has not agreed to, or more than was meant for it", async () => {
  await using net = await membersOf({
    xa: state,
    xb: state,
    xd: state,
    xo: { kind: "operator", roles: ["focalPoint"] },
  })
  const { xa, xb, xd, xo } = net.nodes
  const force = async (to: typeof xb, wrong: Wrong = {}) => {
    const list = { ...cluster, reviewers: named(xb) }
    return forced(
      net,
      xa,
      (await write(xa, "untoc", "list-of-observations", list)).record,
      to,
      wrong,
    )
  }
  expect(await force(xb)).toBe(null)
  expect(await force(xd)).toBe("order.unconsented")
  expect(await force(xb, { signers: ["p1"] })).toBe("order.unauthorised")
  expect(await force(xb, { record: { language: "de" } })).toBe("profile.violated")
  const feedback = async () => (await write(xa, "untoc", "written-feedback", cluster)).record
  const open = { record: { marking: "TLP:CLEAR" } } as const
  expect(await forced(net, xa, await feedback(), xd, open)).toBe("profile.violated")
  expect(await forced(net, xa, await feedback(), xo)).toBe("profile.violated")
  for (const node of [xd, xo]) expect(await holds(node)).toEqual([])
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
