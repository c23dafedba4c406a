import { expect, test } from "vitest"
import { cog } from "../../../protocol/profiles/cog.ts"
import { dueOn } from "../../../protocol/profiles/cycle.ts"
import { errorsIn, holds, mayAsk, membersOf, tell, write } from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"

const station = { kind: "operator", roles: ["opexCoordinator"] } as const
const group = { kind: "team", roles: ["committeeChair"] } as const
const event = {
  title: "A valve that stuck",
  areas: ["OPEX"],
  actions: "Exchanged.",
  cause: "Wear.",
  consequence: "None.",
  dates: "2026-11-20",
  system: "Moderator",
}

test("an event goes to all members, is screened, and is answered by each station, outside COG by nobody", async () => {
  await using net = await membersOf({
    xa: station,
    xb: station,
    xg: group,
    xs: { roles: ["regulator"] },
  })
  const { xa, xb, xg: cogs, xs } = net.nodes
  const reported = await tell(xa, [xb, cogs], "cog", "event-report", {
    ...event,
    facility: "Exercise station 4",
  })
  expect(await codeOf(mayAsk(xa, reported, xs, { beyondDefault: true }))).toBe("recipient.audience")
  expect(await codeOf(mayAsk(xa, reported, cogs, { onward: "free" }))).toBe("profile.violated")

  const screening = { title: "Screening", actions: "Look at your own.", event: reported }
  const wrong = await write(cogs, "cog", "screening-decision", { ...screening, rating: "urgent" })
  expect(errorsIn(wrong)).toEqual(["profile.violated"])
  await tell(cogs, [xa, xb], "cog", "screening-decision", { ...screening, rating: "high" })
  await tell(xb, [cogs], "cog", "applicability-reply", {
    title: "Ours too",
    status: "applicable-action",
    actions: "Exchange in spring.",
  })
  expect(await holds(cogs)).toEqual(["A valve that stuck", "Ours too"])
  expect(await holds(xb)).toEqual(["A valve that stuck", "Screening"])
  const [report, screened] = cog.deadlines!
  expect(dueOn(dueOn("2026-11-20", report!), screened!)).toBe("2026-12-04")
})
