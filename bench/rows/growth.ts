import { type Measurement, percentile, type Result } from "../measure.ts"
import { seededNumbers, uniqueWord, wordOfRank } from "../texts.ts"
import { type Subscriber, startPublisher, startSubscriber } from "./bulk.ts"

/** The same work on a tenth of the records and on all of them, and what is found among all of them. */
export const growth: Measurement = {
  names: [
    "scale100k.rate",
    "scale100k.rss",
    "search.two.p99",
    "search.newest.p99",
    "search.common.p99",
    "search.prefix.p99",
  ],
  run: async ({ isQuick }) => {
    const [few, many] = isQuick ? [1_000, 4_000] : [10_000, 100_000]
    using publisher = startPublisher()
    using small = startSubscriber()
    using large = startSubscriber()
    const card = await publisher.call("found", "XA")
    for (const subscriber of [small, large])
      await publisher.call("know", await subscriber.call("found", "XB"))
    const url = await publisher.call("serve")
    const grow = async (records: number) => {
      await publisher.call("prepare", { records, perOrder: 100 })
      await publisher.call("publish", { together: 5 })
    }
    const catchUp = async (subscriber: Subscriber) => {
      await subscriber.call("know", { card, url })
      return subscriber.call("sync")
    }
    await grow(few)
    const before = await catchUp(small)
    await grow(many - few)
    const after = await catchUp(large)
    const rate = after.received / after.cpuSeconds / (before.received / before.cpuSeconds)
    return [
      { name: "scale100k.rate", value: rate, unit: "ratio", n: many },
      { name: "scale100k.rss", value: after.peakMB / before.peakMB, unit: "ratio", n: many },
      ...(await searches(large, many)),
    ]
  },
}

/** Words of every frequency, as people ask for them. */
async function searches(subscriber: Subscriber, records: number): Promise<readonly Result[]> {
  const random = seededNumbers(4711)
  const between = (low: number, high: number) => Math.floor(low + random() * (high - low))
  const kinds = {
    two: () => `${wordOfRank(between(300, 3000))} ${wordOfRank(between(300, 3000))}`,
    newest: () => uniqueWord(between(0, records)),
    common: () => wordOfRank(between(0, 20)),
    prefix: () => `${wordOfRank(between(100, 3000)).slice(0, 3)}*`,
  }
  const results: Result[] = []
  for (const [kind, query] of Object.entries(kinds)) {
    const queries = Array.from({ length: 60 }, query)
    const times = await subscriber.call("search", queries)
    const value = percentile(times, 99)
    results.push({ name: `search.${kind}.p99`, value, unit: "ms", n: queries.length })
  }
  return results
}
