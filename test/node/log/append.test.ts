import { expect, test } from "vitest"
import { NodeError } from "../../../node/errors.ts"
import { readHighWater } from "../../../node/log/high-water.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { addDraft } from "../../../node/order/drafts.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { logOf } from "../../../node/store/queries/logs.ts"
import { practiceText } from "../../support/hostile.ts"
import { authorise, network, type TestNode } from "../../support/network.ts"
import { failure } from "../../support/scratch.ts"

async function signedOrder(node: TestNode): Promise<string> {
  const { record } = await addDraft(node.context, practiceText("A practice"))
  const { order } = await requestRelease(node.context, { records: [record], to: ["xb"] })
  await authorise(node, order)
  return order
}

/** Writing `high-water` fails so from now on; null: it works again. */
function failHighWater(node: TestNode, code: "store.full" | "store.failed" | null): void {
  const { env } = node.context
  const { files } = env
  const overwrite: typeof files.overwrite = (name, at, bytes) => {
    if (code !== null && name === "high-water") throw new NodeError(code, "the disk")
    writes.get(node)!(name, at, bytes)
  }
  if (!writes.has(node)) writes.set(node, files.overwrite.bind(files))
  Object.assign(files, { overwrite })
}
const writes = new Map<TestNode, TestNode["context"]["env"]["files"]["overwrite"]>()

test("a mark that found no room is no failure of what was committed, and comes before the next", async () => {
  await using net = await network(["xa", "xb"])
  const xa = net.nodes.xa!
  const orders = [await signedOrder(xa), await signedOrder(xa), await signedOrder(xa)]
  await publish(xa.context, orders[0]!)
  const size = async () => (await logOf(xa.context.db, xa.context.self.id))!.range.size
  const marked = () => readHighWater(xa.context.env.files)!.size

  failHighWater(xa, "store.full")
  expect(await publish(xa.context, orders[1]!)).toMatchObject({ size: await size() })
  expect(marked()).toBe((await size()) - 2)
  // Nothing more is signed while the last is not marked: a copy from before it would not be noticed.
  const before = await size()
  await expect(publish(xa.context, orders[2]!)).rejects.toThrow(failure("store.full"))
  expect(await size()).toBe(before)

  failHighWater(xa, null)
  expect(await publish(xa.context, orders[2]!)).toMatchObject({ size: before + 2 })
  expect(marked()).toBe(await size())
  expect(xa.context.stopped).toBeNull()
})

test("a mark whose sync failed stops the signer, and nothing is written any more", async () => {
  await using net = await network(["xa", "xb"])
  const xa = net.nodes.xa!
  const orders = [await signedOrder(xa), await signedOrder(xa), await signedOrder(xa)]
  await publish(xa.context, orders[2]!)
  failHighWater(xa, "store.failed")
  await publish(xa.context, orders[0]!)
  expect(xa.context.stopped).toMatchObject({ code: "signer.stopped" })
  failHighWater(xa, null)
  await expect(publish(xa.context, orders[1]!)).rejects.toThrow(failure("signer.stopped"))
  await expect(addDraft(xa.context, practiceText("Late"))).rejects.toThrow(
    failure("signer.stopped"),
  )
})
