import { expect, test } from "vitest"
import { Crowd } from "../../../node/http/crowd.ts"

const clock = { now: () => 0, monotonic: () => 0, sleep: async () => {} }
const turns = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

test("one who asks in a crowd waits behind himself, and holds up nobody else", async () => {
  const crowd = new Crowd(clock)
  const [first, second] = [await crowd.enter("a"), await crowd.enter("a")]
  const order: string[] = []
  void crowd.enter("a").then(() => order.push("a"))
  await turns()
  expect(order).toEqual([])
  expect(await crowd.enter("b")).not.toBeNull()
  first!()
  await turns()
  expect(order).toEqual(["a"])
  second!()
})

test("who has too many waiting is told so at once; when they are done, all is as before", async () => {
  const crowd = new Crowd(clock)
  const atWork = [(await crowd.enter("a"))!, (await crowd.enter("a"))!]
  let served = 0
  const waiting = Array.from({ length: 40 }, () =>
    crowd.enter("a").then((leave) => {
      if (leave === null) return "busy"
      served++
      leave()
      return "served"
    }),
  )
  await turns()
  expect(await crowd.enter("a")).toBeNull()
  expect(await crowd.enter("b")).not.toBeNull()
  for (const leave of atWork) leave()
  const outcomes = await Promise.all(waiting)
  expect(outcomes.filter((one) => one === "busy")).toHaveLength(8)
  expect(served).toBe(32)
  expect(await crowd.enter("a")).not.toBeNull()
})

test("all together wait within a bound, however many names they give themselves", async () => {
  const crowd = new Crowd(clock)
  let refused = 0
  for (let name = 0; name < 100; name++)
    for (let i = 0; i < 34; i++)
      void crowd.enter(`liar ${name}`).then((leave) => {
        if (leave === null) refused++
      })
  await turns()
  expect(refused).toBe(100 * 32 - 1024)
})
