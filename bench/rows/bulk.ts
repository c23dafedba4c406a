import { type Actor, startActor } from "../actor.ts"
import type { publisherHandlers } from "../actors/publisher.ts"
import type { subscriberHandlers } from "../actors/subscriber.ts"
import type { receiverHandlers } from "../floor/receiver.ts"
import type { senderHandlers } from "../floor/sender.ts"
import { type Measurement, type Result, rateRow, type Spent } from "../measure.ts"

export type Publisher = Actor<typeof publisherHandlers>
export type Subscriber = Actor<typeof subscriberHandlers>

export const startPublisher = (): Publisher => startActor("./actors/publisher.ts")
export const startSubscriber = (): Subscriber => startActor("./actors/subscriber.ts")
const startSender = () => startActor<typeof senderHandlers>("./floor/sender.ts")
const startReceiver = () => startActor<typeof receiverHandlers>("./floor/receiver.ts")

const recipients = 5

/** Many records to five recipients: published and sealed in one process, taken over in others. */
type Shape = {
  readonly records: number
  readonly perOrder: number
  /** orders published at a time */
  readonly together: number
  readonly floorPerOrder: number
  readonly floorSignatures: number
}

type Figures = {
  readonly publish: Spent
  /** with the index, and without */
  readonly catchUp: readonly [Spent, Spent]
}

async function ours({ records, perOrder, together }: Shape): Promise<Figures> {
  using publisher = startPublisher()
  using indexed = startSubscriber()
  using bare = startSubscriber()
  const card = await publisher.call("found", "XA")
  for (const subscriber of [indexed, bare])
    await publisher.call("know", await subscriber.call("found", "XB"))
  await publisher.call("fillUp", recipients)
  await publisher.call("prepare", { records, perOrder })
  const publish = await publisher.call("publish", { together })
  const url = await publisher.call("serve")
  await bare.call("dropIndex")
  const spent: Spent[] = []
  for (const subscriber of [indexed, bare]) {
    await subscriber.call("know", { card, url })
    const { received, ...one } = await subscriber.call("sync")
    if (received !== records) throw new Error(`${received} records of ${records}`)
    spent.push(one)
  }
  return { publish, catchUp: [spent[0]!, spent[1]!] }
}

async function floor({ records, floorPerOrder, floorSignatures }: Shape): Promise<Figures> {
  using sender = startSender()
  const wanted = { recipients, perOrder: floorPerOrder, signatures: floorSignatures }
  await sender.call("fill", records)
  const publish = await sender.call("publish", wanted)
  const served = await sender.call("serve")
  const spent: Spent[] = []
  for (const hasIndex of [true, false]) {
    using receiver = startReceiver()
    spent.push(await receiver.call("catchUp", { ...served, ...wanted, hasIndex }))
  }
  return { publish, catchUp: [spent[0]!, spent[1]!] }
}

/** Orders of 100 records, as an office releases them. */
export const bulk: Measurement = {
  names: ["publish.bulk", "catchup.bulk", "catchup.bulk.nosearch"],
  run: async ({ isQuick }) => {
    const records = isQuick ? 2_000 : 10_000
    const shape = { records, perOrder: 100, together: 5, floorPerOrder: 500, floorSignatures: 1 }
    const least = await floor(shape)
    const value = await ours(shape)
    return [
      rateRow("publish.bulk", records, value.publish, least.publish),
      rateRow("catchup.bulk", records, value.catchUp[0], least.catchUp[0]),
      rateRow("catchup.bulk.nosearch", records, value.catchUp[1], least.catchUp[1]),
    ]
  },
}

/** An order, and two officers' signatures, for each record. */
export const single: Measurement = {
  names: ["publish.single", "catchup.single"],
  run: async ({ isQuick }): Promise<readonly Result[]> => {
    const records = isQuick ? 500 : 5_000
    const shape = { records, perOrder: 1, together: 64, floorPerOrder: 1, floorSignatures: 2 }
    const least = await floor(shape)
    const value = await ours(shape)
    return [
      rateRow("publish.single", records, value.publish, least.publish),
      rateRow("catchup.single", records, value.catchUp[0], least.catchUp[0]),
    ]
  },
}
