import { expect, test } from "vitest"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { search, show } from "../../../node/reading/records.ts"
import { errorsIn, holds, mayAsk, membersOf, share, tell, write } from "../../support/mechanism.ts"
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
