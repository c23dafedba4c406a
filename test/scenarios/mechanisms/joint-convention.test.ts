import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { dueOn } from "../../../protocol/profiles/cycle.ts"
import { jointConvention } from "../../../protocol/profiles/joint-convention.ts"
import { allowPublic } from "../../support/ceremony.ts"
import {
  agree,
  errorsIn,
  holds,
  makePublic,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  tell,
  write,
} from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"

const party = { roles: ["nationalContactPoint", "rapporteur"] }

test("the rapporteur's report is agreed by the whole group and never public; the President's names no State", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xc: party,
    xs: { kind: "secretariat", roles: ["rapporteur"] },
  })
  const { xa, xb, xc, xs } = net.nodes
  await tell(xa, [xb, xc], "joint-convention", "national-report", {
    title: "Report on spent fuel and waste",
    period: "2024-2026",
  })
  const report = {
    title: "What the group found",
    findings: "one good practice, one challenge",
    group: named(xa, xb, xc),
  }
  const open = await write(xa, "joint-convention", "country-review-report", {
    ...report,
    marking: "TLP:CLEAR",
  })
  expect(errorsIn(open)).toEqual(["profile.violated"])
  const { record } = await write(xa, "joint-convention", "country-review-report", report)
  expect(await codeOf(mayAsk(xa, record, xs, { onward: "free" }))).toBe("profile.violated")
  const [order] = await propose(xa, record, [xs])
  await agree(xb, order!, xa)
  expect(await codeOf(publish(xa.context, order!))).toBe("order.unconsented")
  await agree(xc, order!, xa)
  await send(xa, [order!], [xs])
  expect(await holds(xs)).toEqual(["What the group found"])

  // A challenge on the group's list takes the group too; the articles are those of this convention.
  const challenge = { title: "Funding", areas: ["Art.22"], group: named(xa, xb, xc) }
  expect(errorsIn(await write(xa, "joint-convention", "challenge", challenge))).toEqual([])
  const elsewhere = { ...challenge, areas: ["Art.29"] }
  expect(errorsIn(await write(xa, "joint-convention", "challenge", elsewhere))).toEqual([
    "profile.violated",
  ])
  const everybody = { to: ["public"], beyondDefault: true }
  for (const node of [xa, xs]) await allowPublic(node, 1)
  expect(await codeOf(mayAsk(xa, record, xs, everybody))).toBe("recipient.audience")
  const president = await write(xs, "joint-convention", "president-report", {
    title: "The President's report",
    themes: "funding; disposal",
  })
  await makePublic(xs, president.record, [xa, xb, xc])
  expect(await holds(xb)).toEqual(["Report on spent fuel and waste", "The President's report"])
  expect(dueOn("2028-05-21", jointConvention.deadlines![0]!)).toBe("2028-02-21")
})
