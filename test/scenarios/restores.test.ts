import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft, draftById } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { recover } from "../../node/recover.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { Random } from "../simulation/random.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"
import { answerFrom, type Image, imageOf, restored, startFrom } from "../support/restart.ts"

/** 200 with `SLOW=1`. */
const restores = process.env.SLOW === undefined ? 12 : 200
const imagesKept = 6
const allowedMs = restores * 3_000

const sizeOf = async ({ context }: TestNode) =>
  (await logOf(context.db, context.self.id))!.range.size

const titles = async ({ context }: TestNode) =>
  (await inbox(context)).records.map(({ title }) => title).filter((title) => title !== "")

test(
  "backups of random age, brought back with and without peers in reach: no fork, nothing lost, nothing back",
  async () => {
    const random = new Random("restores")
    await using net = await network(["xa", "xb", "xc"])
    const { xb, xc } = net.nodes as Record<"xb" | "xc", TestNode>
    let xa = net.nodes.xa!
    const images: Image[] = [imageOf(xa)]
    /** record → title, of what is released and not withdrawn */
    const live = new Map<string, string>()
    const ended: string[] = []

    async function release(title: string): Promise<void> {
      const { record } = await addDraft(xa.context, practiceText(title))
      const { orders } = await requestRelease(xa.context, { records: [record], to: ["xb", "xc"] })
      await authoriseAndPublish(xa, orders)
      live.set(record, title)
    }

    async function withdraw(record: string): Promise<void> {
      const { orders } = await requestWithdrawal(xa.context, { record, reason: "over" })
      await authoriseAndPublish(xa, orders)
      ended.push(live.get(record)!)
      live.delete(record)
    }

    /** Before each loss its recipients have what was released: nobody else knows who they were. */
    async function act(round: number): Promise<void> {
      for (let i = random.between(1, 3); i > 0; i--) {
        const [record] = random.shuffled([...live.keys()])
        if (record !== undefined && (live.size > 6 || random.chance(0.3))) await withdraw(record)
        else await release(`Practice ${round}.${i}`)
        if (random.chance(0.3)) images.push(imageOf(xa))
        if (random.chance(0.5)) await sync(random.pick([xb, xc]).context)
      }
      for (const node of [xb, xc]) await sync(node.context)
      images.splice(0, images.length - imagesKept)
    }

    let [alone, gapsClosed] = [0, 0]
    for (let round = 0; round < restores; round++) {
      await act(round)
      const before = await sizeOf(xa)
      xa = await startFrom(xa, random.pick(images), restored)
      answerFrom(net, xa)
      if (await sizeOf(xa).then((size) => size < before)) gapsClosed++

      if (random.chance(0.5)) {
        alone++
        for (const { host } of [xb, xc]) net.down.add(host)
        expect(await recover(xa.context)).toMatchObject({ state: "waiting" })
        // What it holds is read, and nothing is signed.
        await inbox(xa.context)
        expect(
          await codeOf(
            addDraft(xa.context, practiceText("Too soon")).then(async ({ record }) =>
              authoriseAndPublish(
                xa,
                (await requestRelease(xa.context, { records: [record], to: ["xb"] })).orders,
              ),
            ),
          ),
        ).toBe("store.restored")
        for (const { host } of [xb, xc]) net.down.delete(host)
        // What it would serve now was withdrawn meanwhile, or may have been.
        await sync(xc.context)
        for (const title of await titles(xc)) expect(ended).not.toContain(title)
      }
      expect(await recover(xa.context), `${round}`).toMatchObject({ state: "sound", unopened: [] })
      expect(await sizeOf(xa)).toBeGreaterThanOrEqual(before)
      for (const [record, title] of live)
        expect((await draftById(xa.context, record)).title).toBe(title)
      for (const node of [xb, xc]) {
        const { peers } = await sync(node.context, "xa")
        expect(peers[0]).toMatchObject({ failed: 0, refused: 0 })
        expect((await titles(node)).sort()).toEqual([...live.values()].sort())
      }
    }
    for (const node of [xa, xb, xc])
      expect(await node.context.db.selectFrom("inconsistency").selectAll().execute()).toEqual([])
    expect(ended.length).toBeGreaterThan(0)
    expect(Math.min(alone, restores - alone, gapsClosed)).toBeGreaterThan(restores / 8)
  },
  allowedMs,
)
