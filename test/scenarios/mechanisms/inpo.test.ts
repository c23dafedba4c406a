import { expect, test } from "vitest"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { search, show } from "../../../node/reading/records.ts"
import { errorsIn, holds, mayAsk, membersOf, share, tell, write } from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"

const plant = { kind: "operator", roles: ["executive", "teamLeader"] } as const

test("an evaluation stays among operators: strengths go round, ratings and findings by decision only", async () => {
  await using net = await membersOf({ xa: plant, xb: plant, xc: { roles: ["regulator"] } })
  const { xa, xb, xc } = net.nodes
  const strength = await write(xa, "inpo", "strength", {
    title: "Tools are counted",
    areas: ["MA"],
  })
  expect(await codeOf(mayAsk(xa, strength.record, xc))).toBe("recipient.audience")
  expect(await codeOf(mayAsk(xa, strength.record, xb, { onward: "consent" }))).toBe(
    "profile.violated",
  )
  await share(xa, strength.record, [xb])

  const finding = { title: "Labels fade", areas: ["EN"], cause: "Ink.", facts: "Two of ten." }
  const { record } = await write(xa, "inpo", "area-for-improvement", finding)
  expect(await codeOf(mayAsk(xa, record, xb))).toBe("recipient.audience")

  const wide = { title: "Overall", rating: "2", marking: "TLP:AMBER+STRICT" }
  expect(errorsIn(await write(xa, "inpo", "rating", wide))).toEqual(["profile.violated"])
  const beyond = { title: "Overall", rating: "6" }
  expect(errorsIn(await write(xa, "inpo", "rating", beyond))).toEqual(["profile.violated"])

  const body = "The plant is rated exemplary."
  const rated = await tell(
    xa,
    [xb],
    "inpo",
    "rating",
    { title: "Overall", rating: "1", body },
    { beyondDefault: true },
  )
  expect(await holds(xb)).toEqual(["Overall", "Tools are counted"])
  // Sealed: who holds it reads it; nobody finds it by what it says, no file carries it, no journal has it.
  expect((await show(xb.context, rated)).content).toMatchObject({ fields: { rating: "1" } })
  for (const node of [xa, xb]) {
    expect((await search(node.context, "exemplary")).records).toEqual([])
    expect(await codeOf(exportEvidence(node.context, rated, { reason: "asked" }))).toBe(
      "evidence.refused",
    )
    expect(node.journal.join()).not.toContain("exemplary")
  }
  expect((await search(xb.context, "counted")).records).toHaveLength(1)
})
