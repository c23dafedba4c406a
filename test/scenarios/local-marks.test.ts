import { expect, test } from "vitest"
import { decideLocalMark, markSubject, readLocalMarks } from "../../node/authority/local-marks.ts"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { why } from "../../node/exchange/why.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { decided, holds, membersOf, share, write } from "../support/mechanism.ts"
import type { TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

const roles = ["competentAuthority", "informationSecurity"]
const practice = { areas: ["M1"], basis: "NSS 13", whyBetter: "Nobody else does it so." }
const wanted = { marking: "TLP:AMBER+STRICT", mark: "XB RESTRICTED" } as const

/** This officer decides on the mark, on their own machine. */
async function decide(
  node: TestNode,
  person: string,
  { mark }: { readonly mark: string } = wanted,
) {
  const subject = markSubject(wanted.marking, mark)
  const says = { act: "map-marking", reason: "instruction 4/2026", subject } as const
  return decideLocalMark(node.context, wanted, await decided(node, person, says))
}

test("a mark that means nothing at home is not taken in, and both sides can say so", async () => {
  await using net = await membersOf({ xa: { roles }, xb: { roles } }, { network: "operational" })
  const { xa, xb } = net.nodes
  const { record } = await write(xa, "ippas", "good-practice", practice)
  await share(xa, record, [xb])
  expect(await holds(xb)).toEqual([])
  expect((await receiptsOf(xa.context, record)).receipts).toEqual([
    expect.objectContaining({ peer: "xb", state: "refused", code: "marking.unmapped" }),
  ])
  expect(await why(xa.context, record, "xb")).toMatchObject({ have: false, reason: "refused" })

  // Nobody but information security knows what a mark means at home, and only what was signed counts.
  expect(await codeOf(decide(xb, "p1"))).toBe("officer.role")
  expect(await codeOf(decide(xb, "p2", { mark: "XB OPEN" }))).toBe("officer.unknown")
  expect((await decide(xb, "p2")).marks).toMatchObject([{ ...wanted, person: "p2" }])
  expect(await readLocalMarks(xb.context.db)).toMatchObject([wanted])

  await share(xa, record, [xb])
  expect(await holds(xb)).toEqual(["A good-practice"])
  expect(await show(xb.context, record)).toMatchObject({
    marking: "TLP:AMBER+STRICT",
    localMark: "XB RESTRICTED",
  })
  // Wherever its title is shown, so are both marks.
  const both = { marking: "TLP:AMBER+STRICT", localMark: "XB RESTRICTED" }
  expect((await inbox(xb.context)).records).toMatchObject([both])
  expect((await search(xb.context, "good")).records).toMatchObject([both])
})

test("where the mechanism asks for none, the marking stands for itself", async () => {
  await using net = await membersOf({ xa: { roles }, xb: { roles } }, { network: "operational" })
  const { xa, xb } = net.nodes
  const { record } = await write(xa, "general", "good-practice")
  await share(xa, record, [xb])
  expect(await holds(xb)).toEqual(["A good-practice"])
})
