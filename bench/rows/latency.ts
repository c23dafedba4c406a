import { setTimeout as sleep } from "node:timers/promises"
import { startActor } from "../actor.ts"
import type { receiverHandlers } from "../floor/receiver.ts"
import type { senderHandlers } from "../floor/sender.ts"
import { type Measurement, median, percentile, type Result } from "../measure.ts"
import { startPublisher, startSubscriber } from "./bulk.ts"

/** Milliseconds between two records of a live stream: each finds both sides at rest. */
const pauseMs = 20

/** A record from the call of publish, its order in hand, until a follower has stored it. */
export const live: Measurement = {
  names: ["live.p50", "live.p99"],
  run: async ({ isQuick }) => {
    const count = isQuick ? 60 : 300
    const least = await floorLive(count)
    const times = await ourLive(count, 0)
    return [50, 99].map(
      (percent): Result => ({
        name: `live.p${percent}`,
        value: percentile(times, percent),
        unit: "ms",
        floor: percentile(least, percent),
        n: count,
      }),
    )
  },
}

/** The same with two witnesses, which both have to cosign: until the follower has their lines as well. */
export const liveWitnessed: Measurement = {
  names: ["live.witnessed.p50", "live.witnessed.p99"],
  run: async ({ isQuick }) => {
    const count = isQuick ? 60 : 300
    const times = await ourLive(count, 2)
    return [50, 99].map(
      (percent): Result => ({
        name: `live.witnessed.p${percent}`,
        value: percentile(times, percent),
        unit: "ms",
        n: count,
      }),
    )
  },
}

const warmUp = 20

async function ourLive(count: number, witnesses: number): Promise<readonly number[]> {
  using publisher = startPublisher()
  using subscriber = startSubscriber()
  using witnessing = new DisposableStack()
  const card = await publisher.call("found", "XA")
  await publisher.call("know", await subscriber.call("found", "XB"))
  const url = await publisher.call("serve")
  const named: { card: Uint8Array; url: string }[] = []
  for (let i = 0; i < witnesses; i++) {
    const witness = witnessing.use(startSubscriber())
    named.push({ card: await witness.call("found", "XC"), url: await witness.call("serve") })
    await witness.call("know", { card, url })
  }
  if (witnesses > 0) await publisher.call("nameWitnesses", named)
  await subscriber.call("know", { card, url })
  await publisher.call("prepare", { records: warmUp + count, perOrder: 1 })
  await subscriber.call(witnesses > 0 ? "followProven" : "follow")
  return await measured(count, async (i) => {
    const start = await publisher.call("publishOne")
    return (await subscriber.call("arrival", i)) - start
  })
}

async function floorLive(count: number): Promise<readonly number[]> {
  using sender = startActor<typeof senderHandlers>("./floor/sender.ts")
  using receiver = startActor<typeof receiverHandlers>("./floor/receiver.ts")
  await sender.call("fill", warmUp + count)
  const served = await sender.call("serve")
  const shape = { recipients: 1, perOrder: 1, signatures: 2, hasIndex: true }
  await receiver.call("follow", { ...served, ...shape })
  return await measured(count, async (i) => {
    const start = await sender.call("publishOne", i)
    return (await receiver.call("arrival", i)) - start
  })
}

async function measured(count: number, one: (i: number) => Promise<number>) {
  const times: number[] = []
  for (let i = 0; i < warmUp + count; i++) {
    const time = await one(i)
    if (i >= warmUp) times.push(time)
    await sleep(pauseMs)
  }
  return times
}

/** One record to 190 members, until its last parcel is sealed; cold: with new secrets for all. */
export const fanOut: Measurement = {
  names: ["fanout190.warm", "fanout190.cold"],
  run: async ({ isQuick }) => {
    const [warm, cold] = isQuick ? [10, 3] : [60, 10]
    using publisher = startPublisher()
    await publisher.call("found", "XA")
    await publisher.call("fillUp", 190)
    await publisher.call("prepare", { records: warm + cold + 2, perOrder: 1 })
    const times = { warm: [] as number[], cold: [] as number[] }
    // The first of each finds code that nothing has compiled yet.
    for (let i = 0; i <= cold; i++)
      times.cold.push(await publisher.call("fanOut", { isCold: true }))
    for (let i = 0; i <= warm; i++)
      times.warm.push(await publisher.call("fanOut", { isCold: false }))
    return (["warm", "cold"] as const).map(
      (name): Result => ({
        name: `fanout190.${name}`,
        value: median(times[name].slice(1)),
        unit: "ms",
        n: times[name].length - 1,
      }),
    )
  },
}

/** A peer asks and there is nothing new: signed both ways, over a kept connection. */
export const poll: Measurement = {
  names: ["poll.p99", "poll.bytes"],
  run: async ({ isQuick }) => {
    const count = isQuick ? 100 : 1_000
    using publisher = startPublisher()
    using subscriber = startSubscriber()
    const card = await publisher.call("found", "XA")
    await publisher.call("know", await subscriber.call("found", "XB"))
    const url = await publisher.call("serve")
    await subscriber.call("know", { card, url })
    await publisher.call("prepare", { records: 100, perOrder: 100 })
    await publisher.call("publish", { together: 1 })
    await subscriber.call("sync")
    await subscriber.call("poll", 50)
    const polls = await subscriber.call("poll", count)
    const times = polls.map(({ ms }) => ms)
    return [
      { name: "poll.p99", value: percentile(times, 99), unit: "ms", n: count },
      { name: "poll.bytes", value: Math.max(...polls.map(({ bytes }) => bytes)), unit: "bytes" },
    ]
  },
}

export const addRecipient: Measurement = {
  names: ["addRecipient10k"],
  run: async ({ isQuick }) => {
    const records = isQuick ? 1_000 : 10_000
    using publisher = startPublisher()
    using first = startSubscriber()
    using second = startSubscriber()
    await publisher.call("found", "XA")
    await publisher.call("know", await first.call("found", "XB"))
    await publisher.call("prepare", { records, perOrder: 100 })
    await publisher.call("publish", { together: 5 })
    const ms = await publisher.call("addRecipient", await second.call("found", "XC"))
    return [{ name: "addRecipient10k", value: ms / 1000, unit: "s", n: records }]
  },
}
