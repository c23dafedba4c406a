import { expect, test } from "vitest"
import { receiptsOf } from "../../node/exchange/receipts.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { why } from "../../node/exchange/why.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import { authoriseAndPublish, network } from "../support/network.ts"

const practice = `---
title: Follow-up of scheduling findings by a second office
language: en
---
## What is done
Findings about scheduling are followed up by an office that took no part in the work.
`

test("a practice goes to the member that was chosen, verifies there and offline, and is taken back", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Required<typeof net.nodes>
  const draft = await addDraft(xa!.context, practice)
  expect(draft.findings).toEqual([])

  const request = await requestRelease(xa!.context, { records: [draft.record], to: ["xb"] })
  expect(request).toMatchObject({ needs: 2, signed: 0, grants: 1 })
  const [published] = await authoriseAndPublish(xa!, request.orders)
  expect(published).toMatchObject({ index: 2, size: 4, queued: [xb!.context.self.id] })

  expect((await sync(xb!.context)).peers).toContainEqual(
    expect.objectContaining({ name: "xa", received: 1, refused: 0, failed: 0 }),
  )
  expect((await sync(xb!.context)).peers).toContainEqual(
    expect.objectContaining({ name: "xa", received: 0, already: 0, refused: 0, failed: 0 }),
  )
  const { records } = await inbox(xb!.context)
  expect(records).toEqual([
    expect.objectContaining({
      from: "xa",
      title: "Follow-up of scheduling findings by a second office",
      withdrawn: false,
    }),
  ])
  expect((await search(xb!.context, "scheduling office")).records).toHaveLength(1)
  const shown = await show(xb!.context, draft.record)
  expect(shown.provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
  expect((await receiptsOf(xa!.context, draft.record)).receipts).toEqual([
    expect.objectContaining({ peer: "xb", state: "delivered" }),
  ])
  expect(await why(xa!.context, draft.record, "xb")).toMatchObject({ have: true })
  expect(await why(xa!.context, draft.record, "xc")).toMatchObject({
    have: false,
    reason: "not-released",
  })

  await sync(xc!.context)
  expect((await inbox(xc!.context)).records).toEqual([])

  const { file } = await exportEvidence(xb!.context, draft.record)
  const verdict = verifyEvidence(file, [parsePin(xa!.context.self.id)])
  expect(verdict).toMatchObject({ verdict: "verified", origin: xa!.context.self.id })
  expect(verifyEvidence(file, [parsePin(xc!.context.self.id)])).toMatchObject({
    verdict: "failed",
    code: "evidence.pin",
  })
  const own = await exportEvidence(xa!.context, draft.record)
  expect(verifyEvidence(own.file, [parsePin(xa!.context.self.id)])).toMatchObject({
    verdict: "verified",
  })

  const withdrawal = await requestWithdrawal(xa!.context, {
    record: draft.record,
    reason: "superseded",
  })
  await authoriseAndPublish(xa!, withdrawal.orders)
  expect((await sync(xb!.context, "xa")).peers).toEqual([
    expect.objectContaining({ received: 1, refused: 0 }),
  ])
  expect((await inbox(xb!.context)).records).toEqual([
    expect.objectContaining({ title: "", withdrawn: true }),
  ])
  expect((await search(xb!.context, "scheduling")).records).toEqual([])
  await expect(show(xb!.context, draft.record)).rejects.toMatchObject({ code: "record.withdrawn" })
  expect((await receiptsOf(xa!.context, draft.record)).receipts).toContainEqual(
    expect.objectContaining({ peer: "xb", state: "purged" }),
  )

  const again = await requestRelease(xa!.context, { records: [draft.record], to: ["xb", "xc"] })
  await authoriseAndPublish(xa!, again.orders)
  await sync(xb!.context)
  await sync(xc!.context)
  expect((await inbox(xb!.context)).records).toEqual([
    expect.objectContaining({ withdrawn: false }),
  ])
  expect((await inbox(xc!.context)).records).toHaveLength(1)
})
