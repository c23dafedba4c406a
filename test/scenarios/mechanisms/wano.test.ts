import { expect, test } from "vitest"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { say } from "../../../node/order/say.ts"
import { translate } from "../../../node/order/translate.ts"
import { requests } from "../../../node/reading/assistance.ts"
import { search, show } from "../../../node/reading/records.ts"
import { trends } from "../../../node/reading/trends.ts"
import { pass } from "../../support/days.ts"
import { forced, type Wrong } from "../../support/forced.ts"
import {
  dues,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  rewrite,
  share,
  speak,
  tell,
  tellDay,
  write,
} from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"

const plant = { kind: "operator", roles: ["executive", "teamLeader"] } as const
const centre = { kind: "team", roles: ["moderator"] } as const

test("a rating is on its region's scale; a 4 calls for assistance; lessons go round without a plant's name", async () => {
  await using net = await membersOf({
    xa: plant,
    xb: plant,
    xc: centre,
    xr: { roles: ["regulator"] },
  })
  const { xa, xb, xc: hub, xr } = net.nodes
  const rating = { title: "Assessment", region: "elsewhere" }
  expect(errorsIn(await write(xa, "wano", "rating", { ...rating, rating: "5" }))).toEqual([
    "profile.violated",
  ])
  expect(
    errorsIn(await write(xa, "wano", "rating", { title: "Assessment", rating: "4" })),
  ).toContain("profile.violated")
  const american = { ...rating, region: "north-america", rating: "5" }
  expect(errorsIn(await write(xa, "wano", "rating", american))).toEqual([])

  const { record } = await write(xa, "wano", "rating", { ...rating, rating: "4" })
  expect(await codeOf(mayAsk(xa, record, hub))).toBe("recipient.audience")
  expect(await codeOf(mayAsk(xa, record, xr, { beyondDefault: true }))).toBe("recipient.audience")
  await share(xa, record, [hub], { beyondDefault: true })
  expect((await show(hub.context, record)).notes).toContain(
    "by this rating, assistance is to be offered",
  )
  expect((await search(hub.context, "done")).records).toEqual([])
  expect(await codeOf(exportEvidence(hub.context, record))).toBe("evidence.refused")

  const lesson = { title: "What one event taught", actions: "Check the seals.", event: "A leak." }
  const named = { ...lesson, body: "It was at Harbour Nuclear Power Plant." }
  expect(errorsIn(await write(hub, "wano", "significant-oe-report", named))).toEqual(["facility"])
  await tell(hub, [xa, xb], "wano", "significant-oe-report", lesson)
  expect(await holds(xb)).toEqual(["What one event taught"])
})

test("a station's own report is in one of the four languages, and its follow-up on the scale of four", async () => {
  await using net = await membersOf({ xa: plant, xb: plant })
  const { xa, xb } = net.nodes
  const event = {
    title: "弁の固着",
    actions: "交換した。",
    cause: "摩耗。",
    consequence: "なし。",
    body: "何が起きたか。",
  }
  expect(errorsIn(await write(xa, "wano", "event-report", { ...event, language: "de" }))).toEqual([
    "profile.violated",
  ])
  await tell(xa, [xb], "wano", "event-report", { ...event, language: "ja" })
  expect(await holds(xb)).toEqual(["弁の固着"])
  const finding = { areas: ["MA"], cause: "Ink.", facts: "Two." }
  const status = (text: string) =>
    write(xa, "wano", "area-for-improvement", { ...finding, status: text })
  expect(errorsIn(await status("b-partly"))).toEqual([])
  expect(errorsIn(await status("closed"))).toEqual(["profile.violated"])
})

test("from one review to the next: the report, a rating that calls for help, the follow-up after two years", async () => {
  await using net = await membersOf({
    xa: plant,
    xb: plant,
    xc: centre,
    xr: { roles: ["regulator"] },
  })
  const { xa, xb, xc: hub, xr } = net.nodes
  await tellDay(hub, [xa], "wano", "review", "2026-11-13")
  expect(await dues(xa)).toEqual(["2028-11-13 Follow-up ahead", "2030-11-13 Next review ahead"])
  const decided = { beyondDefault: true }
  const reviewed = { dates: "2026-11-02/2026-11-13", findings: "1, 1", title: "Peer review" }
  await tell(xa, [hub, xr], "wano", "peer-review-report", reviewed, decided)
  expect(await holds(xr)).toEqual(["Peer review"])
  const finding = { title: "Labels fade", areas: ["EN"], cause: "Ink.", facts: "Two of ten." }
  const area = await tell(xa, [hub], "wano", "area-for-improvement", finding, decided)
  await tell(xa, [hub], "wano", "rating", { rating: "4", region: "elsewhere" }, decided)

  // What the rating calls for is asked of the centre and of a peer, and of nobody else.
  const text = "Two engineers for a month."
  const ask = { relation: "requests", record: area, text, to: ["xc", "xb"] } as const
  const request = await speak(xa, ask, [hub, xb])
  expect(await codeOf(mayAsk(xa, request, xr))).toBe("profile.violated")
  await speak(hub, { relation: "responds", record: request, status: "offered" }, [xa])
  const asked = (await requests(xa.context))[0]!.donors
  expect(asked.map(({ name, assistance }) => `${name} ${assistance}`).toSorted()).toEqual([
    "xb null",
    "xc offered",
  ])

  await pass(net, 721)
  expect(await dues(xa)).toContain("2028-11-13 Follow-up soon")
  expect(await dues(xa)).toContain("2028-11-23 Status Labels fade soon")
  const status = { relation: "follows-up", record: area } as const
  expect(await codeOf(say(xa.context, { ...status, status: "closed" }))).toBe("profile.violated")
  await speak(xa, { ...status, status: "a-on-track" }, [hub])
  await speak(hub, { ...status, status: "c-at-risk" }, [xa])
  expect((await show(xa.context, area)).links.linked).toMatchObject([
    { relation: "requests" },
    { status: "a-on-track", claim: "host" },
    { status: "c-at-risk", claim: "assessor" },
  ])
  const compared = trends(hub.context, { mechanism: "wano", of: ["xa", "xb"] })
  expect(await codeOf(compared)).toBe("comparison.forbidden")
  expect(await holds(xb)).toEqual([text])
})

test("a lesson is read in four languages, each translation signed off, and stale once the lesson is corrected", async () => {
  await using net = await membersOf({ xa: plant, xc: centre })
  const { xa, xc: hub } = net.nodes
  const lesson = { title: "What one event taught", actions: "Check the seals.", event: "A leak." }
  const record = await tell(hub, [xa], "wano", "significant-oe-report", lesson)
  const inLanguage = (language: string, status: "official" | "machine" = "official") =>
    translate(hub.context, {
      ...{ record, status },
      source: `---\ntitle: Ce qu'un événement a appris\nlanguage: ${language}\nactions: Contrôler.\nevent: Une fuite.\n---\nVoir.\n`,
    })
  expect(errorsIn(await inLanguage("de"))).toEqual(["profile.violated"])
  const french = await inLanguage("fr")
  await share(hub, french.record, [xa])
  const shown = async () => (await show(xa.context, record)).links.linked
  expect(await shown()).toMatchObject([
    { relation: "translates", language: "fr", status: "official" },
  ])
  await rewrite(hub, record, "wano", "significant-oe-report", { ...lesson, actions: "Replace." })
  await share(hub, record, [xa])
  expect(await shown()).toMatchObject([{ relation: "translates", outdated: true }])
})

test("no operator takes a rating off its region's scale, a lesson that is not the centre's, or what it may not have", async () => {
  await using net = await membersOf({ xa: plant, xb: plant, xr: { roles: ["regulator"] } })
  const { xa, xb, xr } = net.nodes
  const rating = { rating: "4", region: "elsewhere" }
  const force = async (to: typeof xb, wrong: Wrong = {}) =>
    forced(net, xa, (await write(xa, "wano", "rating", rating)).record, to, wrong)
  expect(await force(xb, { record: { fields: { ...rating, rating: "5" } } })).toBe(
    "profile.violated",
  )
  expect(await force(xb, { record: { fields: { rating: "4" } } })).toBe("profile.violated")
  expect(await force(xb, { signers: ["p2"] })).toBe("order.unauthorised")
  expect(await force(xb, { terms: { onward: "free" } })).toBe("profile.violated")
  expect(await force(xr)).toBe("profile.violated")
  const lesson = { actions: "Check.", event: "A leak." }
  const { record } = await write(xa, "wano", "significant-oe-report", lesson)
  expect(await forced(net, xa, record, xb)).toBe("order.unauthorised")
  expect(await holds(xb)).toEqual([])
})
