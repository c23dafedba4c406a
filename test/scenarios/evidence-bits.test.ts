import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network } from "../support/network.ts"
import { exhaustiveTimeout, flips } from "../support/refusal.ts"

// All of the bits take minutes: where somebody waits for the tests, some of them have to do.
test(
  "one flipped bit anywhere in an evidence file is refused with a code",
  async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes
    // The second order has a base inside the log, so that a consistency proof is in the file.
    const records: string[] = []
    for (const title of ["The first practice", "The second practice"]) {
      const { record } = await addDraft(xa!.context, practiceText(title))
      const { orders } = await requestRelease(xa!.context, { records: [record], to: ["xb"] })
      await authoriseAndPublish(xa!, orders)
      records.push(record)
    }
    await sync(xb!.context)
    const { file } = await exportEvidence(xb!.context, records.at(-1)!)
    const pins = [parsePin(xa!.context.self.id)]
    expect(verifyEvidence(file, pins).verdict).toBe("verified")

    const accepted: number[] = []
    for (const [bit, flipped] of flips(file, { every: 8 })) {
      const { verdict, code } = verifyEvidence(flipped, pins)
      if (verdict !== "failed" || code === undefined) accepted.push(bit)
    }
    expect(accepted).toEqual([])
  },
  exhaustiveTimeout,
)
