import { expect, test } from "vitest"
import { proposeRoot, publishRoot, type RootChanges } from "../../node/amend.ts"
import { readProposal, signProposal } from "../../node/ceremony.ts"
import { addDraft } from "../../node/drafts.ts"
import { inbox } from "../../node/records.ts"
import { requestRelease, requestWithdrawal } from "../../node/release.ts"
import { sync } from "../../node/subscribe.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

async function amend(node: TestNode, changes: RootChanges): Promise<void> {
  const proposal = await proposeRoot(node.context, changes)
  const read = readProposal(proposal)
  const lines = await Promise.all(node.founded.rootPairs.map((pair) => signProposal(read, pair)))
  await publishRoot(node.context, proposal, lines.flat())
}

test("a member that has closed releases nothing more, and still takes back what it gave", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const draft = async (title: string) => (await addDraft(xa.context, practiceText(title))).record
  const held = await draft("Before the end")
  const request = { records: [held], to: ["xb"] }
  await authoriseAndPublish(xa, (await requestRelease(xa.context, request)).orders)
  await sync(xb.context)
  expect((await inbox(xb.context)).records).toHaveLength(1)

  const closing = { answers: "Ministry of XA", day: "2027-01-01", keep: false }
  await amend(xa, { fields: { closing } })
  const late = { records: [await draft("Too late")], to: ["xb"] }
  expect(await codeOf(requestRelease(xa.context, late))).toBe("root.closed")

  const withdrawal = await requestWithdrawal(xa.context, { record: held, reason: "closing" })
  await authoriseAndPublish(xa, withdrawal.orders)
  await sync(xb.context)
  const left = (await inbox(xb.context)).records.filter(({ withdrawn }) => !withdrawn)
  expect(left).toEqual([])
})
