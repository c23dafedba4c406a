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
  /** records before those that count: what is measured is a node that runs, not one that starts */
  readonly warmUp: number
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

async function ours({ warmUp, records, perOrder, together }: Shape): Promise<Figures> {
  using publisher = startPublisher()
  using indexed = startSubscriber()
  using bare = startSubscriber()
  const card = await publisher.call("found", "XA")
  const url = await publisher.call("serve")
  for (const subscriber of [indexed, bare]) {
    await publisher.call("know", await subscriber.call("found", "XB"))
    await subscriber.call("know", { card, url })
  }
  await publisher.call("fillUp", recipients)
  await bare.call("dropIndex")
  const release = async (count: number): Promise<Figures> => {
    await publisher.call("prepare", { records: count, perOrder })
    const publish = await publisher.call("publish", { together })
    const [withIndex, without] = [await caughtUp(indexed, count), await caughtUp(bare, count)]
    return { publish, catchUp: [withIndex, without] }
  }
  await release(warmUp)
  return await release(records)
}

async function caughtUp(subscriber: Subscriber, records: number): Promise<Spent> {
  const { received, ...spent } = await subscriber.call("sync")
  if (received !== records) throw new Error(`${received} records of ${records}`)
  return spent
}

async function floor({ warmUp, records, floorPerOrder, floorSignatures }: Shape): Promise<Figures> {
  using sender = startSender()
  using indexed = startReceiver()
  using bare = startReceiver()
  const shape = { recipients, perOrder: floorPerOrder, signatures: floorSignatures }
  const { url, secret } = await sender.call("serve")
  const release = async (count: number): Promise<Figures> => {
    await sender.call("fill", count)
    const publish = await sender.call("publish", shape)
    const source = { ...shape, url, secret }
    const withIndex = await indexed.call("catchUp", { ...source, hasIndex: true })
    const without = await bare.call("catchUp", { ...source, hasIndex: false })
    return { publish, catchUp: [withIndex, without] }
  }
  await release(warmUp)
  return await release(records)
}

/** Orders of 100 records, as an office releases them. */
export const bulk: Measurement = {
  names: ["publish.bulk", "catchup.bulk", "catchup.bulk.nosearch"],
  run: async ({ isQuick }) => {
    const [warmUp, records] = [1_000, isQuick ? 2_000 : 10_000]
    const work = { warmUp, records, perOrder: 100, together: 5 }
    const shape = { ...work, floorPerOrder: 500, floorSignatures: 1 }
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
    const [warmUp, records] = [500, isQuick ? 500 : 5_000]
    const work = { warmUp, records, perOrder: 1, together: 64 }
    const shape = { ...work, floorPerOrder: 1, floorSignatures: 2 }
    const least = await floor(shape)
    const value = await ours(shape)
    return [
      rateRow("publish.single", records, value.publish, least.publish),
      rateRow("catchup.single", records, value.catchUp[0], least.catchUp[0]),
    ]
  },
}
